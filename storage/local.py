"""Objects as plain files: `DATA_DIR/objects/<key>`, written to `DATA_DIR/tmp` and renamed.

A file is synced before it gets its name and its folder after, so that an object which was
acknowledged survives a power cut, and one which was not is never visible.
"""

import itertools
import mmap
import os
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import faults
from storage.files import Direct, disk_errors, write_all
from storage.interfaces import (
    Body,
    Changed,
    Listed,
    NotFound,
    ObjectStat,
    Reader,
    Unavailable,
    Upload,
    Written,
)
from storage.parts import Budget

FIRST_PIECE, PIECE, LONG_PIECE = 2**16, 2**20, 2**22  # most files are small
BUDGET = 2**25  # for the long pieces of a process: of four uploads at once
WRITERS = 4
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class LocalStore:
    """`storage.interfaces.ObjectStore` in the folder `data_dir`; its bucket is called `local`.

    Takes only the keys that the service makes: `<prefix>/<2 hex digits>/<UUID>`. `budget` bounds
    the memory (bytes) of all uploads that are written in long pieces.
    """

    bucket = "local"

    def __init__(self, data_dir: Path, prefix: str, budget: int = BUDGET) -> None:
        self._objects = data_dir / "objects"
        self._tmp = data_dir / "tmp"
        self._key = re.compile(f"{re.escape(prefix)}/[0-9a-f]{{2}}/{_UUID}")
        self._prefix = prefix
        self._budget = Budget(budget)
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="write")

    def prepare(self) -> None:
        """Make the folders, durably. Raises `Unavailable`."""
        with disk_errors():
            shards = self._objects / self._prefix
            for folder in (self._tmp, *(shards / f"{n:02x}" for n in range(256))):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (shards, *shards.parents):
                _sync_folder(folder)
                if folder == self._objects.parent:
                    break

    def write(self, key: str, reader: Reader, content_type: str) -> Written:
        final = self._path(key)
        temporary = self._tmp / f"{uuid.uuid4()}.part"
        with disk_errors():
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                faults.reached("object.begun")
                size = self._copy(reader, descriptor)
                with disk_errors():
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            faults.reached("object.written")
            with disk_errors():
                os.rename(temporary, final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        with disk_errors():
            _sync_folder(final.parent)
        faults.reached("object.committed")
        return Written(size, _etag(key, size))

    def _copy(self, reader: Reader, descriptor: int) -> int:
        """Write all that `reader` gives; its own errors pass through as they are."""
        first = memoryview(bytearray(FIRST_PIECE))
        size = _fill(reader, first)
        with disk_errors():
            write_all(descriptor, first[:size])
        if size < FIRST_PIECE:
            return size
        return size + self._copy_long(reader, descriptor)

    def _copy_long(self, reader: Reader, descriptor: int) -> int:
        """Write one piece while `reader` gives the next."""
        file = Direct(descriptor)
        writing: Future[None] | None = None
        size = 0
        with self._two_pieces() as pieces:
            turns = itertools.cycle(pieces)
            try:
                piece = next(turns)
                while (count := _fill(reader, piece)) == len(piece):
                    size += count
                    if writing is not None:
                        writing.result()
                    writing = self._writers.submit(_write_pages, file, piece)
                    piece = next(turns)
            finally:
                if writing is not None:
                    wait([writing])  # nobody else may use the descriptor before
            if writing is not None:
                writing.result()
            with disk_errors():
                file.end()
                write_all(descriptor, piece[:count])
        return size + count

    @contextmanager
    def _two_pieces(self) -> Iterator[tuple[memoryview, memoryview]]:
        """Memory for two pieces until the end of the block: long ones while the budget has room,
        as it costs much that one thread wakes another."""
        is_long = self._budget.take(2 * LONG_PIECE)
        size = LONG_PIECE if is_long else PIECE
        memory = memoryview(mmap.mmap(-1, 2 * size))
        try:
            yield memory[:size], memory[size:]
        finally:
            if is_long:
                self._budget.give_back(2 * LONG_PIECE)

    def open(self, key: str, start: int, stop: int, if_etag: str) -> Body:
        path = self._path(key)
        with disk_errors():
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                self.check()
                raise NotFound(key) from None
        body = LocalBody(descriptor, start, stop)
        if _etag(key, os.fstat(descriptor).st_size) != if_etag:
            body.close()
            raise Changed(key)
        return body

    def stat(self, key: str) -> ObjectStat:
        with disk_errors():
            try:
                size = self._path(key).stat().st_size
            except FileNotFoundError:
                self.check()
                raise NotFound(key) from None
        return ObjectStat(size, _etag(key, size), "application/octet-stream")

    def delete(self, key: str) -> None:
        with disk_errors():
            try:
                self._path(key).unlink()
            except FileNotFoundError:
                self.check()

    def list(self, prefix: str, after: str) -> Iterator[Listed]:
        with disk_errors():
            shards = sorted(os.listdir(self._objects / self._prefix))
        for shard in shards:
            folder = f"{self._prefix}/{shard}/"
            if not (folder.startswith(prefix) or prefix.startswith(folder)):
                continue
            with disk_errors():
                names = sorted(os.listdir(self._objects / folder))
            for key in (folder + name for name in names):
                if key.startswith(prefix) and key > after:
                    yield from self._listed(key)

    def _listed(self, key: str) -> Iterator[Listed]:
        """Nothing where it was deleted since its folder was read."""
        with disk_errors():
            try:
                size = (self._objects / key).stat().st_size
            except FileNotFoundError:
                return
        yield Listed(key, size, _etag(key, size))

    def abandoned(self, older_than: datetime) -> Iterator[Upload]:
        with disk_errors():
            entries = list(os.scandir(self._tmp))
        for entry in entries:
            try:
                changed = datetime.fromtimestamp(entry.stat().st_mtime, UTC)
            except FileNotFoundError:
                continue  # finished since the folder was read
            if changed < older_than:
                yield Upload(key="", handle=entry.path)

    def abandon(self, upload: Upload) -> None:
        with disk_errors():
            Path(upload.handle).unlink(missing_ok=True)

    def check(self) -> None:
        with disk_errors():
            os.stat(self._objects / self._prefix)
            os.stat(self._tmp)

    def _path(self, key: str) -> Path:
        if not self._key.fullmatch(key):
            raise NotFound(key)
        return self._objects / key


class LocalBody:
    """Part of a file, positioned at its start: `storage.interfaces.FileBody`."""

    def __init__(self, descriptor: int, start: int, stop: int) -> None:
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        if start:
            self._file.seek(start)
        self._left = stop - start

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, size: int, /) -> bytes:
        with disk_errors():
            piece = self._file.read(min(size, self._left))
        if not piece and self._left:
            raise Unavailable("files: the object is shorter than it was")
        self._left -= len(piece)
        return piece

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            yield self.read(PIECE)

    def close(self) -> None:
        self._file.close()


def _write_pages(file: Direct, pages: memoryview) -> None:
    with disk_errors():
        file.write(pages)


def _fill(reader: Reader, buffer: memoryview) -> int:
    """Read until `buffer` is full or the content has ended; says how many bytes came."""
    filled = 0
    while filled < len(buffer) and (count := reader.readinto(buffer[filled:])):
        filled += count
    return filled


def _etag(key: str, size: int) -> str:
    """A key is written once, so it and the length tell everything about the content."""
    return f"{key.rpartition('/')[2].replace('-', '')}-{size:x}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
