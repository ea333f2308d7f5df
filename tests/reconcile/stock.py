"""Fills the stores of a service by a plan, past the service, and compares bucket and catalog."""

import json
import os
import random
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pymongo

from config import Settings, load_settings
from services import clock
from services.collections import FILES, JOBS
from services.documents import LIVE, new_document, new_file_id, tombstone
from services.principals import ANYONE
from services.reconcile import ALL
from storage import open_documents, open_objects
from storage.interfaces import Document, Listed, Order
from storage.local import LocalStore
from storage.s3_client import clients
from storage.sqlite_connections import connect
from tests.reconcile.plan import Plan, etag
from tests.reconcile.standin_app import StandIn

SENDERS = 8
BATCH = 1000
OTHER_BUCKET = "somebody-elses"
LATER = timedelta(days=7)
NEVER = "9999-01-01T00:00:00.000Z"


def own_key(prefix: str, moment: datetime, chance: random.Random) -> str:
    """A key as the service makes it for an upload that began at this moment."""
    bits = int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62
    unique = str(uuid.UUID(int=bits | chance.getrandbits(12) << 64 | chance.getrandbits(62)))
    return f"{prefix}/{unique[-2:]}/{unique}"


class Stock:
    """The stores that these settings name, and what was put into them by `fill`."""

    def __init__(self, settings: Settings, plan: Plan, seed: int = 1) -> None:
        self.settings = settings
        self.plan = plan
        self._chance = random.Random(seed)
        self.bucket = settings.s3_bucket or LocalStore.bucket
        now = clock.now()
        self.same = self._own_keys(plan.own, now - timedelta(days=40))
        self.stray = self._own_keys(plan.each, now - timedelta(days=1, minutes=1))
        self.lost = self._own_keys(plan.each, now - timedelta(days=3))
        # What is no difference, a few of each.
        few = 3 + plan.each // 10
        self.young = self._own_keys(few, now - timedelta(hours=1))
        self.not_made_by_us = [f"{settings.s3_prefix}/{n % 256:02x}/notes {n}" for n in range(few)]
        self.by_name = [f"recorded/{n:05}.png" for n in range(few)]
        self.removed = [f"removed/{n:05}" for n in range(few)]

    def _own_keys(self, count: int, last: datetime) -> list[str]:
        times = (last - timedelta(seconds=number) for number in range(count))
        return [own_key(self.settings.s3_prefix, moment, self._chance) for moment in times]

    @property
    def expected(self) -> "Counter[str]":
        """How many differences of each kind a reconcile is to find."""
        return Counter(dict.fromkeys(ALL, self.plan.each))

    # --- filling ---------------------------------------------------------------------------

    def fill(self) -> None:
        """Put in objects and documents. The sweep, which would take the stray bytes as well,
        is told that it was here."""
        with closing(open_documents(self.settings)) as database:
            database.collection(JOBS).insert(
                {"name": "sweep", "keys_at": NEVER, "positions": {}, "holder": "", "until": ""}
            )
        self._put_objects()
        self._put_documents()

    def _put_objects(self) -> None:
        own = chain(self.same, self.stray, self.young, self.not_made_by_us)
        ours = ((key, key.encode()) for key in own)
        if not self.settings.s3_bucket:
            for key, content in ours:
                (self.settings.data_dir / "objects" / key).write_bytes(content)
            return
        theirs = ((self.plan.key(n), self.plan.stored(n)) for n in range(self.plan.foreign))
        folders = [("in/", b""), ("in/deep/", b"")]
        there = [(key, content) for key, content in theirs if content is not None]
        s3 = self._s3()

        def put(entry: tuple[str, bytes]) -> None:
            s3.put_object(Bucket=self.bucket, Key=entry[0], Body=entry[1])

        with ThreadPoolExecutor(SENDERS) as pool:
            for _ in pool.map(put, chain(ours, there, folders)):
                pass

    def _s3(self) -> Any:
        return clients(self.settings).patient

    def _put_documents(self) -> None:
        if self.settings.mongo_uri:
            self._put_into_mongo()
            return
        with closing(connect(self.settings.data_dir / "catalog.sqlite", "rw")) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                f"INSERT INTO {FILES.name} ({FILES.key}, version, document) VALUES (?, 1, ?)",
                ((d[FILES.key], json.dumps(d, ensure_ascii=False)) for d in self._documents()),
            )
            connection.execute("COMMIT")

    def _put_into_mongo(self) -> None:
        client: pymongo.MongoClient[Document]
        with pymongo.MongoClient(self.settings.mongo_uri) as client:
            collection: Any = client.get_default_database()[FILES.name]
            documents = self._documents()
            while some := list(islice(documents, BATCH)):
                collection.insert_many(
                    [{"_id": one[FILES.key], **one, "version": 1} for one in some]
                )

    def _documents(self) -> Iterator[Document]:
        for number in range(self.plan.foreign):
            content = self.plan.described(number)
            if content is not None:
                key = self.plan.key(number)
                yield self._document(key, len(content), etag(content), "s3")
        for key in self.same:
            yield self._document(key, len(key.encode()), self._etag(key), "api")
        for key in self.lost:
            yield self._document(key, 5, "lost", "api")
        for key in self.by_name:
            yield self._document(key, None, None, "api", item_name=key, item_source="test")
        for key in self.removed:
            gone = self._document(key, 1, "gone", "s3")
            yield tombstone(gone, gone["item_name"], [], clock.now() + LATER, clock.now() + LATER)
            # The same key in a bucket that the service cannot look into.
            yield self._document(key, 1, "theirs", "s3", bucket=OTHER_BUCKET)

    def _etag(self, key: str) -> str:
        if self.settings.s3_bucket:
            return etag(key.encode())
        return LocalStore(self.settings.data_dir, self.settings.s3_prefix).stat(key).etag

    def _document(
        self, key: str, size: int | None, of_store: str | None, source: str, **fields: Any
    ) -> Document:
        file_id = new_file_id()
        about = {
            "file_id": file_id,
            "owner": ANYONE.owner,
            "bucket": self.bucket,
            "object_key": key,
            "etag": of_store,
            "file_name": key.rpartition("/")[2] or "untitled",
            "file_size": size,
            "file_type": "application/octet-stream",
            "source": source,
            "item_name": f"{self.settings.s3_prefix}/{file_id}",
        }
        return new_document(clock.now(), **{**about, **fields})

    # --- looking ---------------------------------------------------------------------------

    def objects(self) -> Iterable[Listed]:
        """The bucket, as the command is told that it is."""
        if self.settings.s3_bucket:
            return open_objects(self.settings).list("", "")
        prefix = self.settings.s3_prefix
        return StandIn(self.settings.data_dir, prefix, self.plan).list("", "")

    def documents(self, bucket: str = "") -> Iterator[Document]:
        """All documents about a bucket, tombstones too."""
        order = Order(("object_key",), descending=False)
        with closing(open_documents(self.settings)) as database:
            files, after = database.collection(FILES), None
            while True:
                of_bucket = {"bucket": bucket or self.bucket}
                page = files.page(of_bucket, [], order, after, BATCH, BATCH)
                yield from page.documents
                after = page.last
                if after is None:
                    return

    def everything(self) -> "tuple[list[Listed], list[Document]]":
        """Both stores as they are, to see that nothing has changed."""
        return list(self.objects()), [*self.documents(), *self.documents(OTHER_BUCKET)]

    def disagreements(self) -> list[str]:
        """Where bucket and catalog are not what they should be after a reconcile that prunes,
        found without any of the code that is under test."""
        there = {
            one.key: (one.size, one.etag)
            for one in self.objects()
            if "\0" not in one.key and not (one.key.endswith("/") and one.size == 0)
        }
        live = {
            one["object_key"]: (one["file_size"], one["etag"])
            for one in self.documents()
            if one["state"] == LIVE
        }
        undocumented = {*self.young, *self.not_made_by_us}
        by_name = dict.fromkeys(self.by_name, (None, None))
        wrong = [f"without a document: {key}" for key in there.keys() - live.keys() - undocumented]
        wrong += [
            f"without an object: {key}" for key in live.keys() - there.keys() - by_name.keys()
        ]
        both = there.keys() & live.keys()
        wrong += [f"{key}: {there[key]} is {live[key]}" for key in both if there[key] != live[key]]
        wrong += [f"no longer there: {key}" for key in undocumented - there.keys()]
        wrong += [f"was not recorded any more: {key}" for key in by_name if key not in live]
        wrong += [f"still there: {key}" for key in self.stray if key in there]
        wrong += [f"lost, and yet a file: {key}" for key in self.lost if key in live]
        theirs = [one for one in self.documents(OTHER_BUCKET) if one["version"] == 1]
        if len(theirs) != len(self.removed):
            wrong.append("a document about another bucket was changed")
        return wrong


def settings_of(env: dict[str, str], data: Path) -> Settings:
    return load_settings({**env, "DATA_DIR": str(data)}, Path(os.devnull))
