"""Readers for the tests: content in pieces of any size, that ends well or does not."""

from collections.abc import Callable, Iterator

MIB = 2**20


def pattern(size: int, seed: int = 0) -> bytes:
    """Bytes that differ at every position near enough to notice a shift or a swap."""
    block = bytes((i * 31 + i // 251 + seed) % 256 for i in range(65_521))
    return (block * (size // len(block) + 1))[:size]


class Pieces:
    """`content` in pieces of at most `largest` bytes; then `end`, which may raise."""

    def __init__(
        self, content: bytes, largest: int = MIB, end: Callable[[], None] = lambda: None
    ) -> None:
        self._content = memoryview(content)
        self._largest = largest
        self._end = end

    def readinto(self, buffer: memoryview, /) -> int:
        size = min(len(buffer), self._largest)
        piece, self._content = self._content[:size], self._content[size:]
        if not piece:
            self._end()
        buffer[: len(piece)] = piece
        return len(piece)


class Uneven:
    """`content` in pieces whose sizes go round `sizes`, each at most what was asked for."""

    def __init__(self, content: bytes, sizes: tuple[int, ...]) -> None:
        self._content = content
        self._position = 0
        self._sizes = _for_ever(sizes)

    def readinto(self, buffer: memoryview, /) -> int:
        piece = self._content[self._position :][: min(len(buffer), next(self._sizes))]
        self._position += len(piece)
        buffer[: len(piece)] = piece
        return len(piece)


def _for_ever(sizes: tuple[int, ...]) -> Iterator[int]:
    while True:
        yield from sizes
