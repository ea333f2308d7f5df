"""Parts of a multipart upload: how large each is, and where it waits until it is sent.

One budget a process bounds the memory of all parts held, queued or in flight; a part that
finds no room in it, or is too large for memory at all, waits in an unlinked file.
"""

import tempfile
import threading
from pathlib import Path
from typing import IO

from storage.files import write_all

MIB = 2**20
FIRST_PART = 8 * MIB
PARTS_A_STEP = 1000
MAX_PARTS = 10_000
LARGEST_IN_MEMORY = 16 * MIB


def part_size(number: int) -> int:
    """Bytes of the part with this number, from 1: 8 MiB, doubled after every 1,000 parts.

    Small enough at first to cost little memory, and yet 5 TiB, the largest object that S3
    takes, fit into its 10,000 parts (S3 User Guide, "Amazon S3 multipart upload limits").
    """
    return FIRST_PART << ((number - 1) // PARTS_A_STEP)


class Budget:
    """Bytes of memory that all transfers of a process share."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take `size` bytes if they are free; says whether they were."""
        with self._lock:
            if size > self._free:
                return False
            self._free -= size
            return True

    def give_back(self, size: int) -> None:
        with self._lock:
            self._free += size


class Part:
    """A part that is being filled: in memory as far as the budget goes, else in a file.

    Its content can be read as often as sending it takes. Close it. Raises OSError where the
    folder for the file has no room or is not there.
    """

    def __init__(self, size: int, budget: Budget, folder: Path) -> None:
        self.limit = size
        self.size = 0
        self._budget = budget
        self._folder = folder
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        if size > LARGEST_IN_MEMORY:
            self._spill()

    @property
    def room(self) -> int:
        return self.limit - self.size

    def write(self, piece: bytes) -> None:
        if self._file is None and not self._budget.take(len(piece)):
            self._spill()
        if self._file is None:
            self._memory += piece
        else:
            write_all(self._file.fileno(), piece)
        self.size += len(piece)

    def _spill(self) -> None:
        self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        write_all(self._file.fileno(), self._memory)
        self._budget.give_back(len(self._memory))
        self._memory = bytearray()

    def body(self) -> "bytearray | IO[bytes]":
        """The content as botocore takes it, from the start."""
        if self._file is None:
            return self._memory
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        self._budget.give_back(len(self._memory))
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()
