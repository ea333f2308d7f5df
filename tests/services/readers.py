"""What services read from in the tests, and how the tests read what services give."""

from storage.interfaces import Reader


class Chunks:
    """`content` in chunks of `size` bytes, whatever is asked for."""

    def __init__(self, content: bytes, size: int = 2**20) -> None:
        self._content = content
        self._size = size

    def read(self, _: int, /) -> bytes:
        piece, self._content = self._content[: self._size], self._content[self._size :]
        return piece


def read_all(reader: Reader) -> bytes:
    pieces = []
    while piece := reader.read(2**20):
        pieces.append(piece)
    return b"".join(pieces)
