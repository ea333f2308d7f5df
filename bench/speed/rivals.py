"""The others that are measured beside the service: each a block in which it runs and answers.

Each listens on a free port of the loopback address, keeps all that it writes in the folder that it
is given, and is ended by its process id. `bench/speed/install.sh` installs them. They are set up as
their own documentation gives or recommends; where a documented setting made them faster in this
work, with it, save what each docstring names. None logs requests, but tusd, which cannot be told
not to.
"""

import contextlib
import http.client
import importlib.metadata
import os
import platform
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

import psutil

from tests.servers.processes import ROOT, free_port, running, wait_until

INSTALL = "bench/speed/install.sh"
BIN = ROOT / ".bench" / "bin"
HOST = "127.0.0.1"
WORKERS = 2
# Of Flask's program, for each worker.
THREADS = 8


class Missing(Exception):
    """The program is not there; the text says how to install it."""


@dataclass(frozen=True)
class Server:
    """A running rival. `pid` is its first process, whose children are its workers; `root` the
    folder of its files, where it keeps them in one."""

    name: str
    version: str
    address: tuple[str, int]
    pid: int
    root: Path | None = None

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"


_NGINX = Template("""\
$user
worker_processes $workers;
daemon off;
pid $folder/nginx.pid;
error_log $folder/error.log warn;
events { worker_connections 1024; }
http {
    access_log off;
    client_max_body_size 0;
    client_body_buffer_size 256k;
    client_body_temp_path $folder/tmp/body;
    proxy_temp_path $folder/tmp/proxy;
    fastcgi_temp_path $folder/tmp/fastcgi;
    uwsgi_temp_path $folder/tmp/uwsgi;
    scgi_temp_path $folder/tmp/scgi;
$block
}
""")

_PROXY = Template("""\
    upstream store {
        server $upstream;
        keepalive 32;
    }
    server {
        listen $address;
        location / {
            proxy_pass http://store;
            proxy_http_version 1.1;
            proxy_set_header Host $upstream;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_buffering off;
$buffers
        }
    }
""")

_LARGE_BUFFERS = """\
            proxy_buffer_size 256k;
            proxy_buffers 8 256k;"""

_FILES = Template("""\
    sendfile on;
    tcp_nopush on;
    server {
        listen $address;
        root $folder/files;
$dav
    }
""")


@contextlib.contextmanager
def nginx_proxy(folder: Path, upstream: tuple[str, int]) -> Iterator[Server]:
    """nginx before MinIO: URLs that were signed for `upstream` hold at this address too.

    MinIO's "Configure NGINX Proxy for MinIO Server": no buffering of bodies, no limit of their
    size, HTTP/1.1 to the store; the Host that was signed. nginx's "ngx_http_upstream_module":
    `keepalive`, for which `Connection` must be empty.
    """
    with _proxy(folder, upstream, "") as server:
        yield server


@contextlib.contextmanager
def tuned_nginx_proxy(folder: Path, upstream: tuple[str, int]) -> Iterator[Server]:
    """The same, for those who look further: without buffering, `proxy_buffer_size` is all that
    nginx takes at a time ("ngx_http_proxy_module"), and 256 KiB instead of 4 is faster.
    (`proxy_buffers` only lets it be so large.)"""
    with _proxy(folder, upstream, _LARGE_BUFFERS) as server:
        yield server


@contextlib.contextmanager
def _proxy(folder: Path, upstream: tuple[str, int], buffers: str) -> Iterator[Server]:
    port = free_port()
    store, address = f"{upstream[0]}:{upstream[1]}", f"{HOST}:{port}"
    block = _PROXY.substitute(upstream=store, address=address, buffers=buffers)
    with _nginx(folder, "nginx-proxy", port, block) as server:
        yield server


