"""The document stores under test, and the collection that they are tested with."""

import dataclasses
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storage.interfaces import Collection, CollectionSpec, Database, Document
from storage.mongo import MongoDatabase
from tests.servers.mongomocked import mocked_client

THINGS = CollectionSpec(
    name="things",
    key="thing_id",
    unique=(("shelf", "slot"), ("owner", "label", "shelf")),
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
        "label",
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


def mongomock_database() -> Database:
    return MongoDatabase(mocked_client())


_numbers = itertools.count()


def thing(owner: str, **fields: Any) -> Document:
    """A document of `THINGS` that collides with no other."""
    number = next(_numbers)
    return {
        "thing_id": f"{owner}-{number:06}",
        "owner": owner,
        "shelf": owner,
        "slot": f"{number}",
        "label": f"label {number}",
        "title": "",
        "weight": 0,
        "kind": "plain",
        "due_at": None,
        "metadata": {},
        **fields,
    }
