"""What a page of a listing costs SQLite, wherever it is (issue 3, point 9).

Documents are put in directly. Then every order is walked through to its end by cursors, and
for the first pages and one far in, SQLite's own steps are counted on the very statement that
the store runs. Nothing is timed, so the numbers are the same on every machine.

A page far in is compared with the second one: the first has no cursor, and so less to compare
in each row (5 steps of 16) though it visits as many.
"""

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

from bench.pairings import Verdict
from services import clock
from services.collections import ALL, FILES
from services.documents import LIVE, derived, place_of, tombstone
from services.listing import SORTS, list_files, parse_query
from services.pages import SCAN
from services.principals import ANYONE
from storage.interfaces import Collection, Document, Order, Page, Where
from storage.sqlite import SqliteDatabase, page_statement
from storage.sqlite_connections import connect

TARGET = 1.1
ORDERS = tuple(sign + field for field in SORTS for sign in ("", "-"))
# Filters on the field that sorts bound a page from the same side as its cursor does.
BOUNDING = (
    ("created_at", "created_after", "2026-01-01T00:00:00Z"),
    ("-created_at", "created_before", "2027-01-01T00:00:00Z"),
    ("file_size", "min_size", "0"),
    ("-file_size", "max_size", "1000000"),
)
MATCHES_NOTHING = (
    ("file_name", "no such name"),
    ("file_type", "no/such"),
    ("source", "s3"),
    ("metadata.colour", "no such colour"),
)
Pairs = list[tuple[str, str]]


# --- documents -----------------------------------------------------------------------------


