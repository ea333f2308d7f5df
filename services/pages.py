"""Pages of any listing: how many, where to go on, and a cursor that only this listing takes."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from errors import ApiError
from storage.interfaces import Collection, Document, Order, Where

MAX_LIMIT = 1000
# Rows that one request looks at for the sake of those that match its filters.
SCAN = 10_000
LARGEST = 2**63 - 1
# The one sort field that holds numbers; -1 stands for a size that is not known.
SIZE = "size_rank"


class Query(NamedTuple):
    """What a listing was asked for; `after` are the sort values where the page begins."""

    where: list[Where]
    order: Order
    limit: int
    after: tuple[Any, ...] | None
    fingerprint: str


def single_values(parameters: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The query's pairs by name. Raises `repeated_parameter`."""
    given: dict[str, str] = {}
    for name, value in parameters:
        if name in given:
            raise ApiError("repeated_parameter", name=name)
        given[name] = value
    return given


def plain_query(listing: str, parameters: Mapping[str, str], order: Order) -> Query:
    """A listing in one order that takes `limit` and `cursor` and nothing else.

    Raises `invalid_parameter` and `invalid_cursor`.
    """
    bound_to = fingerprint(listing, {})
    limit = parse_limit(parameters.get("limit"))
    return Query([], order, limit, read_cursor(parameters.get("cursor"), bound_to, order), bound_to)


def take(
    collection: Collection, equals: Mapping[str, str], query: Query
) -> tuple[list[Document], str | None]:
    """A page of the documents with these values, and the next one's cursor, None at the end."""
    page = collection.page(
        equals,
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


def parse_limit(text: str | None) -> int:
    """1 to 1000, and that where nothing is said. Raises `invalid_parameter`."""
    if text is None:
        return MAX_LIMIT
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise ApiError("invalid_parameter", name="limit", detail=f"must be 1 to {MAX_LIMIT}")
    return int(text)


def fingerprint(listing: str, given: Mapping[str, str]) -> str:
    """Binds a cursor to a listing, its sort and filters; says nothing of whose it is."""
    canonical = json.dumps([listing, sorted(given.items())]).encode()
    return hashlib.sha256(canonical).hexdigest()[:16]


def _write_cursor(last: tuple[Any, ...], bound_to: str) -> str:
    text = json.dumps([bound_to, *last], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, bound_to: str, order: Order) -> tuple[Any, ...] | None:
    """The sort values that a cursor holds, None without one. Raises `invalid_cursor`."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        members = json.loads(text)
        json.dumps(members, ensure_ascii=False).encode()  # lone surrogates are a ValueError
    except (binascii.Error, ValueError, RecursionError):
        raise ApiError("invalid_cursor") from None
    found, *last = members if isinstance(members, list) and members else [None]
    kinds = [int if field == SIZE else str for field in order.fields]
    if found != bound_to or [type(value) for value in last] != kinds:
        raise ApiError("invalid_cursor")
    if any(isinstance(value, int) and not -1 <= value <= LARGEST for value in last):
        raise ApiError("invalid_cursor")
    return tuple(last)
