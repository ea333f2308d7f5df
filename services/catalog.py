"""The two-store commit: what clients do with files.

Bytes go first, under a key that was never used before; one atomic change of one document
then makes them the file's content. So at every moment the catalog is whole, and what a dead
process can leave behind is bytes without a document, which the sweep takes (SPEC section 8).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import faults
from errors import ApiError
from services import clock
from services.description import Describer
from services.documents import (
    EVENT_FIELDS,
    LIVE,
    changed,
    derived,
    new_file_id,
    place_of,
    place_of_note,
)
from services.files import GRACE, Files
from services.intake import Intake, Submission
from services.media_types import detect, presumed
from services.names import BUCKET, UNTITLED, name_of_key
from services.observer import Observer
from services.pages import SCAN
from services.principals import Principal
from services.readings import FirstReading
from storage.interfaces import (
    Body,
    Changed,
    Conflict,
    Document,
    NoSpace,
    NotFound,
    ObjectStat,
    Order,
    StorageError,
    Unavailable,
    Where,
    Written,
)

log = logging.getLogger(__name__)

Check = Callable[[Document], None]
Defer = Callable[[Callable[[], None]], None]
# Fields that describe content which is stored, from its head, place, name and declared type;
# raises to refuse it.
Describe = Callable[[bytes, Document, str, str | None], dict[str, Any]]


class Stale(Exception):
    """The bytes are no longer those that the document described: look at the document afresh."""


def no_condition(document: Document) -> None:
    """The check that lets every change pass."""


def at_once(work: Callable[[], None]) -> None:
    """Do what could be deferred now: where there is no answer that it would hold up."""
    work()


class Catalog:
    """Files as documents and objects together.

    `defer` takes the cleaning-up after a change, to be done when the answer is out. All
    methods may raise `Unavailable` and `NoSpace`.
    """

    def __init__(
        self, files: Files, observer: Observer, describer: Describer, defer: Defer = at_once
    ) -> None:
        self._files = files
        self._observer = observer
        self._describer = describer
        self._defer = defer

    # --- reading ---------------------------------------------------------------------------

    def get(self, principal: Principal, file_id: str) -> Document:
        """The document of a live file. Raises `file_not_found`."""
        document = self._files.collection.get(file_id=file_id, **principal.whose)
        if document is None or document["state"] != LIVE:
            raise ApiError("file_not_found")
        return document

    def get_by_key(self, principal: Principal, bucket: str, key: str) -> Document:
        """The document of a live file by its object. Raises `metadata_not_found`."""
        if not BUCKET.fullmatch(bucket):
            raise ApiError("metadata_not_found")
        document = self._at(principal, place_of(bucket, key))
        if document is None or document["state"] != LIVE:
            document = self._note(principal, bucket, key)
        if document is None or document["state"] != LIVE:
            raise ApiError("metadata_not_found")
        return document

    def _at(self, principal: Principal, place: str) -> Document | None:
        return self._files.collection.get(place=place, **principal.whose)

    def _note(self, principal: Principal, bucket: str, key: str) -> Document | None:
        """A principal's note of an object's name; for admins the newest of all."""
        if not principal.is_admin:
            return self._at(principal, place_of_note(principal.owner, bucket, key))
        page = self._files.collection.page(
            {"bucket": bucket, "object_key": key},
            [Where("state", "eq", LIVE)],
            Order(("file_id",), descending=True),
            None,
            1,
            SCAN,
        )
        return page.documents[0] if page.documents else None

    def get_readable(self, principal: Principal, file_id: str) -> Document:
        """The document of a live file whose bytes the service can give.

        Raises `file_not_found`, `not_in_our_bucket`, `object_not_seen`.
        """
        document = self.get(principal, file_id)
        if not self._files.is_in_bucket(document):
            raise ApiError("not_in_our_bucket")
        if document["etag"] is None and self._files.is_about_object(document):
            self._observer.observe(document["bucket"], document["object_key"])
            document = self.get(principal, file_id)
        if document["etag"] is None:
            raise ApiError("object_not_seen")
        return document

    def open(self, document: Document, start: int, stop: int) -> Body:
        """The bytes that `document` describes, `start < stop`. Raises `Stale`."""
        key, size = document["object_key"], document["file_size"]
        try:
            body = self._files.objects.open(key, start, stop, document["etag"])
        except (NotFound, Changed) as error:
            if not self._files.is_own(document):
                self._observer.observe(document["bucket"], key)
            raise Stale(document["file_id"]) from error
        if document["sha256"] is None and stop - start == size:
            return FirstReading(body, size, partial(self._fill_in, document))
        return body

    def _fill_in(self, document: Document, sha256: str, head: bytes) -> None:
        """Write down what a first full reading told; the next one may tell it again."""
        name, media_type = document["file_name"], document["file_type"]
        try:
            told = self._describer.of_file(head, document, name, media_type)
            self._files.replace(derived({**document, **told, "sha256": sha256}))
        except StorageError as error:
            log.info("not filled in", extra={"file_id": document["file_id"], "why": str(error)})

    # --- writing ---------------------------------------------------------------------------

    def create(self, principal: Principal, submission: Submission) -> Document:
        """Store a new file. Raises what reading the submission's content raises."""
        content = _content_of(submission)
        named = partial(_name_of, submission)
        with self._stored(content, submission, named, self._describer.of_file) as stored:
            try:
                return self._insert(self._new(principal, submission, stored))
            except Conflict:
                raise Unavailable("the object's key was taken by the sweep") from None

    def put(self, principal: Principal, submission: Submission) -> Document:
        """Store a picture under its name among the owner's items: a new file, or new content
        of the one that has the name. Raises `not_an_image`, `file_belongs_to_bucket`."""
        content = _content_of(submission)
        named = partial(_name_of, submission)
        with self._stored(content, submission, named, self._describer.of_picture) as stored:
            name = _name_of(submission)
            while True:
                holder = self._files.item(principal.owner, self._files.objects.bucket, name)
                try:
                    if holder is None:
                        new = self._new(principal, submission, stored)
                        return self._insert({**new, "item_name": name})
                    self._check_replaceable(holder)
                    return self._apply(holder, self._change_to(holder, submission, stored))
                except Conflict:
                    self._check_not_buried(stored["object_key"])

    def _new(self, principal: Principal, submission: Submission, stored: Document) -> Document:
        return self._files.new(
            owner=principal.owner,
            file_name=_name_of(submission),
            source="api",
            metadata=submission.metadata or {},
            **stored,
        )

    def _insert(self, document: Document) -> Document:
        """Raises `Conflict`."""
        faults.reached("create.before_document")
        inserted = self._files.insert(document)
        faults.reached("create.after_document")
        return inserted

    def _check_not_buried(self, key: str) -> None:
        """After a conflict: whether the reason is that the sweep took the new bytes."""
        if self._files.at(self._files.objects.bucket, key) is not None:
            raise Unavailable("the object's key was taken by the sweep")

    def _check_replaceable(self, document: Document) -> None:
        """Only what the service stored is its to replace, or what nobody ever stored."""
        never_stored = self._files.is_in_bucket(document) and document["etag"] is None
        if not never_stored and not self._files.is_own(document):
            raise ApiError("file_belongs_to_bucket")

    def record(self, principal: Principal, bucket: str, key: str, source: str) -> Document:
        """Record an object by its name, or record it again; then look whether it is there.

        The bucket is not everybody's: who does not own what comes by it makes a note, which
        leads to no bytes. Raises `reserved_key` for the service's own keys, and `invalid_key`.
        """
        if key.startswith("/"):  # for MinIO the same object as without it
            raise ApiError("invalid_key", detail="must not begin with /")
        if self._files.is_own_key(key):
            raise ApiError("reserved_key")
        owner = self._files.bucket_owner if principal.is_admin else principal.owner
        while True:
            place = self._place_for(owner, bucket, key)
            if not self._recorded(owner, place, bucket, key, source):
                continue
            if place == place_of(bucket, key):
                self._observer.observe(bucket, key)
            document = self._files.item(owner, bucket, key)
            if document is not None:
                return document

    def _place_for(self, owner: str, bucket: str, key: str) -> str:
        """The object's own place for whose bucket it is, unless a former owner has it."""
        holder = self._files.at(bucket, key)
        former = holder is not None and holder["state"] == LIVE and holder["owner"] != owner
        if former or owner != self._files.bucket_owner:
            return place_of_note(owner, bucket, key)
        return place_of(bucket, key)

    def _recorded(self, owner: str, place: str, bucket: str, key: str, source: str) -> bool:
        """Whether nobody was faster."""
        document = self._files.item(owner, bucket, key) or self._files.collection.get(place=place)
        try:
            if document is not None and document["state"] == LIVE:
                self._apply(document, {"item_name": key, "item_source": source})
                return True
            noted = {}
            if document is not None:
                noted = {field: document[field] for field in EVENT_FIELDS}
                self._files.collection.delete(document)
            self._files.insert(self._by_name(owner, place, bucket, key, source) | noted)
        except Conflict:
            return False
        return True

    def _by_name(self, owner: str, place: str, bucket: str, key: str, source: str) -> Document:
        """The document of an object that nobody has seen."""
        name = name_of_key(key)
        return self._files.new(
            owner=owner,
            place=place,
            bucket=bucket,
            object_key=key,
            etag=None,
            file_name=name,
            file_size=None,
            file_type=presumed(name, None),
            source="api",
            item_name=key,
            item_source=source,
        )

    def update(
        self,
        principal: Principal,
        file_id: str,
        submit: Callable[[], Submission],
        check: Check = no_condition,
    ) -> Document:
        """Give a file new content, another name or other metadata, all in one step.

        `check` judges the document that would be changed, before `submit` reads anything of
        the request's body and again at the swap; it raises to refuse.
        """
        document = self.get(principal, file_id)
        check(document)
        submission = submit()
        if (submission.content, submission.file_name, submission.metadata) == (None, None, None):
            raise ApiError("nothing_to_change")
        if submission.content is None:
            return self._change(principal, document, submission, {}, check)
        if not self._files.is_own(document):
            raise ApiError("file_belongs_to_bucket")
        content, describe = submission.content, self._describer.of_file
        named = partial(_name_kept, submission, document)
        with self._stored(content, submission, named, describe) as stored:
            return self._change(principal, document, submission, stored, check)

    def _change(
        self,
        principal: Principal,
        document: Document,
        submission: Submission,
        stored: Document,
        check: Check,
    ) -> Document:
        """Decide on the newest document until nobody was faster."""
        while True:
            change = self._change_to(document, submission, stored)
            if not change:
                return document
            try:
                return self._apply(document, change)
            except Conflict:
                if stored:
                    self._check_not_buried(stored["object_key"])
                document = self.get(principal, document["file_id"])
                check(document)

    def _change_to(
        self, document: Document, submission: Submission, stored: Document
    ) -> dict[str, Any]:
        """What is different after the change, nothing where a client would see no difference."""
        change: dict[str, Any] = {}
        name = submission.file_name
        if name is not None and name != document["file_name"]:
            change["file_name"] = name
            if self._files.is_own(document) and self._files.has_item_name(document):
                change["item_name"] = self._files.free_item_name(
                    document["owner"], document["bucket"], name, document["file_id"]
                )
        if submission.metadata not in (None, document["metadata"]):
            change["metadata"] = submission.metadata
        if stored:
            sweep_at = clock.timestamp(self._files.now() + GRACE)
            garbage = self._files.garbage(document)
            change |= {**stored, "garbage": garbage, "sweep_at": sweep_at}
        return change

    def _apply(self, document: Document, change: dict[str, Any]) -> Document:
        """Raises `Conflict`."""
        faults.reached("replace.before_document")
        saved = self._files.replace(changed(document, self._files.now(), change))
        faults.reached("replace.after_document")
        if saved["garbage"]:
            self._defer(partial(self._files.clean, saved))
        return saved

    @contextmanager
    def _stored(
        self,
        content: Intake,
        submission: Submission,
        named: Callable[[], str],
        describe: Describe,
    ) -> Iterator[Document]:
        """Write content under a fresh key; what the document is to say about it.

        `named` gives its name, which a form may say after the content. If the block refuses
        it, the bytes are deleted again. Keys of one shard sort by the time their upload began
        (SPEC section 8).
        """
        unique = new_file_id()
        key = f"{self._files.prefix}/{unique[-2:]}/{unique}"
        declared = submission.declared_type
        media_type = detect(content.peek(), named(), declared)
        written: Written = self._files.objects.write(key, content, media_type)
        if written.size != content.size:
            raise Unavailable(f"the store took {written.size} of {content.size} bytes")
        stored = {
            "place": place_of(self._files.objects.bucket, key),
            "bucket": self._files.objects.bucket,
            "object_key": key,
            "etag": written.etag,
            "file_size": written.size,
            "sha256": content.sha256,
        }
        try:
            yield stored | describe(content.head, stored, named(), declared)
        except (ApiError, NoSpace):
            self._defer(partial(self._files.discard, key))
            raise

    # --- removing --------------------------------------------------------------------------

    def delete(self, principal: Principal, file_id: str, check: Check = no_condition) -> None:
        """Remove a file; what is left to do of it is done when the answer is out.

        Raises `file_not_found`, and what `check` raises to refuse.
        """
        while True:
            document = self.get(principal, file_id)
            check(document)
            of_bucket = self._is_of_bucket(document)
            delete = self._delete_from_bucket if of_bucket else self._delete_document
            if delete(document):
                return

    def _is_of_bucket(self, document: Document) -> bool:
        """Whether its object is in the bucket and was not made by the service."""
        about_object = self._files.is_in_bucket(document) and self._files.is_about_object(document)
        return about_object and not self._files.is_own(document)

    def _delete_document(self, document: Document) -> bool:
        """Make it a tombstone that lists its own bytes; says whether nobody was faster."""
        own = self._files.is_own(document)
        try:
            tombstone = self._files.replace(
                self._files.gone(document) if own else self._files.absent(document)
            )
        except Conflict:
            return False
        faults.reached("delete.after_tombstone")
        if tombstone["garbage"]:
            self._defer(partial(self._files.clean, tombstone))
        return True

    def _delete_from_bucket(self, document: Document) -> bool:
        """Delete an object that came by the bucket, if it is still the one described, and
        then look: whatever is there now is what the catalog will say.

        S3 has no conditional delete: what is put there between HEAD and DELETE goes too.
        """
        key = document["object_key"]
        found = self._stat(key)
        if found is None and document["etag"] is None:
            return self._delete_document(document)
        if found is not None:
            if (found.size, found.etag) != (document["file_size"], document["etag"]):
                self._observer.observe(document["bucket"], key)
                return False
            self._files.objects.delete(key)
            faults.reached("delete.after_object")
        self._observer.observe(document["bucket"], key)
        return True

    def _stat(self, key: str) -> ObjectStat | None:
        try:
            return self._files.objects.stat(key)
        except NotFound:
            return None


def _content_of(submission: Submission) -> Intake:
    if submission.content is None:
        raise ApiError("missing_file")
    return submission.content


def _name_kept(submission: Submission, document: Document) -> str:
    """The name asked for, else the one that the file has."""
    return submission.file_name or str(document["file_name"])


def _name_of(submission: Submission) -> str:
    """The name asked for, else the one that the content came with."""
    return submission.file_name or submission.suggested_name or UNTITLED
