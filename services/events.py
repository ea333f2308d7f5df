"""S3 event notifications (S3 user guide, "Event message structure"), as AWS and MinIO send them.

A notification is checked whole before any of it is applied. What is wrong in it is what no
S3 sends; every record that one can send is taken, as a refused one would be sent again and
again and hold up all that come after it (SPEC section 4).
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from errors import ApiError
from services import clock
from services.files import Files
from services.names import BUCKET, checked_key
from services.observer import Event, Observer, is_folder

_APPLIED = re.compile(r"(ObjectCreated|ObjectRemoved|LifecycleExpiration):.*", re.DOTALL)
_LARGEST = 2**63 - 1


class Counts(NamedTuple):
    """How many records were acted on, and how many not."""

    applied: int
    ignored: int


class Events:
    """Applies notifications to the catalog. Methods may raise `Unavailable`."""

    def __init__(self, observer: Observer, files: Files) -> None:
        self._observer = observer
        self._files = files

    def apply(self, notification: dict[str, Any]) -> Counts:
        """Apply every record. Raises `invalid_event`, and then none was applied."""
        records = list(_records(notification))
        applied = sum(event is not None and self._apply(event) for event in records)
        return Counts(applied, len(records) - applied)

    def _apply(self, event: Event) -> bool:
        """Whether the event counted: in our bucket a look always does, elsewhere the order."""
        ours = event.bucket == self._files.objects.bucket
        if self._files.is_own_key(event.key) or self._is_new_folder(event):
            return False
        return self._observer.observe(event.bucket, event.key, event) or ours

    def _is_new_folder(self, event: Event) -> bool:
        """A folder is no file, but it may have taken the place of one."""
        folder = not event.removed and is_folder(event.key, event.size)
        return folder and self._files.at(event.bucket, event.key) is None


def _records(notification: dict[str, Any]) -> Iterator[Event | None]:
    """An event for each record, None for one of no interest here."""
    if "Records" not in notification and notification.get("Event") == "s3:TestEvent":
        yield None
        return
    records = notification.get("Records")
    if not isinstance(records, list):
        raise ApiError("invalid_event", detail="it has no array Records")
    for record in records:
        name = _member(record, "eventName", str).removeprefix("s3:")
        yield _event(record, name) if _APPLIED.fullmatch(name) else None


def _event(record: dict[str, Any], name: str) -> Event | None:
    s3 = _member(record, "s3", dict)
    bucket = _member(_member(s3, "bucket", dict), "name", str)
    thing = _member(s3, "object", dict)
    key = _key(_member(thing, "key", str))
    if not BUCKET.fullmatch(bucket):
        raise ApiError("invalid_event", detail="its bucket has no name that a bucket can have")
    event = Event(
        bucket=bucket,
        key=key,
        removed=not name.startswith("ObjectCreated:"),
        name=_checked(name, "eventName"),
        time=_time(record),
        sequencer=_sequencer(thing),
        size=_size(thing),
        etag=_etag(thing),
    )
    # S3 takes a NUL in a key, the stores of documents do not.
    return None if "\0" in key else event


def _member(value: Any, name: str, kind: type) -> Any:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, kind):
        raise ApiError("invalid_event", detail=f"a record has no {name} as S3 has it")
    return found


def _optional(value: dict[str, Any], name: str, kind: type) -> Any:
    return None if value.get(name) is None else _member(value, name, kind)


def _key(encoded: str) -> str:
    """The key as it is: percent-decoded, and `+` is a space."""
    try:
        key = unquote_plus(encoded, errors="strict")
        checked_key(key.replace("\0", "_"))
    except UnicodeDecodeError:
        raise ApiError("invalid_event", detail="a key is not UTF-8") from None
    except ApiError as error:
        raise ApiError("invalid_event", detail=error.sentence) from None
    return key


def _time(record: dict[str, Any]) -> str | None:
    text = _optional(record, "eventTime", str)
    try:
        return None if text is None else clock.timestamp(_moment(text))
    except (ValueError, OverflowError):
        raise ApiError("invalid_event", detail="an eventTime is not of RFC 3339") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _sequencer(thing: dict[str, Any]) -> str | None:
    sequencer = _optional(thing, "sequencer", str)
    if sequencer in (None, ""):
        return None
    if not re.fullmatch(r"[0-9A-Fa-f]{1,128}", sequencer):
        raise ApiError("invalid_event", detail="a sequencer is not hexadecimal")
    return str(sequencer)


def _size(thing: dict[str, Any]) -> int:
    """MinIO leaves out a size of zero."""
    size = _optional(thing, "size", int)
    if isinstance(size, bool) or not 0 <= (size or 0) <= _LARGEST:
        raise ApiError("invalid_event", detail="a size is no number of bytes")
    return int(size or 0)


def _etag(thing: dict[str, Any]) -> str | None:
    etag = _optional(thing, "eTag", str)
    return None if etag is None else _checked(etag.strip('"'), "eTag")


def _checked(text: str, name: str) -> str:
    if not re.fullmatch(r"[\x20-\x7e]{0,1024}", text):
        raise ApiError("invalid_event", detail=f"its {name} is not plain text")
    return text
