"""The bytes that all works move: a file of random blocks, and how to look at what came of it."""

import contextlib
import hashlib
import http.client
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.pairings import MIB
from bench.speed.load import Request

SHARED_MEMORY = Path("/dev/shm")
# What must be free there besides the content, for the stores' own caches and other programs.
SPARE = 1024 * MIB
TIMEOUT = 600
SEED = 12


class WrongBytes(Exception):
    """What a server gave back, or said that it has, is not what it was given."""


@dataclass(frozen=True)
class ContentFile:
    """`size` random bytes in a file, no MiB like another one, and their SHA-256."""

    path: Path
    size: int
    sha256: str

    def sha256_of(self, first: int, length: int) -> str:
        """SHA-256 of a piece that fits into memory."""
        with self.path.open("rb") as file:
            file.seek(first)
            return hashlib.sha256(file.read(length)).hexdigest()


@contextlib.contextmanager
def content_file(size: int, folder: Path) -> Iterator[ContentFile]:
    """In memory where there is room, so that no client waits for a disk, else in `folder`."""
    room = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > size + SPARE
    with tempfile.TemporaryDirectory(
        prefix="file-drop-speed-", dir=SHARED_MEMORY if room else folder
    ) as made:
        path = Path(made, "content")
        yield ContentFile(path, size, _written(path, size))


def _written(path: Path, size: int) -> str:
    """Fill the file; the SHA-256 of what is in it. The same bytes in every run."""
    source, running = random.Random(SEED), hashlib.sha256()
    with path.open("wb") as file:
        for begin in range(0, size, MIB):
            block = source.randbytes(min(MIB, size - begin))
            file.write(block)
            running.update(block)
    return running.hexdigest()


def check(address: tuple[str, int], request: Request, sha256: str) -> None:
    """Make the request off the clock, and hash its answer. Raises `WrongBytes`."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT)
    with contextlib.closing(connection):
        connection.request(request.method, request.path, headers=dict(request.headers))
        response = connection.getresponse()
        running = hashlib.sha256()
        while piece := response.read(MIB):
            running.update(piece)
    if (response.status, running.hexdigest()) != (request.status, sha256):
        raise WrongBytes(f"{request.method} {request.path.partition('?')[0]}: {response.status}")


def whole(address: tuple[str, int], request: Request) -> bytes:
    """The body of the answer, off the clock. Raises `WrongBytes` if it is another status."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT)
    with contextlib.closing(connection):
        connection.request(request.method, request.path, headers=dict(request.headers))
        response = connection.getresponse()
        body = response.read()
    if response.status != request.status:
        raise WrongBytes(f"{request.method} {request.path.partition('?')[0]}: {response.status}")
    return body


def check_file(path: Path, size: int, sha256: str) -> None:
    """What lies on the disk. Raises `WrongBytes`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if (path.stat().st_size, digest) != (size, sha256):
        raise WrongBytes(f"{path.name}: {path.stat().st_size} bytes, or others than were sent")
