"""What `storage.interfaces.Database` promises, on every store of documents."""

import dataclasses
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage import sqlite_connections
from storage.interfaces import (
    Collection,
    CollectionSpec,
    Conflict,
    Database,
    NoSpace,
    Order,
    StorageError,
    Unavailable,
    Where,
)
from storage.mongo import MongoDatabase, connect
from storage.sqlite import SqliteDatabase
from tests.contracts.databases import THINGS, DatabaseUnderTest, fresh_spec, thing
from tests.servers.processes import free_port

LATER = dataclasses.replace(THINGS, unique=(), indexes=())


def test_prepare_says_what_it_did_and_may_be_done_twice(databases: DatabaseUnderTest) -> None:
    spec = fresh_spec()
    first = databases.database.prepare([spec])
    document = databases.database.collection(spec).insert(thing("somebody"))
    second = databases.database.prepare([spec])
    assert first.keys() == second.keys() != set()
    assert set(second.values()) == {"was there"}
    collection = databases.database.collection(spec)
    assert collection.get(thing_id=document["thing_id"]) == document
    with pytest.raises(Conflict):
        collection.insert(thing("somebody", slot=document["slot"]))


def test_prepare_says_that_it_made_something(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "new" / "catalog.sqlite")
    assert set(database.prepare([THINGS]).values()) == {"made"}
    database.close()


def test_two_that_share_a_store_see_each_other_s_writes(databases: DatabaseUnderTest) -> None:
    spec = fresh_spec()
    databases.database.prepare([spec])
    other = databases.again()
    try:
        here, there = databases.database.collection(spec), other.collection(spec)
        document = here.insert(thing("somebody"))
        changed = there.replace({**document, "title": "from there"})
        assert here.get(thing_id=document["thing_id"]) == changed
        with pytest.raises(Conflict):
            there.insert(thing("somebody", slot=document["slot"]))
    finally:
        if other is not databases.database:
            other.close()


def refused_or_unique(database: Database, spec: CollectionSpec) -> bool:
    """Whether `prepare` refuses, or two documents of `spec` can not be in one place."""
    try:
        database.prepare([spec])
    except Unavailable:
        return True
    collection = database.collection(spec)
    collection.insert(thing("one", slot="same", shelf="same"))
    try:
        collection.insert(thing("two", slot="same", shelf="same"))
    except Conflict:
        return True
    return False


def test_prepare_does_not_trust_the_name_of_an_index(databases: DatabaseUnderTest) -> None:
    """Where an index of that name is there and is not unique, the service must not start."""
    before = fresh_spec(dataclasses.replace(THINGS, unique=(), indexes=THINGS.unique))
    databases.database.prepare([before])
    now = dataclasses.replace(before, unique=THINGS.unique, indexes=())
    assert refused_or_unique(databases.database, now)


def test_prepare_refuses_what_is_not_unique_already(databases: DatabaseUnderTest) -> None:
    before = fresh_spec(LATER)
    databases.database.prepare([before])
    collection = databases.database.collection(before)
    for owner in ("one", "two"):
        collection.insert(thing(owner, shelf="same", slot="same"))
    with pytest.raises(Unavailable):
        databases.database.prepare([dataclasses.replace(before, unique=THINGS.unique)])


def test_prepare_makes_what_a_collection_lacks(databases: DatabaseUnderTest) -> None:
    """A newer version of the service may name a field that its tables do not know yet."""
    before = fresh_spec()
    databases.database.prepare([before])
    document = databases.database.collection(before).insert(thing("somebody", colour="red"))
    now = dataclasses.replace(before, fields=(*THINGS.fields, "colour"))
    databases.database.prepare([now])
    page = databases.database.collection(now).page(
        {"owner": "somebody"},
        [Where("colour", "eq", "red")],
        Order(("title", "thing_id"), False),
        None,
        10,
        10,
    )
    assert page.documents == [document]


