"""What an operation asks MongoDB and S3 for: commands, what they hand over, requests.

The Mongo-wire server of the tests looks through all documents for most queries, so its times say
nothing and it is only listened to; which index serves a command is told by MongoDB's rule: fields
compared for equality, then those that sort.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast
from unittest import mock

import pymongo
from pymongo import monitoring

from bench.pairings import Pairing, Verdict
from bench.scaling.asked import Asked, Count, application, gathered, mean
from bench.scaling.stock import CONTENT, NOTIFIED, Stock, notified_key
from bench.scaling.tables import Table, number
from services.collections import ALL
from storage.interfaces import CollectionSpec
from storage.s3 import S3Store
from tests.services.readers import Chunks

ASKING = ("find", "insert", "update", "delete", "getMore", "aggregate")
NO_INDEX = "NONE"


class Listener(monitoring.CommandListener):
    """Hears the commands of all clients that are made while it is registered."""

    def __init__(self) -> None:
        self.count = Count()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ASKING:
            self.count.amounts["commands"] += 1
            self.count.said.append(described(event.command_name, event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        cursor = event.reply.get("cursor", {})
        batch = cursor.get("firstBatch", cursor.get("nextBatch", ()))
        self.count.amounts["documents"] += len(batch)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Says itself by what comes of it."""

    def requested(self, event_name: str, **_: object) -> None:
        """A request to S3."""
        self.count.amounts["requests"] += 1
        self.count.said.append(event_name.rpartition(".")[2])

    @contextmanager
    def during(self) -> Iterator[Count]:
        self.count = Count()
        yield self.count


def described(name: str, command: Mapping[str, Any]) -> str:
    """A command in short, with the index that serves it: `find by place`."""
    spec = next((one for one in ALL if one.name == command.get(name)), None)
    if name == "insert" or spec is None:
        return name
    query, order = command.get("filter", {}), list(command.get("sort", {}))
    if name in ("update", "delete"):
        query = command[f"{name}s"][0]["q"]
    equal = {field for field, value in _flat(query) if _is_equality(value)}
    limit = f" limit {command['limit']}" if command.get("limit", 1) != 1 else ""
    skip = f" skip {command['skip']}" if command.get("skip") else ""
    return f"{name} by {served_by(spec, equal, order)}{skip}{limit}"


def served_by(spec: CollectionSpec, equal: set[str], order: Sequence[str]) -> str:
    """The index in which all rows of the query are one run in its order."""
    if "_id" in equal:
        return "_id"
    best, name = 0, ""
    for index in (*spec.unique, *spec.indexes):
        for prefix in range(len(index), 0, -1):
            fits = set(index[:prefix]) <= equal
            sorts = list(index[prefix:][: len(order)]) == list(order)
            whole = bool(order) or (index in spec.unique and prefix == len(index))
            if fits and sorts and whole and prefix > best:
                best, name = prefix, ", ".join(index)
    return f"({name})" if best else NO_INDEX


def _flat(query: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, value in query.items():
        if field == "$and":
            for one in value:
                yield from _flat(one)
        else:
            yield field, value


def _is_equality(value: Any) -> bool:
    return not isinstance(value, dict | list) or (isinstance(value, dict) and set(value) == {"$eq"})


# --- counting --------------------------------------------------------------------------------


def servers_counts(running: Pairing, stock: Stock) -> dict[str, list[Count]]:
    """Each operation, on a catalog that is small."""
    stock.fill_mongo(running.settings["MONGO_URI"])
    listener = Listener()
    client = partial(pymongo.MongoClient, event_listeners=[listener])
    env = {**running.settings, "DATA_DIR": str(running.drop.data)}
    with (
        mock.patch("storage.mongo.pymongo.MongoClient", client),
        application(env) as (asking, services),
    ):
        objects = cast(S3Store, services.objects)
        for number in range(NOTIFIED):
            objects.write(notified_key(number), Chunks(CONTENT), "image/png")
        # The clients of one store are not told to others.
        for one in {id(one): one for one in objects._clients}.values():
            one.meta.events.register("before-send.s3", listener.requested)
        return gathered(Asked(asking, listener.during).every(bucket=objects.bucket))


def table(found: Mapping[str, Sequence[Count]]) -> Table:
    heading = ["operation", "commands", "documents", "S3 requests", "what is asked, in order"]
    rows = []
    for name, several in found.items():
        amounts = mean(several)
        figures = (amounts.get(one, 0) for one in ("commands", "documents", "requests"))
        rows.append([name, *map(number, figures), "; ".join(several[-1].said)])
    return Table("servers", heading, rows)


def judge(verdict: Verdict, found: Mapping[str, Sequence[Count]]) -> None:
    said = {one for several in found.values() for count in several for one in count.said}
    unserved = sorted(one for one in said if NO_INDEX in one)
    verdict.target("an index serves each command", not unserved, "; ".join(unserved) or "all")
