"""Documents in MongoDB, through pymongo.

A document's key is also its `_id`. Every write is acknowledged by a majority and its journal,
and reads see only such writes, whatever the URI says.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pymongo
from pymongo.errors import (
    ConfigurationError,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from storage.interfaces import (
    Collection,
    CollectionSpec,
    Conflict,
    Document,
    NoSpace,
    Order,
    Page,
    Unavailable,
    Where,
)
from storage.paging import divide

OPERATION_SECONDS = 3.0
POOL_SIZE = 128
_OUT_OF_DISK_SPACE = 14031
_OPERATORS = {"eq": "$eq", "gt": "$gt", "gte": "$gte", "lt": "$lt", "lte": "$lte"}


@contextmanager
def _translated() -> Iterator[None]:
    """pymongo's errors as ours; a URI that cannot be used stays the mistake that it is."""
    try:
        yield
    except DuplicateKeyError as error:
        raise Conflict(str(error)) from error
    except ConfigurationError:
        raise
    except OperationFailure as error:
        if error.code == _OUT_OF_DISK_SPACE:
            raise NoSpace(str(error)) from error
        raise Unavailable(f"MongoDB: {error}") from error
    except PyMongoError as error:
        raise Unavailable(f"MongoDB: {error}") from error


def connect(uri: str) -> "pymongo.MongoClient[dict[str, Any]]":
    """A client that gives up soon enough to answer within 10 s (SPEC section 7).

    Raises ValueError for a URI that cannot be used.
    """
    try:
        return _client(uri)
    except PyMongoError as error:
        raise ValueError("not a MongoDB URI") from error


def _client(uri: str) -> "pymongo.MongoClient[dict[str, Any]]":
    return pymongo.MongoClient(
        uri,
        timeoutMS=int(OPERATION_SECONDS * 1000),
        serverSelectionTimeoutMS=int(OPERATION_SECONDS * 1000),
        connectTimeoutMS=2000,
        maxPoolSize=POOL_SIZE,
        appname="file-drop",
    )


class MongoDatabase:
    """`storage.interfaces.Database` in the database that the client's URI names."""

    def __init__(self, client: "pymongo.MongoClient[dict[str, Any]]") -> None:
        self._client = client
        self._database = client.get_default_database().with_options(
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
            read_preference=pymongo.ReadPreference.PRIMARY,
        )

    def collection(self, spec: CollectionSpec) -> Collection:
        return MongoCollection(spec, self._database[spec.name])

    def prepare(self, specs: Sequence[CollectionSpec]) -> Mapping[str, str]:
        done = {}
        with _translated():
            for spec in specs:
                collection = self._database[spec.name]
                for fields in (*spec.unique, *spec.indexes):
                    name = "_".join(fields)
                    there = name in collection.index_information()
                    try:
                        collection.create_index(
                            [(field, pymongo.ASCENDING) for field in fields],
                            name=name,
                            unique=fields in spec.unique,
                        )
                    except DuplicateKeyError as error:
                        raise Unavailable(f"MongoDB: {name} cannot be unique: {error}") from error
                    done[f"index {spec.name}.{name}"] = "was there" if there else "made"
                self._verify(spec)
        return done

    def _verify(self, spec: CollectionSpec) -> None:
        """Two documents for one object would be worse than a service that does not start."""
        indexes = self._database[spec.name].index_information()
        for fields in spec.unique:
            if not indexes["_".join(fields)].get("unique"):
                raise Unavailable(f"MongoDB: the index of {spec.name} on {fields} is not unique")

    def check(self) -> None:
        with _translated():
            self._client.admin.command("ping")

    def close(self) -> None:
        self._client.close()


