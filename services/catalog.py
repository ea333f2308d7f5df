"""The two-store commit: nothing else writes file documents.

Bytes go first, under a key that was never used before; one atomic change of one document
then makes them the file's content. So at every moment the catalog is whole, and what a dead
process can leave behind is bytes without a document, which the sweep takes (SPEC section 8).
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import uuid_utils

import faults
from errors import ApiError
from services import clock
from services.intake import Intake, Submission
from services.media_types import detect
from services.names import UNTITLED, folded
from storage.interfaces import (
    Body,
    Changed,
    Collection,
    Conflict,
    Document,
    NoSpace,
    NotFound,
    ObjectStore,
    StorageError,
    Unavailable,
    Written,
)

ANYONE = ""
LIVE, DELETED = "live", "deleted"
# How long the bytes listed as garbage are left to whoever made the change.
GRACE = timedelta(minutes=1)

log = logging.getLogger(__name__)

Check = Callable[[Document], None]
Defer = Callable[[Callable[[], None]], None]

_PUBLIC_FIELDS = (
    "file_id",
    "owner",
    "file_name",
    "file_size",
    "file_type",
    "sha256",
    "created_at",
    "updated_at",
    "bucket",
    "object_key",
    "etag",
    "source",
    "event_name",
    "event_time",
    "sequencer",
    "metadata",
    "revision",
)


class Stale(Exception):
    """The bytes are no longer those that the document describes: look at the document afresh."""


def public(document: Document) -> Document:
    """The fields of a file document that clients see, in the order of SPEC section 2."""
    return {field: document[field] for field in _PUBLIC_FIELDS}


def no_condition(document: Document) -> None:
    """The check that lets every change pass."""


def at_once(work: Callable[[], None]) -> None:
    """Do what could be deferred now: where there is no answer that it would hold up."""
    work()


class Catalog:
    """Files as documents and objects together.

    `defer` takes the cleaning-up after a change, to be done when the answer is out; `now` is
    the clock. All methods may raise `Unavailable` and `NoSpace`.
    """

    def __init__(
        self,
        objects: ObjectStore,
        files: Collection,
        prefix: str,
        horizon: timedelta,
        defer: Defer = at_once,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self.objects = objects
        self.prefix = prefix
        self._files = files
        self._horizon = horizon
        self._defer = defer
        self._now = now

    def get(self, owner: str, file_id: str) -> Document:
        """The document of a live file. Raises `file_not_found`."""
        document = self._files.get(file_id=file_id, owner=owner)
        if document is None or document["state"] != LIVE:
            raise ApiError("file_not_found")
        return document

    def open(self, document: Document, start: int, stop: int) -> Body:
        """The bytes that `document` describes, `start < stop`. Raises `Stale`."""
        if document["bucket"] != self.objects.bucket:
            raise ApiError("not_in_our_bucket")
        try:
            return self.objects.open(document["object_key"], start, stop, document["etag"])
        except (NotFound, Changed) as error:
            raise Stale(document["file_id"]) from error

    def create(self, owner: str, submission: Submission) -> Document:
        """Store a new file. Raises what reading the submission's content raises."""
        if submission.content is None:
            raise ApiError("missing_file")
        stored = self._store(submission.content, submission, UNTITLED)
        created = clock.timestamp(self._now())
        document: Document = {
            "file_id": str(uuid_utils.uuid7()),
            "owner": owner,
            "created_at": created,
            "updated_at": created,
            "source": "api",
            "event_name": None,
            "event_time": None,
            "sequencer": None,
            "metadata": submission.metadata or {},
            "revision": 1,
            "state": LIVE,
            "garbage": [],
            "sweep_at": None,
            **_named(submission.file_name or submission.suggested_name or UNTITLED),
            **stored,
        }
        document["file_type"] = detect(
            submission.content.head, document["file_name"], submission.declared_type
        )
        faults.reached("create.before_document")
        try:
            inserted = self._insert(document)
        except NoSpace:
            self._defer(partial(self._discard, document["object_key"]))
            raise
        faults.reached("create.after_document")
        return inserted

    def update(
        self,
        owner: str,
        file_id: str,
        submit: Callable[[], Submission],
        check: Check = no_condition,
    ) -> Document:
        """Give a file new content, another name or other metadata, all in one step.

        `check` judges the document that would be changed, before `submit` reads anything of
        the request's body and again at the swap; it raises to refuse.
        """
        document = self.get(owner, file_id)
        check(document)
        submission = submit()
        if (submission.content, submission.file_name, submission.metadata) == (None, None, None):
            raise ApiError("nothing_to_change")
        stored: dict[str, Any] | None = None
        if submission.content is not None:
            if document["source"] != "api":
                raise ApiError("file_belongs_to_bucket")
            stored = self._store(submission.content, submission, document["file_name"])
        try:
            return self._swap_in(document, submission, stored, check)
        except (ApiError, NoSpace):
            if stored is not None:
                self._defer(partial(self._discard, stored["object_key"]))
            raise

    def _swap_in(
        self,
        document: Document,
        submission: Submission,
        stored: dict[str, Any] | None,
        check: Check,
    ) -> Document:
        """Decide on the newest document until nobody was faster."""
        while True:
            changed = self._changed(document, submission, stored)
            if changed is document:
                return document
            faults.reached("replace.before_document")
            try:
                saved = self._replace(changed)
            except Conflict:
                newest = self.get(document["owner"], document["file_id"])
                if newest["version"] == document["version"]:
                    raise Unavailable("the new object's key was taken by the sweep") from None
                document = newest
                check(document)
                continue
            faults.reached("replace.after_document")
            if saved["garbage"]:
                self._defer(partial(self.clean, saved))
            return saved

    def _changed(
        self, document: Document, submission: Submission, stored: dict[str, Any] | None
    ) -> Document:
        """The document after the change, or itself where a client would see no difference."""
        change: dict[str, Any] = {}
        new_name = submission.file_name
        if new_name is not None and new_name != document["file_name"]:
            change |= _named(new_name)
        if submission.metadata is not None and submission.metadata != document["metadata"]:
            change["metadata"] = submission.metadata
        if stored is not None and submission.content is not None:
            change |= stored
            change["file_type"] = detect(
                submission.content.head,
                new_name or document["file_name"],
                submission.declared_type,
            )
            change["garbage"] = self._garbage(document)
            change["sweep_at"] = clock.timestamp(self._now() + GRACE)
        if not change:
            return document
        change["updated_at"] = clock.timestamp(self._now())
        return {**document, **change, "revision": document["revision"] + 1}

    def delete(self, owner: str, file_id: str, check: Check = no_condition) -> None:
        """Make the document a tombstone; the bytes and then the tombstone go afterwards."""
        while True:
            document = self.get(owner, file_id)
            check(document)
            try:
                tombstone = self._replace(self._tombstone(document, self._now()))
            except Conflict:
                continue
            break
        faults.reached("delete.after_tombstone")
        self._defer(partial(self.clean, tombstone))

    def bury(self, key: str) -> None:
        """Delete bytes of ours that no document speaks of, for good: whoever would still
        commit them gets a conflict from the tombstone that is inserted first."""
        if self._files.get(bucket=self.objects.bucket, object_key=key) is not None:
            return
        place = {
            "file_id": str(uuid_utils.uuid7()),
            "owner": ANYONE,
            "bucket": self.objects.bucket,
            "object_key": key,
        }
        try:
            tombstone = self._files.insert(self._tombstone(place, self._now() + self._horizon))
        except Conflict:
            return  # a commit was faster
        faults.reached("sweep.after_tombstone")
        self.clean(tombstone)

    def _tombstone(self, document: Document, keep_until: datetime) -> Document:
        kept = ("file_id", "owner", "bucket", "object_key", "version")
        return {
            **{field: document[field] for field in kept if field in document},
            "state": DELETED,
            "garbage": self._garbage(document),
            "keep_until": clock.timestamp(keep_until),
            "sweep_at": clock.timestamp(self._now() + GRACE),
        }

    def _garbage(self, document: Document) -> list[str]:
        """All keys that nobody needs once this content is gone; never one of another bucket."""
        ours = document["bucket"] == self.objects.bucket
        return [*document.get("garbage", ()), *([document["object_key"]] if ours else ())]

    def clean(self, document: Document) -> None:
        """Delete the bytes that a document lists as garbage, and a tombstone whose time is over.

        What fails is left to the sweep, which comes back to the document by its `sweep_at`.
        """
        try:
            for key in document["garbage"]:
                self.objects.delete(key)
            faults.reached("clean.after_bytes")
            if document["state"] == LIVE:
                self._files.replace({**document, "garbage": [], "sweep_at": None})
            elif document["keep_until"] <= clock.timestamp(self._now()):
                self._files.delete(document)
            else:
                kept = {"garbage": [], "sweep_at": document["keep_until"]}
                self._files.replace({**document, **kept})
        except StorageError as error:
            log.info("left to the sweep", extra={"file_id": document["file_id"], "why": str(error)})

    def _store(self, content: Intake, submission: Submission, name: str) -> dict[str, Any]:
        """Write content under a fresh key; what the document will say about it.

        Keys of one shard sort by the time their upload began (SPEC section 8).
        """
        unique = str(uuid_utils.uuid7())
        key = f"{self.prefix}/{unique[-2:]}/{unique}"
        name = submission.file_name or submission.suggested_name or name
        media_type = detect(content.peek(), name, submission.declared_type)
        written: Written = self.objects.write(key, content, media_type)
        if written.size != content.size:
            raise Unavailable(f"the store took {written.size} of {content.size} bytes")
        return {
            "bucket": self.objects.bucket,
            "object_key": key,
            "etag": written.etag,
            "file_size": written.size,
            "sha256": content.sha256,
        }

    def _discard(self, key: str) -> None:
        """Delete bytes of which it is known that no document will ever speak."""
        try:
            self.objects.delete(key)
        except StorageError as error:
            log.info("left to the sweep", extra={"object_key": key, "why": str(error)})

    def _insert(self, document: Document) -> Document:
        try:
            return self._files.insert(document)
        except Conflict:
            raise Unavailable("the object's key was taken by the sweep") from None
        except Unavailable:
            return self._read_back({**document, "version": 1})

    def _replace(self, document: Document) -> Document:
        try:
            return self._files.replace(document)
        except Unavailable:
            return self._read_back({**document, "version": document["version"] + 1})

    def _read_back(self, attempted: Document) -> Document:
        """After a write without an answer: the document if it was applied, else `Unavailable`."""
        if self._files.get(file_id=attempted["file_id"]) == attempted:
            return attempted
        raise Unavailable("it is not known whether the document was written")


def _named(name: str) -> dict[str, str]:
    return {"file_name": name, "name_folded": folded(name)}