@contextlib.contextmanager
def nginx_files(folder: Path) -> Iterator[Server]:
    """nginx with the files in `folder/files`; PUT and DELETE too, where it has its dav module.

    nginx's "Serving Static Content": `sendfile` and `tcp_nopush`. Its "ngx_http_dav_module": a
    PUT goes to `client_body_temp_path` first, which is on the same file system, and is renamed;
    `client_body_buffer_size` is what it writes at a time, and 256 KiB twice as fast as 16.
    """
    port = free_port()
    has_dav = "http_dav_module" in _said(_program("nginx"), "-V")
    block = _FILES.substitute(
        address=f"{HOST}:{port}",
        folder=folder,
        dav="        dav_methods PUT DELETE;" if has_dav else "",
    )
    root = _made(folder / "files")
    with _nginx(folder, "nginx-files", port, block, root) as server:
        yield server


@contextlib.contextmanager
def _nginx(
    folder: Path, name: str, port: int, block: str, root: Path | None = None
) -> Iterator[Server]:
    """`-p` and `-e`: nothing of the installed configuration and logs is touched."""
    program = _program("nginx")
    _made(folder / "tmp")
    config = folder / "nginx.conf"
    # Root's workers would be another user's, who may not write here.
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    config.write_text(_NGINX.substitute(user=user, workers=WORKERS, folder=folder, block=block))
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    with _server(name, _nginx_version(), command, folder, port, root) as server:
        yield server


@contextlib.contextmanager
def tusd(
    folder: Path, endpoint_url: str, bucket: str, access_key: str, secret_key: str
) -> Iterator[Server]:
    """tusd before the bucket, at `/files/`.

    tusd's "S3 storage", "Usage with MinIO": bucket, endpoint, keys. Its own part sizes (50 MiB,
    10 at a time, 20 buffered), whose temporary files are in `folder/tmp`. No CORS headers; its
    log as short as `-verbose=false` makes it. Not set, as its help calls both experimental:
    parts of 8 MiB and `-s3-disable-content-hashes`, which took 64 MiB by a quarter faster.
    """
    port = free_port()
    command = [
        *(_program("tusd"), "-host", HOST, "-port", str(port), "-base-path", "/files/"),
        *("-s3-bucket", bucket, "-s3-endpoint", endpoint_url),
        *("-disable-cors", "-verbose=false", "-show-startup-logs=false"),
    ]
    env = {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_REGION": "us-east-1",
    }
    with _server("tusd", _tusd_version(), command, folder, port, env=env) as server:
        yield server