class MongoCollection:
    """`storage.interfaces.Collection` as a MongoDB collection."""

    def __init__(self, spec: CollectionSpec, collection: Any) -> None:
        self._spec = spec
        self._collection = collection

    def insert(self, document: Document) -> Document:
        stored = {**document, "version": 1}
        with _translated():
            self._collection.insert_one({"_id": document[self._spec.key], **stored})
        return stored

    def get(self, **equals: str) -> Document | None:
        with _translated():
            found = self._collection.find_one(self._query(equals))
        return None if found is None else _load(found)

    def replace(self, document: Document) -> Document:
        stored = {**document, "version": document["version"] + 1}
        with _translated():
            done = self._collection.replace_one(self._this(document), stored)
        if done.matched_count == 0:
            raise Conflict("the document is no longer in this version")
        return stored

    def delete(self, document: Document) -> None:
        with _translated():
            done = self._collection.delete_one(self._this(document))
        if done.deleted_count == 0:
            raise Conflict("the document is no longer in this version")

    def _query(self, equals: Mapping[str, Any]) -> dict[str, Any]:
        """Equality on a document's key and other fields.

        A string or a number is never an operator; and plain equality is what every server
        that speaks MongoDB's protocol answers from an index, which `$eq` is not.
        """
        query = {field: _scalar(value) for field, value in equals.items()}
        if self._spec.key in query:
            query["_id"] = query.pop(self._spec.key)
        return query

    def _this(self, document: Document) -> dict[str, Any]:
        return self._query({name: document[name] for name in (self._spec.key, "version")})

    def page(
        self,
        equals: Mapping[str, str],
        where: Sequence[Where],
        order: Order,
        after: tuple[Any, ...] | None,
        limit: int,
        scan: int,
    ) -> Page:
        bounds, filters = page_query(equals, where, order, after)
        limit = min(limit, scan)
        with _translated():
            end = self._scan_end(bounds, order, scan) if filters else None
            if end is not None:
                bounds.append(_beyond(order, end, closed=True))
            found = self._find({"$and": bounds + filters}, order).limit(limit)
            documents = [_load(document) for document in found]
        if len(documents) == limit:
            return Page(documents, tuple(documents[-1][field] for field in order.fields))
        return Page(documents, end)

    def _scan_end(
        self, bounds: list[dict[str, Any]], order: Order, scan: int
    ) -> tuple[Any, ...] | None:
        """The sort values of the last row that may be examined, None if fewer rows are left.

        Asked first, so that whatever comes or goes between the two queries, the page covers
        exactly the rows up to there, and the next one those after it.
        """
        fields = dict.fromkeys(order.fields, 1) | {"_id": 0}
        rows = list(self._find({"$and": bounds}, order, fields).skip(scan - 1).limit(1))
        return tuple(rows[0][field] for field in order.fields) if rows else None

    def _find(
        self, query: dict[str, Any], order: Order, fields: dict[str, int] | None = None
    ) -> Any:
        direction = pymongo.DESCENDING if order.descending else pymongo.ASCENDING
        return self._collection.find(query, fields).sort([(f, direction) for f in order.fields])


def _scalar(value: Any) -> str | int:
    """The value, which must not be an object: that could be an operator."""
    if not isinstance(value, str | int):
        raise TypeError(f"not a value to compare with: {type(value).__name__}")
    return value


def page_query(
    equals: Mapping[str, str],
    where: Sequence[Where],
    order: Order,
    after: tuple[Any, ...] | None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The conditions that bound a run of index entries, and those looked at row by row."""
    bounding, filtering = divide(where, order, after)
    bounds: list[dict[str, Any]] = [{field: {"$eq": value}} for field, value in equals.items()]
    bounds += [_condition(condition) for condition in bounding]
    filters = [_condition(condition) for condition in filtering]
    if after is not None:
        bounds.append(_beyond(order, after, closed=False))
    return bounds or [{}], filters


def _condition(condition: Where) -> dict[str, Any]:
    if condition.op == "contains":
        return {condition.field: {"$regex": re.escape(str(condition.value))}}
    return {condition.field: {_OPERATORS[condition.op]: condition.value}}


def _beyond(order: Order, values: tuple[Any, ...], *, closed: bool) -> dict[str, Any]:
    """Rows after `values` in this order; if closed, those up to and with them instead."""
    onward = order.descending == closed
    strict = "$gt" if onward else "$lt"
    first, *rest = order.fields
    branches: list[dict[str, Any]] = []
    same: dict[str, Any] = {}
    for field, value in zip(order.fields, values, strict=True):
        is_last = field == order.fields[-1]
        operator = strict + "e" if closed and is_last else strict
        branches.append({**same, field: {operator: value}})
        same[field] = {"$eq": value}
    loose = {first: {strict + "e": values[0]}}
    return {"$and": [loose, {"$or": branches}]} if rest else branches[0]


def _load(found: dict[str, Any]) -> Document:
    found.pop("_id")
    return found
