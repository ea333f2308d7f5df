"""Catalogs of any size that are valid and the same every time, put in past the service.

All about a file follows from its number, so that a store can be said to have its object without
holding it: only about `REAL` files have bytes, and only those are ever read.
"""

import hashlib
import heapq
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pymongo

from bench.listing import put_in
from services.clock import timestamp
from services.collections import ALL, FILES, JOBS
from services.files import Files
from services.principals import ANYONE
from storage.interfaces import Collection, Document, Listed, ObjectStore
from storage.local import LocalStore
from storage.sqlite import SqliteDatabase

PREFIX = "file-drop"
REAL, CONTENT = 2000, bytes(range(256)) * 16
# Beside the files that are counted: one of somebody else's and one tombstone for so many.
OTHERS_EVERY, TOMBSTONES_EVERY, OTHERS = 20, 50, 40
# In a bucket that the service cannot look into: what events are about.
ELSEWHERE, NOTIFIED = "somebody-elses", 64
BEGIN, SPAN = datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=700)
FOR_EVER = timedelta(days=36500)
NEVER = "9999-01-01T00:00:00.000Z"
BATCH = 1000
_KINDS = (
    ("quarterly report", "pdf", "application/pdf"),
    ("IMG", "jpeg", "image/jpeg"),
    ("Rechnung", "pdf", "application/pdf"),
    ("été à la mer", "png", "image/png"),
    ("写真", "jpeg", "image/jpeg"),
    ("backup", "gz", "application/gzip"),
    ("notes", "txt", "text/plain"),
    ("table", "csv", "text/csv"),
)
_COLOURS = ("red", "green", "blue")


