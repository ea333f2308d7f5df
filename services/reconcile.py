"""Bucket and catalog side by side: where the two differ, each key is looked at again alone.

Both are read in key order, like a merge, in memory that does not grow with them. What the
merge finds is only a hint, as both go on changing while they are read; the observer decides,
and a finding that it does not confirm is none. So a reconcile may run at any time.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from services.documents import LIVE
from services.files import Files
from services.observer import Observer, is_folder
from services.sweep import KEY_AGE
from storage.interfaces import Document, Listed, NotFound, Order

PAGE = 1000
PROGRESS_EVERY = 1000
ORDER = Order(("object_key", "file_id"), descending=False)

# What a difference is: an object that the catalog does not know; another content than it
# says; a file whose object is gone; and of the service's own objects, bytes that no document
# speaks of, and documents whose bytes are lost.
Kind = Literal["unknown_object", "changed_object", "missing_object", "stray_bytes", "lost_bytes"]
SAFE: tuple[Kind, ...] = ("unknown_object", "changed_object", "missing_object")
ALL: tuple[Kind, ...] = (*SAFE, "stray_bytes", "lost_bytes")


class Difference(NamedTuple):
    """One key where bucket and catalog seemed to differ."""

    kind: Kind
    key: str


@dataclass
class Summary:
    """What a reconcile has seen and done so far; differences are counted by kind."""

    objects: int = 0
    documents: int = 0
    found: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        """How many differences were found and not mended."""
        return self.found.total() - self.mended.total()


Progress = Callable[[Summary], None]


class Reconciler:
    """Compares one bucket with one catalog. Methods may raise `Unavailable` and `NoSpace`."""

    def __init__(self, observer: Observer, files: Files) -> None:
        self._observer = observer
        self._files = files

    def look(self, progress: Progress) -> Summary:
        """Find differences, change nothing."""
        return self._run((), progress)

    def mend(self, progress: Progress) -> Summary:
        """Make the catalog say what the bucket says. What this would lose for good, stray
        bytes and documents without bytes, is only counted."""
        return self._run(SAFE, progress)

    def prune(self, progress: Progress) -> Summary:
        """Mend everything: also delete stray bytes, and documents whose bytes are lost."""
        return self._run(ALL, progress)

    def _run(self, mended: Collection[Kind], progress: Progress) -> Summary:
        summary = Summary()
        for kind, key in self._differences(summary, progress):
            if kind in mended:
                confirmed = self._mend(kind, key)
                summary.mended[kind] += confirmed
            else:
                confirmed = self._foresee(kind, key)
            summary.found[kind] += confirmed
        progress(summary)
        return summary

    def _mend(self, kind: Kind, key: str) -> bool:
        """Look again, and mend what is really so; says whether anything was."""
        if kind == "stray_bytes":
            return self._foresee(kind, key) and self._files.bury(key)
        return self._observer.observe(self._files.objects.bucket, key)

    def _foresee(self, kind: Kind, key: str) -> bool:
        if kind == "stray_bytes":
            # Asked before and after, so that nobody who comes in between is passed over.
            return self._is_unknown(key) and self._is_stored(key) and self._is_unknown(key)
        return self._observer.foresee(self._files.objects.bucket, key)

    def _is_unknown(self, key: str) -> bool:
        return self._files.at(self._files.objects.bucket, key) is None

    def _is_stored(self, key: str) -> bool:
        try:
            self._files.objects.stat(key)
        except NotFound:
            return False
        return True

    # --- the merge -------------------------------------------------------------------------

    def _differences(self, summary: Summary, progress: Progress) -> Iterator[Difference]:
        """Every key that only one side has, or of which the two say different things."""
        for seen, (listed, document) in enumerate(_pairs(self._objects(), self._documents())):
            summary.objects += listed is not None
            summary.documents += document is not None
            kind = self._kind(listed, document)
            if kind is not None:
                yield Difference(kind, _key(listed, document))
            if seen % PROGRESS_EVERY == 0:
                progress(summary)

    def _objects(self) -> Iterator[Listed]:
        for listed in self._files.objects.list("", ""):
            if "\0" not in listed.key and not is_folder(listed.key, listed.size):
                yield listed

    def _documents(self) -> Iterator[Document]:
        """All documents about the bucket, tombstones too, in the order of their keys."""
        after = None
        while True:
            equals = {"bucket": self._files.objects.bucket}
            page = self._files.collection.page(equals, [], ORDER, after, PAGE, PAGE)
            yield from filter(self._files.is_about_object, page.documents)
            after = page.last
            if after is None:
                return

    def _kind(self, listed: Listed | None, document: Document | None) -> Kind | None:
        live = document is not None and document["state"] == LIVE
        if listed is None:
            return self._kind_without_object(document) if live and document else None
        if self._files.is_own_key(listed.key):
            return self._kind_of_own(listed, document)
        if not live or document is None:
            return "unknown_object"
        return "changed_object" if _differ(listed, document) else None

    def _kind_without_object(self, document: Document) -> Kind | None:
        if document["etag"] is None:
            return None  # an image recorded by name, whose object nobody has seen yet
        return "lost_bytes" if self._files.is_own(document) else "missing_object"

    def _kind_of_own(self, listed: Listed, document: Document | None) -> Kind | None:
        """Bytes of an upload that may be under way are left alone, and so is what stands
        under the prefix and was not made by the service."""
        if document is None:
            begun = self._files.upload_began(listed.key)
            old = begun is not None and begun < self._files.now() - KEY_AGE
            return "stray_bytes" if old else None
        if document["state"] != LIVE:
            return None  # the sweep is at it
        return "changed_object" if _differ(listed, document) else None


def _differ(listed: Listed, document: Document) -> bool:
    return (listed.size, listed.etag) != (document["file_size"], document["etag"])


def _pairs(
    objects: Iterator[Listed], documents: Iterator[Document]
) -> Iterator[tuple[Listed | None, Document | None]]:
    """Both sides by key; None where a side has no such key.

    Where a store sorts keys otherwise, the two sides of one key may come up alone and are
    looked at in vain; none is passed over.
    """
    listed, document = next(objects, None), next(documents, None)
    while listed is not None or document is not None:
        order = _compare(listed, document)
        yield listed if order <= 0 else None, document if order >= 0 else None
        if order <= 0:
            listed = next(objects, None)
        if order >= 0:
            document = next(documents, None)


def _compare(listed: Listed | None, document: Document | None) -> int:
    """Which comes first in the order of UTF-8 bytes: -1, 1, or 0 for the same key."""
    if listed is None or document is None:
        return 1 if listed is None else -1
    left, right = listed.key.encode(), str(document["object_key"]).encode()
    return (left > right) - (left < right)


def _key(listed: Listed | None, document: Document | None) -> str:
    return listed.key if listed is not None else str((document or {})["object_key"])
