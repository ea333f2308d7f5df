"""The document stores under test, and the collection that they are tested with."""

import dataclasses
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import mongomock

from storage.interfaces import Collection, CollectionSpec, Database, Document
from storage.mongo import MongoDatabase

THINGS = CollectionSpec(
    name="things",
    key="thing_id",
    unique=(("shelf", "slot"),),
    indexes=(
        ("owner", "title", "thing_id"),
        ("owner", "weight", "thing_id"),
        ("due_at", "thing_id"),
    ),
    fields=(
        "thing_id",
        "owner",
        "shelf",
        "slot",
        "title",
        "weight",
        "kind",
        "due_at",
        "metadata.*",
    ),
)


def fresh_spec(spec: CollectionSpec = THINGS) -> CollectionSpec:
    return dataclasses.replace(spec, name=f"t{uuid.uuid4().hex[:12]}")


@dataclass(frozen=True)
class DatabaseUnderTest:
    """`again` opens the same documents a second time, as another process would."""

    database: Database
    again: Callable[[], Database]
    orders_astral: bool  # whether text sorts by code point beyond U+D7FF, too

    def fresh(self) -> Collection:
        """A collection of things with nothing in it."""
        spec = fresh_spec()
        self.database.prepare([spec])
        return self.database.collection(spec)


class _Mocked:
    """A mongomock client and its database in one, with what mongomock lacks."""

    def __init__(self) -> None:
        self._client: Any = mongomock.MongoClient("mongodb://mocked/things")
        self.admin, self.close = self._client.admin, self._client.close

    def get_default_database(self) -> Any:
        return self

    def with_options(self, **options: object) -> Any:
        """mongomock knows no concerns: it is asked for with them and given without."""
        assert set(options) == {"write_concern", "read_concern", "read_preference"}
        return self

    def __getitem__(self, name: str) -> Any:
        return self._client.get_default_database()[name]


def mongomock_database() -> Database:
    return MongoDatabase(cast(Any, _Mocked()))


_numbers = itertools.count()


def thing(owner: str, **fields: Any) -> Document:
    """A document of `THINGS` that collides with no other."""
    number = next(_numbers)
    return {
        "thing_id": f"{owner}-{number:06}",
        "owner": owner,
        "shelf": owner,
        "slot": f"{number}",
        "title": "",
        "weight": 0,
        "kind": "plain",
        "due_at": None,
        "metadata": {},
        **fields,
    }
