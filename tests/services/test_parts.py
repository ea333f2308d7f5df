"""The plan and the keeping of parts: `storage.parts`."""

from itertools import count
from pathlib import Path

import pytest

from storage.interfaces import Reader, Unavailable
from storage.parts import (
    FIRST_PART,
    LARGEST_IN_MEMORY,
    MAX_PARTS,
    SMALLEST_GROWTH,
    Budget,
    Part,
    Parts,
    Spare,
    part_size,
)
from tests.contracts.readers import pattern
from tests.services.readers import Chunks, read_all

MIB, GIB, TIB = 2**20, 2**30, 2**40


@pytest.mark.parametrize(
    ("number", "size"),
    [(1, 8), (4, 8), (5, 16), (1000, 16), (1001, 16), (2000, 16), (2001, 32), (10_000, 4096)],
)
def test_the_size_of_a_part(number: int, size: int) -> None:
    assert part_size(number) == size * MIB


def test_5_tib_need_no_more_than_10_000_parts() -> None:
    written = 0
    for number in count(1):
        written += part_size(number)
        if written >= 5 * TIB:
            break
    assert number <= MAX_PARTS


def test_s3_takes_every_part() -> None:
    sizes = [part_size(number) for number in range(1, MAX_PARTS + 1)]
    assert max(sizes) <= 5 * GIB
    assert min(sizes) >= 5 * MIB
    assert sizes == sorted(sizes)


# --- the budget ----------------------------------------------------------------------------


def test_the_budget_is_not_overdrawn() -> None:
    budget = Budget(10)
    assert [budget.take(size) for size in (4, 6, 1, 0)] == [True, True, False, True]
    budget.give_back(4)
    assert [budget.take(size) for size in (5, 4, 1)] == [False, True, False]


def free(budget: Budget, size: int) -> bool:
    """Whether just so much is free."""
    if not budget.take(size):
        return False
    more = budget.take(1)
    budget.give_back(size + more)
    return not more


def content(part: Part) -> bytes:
    body = part.body()
    return bytes(body) if isinstance(body, bytearray) else body.read()


def fill(part: Part, reader: Reader) -> None:
    while not part.is_full and part.receive(reader):
        pass


@pytest.mark.parametrize("largest", [1, 1000, MIB])
@pytest.mark.parametrize(
    ("size", "budget", "in_memory"),
    [
        (100, 1000, True),
        (100, 100, True),
        (100, 99, False),
        (100, 0, False),
        (SMALLEST_GROWTH + 1, SMALLEST_GROWTH + 1, True),
        (SMALLEST_GROWTH + 1, SMALLEST_GROWTH, False),
        (5 * SMALLEST_GROWTH, 5 * SMALLEST_GROWTH, True),
        (5 * SMALLEST_GROWTH, 4 * SMALLEST_GROWTH, False),
    ],
)
def test_where_a_part_waits(
    tmp_path: Path, size: int, budget: int, in_memory: bool, largest: int
) -> None:
    shared = Budget(budget)
    spare = Spare(shared)
    part, whole = Part(size, spare, tmp_path), pattern(size + 7)
    reader = Chunks(whole, largest if size < 1000 else MIB)
    fill(part, reader)
    assert part.is_full and part.size == size
    assert isinstance(part.body(), bytearray) is in_memory
    for _ in range(2):  # sending a part again sends all of it
        assert content(part) == whole[:size]
    assert read_all(reader) == whole[size:]
    assert free(shared, budget - (size if in_memory else 0))
    assert list(tmp_path.iterdir()) == []  # a part on disk has no name
    part.close()
    part.close()
    assert part.is_closed
    spare.close()
    assert free(shared, budget)


def test_a_part_too_large_for_memory(tmp_path: Path) -> None:
    part = Part(LARGEST_IN_MEMORY + 1, Spare(Budget(2 * LARGEST_IN_MEMORY)), tmp_path)
    part.receive(Chunks(b"content"))
    assert not isinstance(part.body(), bytearray)
    assert content(part) == b"content"
    part.close()


def test_a_part_that_is_not_full_ends_where_its_content_does(tmp_path: Path) -> None:
    part = Part(8 * MIB, Spare(Budget(8 * MIB)), tmp_path)
    fill(part, Chunks(b"content"))
    assert isinstance(part.body(), bytearray)
    assert content(part) == b"content"
    part.close()


def test_a_small_part_takes_little_of_the_budget(tmp_path: Path) -> None:
    budget = Budget(8 * MIB)
    part = Part(8 * MIB, Spare(budget), tmp_path)
    fill(part, Chunks(b"content"))
    assert free(budget, 8 * MIB - SMALLEST_GROWTH)
    part.close()


def test_a_part_without_a_folder(tmp_path: Path) -> None:
    budget = Budget(5)
    spare = Spare(budget)
    part = Part(5, spare, tmp_path / "absent")
    fill(part, Chunks(b"12345"))
    another = Part(5, spare, tmp_path / "absent")
    with pytest.raises(Unavailable):
        fill(another, Chunks(b"6"))
    another.close()
    part.close()
    spare.close()
    assert free(budget, 5)


def test_memory_is_used_again_once_its_part_is_sent(tmp_path: Path) -> None:
    budget = Budget(30)
    spare = Spare(budget)
    first, second, third = (Part(10, spare, tmp_path) for _ in range(3))
    for part in (first, second, third):
        fill(part, Chunks(b"0123456789"))
    assert free(budget, 0)
    kept = third.body()
    for part in (first, second, third):
        part.close()
    assert free(budget, 20)  # one block is kept: a client may stall from here on
    again = Part(10, spare, tmp_path)
    fill(again, Chunks(b"abcde"))
    assert again.body() is kept and content(again) == b"abcde"
    spare.close()
    again.close()
    assert free(budget, 30)


def test_memory_of_another_size_is_not(tmp_path: Path) -> None:
    budget = Budget(30)
    spare = Spare(budget)
    first = Part(10, spare, tmp_path)
    fill(first, Chunks(b"0123456789"))
    first.close()
    larger = Part(20, spare, tmp_path)
    assert free(budget, 30)
    larger.close()


# --- parts of a content --------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [0, 1, FIRST_PART - 1, FIRST_PART, FIRST_PART + 1, 20 * MIB, 70 * MIB]
)
@pytest.mark.parametrize("budget", [0, FIRST_PART, 40 * MIB])
def test_the_parts_of_a_content(tmp_path: Path, size: int, budget: int) -> None:
    shared, whole = Budget(budget), pattern(size)
    with Parts(Chunks(whole), shared, tmp_path) as parts:
        sent = []
        while parts.more():
            part = parts.filled()
            sent.append(content(part))
            part.close()
    assert b"".join(sent) == whole
    assert [len(one) for one in sent[:-1]] == [part_size(n) for n in range(1, len(sent))]
    assert free(shared, budget)


def test_parts_that_were_not_sent_are_closed(tmp_path: Path) -> None:
    budget = Budget(40 * MIB)
    with Parts(Chunks(bytes(20 * MIB)), budget, tmp_path) as parts:
        while parts.more():
            parts.filled()
    assert free(budget, 40 * MIB)
