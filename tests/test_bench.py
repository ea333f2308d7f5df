"""What the measurements say of their numbers: medians, their bounds, pairs within a round."""

from collections.abc import Callable
from math import comb

import pytest

from bench.speed.contender import Contender, Measured, Target, Work
from bench.speed.rounds import Outcome, estimate, rank, run


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, None), (1, None), (5, None), (6, 1), (7, 1), (8, 1), (9, 2), (11, 2), (12, 3), (21, 6)],
)
def test_ranks_are_those_of_the_tables(count: int, expected: int | None) -> None:
    assert rank(count) == expected


@pytest.mark.parametrize("count", range(6, 60))
def test_a_rank_is_as_sure_as_it_says_and_the_next_one_is_not(count: int) -> None:
    def within(k: int) -> float:
        return 1 - 2 * sum(comb(count, below) for below in range(k)) / float(2**count)

    found = rank(count)
    assert found is not None
    assert within(found) >= 0.95 > within(found + 1)


def test_seven_values_are_bounded_by_the_least_and_the_most() -> None:
    found = estimate([5.0, 1.0, 7.0, 3.0, 2.0, 6.0, 4.0])
    assert found is not None
    assert (found.median, found.low, found.high) == (4.0, 1.0, 7.0)


def test_nine_values_are_bounded_by_the_second_and_the_eighth() -> None:
    found = estimate([float(value) for value in range(9, 0, -1)])
    assert found is not None
    assert (found.median, found.low, found.high, found.least, found.most) == (5, 2, 8, 1, 9)


def test_five_values_have_no_bounds() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found is not None
    assert (found.median, found.low, found.high) == (3.0, None, None)


def test_no_values_have_no_median() -> None:
    assert estimate([]) is None


def seconds(*each: float) -> list[Measured]:
    return [Measured(seconds=one, amount=10, cpu=one / 2, cpu_all=one) for one in each]


def outcome(*targets: Target) -> Outcome:
    """Twice as fast in each round, though the machine became four times slower."""
    return Outcome(
        "work", "Work", "bytes", list(targets), {"ours": seconds(1, 4), "it": seconds(2, 8)}
    )


def test_ratios_are_taken_within_a_round() -> None:
    found = outcome().ratio("it")
    assert found is not None
    assert (found.least, found.median, found.most) == (2, 2, 2)


def test_processor_time_counts_the_other_way_round() -> None:
    found = outcome().ratio("it", "cpu")
    assert found is not None
    assert found.median == 2


@pytest.mark.parametrize(
    ("target", "word"),
    [
        (Target("it", 2.0), "PASS"),
        (Target("it", 2.1), "OVER"),
        (Target("it", 2.0, of="cpu"), "PASS"),
        (Target("other", 0.1), "LEFT OUT"),
    ],
)
def test_a_target_is_judged_on_the_median(target: Target, word: str) -> None:
    assert [judged.word for judged in outcome(target).judged()] == [word]


def test_without_bounds_nothing_is_sure() -> None:
    assert [judged.sure for judged in outcome(Target("it", 1.0)).judged()] == [False]


def contender(name: str, log: list[str], act: Callable[[], None] = lambda: None) -> Contender:
    def go() -> Measured:
        log.append(name)
        act()
        return Measured(1, 1, 1, 1)

    return Contender(name, go)


def test_each_round_begins_with_another_one() -> None:
    log: list[str] = []
    work = Work("work", "Work", "bytes", [contender(name, log) for name in "abc"], [])
    found = run(work, 3, lambda _: None)
    assert "".join(log) == "abc" + "bca" + "cab" + "abc"
    assert {name: len(goes) for name, goes in found.goes.items()} == {"a": 3, "b": 3, "c": 3}
    assert found.ours == "a"


def broken() -> None:
    raise ValueError("no such thing")


def test_a_rival_that_fails_is_left_out() -> None:
    log: list[str] = []
    both = [contender("ours", log), contender("it", log, broken)]
    found = run(Work("work", "Work", "bytes", both, [Target("it", 1)]), 2, lambda _: None)
    assert log == ["ours", "it", "ours", "ours"]
    assert list(found.goes) == ["ours"]
    assert found.left_out == {"it": "ValueError: no such thing"}
    assert [judged.word for judged in found.judged()] == ["LEFT OUT"]


def test_if_ours_fails_that_is_the_end() -> None:
    with pytest.raises(ValueError, match="no such thing"):
        run(Work("work", "Work", "bytes", [contender("ours", [], broken)], []), 1, lambda _: None)
