"""docs/performance.md and docs/performance.svg, from all results that there are."""

from collections.abc import Iterable, Mapping, Sequence

from bench.pairings import GIB, MIB
from bench.speed import chart
from bench.speed.results import Circumstances, Saved
from bench.speed.tables import (
    HEADS,
    ROW_HEADS,
    cells,
    judgement,
    markdown,
    per,
    rows_of,
)
from tests.servers.processes import ROOT

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- begin by hand -->", "<!-- end by hand -->"

ABOUT = """\
# How fast it is

Measured by `bench/speed`, which also wrote this page; what stands between the two marks is
written by hand and stays.

![Ratios to others, with bounds and targets](performance.svg)

{by_hand}

## How it was measured

Each work is done by FILE DROP and by others that do the same, on one machine, over loopback,
and by turns: once each to warm up, then in every round once each, beginning with another one
every time. `FILE DROP / it` is the ratio of the two rates of one round, and of these the
median: above 1, FILE DROP is faster. The bounds hold the true median with 95 %, whatever the
distribution (order statistics; fewer than six rounds have none). A target is met (PASS) or
missed (OVER) by the median.

- The client is a small C program that costs less than any server: threads with kept
  connections, bodies by `sendfile` from memory, answers read and forgotten. It is the same for
  all, except for boto3, which is its own client in a process that runs already, and `dd`, which
  needs none.
- Every answer is checked: status, length, and the SHA-256 that FILE DROP gives; one file of
  each contender and work is read back and compared. Signing URLs, checks, deleting and `sync`
  are off the clock.
- Processor seconds are those of the server's own processes, and, beside them, with MinIO and
  the document store. They are not the client's. MinIO's own are its server's.
- FILE DROP hashes (SHA-256) what it takes, writes it to the disk (fsync) before it answers, and
  puts a document into a catalog. copyparty hashes too; dufs, nginx, tusd and the
  straightforward program do not. copyparty and dufs do not wait for the disk.
- `straightforward` is `bench/speed/straightforward.py`: Flask's own form parsing, boto3, one
  document for each file, under gunicorn with as many workers.
- `MinIO presigned` is the store itself, without anything before it.

To measure again (all works take some hours; they may be measured in several runs, as each work
has its own result, and this page is made of all of them):

    bench/speed/install.sh
    .venv/bin/python -m bench.speed --write --works upload-raw download
    .venv/bin/python -m bench.speed --report
"""


def write(results: Sequence[Saved]) -> None:
    """Both files. Raises ValueError where nothing was measured."""
    if not results:
        raise ValueError("no results yet")
    PAGE.write_text(page(results, _by_hand()))
    chart.draw(list(_dots(results)), PICTURE)


def page(results: Sequence[Saved], by_hand: str) -> str:
    """The whole text; `by_hand` with its marks."""
    parts = [ABOUT.format(by_hand=by_hand)]
    for name, title in (
        ("servers", "With MinIO and a Mongo-wire server"),
        ("embedded", "On local files and SQLite"),
    ):
        works = [one for one in results if one.pairing == name and one.outcome is not None]
        if works:
            parts.append(f"## {title}\n")
            parts += [_work(one) for one in works]
    rows = [one for one in results if one.rows]
    if rows:
        parts.append("## Memory and start\n")
        parts += [_rows(one) for one in rows]
    parts.append(_versions(results))
    return "\n".join(parts).rstrip() + "\n"


def _work(one: Saved) -> str:
    outcome = one.outcome
    assert outcome is not None
    heads = tuple(head.replace("CPU s", f"CPU s / {per(outcome.unit)}") for head in HEADS)
    lines = [f"### {outcome.title}\n", f"`{one.name}`: {_under(one.under)}.\n"]
    lines += [markdown(heads, rows_of(outcome)), ""]
    lines += [f"- {judgement(judged)}" for judged in outcome.judged()]
    lines += [f"- left out: {name} ({why})" for name, why in outcome.left_out.items()]
    return "\n".join(lines).rstrip() + "\n"


def _rows(one: Saved) -> str:
    table = markdown(ROW_HEADS, [cells(row) for row in one.rows])
    return f"`{one.name}`: {_under(one.under)}.\n\n{table}\n"


def _under(under: Circumstances) -> str:
    size = f"{under.size / GIB:g} GiB" if under.size >= GIB else f"{under.size / MIB:g} MiB"
    commit = under.versions["FILE DROP"]
    return f"large files of {size}, {under.workers} workers, {under.date}, commit {commit}"


def _versions(results: Sequence[Saved]) -> str:
    """One row for each program and version; there is more than one where works are of two days."""
    found: dict[str, list[str]] = {}
    for one in results:
        for name, version in _named(one.under.versions):
            if version not in found.setdefault(name, []):
                found[name].append(version)
    table = [(name, ", ".join(versions)) for name, versions in found.items()]
    lines = ["| | version |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in table)]
    return "\n".join(["## Versions\n", *lines, ""])


def _named(versions: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """nginx is one program, whatever it does here."""
    for name, version in versions.items():
        yield ("nginx" if name.startswith("nginx") else name), version


def _dots(results: Sequence[Saved]) -> Iterable[chart.Dot]:
    for one in results:
        for judged in one.outcome.judged() if one.outcome else ():
            of = " (CPU)" if judged.target.of == "cpu" else ""
            yield chart.Dot(f"{one.name}: {judged.target.other}{of}", judged)


def _by_hand() -> str:
    """What is between the marks now, marks included."""
    text = PAGE.read_text() if PAGE.exists() else ""
    _, begin, rest = text.partition(BEGIN)
    inner, end, _ = rest.partition(END)
    return f"{BEGIN}{inner}{END}" if begin and end else f"{BEGIN}\n{END}"