class Stock:
    """`total` live files of nobody; beside them files of others, tombstones, a foreign bucket."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._others = total // OTHERS_EVERY
        self._tombstones = total // TOMBSTONES_EVERY
        self._now = BEGIN
        objects = cast(ObjectStore, SimpleNamespace(bucket=LocalStore.bucket))
        none = cast(Collection, None)
        self._files = Files(objects, none, PREFIX, FOR_EVER, lambda: self._now)

    @property
    def documents_in_all(self) -> int:
        return self.total + self._others + self._tombstones + NOTIFIED

    def real(self) -> Iterator[int]:
        """The files that have bytes, from the whole span of time."""
        return iter(range(0, self.total, max(1, self.total // REAL)))

    def file_id(self, number: int) -> str:
        return self._unique(number, 1)

    # --- objects -----------------------------------------------------------------------------

    def object(self, number: int) -> Listed:
        """What the store says about a file's bytes. Keys of one shard sort by the number, among
        the counted files and among those of others."""
        unique = self._unique(number, 0)
        size = len(CONTENT) if self._is_real(number) else _size(number)
        key = f"{PREFIX}/{unique[-2:]}/{unique}"
        return Listed(key, size, f"{unique.replace('-', '')}-{size:x}")

    def listed(self) -> Iterator[Listed]:
        """The objects of all live files in the bucket, in the order of their keys."""
        end = self.total + self._others
        for shard in range(256):
            counted = range(shard, self.total, 256)
            others = range(self.total + (shard - self.total) % 256, end, 256)
            yield from heapq.merge(map(self.object, counted), map(self.object, others))

    def _is_real(self, number: int) -> bool:
        return number < self.total and number % max(1, self.total // REAL) == 0

    def _unique(self, number: int, salt: int) -> str:
        """A UUIDv7 of the moment at which a file came; its last two digits are its shard."""
        moment = int(self._moment(number).timestamp() * 1000)
        chance = _mixed(number * 2 + salt) >> 10 << 8 | number % 256
        return str(uuid.UUID(int=moment << 80 | 0x7 << 76 | 0b10 << 62 | chance))

    def _moment(self, number: int) -> datetime:
        """Each sort of document is spread over the same two years."""
        share = number / self.total
        if number >= self.total + self._others:
            share = (number - self.total - self._others) / max(1, self._tombstones)
        elif number >= self.total:
            share = (number - self.total) / self._others
        return BEGIN + SPAN * share

    # --- documents ---------------------------------------------------------------------------

    def documents(self) -> Iterator[Document]:
        """All that is in the catalog, in about the order in which it came."""
        for number in range(self.total):
            yield self._document(number, ANYONE.owner)
            if number % OTHERS_EVERY == OTHERS_EVERY - 1:
                other = number // OTHERS_EVERY
                yield self._document(self.total + other, f"somebody {other % OTHERS}")
            if number % TOMBSTONES_EVERY == TOMBSTONES_EVERY - 1:
                gone = self.total + self._others + number // TOMBSTONES_EVERY
                yield self._tombstone(gone)
        for number in range(NOTIFIED):
            yield self._notified(number)

    def _document(self, number: int, owner: str) -> Document:
        mixed = _mixed(number)
        word, ending, file_type = _KINDS[mixed % len(_KINDS)]
        stored, file_id = self.object(number), self.file_id(number)
        self._now = self._moment(number)
        return self._files.new(
            file_id=file_id,
            owner=owner,
            item_name=self._files.no_item_name(file_id),
            bucket=LocalStore.bucket,
            object_key=stored.key,
            etag=stored.etag,
            file_name=f"{word} {mixed >> 8 & 0xFFFF}.{ending}",
            file_size=stored.size,
            file_type=file_type,
            sha256=self._sha256(number),
            source="api",
            updated_at=timestamp(self._now + timedelta(minutes=mixed % 100_000)),
            metadata={"colour": _COLOURS[mixed % 3]} if mixed % 4 else {},
        )

    def _sha256(self, number: int) -> str:
        if self._is_real(number):
            return hashlib.sha256(CONTENT).hexdigest()
        return f"{_mixed(number) << 192 | number:064x}"

    def _tombstone(self, number: int) -> Document:
        gone = self._files.absent(self._document(number, ANYONE.owner))
        return {**gone, "garbage": [], "sweep_at": gone["keep_until"]}

    def _notified(self, number: int) -> Document:
        key = notified_key(number)
        return self._files.new(
            owner="somebody",
            bucket=ELSEWHERE,
            object_key=key,
            etag="0" * 32,
            file_name=key.rpartition("/")[2],
            file_size=1,
            file_type="application/octet-stream",
            source="s3",
        )

    # --- putting it in -----------------------------------------------------------------------

    def fill(self, data: Path) -> None:
        """The embedded stores in this folder. The sweep of keys is told that it was here."""
        store, path = LocalStore(data, PREFIX), data / "catalog.sqlite"
        store.prepare()
        for number in self.real():
            (data / "objects" / self.object(number).key).write_bytes(CONTENT)
        with closing(SqliteDatabase(path)) as database:
            database.prepare(ALL)
            put_in(path, self.documents())
            database.collection(JOBS).insert(_SWEPT)

    def fill_mongo(self, uri: str) -> None:
        """The documents only, into a database that is prepared."""
        client: pymongo.MongoClient[Document]
        with pymongo.MongoClient(uri) as client:
            database: Any = client.get_default_database()
            documents = self.documents()
            while some := list(islice(documents, BATCH)):
                stored = [{"_id": one[FILES.key], **one, "version": 1} for one in some]
                database[FILES.name].insert_many(stored)
            database[JOBS.name].insert_one({"_id": _SWEPT["name"], **_SWEPT, "version": 1})


_SWEPT = {"name": "sweep", "keys_at": NEVER, "positions": {}, "holder": "", "until": ""}


def notified_key(number: int) -> str:
    """The key of an object that events are about."""
    return f"in/{number % NOTIFIED:03}.bin"


def _mixed(number: int) -> int:
    """64 bits that look like chance (the finalizer of SplitMix64)."""
    mask = 2**64 - 1
    mixed = (number + 1) * 0x9E3779B97F4A7C15 & mask
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & mask
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & mask
    return mixed ^ mixed >> 31


def _size(number: int) -> int:
    """Bytes up to 4 GiB, every order of magnitude as often as another; many files are empty."""
    mixed = _mixed(number)
    limit = 1 << (mixed >> 20) % 33
    return 0 if mixed % 50 == 0 else (mixed >> 26) % limit