def documents(count: int) -> Iterator[Document]:
    """`count` live files of nobody, and among them tombstones and the files of others.

    Many share their size, their name or their times: cursors have to tell them apart.
    """
    chance = random.Random(1)
    begin = datetime(2026, 3, 9, tzinfo=UTC)
    for number in range(count):
        created = begin + timedelta(milliseconds=number // 3)
        yield _live(chance, ANYONE.owner, created)
        if number % 20 == 0:
            yield _live(chance, "somebody else", created)
            yield _tombstone(chance)


def _live(chance: random.Random, owner: str, created: datetime) -> Document:
    name = f"{chance.choice(('report', 'Bild', 'été', '写真'))} {chance.randrange(10**4)}.bin"
    place = _place(chance, owner)
    document = {
        **place,
        "created_at": clock.timestamp(created),
        "updated_at": clock.timestamp(created + timedelta(milliseconds=chance.randrange(10**5))),
        "source": "api",
        "event_name": None,
        "event_time": None,
        "sequencer": None,
        "metadata": {"colour": chance.choice(("red", "green"))},
        "revision": 1,
        "state": LIVE,
        "garbage": [],
        "sweep_at": None,
        "file_name": name,
        "item_name": _item_name(place),
        "item_source": None,
        "image": None,
        "etag": f"{chance.getrandbits(128):032x}",
        "file_size": chance.randrange(5000),
        "file_type": chance.choice(("image/png", "image/jpeg", "text/plain")),
        "sha256": f"{chance.getrandbits(256):064x}",
    }
    return derived(document)


def _tombstone(chance: random.Random) -> Document:
    place = _place(chance, ANYONE.owner)
    later = datetime(2026, 4, 1, tzinfo=UTC)
    return tombstone(place, _item_name(place), [], keep_until=later, sweep_at=later)


def _place(chance: random.Random, owner: str) -> Document:
    file_id = str(uuid.UUID(int=chance.getrandbits(128)))
    key = f"file-drop/{file_id[-2:]}/{file_id}"
    return {
        "file_id": file_id,
        "owner": owner,
        "place": place_of("local", key),
        "bucket": "local",
        "object_key": key,
    }


def _item_name(place: Document) -> str:
    return f"file-drop/{place['file_id']}"


def filled(path: Path, count: int) -> SqliteDatabase:
    """A database with `documents(count)`."""
    database = SqliteDatabase(path)
    database.prepare(ALL)
    put_in(path, documents(count))
    return database


def put_in(path: Path, files: Iterable[Document]) -> None:
    """File documents into a database that is prepared, as the service writes them but without
    a sync for each."""
    with closing(connect(path, "rw")) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute("BEGIN")
        connection.executemany(
            f"INSERT INTO {FILES.name} ({FILES.key}, version, document) VALUES (?, 1, ?)",
            ((one[FILES.key], _text(one)) for one in files),
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _text(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


# --- counting ------------------------------------------------------------------------------


class Cost(NamedTuple):
    """Steps of SQLite's virtual machine, rows that the statement looked at, and its plan."""

    steps: int
    rows: int
    plan: str

    @property
    def uses_an_index(self) -> bool:
        return "USING INDEX" in self.plan and "SCAN" not in self.plan and "TEMP" not in self.plan


class Counted:
    """A collection's pages, each run once more with its cost counted."""

    def __init__(self, collection: Collection, connection: sqlite3.Connection) -> None:
        self._collection = collection
        self._connection = connection
        self.cost = Cost(0, 0, "")

    def page(
        self,
        equals: Mapping[str, str],
        where: Sequence[Where],
        order: Order,
        after: tuple[Any, ...] | None,
        limit: int,
        scan: int,
    ) -> Page:
        statement, values = page_statement(FILES.name, equals, where, order, after, scan)
        plan = self._connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        self._connection.set_progress_handler(step, 1)
        rows = matched = 0
        with closing(self._connection.execute(statement, values)) as cursor:
            for document, *_ in cursor:
                rows += 1
                matched += document is not None
                if matched == limit:
                    break
        self._connection.set_progress_handler(None, 1)
        self.cost = Cost(steps, rows, "; ".join(row[3] for row in plan))
        return self._collection.page(equals, where, order, after, limit, scan)


class Walk(NamedTuple):
    """The cost of pages 1 and 2 and of a later one, and how many files were on all pages."""

    first: Cost
    second: Cost
    later: Cost
    listed: int
    different: int


def walk(database: SqliteDatabase, path: Path, pairs: Pairs, limit: int, page: int) -> Walk:
    """Go through a listing by its cursors; count the first two pages and number `page`."""
    with closing(connect(path, "rw")) as connection:
        plain = database.collection(FILES)
        counted = Counted(plain, connection)
        costs = []
        seen: list[str] = []
        cursor: str | None = None
        for number in range(1, page + 1):
            at = [*pairs, ("limit", str(limit))] + ([("cursor", cursor)] if cursor else [])
            measured = number in (1, 2, page)
            files = cast(Collection, counted) if measured else plain
            found, cursor = list_files(files, ANYONE, parse_query(at))
            seen += [document["file_id"] for document in found]
            if measured:
                costs.append(counted.cost)
            if cursor is None:
                break
        return Walk(costs[0], costs[1], costs[-1], len(seen), len(set(seen)))


def report(verdict: Verdict, what: str, found: Walk, expected: int) -> None:
    first, second, later = found.first, found.second, found.later
    verdict.line(f"\n  {what}\n    {later.plan}")
    verdict.line(f"    page 1: {first.steps} steps, {first.rows} rows")
    verdict.line(f"    page 2: {second.steps} steps, {second.rows} rows")
    ratio = later.steps / second.steps
    counts = f"{later.steps} steps, {later.rows} rows: {ratio:.3f} times"
    good = ratio <= TARGET and later.rows <= TARGET * first.rows
    verdict.target(f"{what}: a page far in", good, counts)
    verdict.target("by an index, no sorting", first.uses_an_index and later.uses_an_index, "plan")
    whole = (found.listed, found.different) == (expected, expected)
    verdict.target("each file once", whole, f"{found.different} files in {found.listed} places")


def report_scan(verdict: Verdict, database: SqliteDatabase, path: Path, pairs: Pairs) -> None:
    """A filter that matches nothing: the first page looks at `SCAN` rows and gives a cursor."""
    with closing(connect(path, "rw")) as connection:
        counted = Counted(database.collection(FILES), connection)
        found, cursor = list_files(cast(Collection, counted), ANYONE, parse_query(pairs))
    cost = counted.cost
    verdict.line(f"\n  {pairs}\n    {cost.plan}")
    measured = f"{cost.rows} rows, {cost.steps} steps, {len(found)} files"
    verdict.target(f"at most {SCAN} rows, and a next page", cost.rows <= SCAN, measured)
    verdict.target("there is a next page", cursor is not None, str(cursor is not None))
    verdict.target("by an index, no sorting", cost.uses_an_index, "plan")


def measure(path: Path, options: argparse.Namespace, verdict: Verdict) -> None:
    # One more page than is walked through, so that the last one measured is full.
    database = filled(path, options.files + options.limit)
    page = options.files // options.limit
    verdict.line(
        f"SQLite {sqlite3.sqlite_version}, {options.files} files and a page; "
        f"page {page} against page 1, {options.limit} files each"
    )
    for order in ORDERS:
        found = walk(database, path, [("sort", order)], options.limit, page)
        report(verdict, f"sort={order}", found, page * options.limit)
    for order, name, value in BOUNDING:
        pairs = [("sort", order), (name, value)]
        found = walk(database, path, pairs, options.limit, page)
        report(verdict, f"sort={order}&{name}={value}", found, page * options.limit)
    for name, value in MATCHES_NOTHING:
        for order in ORDERS[:2]:
            report_scan(verdict, database, path, [("sort", order), (name, value)])
    database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--limit", type=int, default=100, help="files on a page (default 100)")
    options = parser.parse_args(sys.argv[1:])
    verdict = Verdict()
    with tempfile.TemporaryDirectory(prefix="file-drop-bench-") as folder:
        measure(Path(folder) / "catalog.sqlite", options, verdict)
    verdict.end()


if __name__ == "__main__":
    main()
