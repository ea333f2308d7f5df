"""A page of a listing costs the same wherever it is, and every listing has an index (SPEC 3).

SQLite counts its own steps, so nothing here is timed. For MongoDB the queries that would be
sent are compared with the declared indexes, by the rule that MongoDB's manual gives: fields
compared for equality first, then those that sort.
"""

import itertools
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import mongomock
import pytest

from bench.listing import (
    BOUNDING,
    MATCHES_NOTHING,
    ORDERS,
    TARGET,
    Cost,
    Counted,
    Pairs,
    filled,
    walk,
)
from errors import ApiError
from services import images, tasks
from services.collections import ALL, FILES, TASKS
from services.files import Files
from services.images import Images
from services.listing import list_files, parse_query
from services.observer import Observer
from services.pages import SCAN
from services.principals import ANYONE
from services.reconcile import Reconciler
from services.sweep import Sweep
from services.tasks import Tasks
from storage.interfaces import Collection, CollectionSpec, Order, Page, Where
from storage.mongo import MongoCollection, MongoDatabase, page_query
from storage.sqlite import SqliteDatabase, page_statement
from storage.sqlite_connections import connect

COUNT, LIMIT = 5000, 50
FILTERS = (
    ("file_name", "report"),
    ("file_type", "image/*"),
    ("source", "api"),
    ("created_after", "2026-01-01T00:00:00Z"),
    ("created_before", "2027-01-01T00:00:00Z"),
    ("min_size", "0"),
    ("max_size", "1000000"),
    ("metadata.colour", "red"),
)


class Filled(NamedTuple):
    """A database with 5,000 files and more, and where it is."""

    database: SqliteDatabase
    path: Path


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    path = tmp_path_factory.mktemp("listing") / "catalog.sqlite"
    database = filled(path, COUNT + LIMIT)
    yield Filled(database, path)
    database.close()


@pytest.fixture
def connection(catalog: Filled) -> Iterator[sqlite3.Connection]:
    with closing(connect(catalog.path, "rw")) as opened:
        yield opened


def combinations(order: str) -> Iterator[Pairs]:
    """This order with every set of filters."""
    for count in range(len(FILTERS) + 1):
        for chosen in itertools.combinations(FILTERS, count):
            yield [("sort", order), *chosen]


LISTINGS: list[Pairs] = [
    *([("sort", order)] for order in ORDERS),
    *([("sort", order), (name, value)] for order, name, value in BOUNDING),
]


@pytest.mark.parametrize("pairs", LISTINGS, ids=lambda pairs: "&".join(map("=".join, pairs)))
def test_a_page_far_in_costs_what_the_second_page_costs(catalog: Filled, pairs: Pairs) -> None:
    page = COUNT // LIMIT
    found = walk(catalog.database, catalog.path, pairs, LIMIT, page)
    assert (found.listed, found.different) == (COUNT, COUNT)
    assert found.later.rows <= TARGET * found.first.rows
    assert found.later.steps <= TARGET * found.second.steps
    assert found.second.steps <= 2 * found.first.steps  # a cursor is compared, no rows skipped
    assert found.later.uses_an_index, found.later.plan


@pytest.mark.parametrize("order", ORDERS)
def test_sqlite_sorts_no_listing_by_itself(
    catalog: Filled, connection: sqlite3.Connection, order: str
) -> None:
    counted = Counted(catalog.database.collection(FILES), connection)
    for pairs in combinations(order):
        _, cursor = list_files(
            cast(Collection, counted), ANYONE, parse_query([*pairs, ("limit", "1")])
        )
        assert counted.cost.uses_an_index, (pairs, counted.cost.plan)
        assert cursor is not None
        further = parse_query([*pairs, ("limit", "1"), ("cursor", cursor)])
        list_files(cast(Collection, counted), ANYONE, further)
        assert counted.cost.uses_an_index, (pairs, counted.cost.plan)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("name", "value"), MATCHES_NOTHING)
def test_a_filter_that_matches_nothing_looks_at_a_bounded_number_of_rows(
    catalog: Filled,
    connection: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    order: str,
    name: str,
    value: str,
) -> None:
    assert SCAN <= 10_000
    monkeypatch.setattr("services.pages.SCAN", 700)
    counted = Counted(catalog.database.collection(FILES), connection)
    query = parse_query([("sort", order), (name, value)])._replace(limit=LIMIT)
    found, cursor = list_files(cast(Collection, counted), ANYONE, query)
    assert (found, counted.cost.rows) == ([], 700)
    assert cursor is not None
    assert counted.cost.steps <= 700 * 20


# --- the other doors -----------------------------------------------------------------------


class Asked(NamedTuple):
    """A page that was asked for."""

    equals: Mapping[str, str]
    where: Sequence[Where]
    order: Order


