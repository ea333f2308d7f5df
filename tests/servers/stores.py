"""A real S3 server and a real Mongo-wire server for the tests.

In this order (SPEC section 11): the URLs given in `TEST_S3_ENDPOINT_URL` and `TEST_MONGO_URI`,
the compose file's containers where Docker is, the binaries that `make servers` built.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import ROOT, accepts, answers, free_port, running, wait_until

ACCESS_KEY = os.environ.get("MINIO_ROOT_USER", "minioadmin")
SECRET_KEY = os.environ.get("MINIO_ROOT_PASSWORD", "minioadmin")


class Missing(Exception):
    """There is no way here to have a server; the text says what would help."""


@dataclass(frozen=True)
class Stores:
    """Where the two servers answer. `s3_data` is MinIO's folder, where it is ours to look into."""

    s3_endpoint_url: str
    mongo_uri: str
    s3_data: Path | None = None

    def settings(self, bucket: str, database: str) -> dict[str, str]:
        """The service's environment for these servers."""
        return {
            "S3_BUCKET": bucket,
            "S3_ENDPOINT_URL": self.s3_endpoint_url,
            "AWS_ACCESS_KEY_ID": os.environ.get("TEST_S3_ACCESS_KEY", ACCESS_KEY),
            "AWS_SECRET_ACCESS_KEY": os.environ.get("TEST_S3_SECRET_KEY", SECRET_KEY),
            "MONGO_URI": self.uri_of(database),
        }

    def uri_of(self, database: str) -> str:
        head, _, options = self.mongo_uri.partition("?")
        scheme, _, rest = head.partition("://")
        hosts = rest.split("/")[0]
        return f"{scheme}://{hosts}/{database}" + (f"?{options}" if options else "")


@contextlib.contextmanager
def stores(folder: Path) -> Iterator[Stores]:
    """Both servers, running. Raises `Missing`."""
    given_s3 = os.environ.get("TEST_S3_ENDPOINT_URL")
    given_mongo = os.environ.get("TEST_MONGO_URI")
    if given_s3 and given_mongo:
        yield Stores(given_s3, given_mongo)
    elif given_s3 or given_mongo:
        raise Missing("TEST_S3_ENDPOINT_URL and TEST_MONGO_URI: one without the other")
    elif _docker_answers():
        yield _compose()
    else:
        with minio(folder) as s3, mongo_wire(folder) as mongo:
            yield Stores(s3, mongo, folder / "minio")


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _compose() -> Stores:
    command = ["docker", "compose", "up", "--detach", "--wait", "minio", "mongo"]
    subprocess.run(command, cwd=ROOT, check=True)
    return Stores("http://127.0.0.1:9000", "mongodb://127.0.0.1:27017/?directConnection=true")


def binary(name: str) -> str:
    path = ROOT / ".servers" / name
    if not path.exists():
        raise Missing(f".servers/{name} is not there: `make servers` builds it")
    return str(path)


@contextlib.contextmanager
def minio(
    folder: Path, port: int | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[str]:
    """MinIO with fresh data in `folder` and `extra` in its environment; its URL."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": SECRET_KEY,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "HOME": str(folder),
        **(extra or {}),
    }
    command = [binary("minio"), "server", "--address", f"127.0.0.1:{port}", str(folder / "minio")]
    with running(
        command, folder / "minio.log", env, lambda: answers(f"{url}/minio/health/cluster")
    ):
        yield url


@contextlib.contextmanager
def mongo_wire(folder: Path, port: int | None = None) -> Iterator[str]:
    """A Mongo-wire server with nothing in it; its URI without a database."""
    port = port or free_port()
    command = [binary("mongo-wire"), "-listen", f"127.0.0.1:{port}"]
    with running(command, folder / "mongo-wire.log", {}, lambda: accepts(port)):
        wait_until(lambda: accepts(port), "mongo-wire does not accept")
        yield f"mongodb://127.0.0.1:{port}/"
