"""Bytes on their way in: counted, limited, hashed, and their first ones kept for detection."""

import hashlib
from dataclasses import dataclass

from errors import ApiError
from services.media_types import HEAD
from storage.interfaces import Reader


class Intake:
    """A `Reader` that knows what it has read.

    `size` (bytes) and `sha256` (lower-case hex) are those of the content once it has ended.
    Reading raises `content_too_large` beyond `limit`.
    """

    def __init__(self, source: Reader, limit: int) -> None:
        self._source = source
        self._limit = limit
        self._hash = hashlib.sha256()
        self._again = memoryview(b"")
        self._ended = False
        self.size = 0
        self.head = b""

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def peek(self) -> bytes:
        """The first 8 KiB, or all if there are fewer; they will be read again."""
        if not self.size:
            head = memoryview(bytearray(HEAD))
            while self.size < HEAD and not self._ended:
                self._receive(head[self.size :])
            self.head = bytes(head[: self.size])
            self._again = memoryview(self.head)
        return self.head

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._again:
            return 0 if self._ended else self._receive(buffer)
        count = min(len(self._again), len(buffer))
        buffer[:count], self._again = self._again[:count], self._again[count:]
        return count

    def _receive(self, buffer: memoryview) -> int:
        count = self._source.readinto(buffer)
        self._ended = not count
        self.size += count
        if self.size > self._limit:
            raise ApiError("content_too_large", limit=self._limit)
        self._hash.update(buffer[:count])
        return count


@dataclass
class Submission:
    """What a client submits: content, or changes to the document, or both.

    A form fills in `file_name` and `metadata` while its content is read; all is checked and
    complete when the content has ended. `suggested_name` is what the content itself came with.
    """

    content: Intake | None = None
    declared_type: str | None = None
    suggested_name: str | None = None
    file_name: str | None = None
    metadata: dict[str, str] | None = None
