"""Stored content read by the service itself: as a seekable file, or as it passes to a client."""

import hashlib
import io
from collections.abc import Callable, Iterator

from services.media_types import HEAD
from storage.interfaces import Body, ObjectStore

BLOCK = 2**16


class StoredFile(io.RawIOBase):
    """An object as a seekable file, opened anew for each run of bytes that is read.

    Reading raises what `ObjectStore.open` raises.
    """

    def __init__(self, objects: ObjectStore, key: str, size: int, etag: str) -> None:
        self._objects = objects
        self._key = key
        self._size = size
        self._etag = etag
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        stop = min(self._position + len(buffer), self._size)
        if self._position >= stop:
            return 0
        body = self._objects.open(self._key, self._position, stop, self._etag)
        try:
            with memoryview(buffer) as target:
                filled = 0
                for piece in body:
                    target[filled : filled + len(piece)] = piece
                    filled += len(piece)
        finally:
            body.close()
        self._position += filled
        return filled


def open_stored(objects: ObjectStore, key: str, size: int, etag: str) -> io.BufferedReader:
    """An object as a buffered, seekable file."""
    return io.BufferedReader(StoredFile(objects, key, size, etag), BLOCK)


class FirstReading:
    """A body that is read whole for the first time: what it holds is known when it has ended.

    `done` is given the lower-case hex SHA-256 and the first 8 KiB, only after all `size` bytes.
    """

    def __init__(self, body: Body, size: int, done: Callable[[str, bytes], None]) -> None:
        self._body = body
        self._size = size
        self._done = done

    def __iter__(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        head = b""
        passed = 0
        for piece in self._body:
            digest.update(piece)
            if len(head) < HEAD:
                head = (head + piece)[:HEAD]
            passed += len(piece)
            yield piece
        if passed == self._size:
            self._done(digest.hexdigest(), head)

    def close(self) -> None:
        self._body.close()
