"""A bucket in memory into which anybody writes, as an `ObjectStore` for the services."""

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from services.collections import FILES
from storage.interfaces import Changed, Listed, NotFound, ObjectStat, Reader, Upload, Written
from tests.services.readers import read_all
from tests.services.world import Between, World, make_world

OURS, THEIRS = "ours", "theirs"
NOTHING_SAID = "application/octet-stream"
PIECE = 2**16


class Bytes:
    """A body, in pieces so small that a test can leave it half-way."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), PIECE):
            yield self._content[start : start + PIECE]

    def close(self) -> None:
        self.closed = True


class MemoryBucket:
    """Objects by key, whoever put them there. Unlike `LocalStore` it takes any key."""

    def __init__(self) -> None:
        self.bucket = OURS
        self._objects: dict[str, tuple[bytes, str]] = {}

    def put(self, key: str, content: bytes = b"content", content_type: str = NOTHING_SAID) -> str:
        """Write past the service, as any S3 client does; the ETag."""
        self._objects[key] = (content, content_type)
        return self.stat(key).etag

    def remove(self, key: str) -> None:
        """Delete past the service, absent is fine."""
        self._objects.pop(key, None)

    def empty(self) -> None:
        self._objects.clear()

    def has(self, key: str) -> bool:
        return key in self._objects

    def keys(self) -> list[str]:
        return sorted(self._objects, key=str.encode)

    # --- what the services use -------------------------------------------------------------

    def prepare(self) -> None:
        """There is nothing to make."""

    def write(self, key: str, reader: Reader, content_type: str) -> Written:
        assert key not in self._objects
        content = read_all(reader)
        return Written(len(content), self.put(key, content, content_type))

    def open(self, key: str, start: int, stop: int, if_etag: str) -> Bytes:
        assert start < stop
        if self.stat(key).etag != if_etag:
            raise Changed(key)
        return Bytes(self._objects[key][0][start:stop])

    def stat(self, key: str) -> ObjectStat:
        if key not in self._objects:
            raise NotFound(key)
        content, content_type = self._objects[key]
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return ObjectStat(len(content), etag, content_type)

    def delete(self, key: str) -> None:
        self.remove(key)

    def list(self, prefix: str, after: str) -> Iterator[Listed]:
        for key in self.keys():
            if key.startswith(prefix) and key.encode() > after.encode():
                found = self.stat(key)
                yield Listed(key, found.size, found.etag)

    def abandoned(self, older_than: datetime) -> Iterator[Upload]:
        return iter(())

    def abandon(self, upload: Upload) -> None:
        """A write is never left half-done here."""

    def check(self) -> None:
        """It is always there."""


@contextmanager
def bucket_world(folder: Path) -> Iterator[tuple[World, MemoryBucket]]:
    """A world whose objects lie in such a bucket, and the bucket."""
    world, store = make_world(folder), MemoryBucket()
    try:
        yield (
            dataclasses.replace(world, store=cast(Any, store), objects=Between(store)),
            store,
        )
    finally:
        world.database.close()


def start_over(world: World, bucket: MemoryBucket) -> None:
    """As if nothing had ever been. To make a database for each case would take much longer."""
    collection = world.database.collection(FILES)
    for document in world.documents():
        collection.delete(document)
    bucket.empty()
    for store in (world.files, world.objects):
        store.forget_plans()
        store.calls.clear()