@contextlib.contextmanager
def straightforward(folder: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    """`bench/speed/straightforward.py` under gunicorn, with as many workers as the service has.

    `settings` are the service's for these stores: S3_ENDPOINT_URL, S3_BUCKET, AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, MONGO_URI, and WEB_CONCURRENCY (else 2). gunicorn's "Design", "How Many
    Threads?": threads where workers wait for others. The bucket must be there.
    """
    port = free_port()
    workers = settings.get("WEB_CONCURRENCY", str(WORKERS))
    # One of its own: without, gunicorn takes the service's, which lies where it is started.
    config = _made(folder) / "gunicorn.conf.py"
    config.write_text(
        f"bind = '{HOST}:{port}'\nworkers = {int(workers)}\n"
        f"worker_class = 'gthread'\nthreads = {THREADS}\ncontrol_socket_disable = True\n"
    )
    application = "bench.speed.straightforward:app"
    command = [sys.executable, "-m", "gunicorn", "--config", str(config), application]
    version = _flask_version()
    with _server("straightforward", version, command, folder, port, env=settings) as server:
        wait_until(lambda: len(_children(server.pid)) == int(workers), "not all workers run")
        yield server


@contextlib.contextmanager
def copyparty(folder: Path) -> Iterator[Server]:
    """copyparty with the files in `folder/files`, for anybody to read, write and delete.

    copyparty's README and `--help`: `-v SRC::rwd`, `-q`. `-j`: "keeping the default", one process,
    "is almost always best", but with two it answered more small requests here and took large ones
    as fast. `--put-ck`: it takes a checksum of each upload and answers with it, by itself SHA-512;
    SHA-256, as the service does, is faster; `no` would be faster still, for less work. No
    database (`-e2d` is off by itself), no thumbnails, no TLS on this port; `--wram` for a folder
    in memory.
    """
    version = _distribution("copyparty")
    port = free_port()
    root = _made(folder / "files")
    command = [
        *(sys.executable, "-m", "copyparty", "-q", "-i", HOST, "-p", str(port), "--http-only"),
        *("-v", f"{root}::rwd", "--hist", str(_made(folder / "hist")), "--no-thumb"),
        *("-j", str(WORKERS), "--put-ck", "sha256", "--wram"),
    ]
    env = {"XDG_CONFIG_HOME": str(_made(folder / "config"))}
    with _server("copyparty", version, command, folder, port, root, env) as server:
        yield server


@contextlib.contextmanager
def dufs(folder: Path) -> Iterator[Server]:
    """dufs with the files in `folder/files`, for anybody to do anything with.

    dufs' README: `-A`, and `--log-format ''`, which turns the log of requests off.
    """
    port = free_port()
    root = _made(folder / "files")
    command = [
        *(_program("dufs"), "--allow-all", "--bind", HOST, "--port", str(port)),
        *("--log-format", "", str(root)),
    ]
    with _server("dufs", _dufs_version(), command, folder, port, root) as server:
        yield server


def everyone() -> Mapping[str, str]:
    """The versions of all that are installed, and of what they are measured with."""
    asked = {
        "nginx": _nginx_version,
        "tusd": _tusd_version,
        "dufs": _dufs_version,
        "copyparty": lambda: _distribution("copyparty"),
        "straightforward": _flask_version,
        "wrk": _wrk_version,
    }
    versions = {}
    for name, ask in asked.items():
        with contextlib.suppress(Missing):
            versions[name] = ask()
    return versions


@contextlib.contextmanager
def _server(
    name: str,
    version: str,
    command: list[str],
    folder: Path,
    port: int,
    root: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """The process, once it answers; its home, its temporary files and its log are in `folder`."""
    home = {"HOME": str(folder), "TMPDIR": str(_made(folder / "tmp"))}
    with running(
        command, folder / f"{name}.log", {**home, **(env or {})}, lambda: _answers(port)
    ) as process:
        yield Server(name, version, (HOST, port), process.pid, root)


def _answers(port: int) -> bool:
    """Whether there is an answer to a request, whichever: not all have something at `/`."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    return False


def _children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _program(name: str) -> str:
    """Debian keeps servers where not every user looks."""
    places = os.pathsep.join([str(BIN), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=places)
    if found is None:
        raise Missing(f"{name} is not there: `{INSTALL} {name}` installs it")
    return found


def _said(*command: str) -> str:
    """What a program says about itself; some say it as errors, wrk with a status."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def _version(pattern: str, *command: str) -> str:
    found = re.search(pattern, _said(*command))
    return found[1] if found else "unknown"


def _nginx_version() -> str:
    return _version(r"nginx/(\S+)", _program("nginx"), "-v")


def _tusd_version() -> str:
    return _version(r"Version: v?(\S+)", _program("tusd"), "-version")


def _dufs_version() -> str:
    return _version(r"dufs (\S+)", _program("dufs"), "--version")


def _wrk_version() -> str:
    return _version(r"wrk (?:debian/)?(\d\S*)", _program("wrk"), "-v")


def _distribution(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise Missing(f"{name} is not there: `{INSTALL} {name}` installs it") from None


def _flask_version() -> str:
    """Of all that the straightforward program is made of."""
    parts = [f"{name} {_distribution(name)}" for name in ("Flask", "gunicorn", "boto3", "pymongo")]
    return ", ".join([*parts, f"Python {platform.python_version()}"])
