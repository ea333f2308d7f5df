"""Conditional and range requests: RFC 9110 sections 13 and 14, on a file document."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from werkzeug.datastructures import Headers
from werkzeug.http import http_date, parse_date, parse_etags

from errors import ApiError
from services.clock import from_timestamp
from storage.interfaces import Document

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.IGNORECASE)


class ByteRange(NamedTuple):
    """Bytes `start` up to, but not with, `stop`."""

    start: int
    stop: int


def etag(document: Document) -> str:
    """The strong entity tag: the revision, under a URL that is never used for another file."""
    return f'"{document["revision"]}"'


def last_modified(document: Document) -> datetime:
    """The whole second of the last change, as HTTP dates have it."""
    return from_timestamp(document["updated_at"]).replace(microsecond=0).astimezone(UTC)


def check_preconditions(headers: Headers, document: Document) -> None:
    """Steps 1 and 2 of RFC 9110 13.2.2. Raises `precondition_failed`."""
    match = headers.get("If-Match")
    unmodified = headers.get("If-Unmodified-Since")
    if match is not None:
        tags = parse_etags(match)
        if not tags.star_tag and not tags.contains(str(document["revision"])):
            raise ApiError("precondition_failed")
    elif unmodified is not None:
        since = parse_date(unmodified)
        if since is not None and last_modified(document) > since:
            raise ApiError("precondition_failed")


def check_change(headers: Headers, document: Document) -> None:
    """All conditions of a request that changes the file. Raises `precondition_failed`."""
    check_preconditions(headers, document)
    if _none_match_fails(headers, document):
        raise ApiError("precondition_failed")


def is_not_modified(headers: Headers, document: Document) -> bool:
    """Steps 3 and 4, for GET and HEAD: whether the client has this representation."""
    if "If-None-Match" in headers:
        return _none_match_fails(headers, document)
    since = parse_date(headers.get("If-Modified-Since"))
    return since is not None and last_modified(document) <= since


def _none_match_fails(headers: Headers, document: Document) -> bool:
    given = headers.get("If-None-Match")
    if given is None:
        return False
    tags = parse_etags(given)
    return tags.star_tag or tags.contains_weak(str(document["revision"]))


def requested_range(headers: Headers, document: Document) -> ByteRange | None:
    """Step 5: the one range to send, None for the whole. Raises `range_not_satisfiable`.

    Several ranges, other units and malformed ones are ignored, as RFC 9110 14.2 allows.
    """
    match = _RANGE.fullmatch(headers.get("Range", "").strip())
    if match is None or match[1] == match[2] == "" or not _if_range_holds(headers, document):
        return None
    size: int = document["file_size"]
    first, last = _number(match[1]), _number(match[2])
    if match[1] == "":
        start, stop = max(0, size - last), size
    else:
        start, stop = first, min(last + 1, size) if match[2] else size
        if match[2] and last < first:
            return None
    if start >= size:
        content_range = {"Content-Range": f"bytes */{size}"}
        raise ApiError("range_not_satisfiable", content_range, size=size)
    return ByteRange(start, stop)


def _number(digits: str) -> int:
    """The number, or one beyond any file where there are more digits than a 64-bit one has."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= 18 else 10**18


def _if_range_holds(headers: Headers, document: Document) -> bool:
    """A strong entity tag or the exact date (RFC 9110 13.1.5)."""
    given = headers.get("If-Range")
    if given is None:
        return True
    given = given.strip()
    if given.startswith(('"', "W/")):
        return given == etag(document)
    return given == http_date(last_modified(document))
