"""The client of the measurements: `load.c`, compiled when it is first wanted, and its plan."""

import json
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("load.c")
BUILT = ROOT / ".bench" / "load"
# So many answers are told; of the others only the status and the length are looked at.
MOST_ANSWERS = 20_000
SECONDS = 1800
_NUMBERS = struct.Struct("=7q")
_LENGTHS = struct.Struct("=2I")
_SHARED_MEMORY = Path("/dev/shm")


class LoadFailed(Exception):
    """An answer that was not as planned, or none: the text says which request and what came."""


@dataclass(frozen=True)
class Request:
    """One request: `prefix`, then `length` bytes of the content file, then `suffix`.

    `Host` and `Content-Length` are added where they are not given. The answer must have the
    status `status` and, unless `size` is None, a body of `size` bytes.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    prefix: bytes = b""
    length: int = 0
    suffix: bytes = b""
    status: int = 200
    size: int | None = None

    def head(self, host: str) -> bytes:
        given = {name.lower() for name in self.headers}
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if "host" not in given:
            lines.append(f"Host: {host}")
        whole = len(self.prefix) + self.length + len(self.suffix)
        if "content-length" not in given and (whole or self.method in ("POST", "PUT", "PATCH")):
            lines.append(f"Content-Length: {whole}")
        return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class Answer:
    """What the server said: its `Location`, and the first KiB of the body."""

    location: str | None
    head: bytes


@dataclass(frozen=True)
class Load:
    """What it took: wall seconds from the first connect or send to the last byte, bytes received
    with heads, milliseconds a request took, the client's own processor seconds. `answers` are in
    the order of the requests, and missing where there were more than MOST_ANSWERS."""

    seconds: float
    requests: int
    received: int
    connections: int
    p50: float
    p90: float
    p99: float
    longest: float
    cpu: float
    statuses: Mapping[int, int]
    answers: list[Answer]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def load(
    address: tuple[str, int],
    requests: Sequence[Request],
    clients: int,
    content: Path | None = None,
    total: int | None = None,
) -> Load:
    """Make `total` requests (one round of `requests`, unless said), `clients` at a time.

    Raises `LoadFailed` at the first answer that is not as planned.
    """
    host, port = address
    total = total or len(requests)
    where = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="load-", dir=where) as made:
        plan, told = Path(made, "plan"), Path(made, "answers")
        with plan.open("wb") as file:
            file.writelines(_planned(requests, f"{host}:{port}"))
        command = [str(program()), host, str(port), str(min(clients, total)), str(total)]
        command += [str(plan), str(content or "-"), str(told) if total <= MOST_ANSWERS else "-"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode != 0:
            raise LoadFailed(done.stderr.strip()[:2000])
        return _load(json.loads(done.stdout), list(_answers(told)))


def program() -> Path:
    """The compiled client; made anew when its source is newer. Raises CalledProcessError."""
    if not BUILT.exists() or BUILT.stat().st_mtime < SOURCE.stat().st_mtime:
        BUILT.parent.mkdir(exist_ok=True)
        fresh = BUILT.with_suffix(".new")
        flags = ["-std=c11", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["cc", *flags, "-o", str(fresh), str(SOURCE)], check=True)
        fresh.rename(BUILT)
    return BUILT


def _planned(requests: Sequence[Request], host: str) -> Iterator[bytes]:
    for one in requests:
        head = one.head(host)
        size = -1 if one.size is None else one.size
        lengths = (len(head), len(one.prefix), len(one.suffix), one.length)
        yield _NUMBERS.pack(*lengths, one.status, size, one.method == "HEAD")
        yield head + one.prefix + one.suffix


def _answers(told: Path) -> Iterator[Answer]:
    bytes_ = told.read_bytes() if told.exists() else b""
    at = 0
    while at < len(bytes_):
        location, body = _LENGTHS.unpack_from(bytes_, at)
        at += _LENGTHS.size
        where = bytes_[at : at + location].decode("latin-1") or None
        yield Answer(where, bytes_[at + location : at + location + body])
        at += location + body


def _load(found: dict[str, Any], answers: list[Answer]) -> Load:

    return Load(
        seconds=found["seconds"],
        requests=int(found["requests"]),
        received=int(found["received"]),
        connections=int(found["connections"]),
        p50=found["p50"],
        p90=found["p90"],
        p99=found["p99"],
        longest=found["max"],
        cpu=found["cpu"],
        statuses={int(status): count for status, count in found["statuses"].items()},
        answers=answers,
    )
