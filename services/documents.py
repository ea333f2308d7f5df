"""File documents: what stands in one, how it begins, how it ends, what clients see of it.

Whatever follows from other fields (look-up keys, the kind) is filled in by `derived` and
nowhere else. SPEC section 2.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import uuid_utils

from services import clock
from services.media_types import type_of_name
from services.names import folded
from storage.interfaces import Document

# The owner of what came while access was open, or by a bucket that is nobody's.
UNOWNED = ""
LIVE, DELETED = "live", "deleted"
IMAGE, OTHER = "image", "other"
UNKNOWN_SIZE = -1

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
# What is known of the last bucket event applied.
EVENT_FIELDS = ("event_name", "event_time", "sequencer")
_NO_EVENT = dict.fromkeys(EVENT_FIELDS)


def public(document: Document) -> Document:
    """The fields of a file document that clients see, in the order of SPEC section 2."""
    shown = {field: document[field] for field in _PUBLIC_FIELDS}
    return {**shown, "image": document["image"]} if document["image"] else shown


def new_file_id() -> str:
    """A UUIDv7: ids sort by the time they were made (RFC 9562 section 5.7)."""
    return str(uuid_utils.uuid7())


def place_of(bucket: str, key: str) -> str:
    """What is unique of an object's document: bucket names have no slash."""
    return f"{bucket}/{key}"


def place_of_note(owner: str, bucket: str, key: str) -> str:
    """The same of what somebody whose bucket it is not has noted of a name."""
    return f"{owner}:{bucket}/{key}"


def new_document(now: datetime, **fields: Any) -> Document:
    """A live document at revision 1; `fields` say what it is about.

    They must hold `file_id`, `bucket`, `object_key`, `etag`, `file_name`, `file_size`,
    `file_type`, `source` and `item_name`, which is what the image door finds it by. It is the
    one document of its object, unless `place` is that of a note.
    """
    created = clock.timestamp(now)
    return derived(
        {
            "owner": UNOWNED,
            "place": place_of(fields["bucket"], fields["object_key"]),
            "created_at": created,
            "updated_at": created,
            "sha256": None,
            "image": None,
            **_NO_EVENT,
            "metadata": {},
            "revision": 1,
            "state": LIVE,
            "garbage": [],
            "sweep_at": None,
            "item_source": None,
            **fields,
        }
    )


def changed(document: Document, now: datetime, change: Mapping[str, Any]) -> Document:
    """The document after a change that a client can see."""
    return derived(
        {
            **document,
            **change,
            "updated_at": clock.timestamp(now),
            "revision": document["revision"] + 1,
        }
    )


def derived(document: Document) -> Document:
    """The live document with what follows from its other fields."""
    size = document["file_size"]
    return {
        **document,
        "name_folded": folded(document["file_name"]),
        "size_rank": UNKNOWN_SIZE if size is None else size,
        "kind": IMAGE if _says_image(document) else OTHER,
    }


def _says_image(document: Document) -> bool:
    """SPEC section 5: type or name says image, or it was recorded as one."""
    types = (document["file_type"], type_of_name(document["file_name"]))
    return document["item_source"] is not None or any(t.startswith("image/") for t in types)


def tombstone(
    document: Document,
    item_name: str,
    garbage: list[str],
    keep_until: datetime,
    sweep_at: datetime,
) -> Document:
    """What is left of a removed file: its place, the last event, and keys to be deleted."""
    kept = ("file_id", "owner", "place", "bucket", "object_key", "version")
    return {
        **{field: document[field] for field in kept if field in document},
        **{field: document.get(field) for field in EVENT_FIELDS},
        "state": DELETED,
        "item_name": item_name,
        "garbage": garbage,
        "keep_until": clock.timestamp(keep_until),
        "sweep_at": clock.timestamp(sweep_at),
    }
