"""What was measured, in words and columns: for the terminal and for the report."""

from collections.abc import Iterable, Sequence

from bench.pairings import GIB
from bench.speed.contender import Measured
from bench.speed.rounds import Estimate, Judged, Outcome, estimate
from bench.speed.rows import Row

HEADS = (
    "",
    "median rate",
    "least .. most",
    "CPU s, own",
    "CPU s, with stores",
    "FILE DROP / it",
    "95 % bounds",
)
ROW_HEADS = ("", "median", "least .. most", "target", "")


def per(unit: str) -> str:
    """What processor seconds are given for."""
    return "GiB" if unit == "bytes" else f"1,000 {unit}"


def rows_of(outcome: Outcome) -> list[tuple[str, ...]]:
    """One row for each contender that took part."""
    return [_row(outcome, name) for name in outcome.goes]


def _row(outcome: Outcome, name: str) -> tuple[str, ...]:
    goes, unit = outcome.goes[name], outcome.unit
    rates = estimate(one.rate for one in goes)
    assert rates is not None
    shown = [rate(value, unit) for value in (rates.median, rates.least, rates.most)]
    ratio = None if name == outcome.ours else outcome.ratio(name)
    return (
        name,
        f"{shown[0]} {'MB/s' if unit == 'bytes' else f'{unit}/s'}",
        f"{shown[1]} .. {shown[2]}",
        _cpu([one.cpu for one in goes], goes, unit),
        _cpu([one.cpu_all for one in goes], goes, unit),
        "" if ratio is None else f"{ratio.median:.2f}",
        "" if ratio is None else bounds(ratio),
    )


def rate(value: float, unit: str) -> str:
    """Of bytes in MB, of others as they are; three digits at least."""
    value = value / 1e6 if unit == "bytes" else value
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _cpu(seconds: Sequence[float], goes: Sequence[Measured], unit: str) -> str:
    """Median processor seconds for a GiB, or for 1,000; nothing where there is no server."""
    scale = GIB if unit == "bytes" else 1000
    found = estimate(used / go.amount * scale for used, go in zip(seconds, goes, strict=True))
    return "" if found is None or not found.most else f"{found.median:.2f}"


def bounds(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return f"none from {found.count} rounds"
    return f"{found.low:.2f} .. {found.high:.2f}"


def judgement(judged: Judged) -> str:
    """A target as a sentence: `PASS  at least 0.90 of the rate of tusd: 1.95 (1.80 .. 2.01)`."""
    target = judged.target
    what = f"{target.at_least:.2f} times the rate of {target.other}"
    if target.of == "cpu":
        what = f"{target.other} uses {target.at_least:.1f} times the processor time"
    text = f"{judged.word}: at least {what}" if target.of == "rate" else f"{judged.word}: {what}"
    if judged.ratio is None:
        return f"{text} (not measured)"
    text += f": {judged.ratio.median:.2f} ({bounds(judged.ratio)})"
    if judged.word == "PASS" and judged.ratio.low is not None and not judged.sure:
        text += ", but not by its lower bound"
    if target.aim is not None:
        reached = "reached" if judged.ratio.median >= target.aim else "not reached"
        text += f"; aim {target.aim:.2f} {reached}"
    return text


def cells(row: Row) -> tuple[str, ...]:
    shown = [_value(one, row.unit) for one in (row.median, min(row.values), max(row.values))]
    below = "" if row.below is None else f"< {_value(row.below, row.unit)} {row.unit}"
    spread = f"{shown[1]} .. {shown[2]}" if len(row.values) > 1 else ""
    return (row.what, f"{shown[0]} {row.unit}", spread, below, row.word)


def _value(value: float, unit: str) -> str:
    return f"{value:.2f}" if unit == "s" else f"{value:.0f}"


def plain(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns for the terminal, numbers to the right."""
    table = [heads, *rows]
    widths = [max(len(line[column]) for line in table) for column in range(len(heads))]
    lines = [
        "  ".join(
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    ]
    return "\n".join(f"  {line.rstrip()}" for line in lines)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    marks = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, marks, *rows])
