"""Bytes on their way in: counted, limited, hashed, and their first ones kept for detection."""

import hashlib
from dataclasses import dataclass

from errors import ApiError
from services.media_types import HEAD
from storage.interfaces import Reader

PIECE = 2**20


class Intake:
    """A `Reader` that knows what it has read.

    `size` (bytes) and `sha256` (lower-case hex) are those of the content once it has ended.
    Reading raises `content_too_large` beyond `limit`.
    """

    def __init__(self, source: Reader, limit: int) -> None:
        self._source = source
        self._limit = limit
        self._hash = hashlib.sha256()
        self._peeked: list[bytes] = []
        self.size = 0
        self.head = b""

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def peek(self) -> bytes:
        """The first 8 KiB, or all if there are fewer; they will be read again."""
        while len(self.head) < HEAD:
            piece = self._next(PIECE)
            self._peeked.append(piece)
            if not piece:
                break
            self.head = (self.head + piece)[:HEAD]
        return self.head

    def read(self, size: int, /) -> bytes:
        """The next piece; one that was peeked at may be as long as 1 MiB whatever the size."""
        return self._peeked.pop(0) if self._peeked else self._next(size)

    def _next(self, size: int) -> bytes:
        piece = self._source.read(size)
        self.size += len(piece)
        if self.size > self._limit:
            raise ApiError("content_too_large", limit=self._limit)
        self._hash.update(piece)
        return piece


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
