"""Tables of text that people read: in Markdown, and as such between markers in a page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Table:
    """Rows under a heading; `name` is what its markers in a page are called."""

    name: str
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        columns = zip(*self.rows, strict=True) if self.rows else [[""]] * len(self.heading)
        ways = ["---:" if all(map(_is_figure, column)) else "---" for column in columns]
        lines = [self.heading, ways, *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _is_figure(cell: str) -> bool:
    return re.fullmatch(r"[0-9,.]+|–", cell) is not None


class NoMarkers(Exception):
    """The page does not say where the table goes."""


def write(page: Path, tables: Sequence[Table]) -> None:
    """Put each table between its markers; what stands around them stays. Raises `NoMarkers`."""
    text = page.read_text()
    for table in tables:
        text = replaced(text, table.name, table.text())
    page.write_text(text)


def replaced(text: str, name: str, inner: str) -> str:
    """The text with `inner` between `<!-- name -->` and `<!-- /name -->`. Raises `NoMarkers`."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise NoMarkers(name)
    return f"{before}{begin}\n{inner}\n{end}{after}"


def number(value: float) -> str:
    """For people: `1,000,000`, `1,234`, `12.3`, `0.45`, `–` for what was not measured."""
    if value != value:
        return "–"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def documents(value: int) -> str:
    """A size of a catalog, as short as it can be: `10k`, `1M`."""
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if value >= unit and value % unit == 0:
            return f"{value // unit}{name}"
    return str(value)
