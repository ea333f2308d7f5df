"""The collection of file documents as the rules use it, and the bytes that it answers for.

Writes without an answer are read back; what nobody needs any more is cleaned away. The two
that write through it are the catalog, for clients, and the observer, for the object store.
"""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import faults
from services import clock
from services.documents import (
    LIVE,
    UNOWNED,
    new_document,
    new_file_id,
    place_of,
    tombstone,
)
from storage.interfaces import (
    Collection,
    Conflict,
    Document,
    ObjectStore,
    StorageError,
    Unavailable,
)

_UUID7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
# How long the bytes listed as garbage are left to whoever made the change.
GRACE = timedelta(minutes=1)

log = logging.getLogger(__name__)


class Files:
    """File documents and their bytes.

    `horizon` is how long tombstones are kept at most, `now` the clock, `bucket_owner` whose
    it is what comes by the bucket. All methods may raise `Unavailable` and `NoSpace`.
    """

    def __init__(
        self,
        objects: ObjectStore,
        collection: Collection,
        prefix: str,
        horizon: timedelta,
        now: Callable[[], datetime] = clock.now,
        bucket_owner: str = UNOWNED,
    ) -> None:
        self.objects = objects
        self.collection = collection
        self.prefix = prefix
        self.bucket_owner = bucket_owner
        self.now = now
        self._horizon = horizon
        self._own_key = re.compile(f"{re.escape(prefix)}/([0-9a-f]{{2}})/({_UUID7})")

    def is_in_bucket(self, document: Document) -> bool:
        """Whether its bytes are where the service may look."""
        return bool(document["bucket"] == self.objects.bucket)

    def is_about_object(self, document: Document) -> bool:
        """Whether it is the one document of an object, and not somebody's note of a name."""
        return bool(document["place"] == place_of(document["bucket"], document["object_key"]))

    def is_own(self, document: Document) -> bool:
        """Whether the service itself made the object: only then are the bytes its to replace."""
        return self.is_in_bucket(document) and self.is_own_key(document["object_key"])

    def is_own_key(self, key: str) -> bool:
        """Whether a key is under the service's own prefix, which is reserved in every bucket.

        MinIO takes `/a` for `a`, so a slash before it makes no other key.
        """
        return key.lstrip("/").startswith(f"{self.prefix}/")

    def new(self, **fields: Any) -> Document:
        """A live document that no name of the image door leads to, unless `fields` say so."""
        file_id = new_file_id()
        nameless = {"file_id": file_id, "item_name": self.no_item_name(file_id)}
        return new_document(self.now(), **{**nameless, **fields})

    def no_item_name(self, file_id: str) -> str:
        """What stands for the name of a file that the image door does not find by one."""
        return f"{self.prefix}/{file_id}"

    def has_item_name(self, document: Document) -> bool:
        """Whether the image door finds the file by a name."""
        return bool(document["item_name"] != self.no_item_name(document["file_id"]))

    def free_item_name(self, owner: str, bucket: str, name: str, file_id: str) -> str:
        """The name, unless another file has it already."""
        return name if self.item(owner, bucket, name) is None else self.no_item_name(file_id)

    def upload_began(self, key: str) -> datetime | None:
        """When the upload began that made an own object: the time in the UUIDv7 of its key
        (RFC 9562 section 5.7). None for a key that the service did not make."""
        match = self._own_key.fullmatch(key)
        if match is None or match[1] != match[2][-2:]:
            return None
        try:
            return datetime.fromtimestamp((UUID(match[2]).int >> 80) / 1000, UTC)
        except (ValueError, OverflowError):  # in a year that no clock of ours has shown
            return None

    def at(self, bucket: str, key: str) -> Document | None:
        """The document of an object, be it live or a tombstone."""
        return self.collection.get(place=place_of(bucket, key))

    def item(self, owner: str, bucket: str, name: str) -> Document | None:
        """The owner's live document that the image door knows by this name in this bucket."""
        found = self.collection.get(owner=owner, item_name=name, bucket=bucket)
        if found is None or found["state"] != LIVE or not self.has_item_name(found):
            return None
        return found

    def insert(self, document: Document) -> Document:
        """Raises `Conflict` if its object or its name for the image door is taken."""
        try:
            return self.collection.insert(document)
        except Unavailable:
            return self._read_back({**document, "version": 1})

    def replace(self, document: Document) -> Document:
        """Raises `Conflict` if somebody else was faster."""
        try:
            return self.collection.replace(document)
        except Unavailable:
            return self._read_back({**document, "version": document["version"] + 1})

    def _read_back(self, attempted: Document) -> Document:
        """After a write without an answer: the document if it was applied, else `Unavailable`."""
        if self.collection.get(file_id=attempted["file_id"]) == attempted:
            return attempted
        raise Unavailable("it is not known whether the document was written")

    def gone(self, document: Document) -> Document:
        """The tombstone of an own object's document. It goes with the bytes: their key was
        committed and can never be committed again."""
        return self._tombstone(document, self.now())

    def absent(self, document: Document) -> Document:
        """The tombstone for an object that somebody else may make again: it is kept, so that
        whoever looked earlier and comes later gets a conflict."""
        return self._tombstone(document, self.now() + self._horizon)

    def _tombstone(self, document: Document, keep_until: datetime) -> Document:
        """It holds no name for the image door, so that a new item can have it at once."""
        garbage = self.garbage(document)
        sweep_at = self.now() + GRACE if garbage else keep_until
        nameless = self.no_item_name(document["file_id"])
        return tombstone(document, nameless, garbage, keep_until, sweep_at)

    def absent_at(self, bucket: str, key: str) -> Document:
        """The same where there was no document."""
        return self.absent(
            {
                "file_id": new_file_id(),
                "owner": self.bucket_owner,
                "place": place_of(bucket, key),
                "bucket": bucket,
                "object_key": key,
            }
        )

    def garbage(self, document: Document) -> list[str]:
        """All keys that nobody needs once this content is gone; only ever the service's own."""
        own = [document["object_key"]] if self.is_own(document) else []
        return [*document.get("garbage", ()), *own]

    def bury(self, key: str) -> bool:
        """Delete bytes of ours that no document speaks of, for good; says whether it did.

        Whoever would still commit them gets a conflict from the tombstone inserted first.
        """
        bucket = self.objects.bucket
        if self.at(bucket, key) is not None:
            return False
        try:
            buried = self.collection.insert(self.absent_at(bucket, key))
        except Conflict:
            return False  # a commit was faster
        faults.reached("sweep.after_tombstone")
        self.clean(buried)
        return True

    def clean(self, document: Document) -> None:
        """Delete the bytes that a document lists as garbage, and a tombstone whose time is over.

        What fails is left to the sweep, which comes back to the document by its `sweep_at`.
        """
        try:
            for key in document["garbage"]:
                self.objects.delete(key)
            faults.reached("clean.after_bytes")
            if document["state"] == LIVE:
                self.collection.replace({**document, "garbage": [], "sweep_at": None})
            elif document["keep_until"] <= clock.timestamp(self.now()):
                self.collection.delete(document)
            else:
                kept = {"garbage": [], "sweep_at": document["keep_until"]}
                self.collection.replace({**document, **kept})
        except StorageError as error:
            log.info("left to the sweep", extra={"file_id": document["file_id"], "why": str(error)})

    def discard(self, key: str) -> None:
        """Delete bytes of which it is known that no document will ever speak."""
        try:
            self.objects.delete(key)
        except StorageError as error:
            log.info("left to the sweep", extra={"object_key": key, "why": str(error)})
