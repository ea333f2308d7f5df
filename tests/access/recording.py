"""Stores that write down what is asked of them: which kind of step, on which fields."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from storage.interfaces import (
    Body,
    Collection,
    CollectionSpec,
    Database,
    Document,
    Listed,
    ObjectStat,
    ObjectStore,
    Order,
    Page,
    Reader,
    Upload,
    Where,
    Written,
)


class Calls(list[str]):
    """What was asked; more than `most` is taken for a loop without end."""

    most = 1_000_000

    def append(self, call: str) -> None:
        super().append(call)
        if len(self) > self.most:
            raise AssertionError(f"no end: {self[-4:]}")


class RecordingCollection:
    def __init__(self, name: str, inner: Collection, calls: Calls) -> None:
        self._name, self._inner, self._calls = name, inner, calls

    def _note(self, step: str, *details: object) -> None:
        self._calls.append(" ".join([f"{self._name}.{step}", *map(str, details)]))

    def insert(self, document: Document) -> Document:
        self._note("insert")
        return self._inner.insert(document)

    def get(self, **equals: str) -> Document | None:
        self._note("get", sorted(equals))
        return self._inner.get(**equals)

    def replace(self, document: Document) -> Document:
        self._note("replace")
        return self._inner.replace(document)

    def delete(self, document: Document) -> None:
        self._note("delete")
        self._inner.delete(document)

    def page(
        self,
        equals: Mapping[str, str],
        where: Sequence[Where],
        order: Order,
        after: tuple[Any, ...] | None,
        limit: int,
        scan: int,
    ) -> Page:
        conditions = [(one.field, one.op) for one in where]
        self._note("page", sorted(equals), conditions, order, limit, scan)
        return self._inner.page(equals, where, order, after, limit, scan)


class RecordingDatabase:
    def __init__(self, inner: Database, calls: Calls) -> None:
        self._inner, self._calls = inner, calls

    def collection(self, spec: CollectionSpec) -> Collection:
        return RecordingCollection(spec.name, self._inner.collection(spec), self._calls)

    def prepare(self, specs: Sequence[CollectionSpec]) -> Mapping[str, str]:
        return self._inner.prepare(specs)

    def check(self) -> None:
        self._calls.append("documents.check")
        self._inner.check()

    def close(self) -> None:
        self._inner.close()


class RecordingStore:
    def __init__(self, inner: ObjectStore, calls: Calls) -> None:
        self._inner, self._calls = inner, calls
        self.bucket = inner.bucket

    def prepare(self) -> None:
        self._inner.prepare()

    def write(self, key: str, reader: Reader, content_type: str) -> Written:
        self._calls.append("objects.write")
        return self._inner.write(key, reader, content_type)

    def open(self, key: str, start: int, stop: int, if_etag: str) -> Body:
        self._calls.append("objects.open")
        return self._inner.open(key, start, stop, if_etag)

    def stat(self, key: str) -> ObjectStat:
        self._calls.append("objects.stat")
        return self._inner.stat(key)

    def delete(self, key: str) -> None:
        self._calls.append("objects.delete")
        self._inner.delete(key)

    def list(self, prefix: str, after: str) -> Iterator[Listed]:
        self._calls.append("objects.list")
        return self._inner.list(prefix, after)

    def abandoned(self, older_than: datetime) -> Iterator[Upload]:
        self._calls.append("objects.abandoned")
        return self._inner.abandoned(older_than)

    def abandon(self, upload: Upload) -> None:
        self._calls.append("objects.abandon")
        self._inner.abandon(upload)

    def check(self) -> None:
        self._calls.append("objects.check")
        self._inner.check()
