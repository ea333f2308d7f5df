"""Every back end, as a fixture that the contract suites run against."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from storage.interfaces import Collection
from storage.mongo import MongoDatabase, connect
from storage.s3_client import Clients
from storage.sqlite import SqliteDatabase
from tests.contracts.databases import DatabaseUnderTest, mongomock_database
from tests.contracts.stores import (
    AMPLE,
    TINY,
    ObjectsUnderTest,
    S3UnderTest,
    local_store,
    s3_clients,
    s3_store,
)
from tests.servers.stores import Stores


@pytest.fixture(scope="session")
def real_clients(real_stores: Stores) -> Iterator[Clients]:
    """Clients of the real server: making them takes a second."""
    with s3_clients(real_stores, real_stores.s3_endpoint_url) as made:
        yield made


@pytest.fixture(scope="module", params=["local", "local-tiny-budget", "s3", "s3-tiny-budget"])
def objects(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ObjectsUnderTest]:
    folder = tmp_path_factory.mktemp("objects")
    budget = TINY if request.param.endswith("tiny-budget") else AMPLE
    if request.param.startswith("local"):
        yield local_store(folder, budget)
        return
    real, made = request.getfixturevalue("real_stores"), request.getfixturevalue("real_clients")
    with s3_store(real, made, folder, budget) as under_test:
        yield under_test


@pytest.fixture
def s3(
    real_stores: Stores, real_clients: Clients, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3UnderTest]:
    """A bucket of its own for one test."""
    with s3_store(real_stores, real_clients, tmp_path_factory.mktemp("s3")) as under_test:
        yield under_test


@pytest.fixture(scope="module", params=["sqlite", "mongomock", "mongo-wire"])
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DatabaseUnderTest]:
    with ExitStack() as ending:
        if request.param == "sqlite":
            path = tmp_path_factory.mktemp("sqlite") / "catalog.sqlite"
            under_test = DatabaseUnderTest(
                SqliteDatabase(path), lambda: SqliteDatabase(path), orders_astral=True
            )
        elif request.param == "mongomock":
            mocked = mongomock_database()
            under_test = DatabaseUnderTest(mocked, lambda: mocked, orders_astral=True)
        else:
            uri = request.getfixturevalue("real_stores").uri_of(f"t{uuid.uuid4().hex[:12]}")
            under_test = DatabaseUnderTest(
                MongoDatabase(connect(uri)),
                lambda: MongoDatabase(connect(uri)),
                # mongo-java-server compares UTF-16 units; MongoDB itself compares UTF-8.
                orders_astral=False,
            )
        ending.callback(under_test.database.close)
        yield under_test


@pytest.fixture(scope="module")
def things(databases: DatabaseUnderTest) -> Collection:
    """A collection that the tests of a module share; each keeps to an owner of its own."""
    return databases.fresh()


@pytest.fixture
def owner() -> str:
    return f"o{uuid.uuid4().hex[:8]}"
