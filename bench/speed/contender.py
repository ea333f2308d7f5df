"""What is measured: somebody who does a piece of work, again and again, beside others."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One go. `seconds` is wall time by the client's clock; `amount` what was done in it, in
    the work's own unit (bytes, requests, rows); `cpu` the processor seconds of the contender's own
    server processes, `cpu_all` those of the stores behind it as well (never the client's)."""

    seconds: float
    amount: float
    cpu: float
    cpu_all: float

    @property
    def rate(self) -> float:
        return self.amount / self.seconds


@dataclass(frozen=True)
class Contender:
    """`go` does the work once and undoes it again; only the work itself is on the clock.

    It raises where an answer or the content is not what it should be: a wrong answer is never
    a fast one.
    """

    name: str
    go: Callable[[], Measured]


@dataclass(frozen=True)
class Target:
    """Ours must have at least `at_least` times the rate of the contender `other` (or, where
    `of` is `cpu`, use at most `1 / at_least` of its processor seconds)."""

    other: str
    at_least: float
    of: str = "rate"
    aim: float | None = None


@dataclass(frozen=True)
class Work:
    """Contenders for the same work, the first of which is ours, and what is asked of it.

    `unit` is what `Measured.amount` counts: `bytes`, `requests`, `pages`, `records`.
    """

    name: str
    title: str
    unit: str
    contenders: list[Contender]
    targets: list[Target]