def test_check(databases: DatabaseUnderTest) -> None:
    databases.database.check()


DOCUMENT = {**thing("somebody"), "version": 1}
USES: dict[str, Callable[[Database, Collection], object]] = {
    "insert": lambda database, things: things.insert(DOCUMENT),
    "get": lambda database, things: things.get(thing_id="x"),
    "replace": lambda database, things: things.replace(DOCUMENT),
    "delete": lambda database, things: things.delete(DOCUMENT),
    "page": lambda database, things: things.page(
        {"owner": "o"}, [Where("kind", "eq", "x")], Order(("title", "thing_id"), False), None, 5, 5
    ),
    "check": lambda database, things: database.check(),
}


def failures(database: Database, uses: dict[str, Callable[..., object]]) -> dict[str, object]:
    """What each use of a database raises, within 10 s."""
    things = database.collection(THINGS)

    def failure(use: Callable[..., object]) -> object:
        begun = time.monotonic()
        try:
            return use(database, things)
        except StorageError as error:
            return type(error) if time.monotonic() - begun < 10 else time.monotonic() - begun

    with ThreadPoolExecutor(len(uses)) as pool:
        return dict(zip(uses, pool.map(failure, uses.values()), strict=True))


def test_a_server_that_is_not_there_is_unavailable() -> None:
    database = MongoDatabase(connect(f"mongodb://127.0.0.1:{free_port()}/things"))
    uses = {**USES, "prepare": lambda database, things: database.prepare([THINGS])}
    assert failures(database, uses) == dict.fromkeys(uses, Unavailable)
    database.close()


def test_a_file_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """Nor is it made anew: whoever renamed the folder would find two catalogs."""
    data = tmp_path / "data"
    database = SqliteDatabase(data / "catalog.sqlite")
    database.prepare([THINGS])
    database.check()
    data.rename(tmp_path / "elsewhere")
    assert failures(database, USES) == dict.fromkeys(USES, Unavailable)
    assert not data.exists()
    (tmp_path / "elsewhere").rename(data)
    database.check()
    database.close()


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(Unavailable):
        SqliteDatabase(tmp_path / "data" / "catalog.sqlite").prepare([THINGS])


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_text("This is not a database, however long one looks at it." * 100)
    database = SqliteDatabase(path)
    assert failures(database, USES) == dict.fromkeys(USES, Unavailable)
    database.close()


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own limit of pages stands for the disk: the error is the same."""
    database = SqliteDatabase(tmp_path / "catalog.sqlite")
    database.prepare([THINGS])
    things = database.collection(THINGS)
    connect_freely = sqlite_connections.connect

    def connect_with_little_room(path: Path, mode: str) -> sqlite3.Connection:
        connection = connect_freely(path, mode)
        connection.execute("PRAGMA max_page_count = 12")
        return connection

    monkeypatch.setattr(sqlite_connections, "connect", connect_with_little_room)
    stored = things.insert(thing("somebody", title="fits"))
    large = {"title": "x" * 10**6}
    with pytest.raises(NoSpace):
        things.insert(thing("somebody", **large))
    with pytest.raises(NoSpace):
        things.replace({**stored, **large})
    monkeypatch.undo()
    assert things.get(thing_id=stored["thing_id"]) == stored
    assert things.replace({**stored, **large})["version"] == 2
    database.close()


def test_a_file_that_another_process_holds(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "catalog.sqlite")
    database.prepare([THINGS])
    things = database.collection(THINGS)
    stored = things.insert(thing("somebody"))
    other = sqlite3.connect(tmp_path / "catalog.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    writes = {use: USES[use] for use in ("insert", "replace", "delete")}
    assert failures(database, writes) == dict.fromkeys(writes, Unavailable)
    assert things.get(thing_id=stored["thing_id"]) == stored  # readers need not wait
    other.close()
    assert things.replace(stored)["version"] == 2
    database.close()
