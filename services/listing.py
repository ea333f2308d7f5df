"""Which files, in which order, and where to go on (SPEC section 3, `GET /files`)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from errors import ApiError
from services import clock
from services.documents import LIVE
from services.names import MAX_NAME, METADATA_KEY, folded
from services.pages import (
    LARGEST,
    SIZE,
    Query,
    fingerprint,
    parse_limit,
    read_cursor,
    single_values,
    take,
)
from services.principals import Principal
from storage.interfaces import Collection, Document, Order, Where

SORTS = ("created_at", "file_name", "file_size", "updated_at")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_FILE_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/(\*|[A-Za-z0-9!#$&^_.+-]+)")


def parse_query(parameters: Sequence[tuple[str, str]]) -> Query:
    """Take apart the query's pairs. Raises the 400s of queries and `invalid_cursor`."""
    given = single_values(parameters)
    limit = parse_limit(given.pop("limit", None))
    cursor = given.pop("cursor", None)
    bound_to = fingerprint("files", given)
    order = _order(given.pop("sort", "-created_at"))
    where = [condition for name, value in given.items() for condition in _filter(name, value)]
    return Query(where, order, limit, read_cursor(cursor, bound_to, order), bound_to)


def list_files(
    files: Collection, principal: Principal, query: Query
) -> tuple[list[Document], str | None]:
    """A page of the files that a principal sees, and the cursor of the next one."""
    return take(files, {**principal.whose, "state": LIVE}, query)


def _order(text: str) -> Order:
    field = text.removeprefix("-")
    if field not in SORTS:
        detail = f"must be one of {', '.join(SORTS)}, with - before it for descending"
        raise ApiError("invalid_parameter", name="sort", detail=detail)
    stored = SIZE if field == "file_size" else field
    return Order((stored, "file_id"), descending=text.startswith("-"))


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
    return [Where(SIZE, "gte", _size(name, value))]


def _at_most(name: str, value: str) -> list[Where]:
    return [Where(SIZE, "gte", 0), Where(SIZE, "lte", _size(name, value))]


def _size(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", value) or int(value) > LARGEST:
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
