"""The plan and the keeping of parts: `storage.parts`."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from storage.parts import LARGEST_IN_MEMORY, MAX_PARTS, Budget, Part, part_size

MIB, GIB, TIB = 2**20, 2**30, 2**40
# A part is closed before a piece that does not fit, and pieces have up to 1 MiB.
UNFILLED = MIB - 1


@pytest.mark.parametrize(
    ("number", "size"), [(1, 8), (1000, 8), (1001, 16), (2000, 16), (2001, 32), (10_000, 4096)]
)
def test_the_size_of_a_part(number: int, size: int) -> None:
    assert part_size(number) == size * MIB


def test_5_tib_need_no_more_than_10_000_parts() -> None:
    written = 0
    for number in count(1):
        written += part_size(number) - UNFILLED
        if written >= 5 * TIB:
            break
    assert number <= MAX_PARTS


def test_s3_takes_every_part() -> None:
    sizes = [part_size(number) for number in range(1, MAX_PARTS + 1)]
    assert max(sizes) <= 5 * GIB
    assert min(sizes) - UNFILLED >= 5 * MIB
    assert sizes == sorted(sizes)


# --- the budget ----------------------------------------------------------------------------


def test_the_budget_is_not_overdrawn() -> None:
    budget = Budget(10)
    assert [budget.take(size) for size in (4, 6, 1, 0)] == [True, True, False, True]
    budget.give_back(4)
    assert [budget.take(size) for size in (5, 4, 1)] == [False, True, False]


@pytest.fixture
def part(tmp_path: Path) -> Callable[[int, Budget], Part]:
    return lambda size, budget: Part(size, budget, tmp_path)


def content(part: Part) -> bytes:
    body = part.body()
    return bytes(body) if isinstance(body, bytearray) else body.read()


@pytest.mark.parametrize(
    ("size", "budget", "in_memory"),
    [
        (100, 1000, True),
        (100, 100, True),
        (100, 99, False),
        (100, 0, False),
        (LARGEST_IN_MEMORY, 2 * LARGEST_IN_MEMORY, True),
        (LARGEST_IN_MEMORY + 1, 2 * LARGEST_IN_MEMORY, False),
    ],
)
def test_where_a_part_waits(
    part: Callable[[int, Budget], Part], size: int, budget: int, in_memory: bool
) -> None:
    shared = Budget(budget)
    filled = part(size, shared)
    for piece in (b"a" * 40, b"b" * 40, b"c" * 20):
        filled.write(piece)
    assert isinstance(filled.body(), bytearray) is in_memory
    for _ in range(2):  # sending a part again sends all of it
        assert content(filled) == b"a" * 40 + b"b" * 40 + b"c" * 20
    assert (filled.size, filled.room) == (100, size - 100)
    held = 100 if in_memory else 0
    assert shared.take(budget - held) and not shared.take(1)
    shared.give_back(budget - held)
    filled.close()
    filled.close()
    assert shared.take(budget) and not shared.take(1)


def test_a_part_on_disk_has_no_name(part: Callable[[int, Budget], Part], tmp_path: Path) -> None:
    filled = part(100, Budget(0))
    filled.write(b"x" * 100)
    assert list(tmp_path.iterdir()) == []
    filled.close()


def test_a_part_without_a_folder(tmp_path: Path) -> None:
    budget = Budget(5)
    part = Part(100, budget, tmp_path / "absent")
    part.write(b"12345")
    with pytest.raises(OSError):
        part.write(b"6")
    part.close()
    assert budget.take(5)