class Empty:
    """A collection with nothing in it that keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def get(self, **equals: str) -> None:
        return None

    def page(
        self, equals: Mapping[str, str], where: Sequence[Where], order: Order, *bounds: object
    ) -> Page:
        self.asked.append(Asked(equals, where, order))
        return Page([], None)


def by_no_name(collection: Any) -> None:
    """An item that is nowhere is looked for everywhere."""
    with pytest.raises(ApiError):
        Images(cast(Any, None), files_of(collection)).get(ANYONE, {"FileName": "absent"})


def files_of(collection: Any) -> Files:
    objects = SimpleNamespace(bucket="local", list=lambda prefix, after: iter(()))
    return Files(cast(Any, objects), collection, "file-drop", timedelta(days=7))


ALL_IMAGES = images.parse_query({})
ALL_TASKS = tasks.parse_query({}, "ann")
# Who asks for pages beside GET /files, of which collection, and of how many kinds.
ASKING: dict[str, tuple[CollectionSpec, int, Callable[[Any], object]]] = {
    "GET /getall": (
        FILES,
        1,
        lambda c: Images(cast(Any, None), files_of(c)).get_all(ANYONE, ALL_IMAGES),
    ),
    "POST /getitem": (FILES, 2, by_no_name),
    "GET /todos": (TASKS, 1, lambda c: Tasks(c).list_all(ANYONE, "ann", ALL_TASKS)),
    "flask reconcile": (
        FILES,
        1,
        lambda c: Reconciler(Observer(files_of(c)), files_of(c)).look(lambda _: None),
    ),
    "sweep": (FILES, 1, lambda c: Sweep(files_of(c), cast(Any, None))._due_documents()),
}


@pytest.mark.parametrize("asking", ASKING)
def test_an_index_serves_what_the_other_doors_ask_for(
    connection: sqlite3.Connection, asking: str
) -> None:
    spec, kinds, ask = ASKING[asking]
    collection = Empty()
    ask(collection)
    assert len(collection.asked) == kinds
    for page in collection.asked:
        equal, fields = set(page.equals), page.order.fields
        assert any(
            set(index[: len(equal)]) == equal and index[len(equal) :][: len(fields)] == fields
            for index in (*spec.unique, *spec.indexes)
        ), page
        for after in (None, ("x",) * len(fields)):
            statement, values = page_statement(spec.name, *page, after, 100)
            explained = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
            assert Cost(0, 0, "; ".join(row[3] for row in explained)).uses_an_index, explained


# --- MongoDB -------------------------------------------------------------------------------


def test_mongodb_has_every_declared_index(monkeypatch: pytest.MonkeyPatch) -> None:
    # mongomock knows no concerns.
    monkeypatch.setattr(mongomock.Database, "with_options", lambda self, **options: self)
    client: Any = mongomock.MongoClient("mongodb://localhost/listing")
    MongoDatabase(client).prepare(ALL)
    for spec in ALL:
        made = client["listing"][spec.name].index_information().values()
        fields = {tuple(field for field, _ in index["key"]) for index in made}
        assert fields >= {*spec.unique, *spec.indexes}


class _Sent(NamedTuple):
    """A query as it is handed to pymongo."""

    conditions: list[dict[str, Any]]
    sort: list[tuple[str, int]]


class _Find:
    """pymongo's cursor, as far as a page needs it: says that there are always more rows."""

    def __init__(self, collection: "_Recorder", query: dict[str, Any]) -> None:
        self._collection = collection
        self._query = query
        self._limit = 0

    def sort(self, keys: list[tuple[str, int]]) -> "_Find":
        self._collection.sent.append(_Sent(self._query["$and"], keys))
        return self

    def skip(self, count: int) -> "_Find":
        return self

    def limit(self, count: int) -> "_Find":
        self._limit = count
        return self

    def __iter__(self) -> Iterator[dict[str, Any]]:
        row = dict.fromkeys(FILES.fields, "x") | {"_id": "x", "size_rank": 1}
        return (dict(row) for _ in range(self._limit))


class _Recorder:
    """A pymongo collection that keeps the queries."""

    def __init__(self) -> None:
        self.sent: list[_Sent] = []

    def find(self, query: dict[str, Any], fields: dict[str, int] | None) -> _Find:
        return _Find(self, query)


def _flat(conditions: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for condition in conditions:
        for name, value in condition.items():
            if name == "$and":
                yield from _flat(value)
            else:
                yield name, value


def _is_served(sent: _Sent, filters: list[dict[str, Any]]) -> bool:
    """Whether a declared index gives these rows one after the other, in this order."""
    bounds = list(_flat([one for one in sent.conditions if one not in filters]))
    equal = {name for name, value in bounds if name != "$or" and "$eq" in value}
    order = tuple(field for field, _ in sent.sort)
    ranges = {name for name, value in bounds if name != "$or" and "$eq" not in value}
    branches = [branch for name, value in bounds if name == "$or" for branch in value]
    return (
        len({direction for _, direction in sent.sort}) == 1
        and ranges <= {order[0]}
        and all(branch.keys() <= set(order) for branch in branches)
        and any(
            set(index[: len(equal)]) == equal and index[len(equal) :] == order
            for index in FILES.indexes
        )
    )


@pytest.mark.parametrize("order", ORDERS)
def test_an_index_serves_every_listing_in_mongodb(order: str) -> None:
    recorder = _Recorder()
    files = MongoCollection(FILES, recorder)
    for pairs in combinations(order):
        cursor = None
        for _ in ("first page", "next page"):
            at = [*pairs, ("limit", "1")] + ([("cursor", cursor)] if cursor else [])
            query = parse_query(at)
            _, filters = page_query({}, query.where, query.order, query.after)
            recorder.sent.clear()
            _, cursor = list_files(files, ANYONE, query)
            assert len(recorder.sent) == (2 if filters else 1)
            for sent in recorder.sent:
                assert _is_served(sent, filters), (pairs, sent)
            assert cursor is not None
