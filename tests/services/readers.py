"""What services read from in the tests, and how the tests read what services give."""

from storage.interfaces import Reader


class Chunks:
    """`content` in chunks of at most `size` bytes."""

    def __init__(self, content: bytes, size: int = 2**20) -> None:
        self._content = content
        self._size = size

    @property
    def left(self) -> int:
        """Bytes that nobody has taken yet."""
        return len(self._content)

    def readinto(self, buffer: memoryview, /) -> int:
        size = min(self._size, len(buffer))
        piece, self._content = self._content[:size], self._content[size:]
        buffer[: len(piece)] = piece
        return len(piece)


def read_all(reader: Reader, largest: int = 2**20) -> bytes:
    """All of it, at most `largest` bytes at a time."""
    content, piece = bytearray(), memoryview(bytearray(largest))
    while count := reader.readinto(piece):
        content += piece[:count]
    return bytes(content)
