"""Contenders by turns, and what can be said of it: medians, and how sure they are.

Ratios are taken within a round, where the machine was the same for both, and only then their
median. Its bounds ask nothing of the distribution: how often k of n values lie below the true
median is a matter of n throws of a coin.
"""

import os
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import comb

from bench.speed.contender import Contender, Measured, Target, Work

ROUNDS = 7
SURE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A median of `count` values; `low` and `high` are its 95 % bounds, or None where there are
    too few values for any."""

    median: float
    low: float | None
    high: float | None
    least: float
    most: float
    count: int


@dataclass(frozen=True)
class Judged:
    """A target and what was measured of it, or None where the other one is missing."""

    target: Target
    ratio: Estimate | None

    @property
    def word(self) -> str:
        """On the median alone: PASS, OVER, or why not even that."""
        if self.ratio is None:
            return "LEFT OUT"
        return "PASS" if self.ratio.median >= self.target.at_least else "OVER"

    @property
    def sure(self) -> bool:
        """Whether even the lower bound reaches the target."""
        low = self.ratio.low if self.ratio else None
        return low is not None and low >= self.target.at_least


@dataclass
class Outcome:
    """All goes of a work, by contender in their order: the n-th of each are of one round."""

    name: str
    title: str
    unit: str
    targets: list[Target]
    goes: dict[str, list[Measured]]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> str:
        return next(iter(self.goes))

    def ratio(self, other: str, of: str = "rate") -> Estimate | None:
        """Ours to another's: its rate, or how many times our processor time it used."""
        theirs = self.goes.get(other, [])
        pairs = list(zip(self.goes[self.ours], theirs, strict=False))
        if of == "rate":
            return estimate(mine.rate / other.rate for mine, other in pairs)
        return estimate(
            (other.cpu / other.amount) / (mine.cpu / mine.amount)
            for mine, other in pairs
            if mine.cpu and other.cpu
        )

    def judged(self) -> list[Judged]:
        return [Judged(target, self.ratio(target.other, target.of)) for target in self.targets]


def rank(count: int) -> int | None:
    """The k for which the k-th smallest and the k-th largest of `count` values bound the median
    with 95 % at least; the largest such k, or None if there is none (fewer than 6 values)."""
    best = None
    below = 0.0
    for k in range(1, count // 2 + 1):
        below += comb(count, k - 1) / 2**count
        if 1 - 2 * below >= SURE:
            best = k
    return best


def estimate(values: Iterable[float]) -> Estimate | None:
    """Median and bounds; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    k = rank(len(ordered))
    return Estimate(
        median=statistics.median(ordered),
        low=None if k is None else ordered[k - 1],
        high=None if k is None else ordered[-k],
        least=ordered[0],
        most=ordered[-1],
        count=len(ordered),
    )


def run(
    work: Work, rounds: int, told: Callable[[str], None], rest: Callable[[], None] = os.sync
) -> Outcome:
    """One go of each to warm up, then `rounds` of each, beginning with another one every time.

    `rest` comes before each go: nobody is to pay for what others still have to write or delete.
    A rival that fails is left out from then on, and with it what it had done; if ours fails,
    that is raised.
    """
    outcome = Outcome(work.name, work.title, work.unit, work.targets, {})
    running = {contender.name: contender for contender in work.contenders}
    for number in range(rounds + 1):
        for contender in _turned(list(running.values()), number):
            try:
                rest()
                measured = contender.go()
            except Exception as error:
                if contender is work.contenders[0]:
                    raise
                reason = f"{type(error).__name__}: {error}"
                told(f"  {contender.name} failed: {reason}")
                outcome.left_out[contender.name] = reason
                del running[contender.name]
                continue
            if number:
                outcome.goes.setdefault(contender.name, []).append(measured)
    outcome.goes = {name: outcome.goes[name] for name in running}
    return outcome


def _turned(contenders: list[Contender], number: int) -> list[Contender]:
    turn = number % len(contenders)
    return contenders[turn:] + contenders[:turn]
