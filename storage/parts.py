"""Parts of a multipart upload: how large each is, and where it waits until it is sent.

One budget a process bounds the memory of all parts held, queued or in flight; a part that
finds no room in it, or is too large for memory at all, waits in an unlinked file.
"""

import tempfile
import threading
from pathlib import Path
from typing import IO

from storage.files import disk_errors, write_all
from storage.interfaces import Reader

MIB = 2**20
FIRST_PART = 8 * MIB
FIRST_PARTS = 4
PARTS_A_STEP = 1000
MAX_PARTS = 10_000
LARGEST_IN_MEMORY = 16 * MIB
# What is asked of the budget at first, then twice as much as there is: most files are small.
SMALLEST_GROWTH = 2**16
ON_ITS_WAY_TO_DISK = 2**18


def part_size(number: int) -> int:
    """Bytes of the part with this number, from 1: 8 MiB, 16 MiB from the fifth on, and from
    then on doubled after every 1,000 parts, as the step from 8 to 16 would be.

    Small at first, as most files are; 16 MiB cost store and service a tenth less than 8. And
    5 TiB, the largest object that S3 takes, fit into its 10,000 parts of at most 5 GiB (S3
    User Guide, "Amazon S3 multipart upload limits").
    """
    step = (number - 1) // PARTS_A_STEP
    return FIRST_PART << (max(step, 1) if number > FIRST_PARTS else 0)


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


class Block:
    """Memory for one part, which grows up to `limit` as it is needed."""

    def __init__(self, limit: int, budget: Budget) -> None:
        self.memory = bytearray()
        self.limit = limit
        self._taken = 0
        self._budget = budget

    def grow(self) -> bool:
        """Take more of the budget; says whether it had it."""
        more = min(max(SMALLEST_GROWTH, self._taken), self.limit - self._taken)
        if not self._budget.take(more):
            return False
        self._taken += more
        self.memory.extend(bytes(more))
        return True

    def give_back(self) -> None:
        self._budget.give_back(self._taken)
        self._taken = 0
        self.memory = bytearray()


class Spare:
    """The block of a part that has been sent, for the next part of the same upload: the first
    touch of fresh memory costs as much as receiving into it."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._block: Block | None = None
        self._lock = threading.Lock()
        self._closed = False

    def take(self, size: int) -> Block:
        """The spare block if it has this size, else a new one."""
        block = self._exchange(None)
        if block is not None and len(block.memory) == size:
            return block
        if block is not None:
            block.give_back()
        return Block(size, self._budget)

    def keep(self, block: Block) -> None:
        """Keep this one block: a client may stall from here on, and hold what is kept."""
        replaced = block if self._closed else self._exchange(block)
        if replaced is not None:
            replaced.give_back()

    def _exchange(self, block: Block | None) -> Block | None:
        with self._lock:
            self._block, former = block, self._block
        return former

    def close(self) -> None:
        """Only when all parts are closed."""
        self._closed = True
        former = self._exchange(None)
        if former is not None:
            former.give_back()


class Part:
    """A part that is being filled: in memory as far as the budget goes, else in a file.

    Its content can be read as often as sending it takes. Close it.
    """

    def __init__(self, size: int, spare: Spare, folder: Path) -> None:
        self.size = 0
        self._limit = size
        self._spare = spare
        self._folder = folder
        self._block: Block | None = None
        self._file: IO[bytes] | None = None
        if size <= LARGEST_IN_MEMORY:
            self._block = spare.take(size)
        else:
            self._spill()

    @property
    def is_full(self) -> bool:
        return self.size == self._limit

    @property
    def is_closed(self) -> bool:
        return self._block is None and (self._file is None or self._file.closed)

    def receive(self, reader: Reader) -> int:
        """Take what `reader` has next; says how many bytes. Not for a full part.

        Raises what the reader raises, and `NoSpace` and `Unavailable` for the file's folder.
        """
        if not self._has_room():
            self._spill()
        if self._file is not None:
            count = self._receive_on_disk(self._file, reader)
        elif self._block is not None:
            with memoryview(self._block.memory) as memory:
                count = reader.readinto(memory[self.size :])
        self.size += count
        return count

    def _has_room(self) -> bool:
        block = self._block
        return block is None or self.size < len(block.memory) or block.grow()

    def _receive_on_disk(self, file: IO[bytes], reader: Reader) -> int:
        room = min(self._limit - self.size, ON_ITS_WAY_TO_DISK)
        piece = memoryview(bytearray(room))
        count = reader.readinto(piece)
        with disk_errors():
            write_all(file.fileno(), piece[:count])
        return count

    def _spill(self) -> None:
        with disk_errors():
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
            if self._block is not None:
                with memoryview(self._block.memory) as memory:
                    write_all(self._file.fileno(), memory[: self.size])
        if self._block is not None:
            self._block.give_back()
            self._block = None

    def body(self) -> "bytearray | IO[bytes]":
        """The content as botocore takes it, from the start."""
        if self._file is not None:
            self._file.seek(0)
            return self._file
        if self._block is None:
            raise ValueError("the part is closed")
        del self._block.memory[self.size :]
        return self._block.memory

    def close(self) -> None:
        block, self._block = self._block, None
        if block is not None:
            self._spare.keep(block)
        if self._file is not None:
            self._file.close()


class Parts:
    """What a reader gives, part by part. Leaving the block closes all parts."""

    def __init__(self, reader: Reader, budget: Budget, folder: Path) -> None:
        self._reader = reader
        self._spare = Spare(budget)
        self._folder = folder
        self._made: list[Part] = []
        self._number = 0

    def more(self) -> bool:
        """Begin the next part; says whether there is anything for it.

        Only the byte after it tells whether a full part is the last one, and only the
        reader's clean end tells that the content is good.
        """
        if self._made and not self._made[-1].is_full:
            return False
        return self._next().receive(self._reader) > 0

    def _next(self) -> Part:
        self._number += 1
        part = Part(part_size(self._number), self._spare, self._folder)
        self._made = [*(one for one in self._made if not one.is_closed), part]
        return part

    def filled(self) -> Part:
        """The part that was begun, when it is full or the reader has ended."""
        part = self._made[-1]
        while not part.is_full and part.receive(self._reader):
            pass
        return part

    def __enter__(self) -> "Parts":
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._made:
            part.close()
        self._spare.close()
