"""Which files, in which order, and where to go on (SPEC section 3, `GET /files`)."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from errors import ApiError
from services import clock
from services.catalog import LIVE
from services.names import MAX_NAME, METADATA_KEY, folded
from storage.interfaces import Collection, Document, Order, Where

MAX_LIMIT = 1000
SCAN = 10_000
SORTS = ("created_at", "file_name", "file_size", "updated_at")
_LARGEST = 2**63 - 1
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_FILE_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/(\*|[A-Za-z0-9!#$&^_.+-]+)")
Values = tuple[Any, ...]


class Query(NamedTuple):
    """What a listing was asked for; `after` are the sort values where the page begins."""

    where: list[Where]
    order: Order
    limit: int
    after: Values | None
    fingerprint: str


def parse_query(parameters: Sequence[tuple[str, str]]) -> Query:
    """Take apart the query's pairs. Raises the 400s of queries and `invalid_cursor`."""
    given: dict[str, str] = {}
    for name, value in parameters:
        if name in given:
            raise ApiError("repeated_parameter", name=name)
        given[name] = value
    limit = _limit(given.pop("limit", str(MAX_LIMIT)))
    cursor = given.pop("cursor", None)
    fingerprint = _fingerprint(given)
    order = _order(given.pop("sort", "-created_at"))
    where = [condition for name, value in given.items() for condition in _filter(name, value)]
    after = None if cursor is None else _read_cursor(cursor, fingerprint, order)
    return Query(where, order, limit, after, fingerprint)


def list_files(files: Collection, owner: str, query: Query) -> tuple[list[Document], str | None]:
    """A page of an owner's files, and the cursor of the next one, None at the end."""
    page = files.page(
        {"owner": owner, "state": LIVE},
        query.where,
        query.order,
        query.after,
        query.limit + 1,
        max(SCAN if query.where else 0, query.limit + 1),
    )
    documents, last = page.documents, page.last
    if len(documents) > query.limit:
        documents = documents[: query.limit]
        last = tuple(documents[-1][field] for field in query.order.fields)
    return documents, None if last is None else _write_cursor(last, query.fingerprint)


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise ApiError("invalid_parameter", name="limit", detail=f"must be 1 to {MAX_LIMIT}")
    return int(text)


def _order(text: str) -> Order:
    field = text.removeprefix("-")
    if field not in SORTS:
        detail = f"must be one of {', '.join(SORTS)}, with - before it for descending"
        raise ApiError("invalid_parameter", name="sort", detail=detail)
    return Order((field, "file_id"), descending=text.startswith("-"))


def _filter(name: str, value: str) -> list[Where]:
    if name.startswith("metadata.") and METADATA_KEY.fullmatch(name.removeprefix("metadata.")):
        return [Where(name, "eq", value)]
    if name not in _FILTERS:
        raise ApiError("unknown_parameter", name=name)
    return _FILTERS[name](name, value)


def _by_name(name: str, value: str) -> list[Where]:
    if not 1 <= len(value) <= MAX_NAME or "\0" in value:
        detail = f"must have 1 to {MAX_NAME} characters, none of them NUL"
        raise ApiError("invalid_parameter", name=name, detail=detail)
    return [Where("name_folded", "contains", folded(value))]


def _by_type(name: str, value: str) -> list[Where]:
    if not _FILE_TYPE.fullmatch(value):
        detail = "must be a media type such as image/png or image/*"
        raise ApiError("invalid_parameter", name=name, detail=detail)
    value = value.lower()
    if not value.endswith("/*"):
        return [Where("file_type", "eq", value)]
    family = value.removesuffix("/*")
    return [Where("file_type", "gte", family + "/"), Where("file_type", "lt", family + "0")]


def _by_source(name: str, value: str) -> list[Where]:
    if value not in ("api", "s3"):
        raise ApiError("invalid_parameter", name=name, detail="must be api or s3")
    return [Where("source", "eq", value)]


def _after(name: str, value: str) -> list[Where]:
    return [Where("created_at", "gt", clock.timestamp(_moment(name, value)))]


def _before(name: str, value: str) -> list[Where]:
    moment = _moment(name, value)
    # A fraction of a millisecond is cut off, and must not exclude that millisecond.
    op: Literal["lt", "lte"] = "lte" if moment.microsecond % 1000 else "lt"
    return [Where("created_at", op, clock.timestamp(moment))]


def _moment(name: str, value: str) -> datetime:
    try:
        if not _DATE_TIME.fullmatch(value):
            raise ValueError(value)
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter where an offset leads out of the calendar
        detail = "must be an RFC 3339 date and time such as 2026-03-09T18:00:00Z"
        raise ApiError("invalid_parameter", name=name, detail=detail) from None


def _at_least(name: str, value: str) -> list[Where]:
    return [Where("file_size", "gte", _size(name, value))]


def _at_most(name: str, value: str) -> list[Where]:
    return [Where("file_size", "lte", _size(name, value))]


def _size(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", value) or int(value) > _LARGEST:
        raise ApiError("invalid_parameter", name=name, detail="must be a number of bytes")
    return int(value)


_FILTERS = {
    "file_name": _by_name,
    "file_type": _by_type,
    "source": _by_source,
    "created_after": _after,
    "created_before": _before,
    "min_size": _at_least,
    "max_size": _at_most,
}


def _fingerprint(given: dict[str, str]) -> str:
    """Binds a cursor to sort and filters; says nothing of whose files they are."""
    canonical = json.dumps(sorted(given.items())).encode()
    return hashlib.sha256(canonical).hexdigest()[:16]


def _write_cursor(last: Values, fingerprint: str) -> str:
    text = json.dumps([fingerprint, *last], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, fingerprint: str, order: Order) -> Values:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        members = json.loads(text)
        json.dumps(members, ensure_ascii=False).encode()  # lone surrogates are a ValueError
    except (binascii.Error, ValueError, RecursionError):
        raise ApiError("invalid_cursor") from None
    bound_to, *last = members if isinstance(members, list) and members else [None]
    kinds = [int if field == "file_size" else str for field in order.fields]
    if bound_to != fingerprint or [type(value) for value in last] != kinds:
        raise ApiError("invalid_cursor")
    if any(isinstance(value, int) and not 0 <= value <= _LARGEST for value in last):
        raise ApiError("invalid_cursor")
    return tuple(last)
