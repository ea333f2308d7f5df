"""What the object store says, written into the catalog: `observe` looks at one (bucket, key).

Bucket events, the reconciler, a stale read and an image recorded by name all come down to
it. An event is a hint to look here, so it may be late, double, lost or out of order; only
for buckets that the service cannot read must the event itself be believed (SPEC section 4).
"""

from typing import NamedTuple

from services.documents import EVENT_FIELDS, LIVE, changed, new_file_id
from services.files import Files
from services.media_types import presumed
from services.names import name_of_key
from storage.interfaces import Conflict, Document, NotFound, ObjectStat


class Event(NamedTuple):
    """One record of a bucket notification, as far as it is used; `sequencer` is hexadecimal.

    `size` (bytes) and `etag` are those of the object that was created.
    """

    bucket: str
    key: str
    removed: bool
    name: str
    time: str | None
    sequencer: str | None
    size: int
    etag: str | None


class Seen(NamedTuple):
    """An object as the store or an event describes it; what it does not say is None."""

    size: int
    etag: str | None
    content_type: str | None


class Observer:
    """Makes file documents say what the store says. Methods may raise `Unavailable`."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def observe(self, bucket: str, key: str, event: Event | None = None) -> bool:
        """Look, and write down what was seen, until there is nothing to write; says whether
        the document had to change.

        What was written may be what another one, who looked later, found to be wrong already
        and did not have to write: so it is always looked at once more.
        """
        wrote = False
        while True:
            document = self._files.at(bucket, key)
            outcome = self._outcome(document, bucket, key, event)
            if outcome is None:
                return wrote
            try:
                self._write(document, outcome)
                wrote = True
            except Conflict:  # somebody else wrote meanwhile
                continue

    def _write(self, document: Document | None, outcome: Document) -> None:
        """Raises `Conflict`."""
        if document is None:
            self._files.insert(outcome)
        elif document["state"] != LIVE and outcome["state"] == LIVE:
            # An id is never used again: the tombstone makes way, and the next round inserts.
            self._files.collection.delete(document)
        else:
            self._files.replace(outcome)

    def foresee(self, bucket: str, key: str) -> bool:
        """Whether `observe` would change the document. Writes nothing.

        Like a write it counts only if the document is still the one that was judged.
        """
        while True:
            document = self._files.at(bucket, key)
            if self._outcome(document, bucket, key, None) is None:
                return False
            if self._files.at(bucket, key) == document:
                return True

    def _outcome(
        self, document: Document | None, bucket: str, key: str, event: Event | None
    ) -> Document | None:
        """What the document should be, None where it is right as it is."""
        if bucket == self._files.objects.bucket:
            if self._files.is_own_key(key):
                return self._of_own(document, key)
            seen = self._look(key)
            if seen is None and _is_unseen(document):
                return None  # an event about what is not there tells nothing
            return self._resolved(document, seen, bucket, key, event)
        if event is None or not _is_newer(event, document):
            return None
        return self._resolved(document, _told(event), bucket, key, event)

    def _of_own(self, document: Document | None, key: str) -> Document | None:
        """For an object that the service made: bytes without a live document are the sweep's."""
        if document is None or document["state"] != LIVE:
            return None
        return self._resolved(document, self._look(key), self._files.objects.bucket, key, None)

    def _look(self, key: str) -> Seen | None:
        """What the store has under the key; a folder is no file."""
        try:
            found: ObjectStat = self._files.objects.stat(key)
        except NotFound:
            return None
        if is_folder(key, found.size):
            return None
        return Seen(found.size, found.etag, found.content_type)

    def _resolved(
        self,
        document: Document | None,
        seen: Seen | None,
        bucket: str,
        key: str,
        event: Event | None,
    ) -> Document | None:
        """What is right where `seen` is there, or nothing; an event is noted if it is newer."""
        if document is None:
            if seen is not None:
                return self._newcomer(bucket, key, seen, event)
            absent = self._files.absent_at(bucket, key)
            return None if event is None else {**absent, **_noted(event)}
        newest = event if event is not None and _is_newer(event, document) else None
        if document["state"] != LIVE:
            if seen is not None:
                return self._newcomer(bucket, key, seen, newest)
            return None if newest is None else {**self._files.absent(document), **_noted(newest)}
        if seen is None and not _is_unseen(document):
            return {**self._files.absent(document), **_noted(newest)}
        if seen is not None and (document["file_size"], document["etag"]) != (seen.size, seen.etag):
            return self._renewed(document, seen, newest)
        return None if newest is None else {**document, **_noted(newest)}

    def _newcomer(self, bucket: str, key: str, seen: Seen, event: Event | None) -> Document:
        """The first document of an object that came by the bucket."""
        name = name_of_key(key)
        file_id, owner = new_file_id(), self._files.bucket_owner
        return self._files.new(
            file_id=file_id,
            owner=owner,
            # A picture that was uploaded under this very name keeps it.
            item_name=self._files.free_item_name(owner, bucket, key, file_id),
            bucket=bucket,
            object_key=key,
            etag=seen.etag,
            file_name=name,
            file_size=seen.size,
            file_type=presumed(name, seen.content_type),
            source="s3",
            **_noted(event),
        )

    def _renewed(self, document: Document, seen: Seen, event: Event | None) -> Document:
        """The document of an object whose content is another now."""
        change = {
            "etag": seen.etag,
            "file_size": seen.size,
            "file_type": presumed(document["file_name"], seen.content_type),
            "sha256": None,
            "image": None,
            **_noted(event),
        }
        return changed(document, self._files.now(), change)


def is_folder(key: str, size: int) -> bool:
    """Whether an object is what S3 consoles make for a folder: no bytes, and a `/` at the end."""
    return key.endswith("/") and size == 0


def _is_unseen(document: Document | None) -> bool:
    """Whether it was recorded by its name and its object was never seen."""
    return document is not None and document["state"] == LIVE and document["etag"] is None


def _told(event: Event) -> Seen | None:
    if event.removed or is_folder(event.key, event.size):
        return None
    return Seen(event.size, event.etag, None)


def _noted(event: Event | None) -> dict[str, str | None]:
    if event is None:
        return {}
    return dict(zip(EVENT_FIELDS, (event.name, event.time, event.sequencer), strict=True))


def _is_newer(event: Event, document: Document | None) -> bool:
    """Whether the event comes after the last one that the document has noted.

    Sequencers are hexadecimal and the shorter one is padded with zeros on the right (S3 user
    guide, "Event message structure"); without them the time of the event has to do.
    """
    if document is None:
        return True
    noted: str | None = document["sequencer"]
    if event.sequencer is None and noted is None:
        return str(event.time or "") > str(document["event_time"] or "")
    if event.sequencer is None or noted is None:
        return noted is None
    width = max(len(event.sequencer), len(noted))
    return event.sequencer.lower().ljust(width, "0") > noted.lower().ljust(width, "0")
