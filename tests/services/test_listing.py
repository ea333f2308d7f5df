"""Queries of `GET /files`: what they mean, what is refused, and where cursors lead."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from errors import ApiError
from services.collections import ALL, FILES
from services.documents import LIVE, derived
from services.listing import list_files, parse_query
from services.pages import MAX_LIMIT, SCAN
from services.principals import ANYONE
from storage.interfaces import Collection, Document, Order, Where
from storage.sqlite import SqliteDatabase

NEWEST_FIRST = Order(("created_at", "file_id"), descending=True)
LARGEST = 2**63 - 1
BY_NAME, BY_TYPE, BY_CREATED = "name_folded", "file_type", "created_at"
BY_SIZE = "size_rank"
KNOWN = Where(BY_SIZE, "gte", 0)


def test_no_query() -> None:
    query = parse_query([])
    assert (query.where, query.order, query.limit, query.after) == ([], NEWEST_FIRST, 1000, None)


GOOD: list[tuple[str, str, list[Where]]] = [
    ("file_name", "a", [Where(BY_NAME, "contains", "a")]),
    ("file_name", "STRASSE", [Where(BY_NAME, "contains", "strasse")]),
    ("file_name", "A\u0308", [Where(BY_NAME, "contains", "ä")]),
    ("file_name", "%_*.", [Where(BY_NAME, "contains", "%_*.")]),
    ("file_name", "😀" * 255, [Where(BY_NAME, "contains", "😀" * 255)]),
    ("file_type", "image/png", [Where(BY_TYPE, "eq", "image/png")]),
    ("file_type", "Image/PNG", [Where(BY_TYPE, "eq", "image/png")]),
    ("file_type", "image/svg+xml", [Where(BY_TYPE, "eq", "image/svg+xml")]),
    ("file_type", "image/*", [Where(BY_TYPE, "gte", "image/"), Where(BY_TYPE, "lt", "image0")]),
    ("source", "api", [Where("source", "eq", "api")]),
    ("source", "s3", [Where("source", "eq", "s3")]),
    ("min_size", "0", [KNOWN]),
    ("max_size", "0", [KNOWN, Where(BY_SIZE, "lte", 0)]),
    ("max_size", str(LARGEST), [KNOWN, Where(BY_SIZE, "lte", LARGEST)]),
    ("min_size", "007", [Where(BY_SIZE, "gte", 7)]),
    ("metadata.colour", "red", [Where("metadata.colour", "eq", "red")]),
    ("metadata.a-b_9", "", [Where("metadata.a-b_9", "eq", "")]),
    ("metadata.k", "$ne", [Where("metadata.k", "eq", "$ne")]),
]


@pytest.mark.parametrize(("name", "value", "where"), GOOD)
def test_a_filter(name: str, value: str, where: list[Where]) -> None:
    assert parse_query([(name, value)]).where == where


@pytest.mark.parametrize(
    ("text", "after", "before"),
    [
        ("2026-03-09T18:00:00Z", "2026-03-09T18:00:00.000Z", ("lt", "2026-03-09T18:00:00.000Z")),
        ("2026-03-09t18:00:00z", "2026-03-09T18:00:00.000Z", ("lt", "2026-03-09T18:00:00.000Z")),
        (
            "2026-03-09T18:00:00.5+01:30",
            "2026-03-09T16:30:00.500Z",
            ("lt", "2026-03-09T16:30:00.500Z"),
        ),
        (
            "2026-03-09T18:00:00.1239-00:00",
            "2026-03-09T18:00:00.123Z",
            ("lte", "2026-03-09T18:00:00.123Z"),
        ),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", ("lt", "0001-01-01T00:00:00.000Z")),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z", ("lt", "9999-12-31T23:59:59.000Z")),
    ],
)
def test_a_time(text: str, after: str, before: tuple[str, str]) -> None:
    assert parse_query([("created_after", text)]).where == [Where(BY_CREATED, "gt", after)]
    found = [(w.op, w.value) for w in parse_query([("created_before", text)]).where]
    assert found == [before]


@pytest.mark.parametrize("field", ["created_at", "file_name", "file_size", "updated_at"])
def test_a_sort(field: str) -> None:
    stored = BY_SIZE if field == "file_size" else field
    assert parse_query([("sort", field)]).order == Order((stored, "file_id"), False)
    assert parse_query([("sort", f"-{field}")]).order == Order((stored, "file_id"), True)


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("1000", MAX_LIMIT), ("0042", 42)])
def test_a_limit(text: str, limit: int) -> None:
    assert parse_query([("limit", text)]).limit == limit


def test_filters_add_up() -> None:
    query = parse_query([("source", "api"), ("min_size", "1"), ("metadata.a", "b")])
    assert [w.field for w in query.where] == ["source", BY_SIZE, "metadata.a"]


BAD = {
    "limit": ["", "0", "1001", "-1", "+1", "1.0", "1e2", "ten", " 1", "1 ", "٣", "00001", "1\n"],
    "sort": [
        *("", "-", "name", "--created_at", "created_at ", "file_id", "CREATED_AT", "$where"),
        "size_rank",
    ],
    "file_name": ["", "x" * 256, "a\0b"],
    "file_type": ["", "image", "image/", "/png", "*/*", "*", "image/**", "a/b/c", "a b/c", "ä/b"],
    "source": ["", "API", "api,s3", "ftp"],
    "min_size": ["", "-1", "1.5", "1k", "9223372036854775808", "1" * 20, "٣", " 1", "0x1"],
    "max_size": ["", "-1", "9223372036854775808"],
    "created_after": [
        "",
        "now",
        "2026-03-09",
        "2026-03-09T18:00:00",
        "2026-03-09 18:00:00Z",
        "2026-03-09T18:00Z",
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-03-09T24:00:01Z",
        "2026-03-09T18:60:00Z",
        "2026-03-09T18:00:00+25:00",
        "2026-03-09T18:00:00.Z",
        "2026-03-09T18:00:00.1234567890Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        "٢٠٢٦-03-09T18:00:00Z",
        "2026-03-09T18:00:00Z\n",
    ],
    "created_before": ["", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59.9999-00:01"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_a_bad_value(name: str, value: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_query([(name, value)])
    assert (raised.value.code, raised.value.status) == ("invalid_parameter", 400)
    assert repr(name) in raised.value.sentence


@pytest.mark.parametrize(
    "name",
    [
        *("", "Limit", "offset", "owner", "state", "file_id", "name_folded", "file_name[$ne]"),
        *("size_rank", "kind", "item_name", "file_size", "bucket", "object_key"),
        *("metadata", "metadata.", "metadata.A", "metadata.a.b", "metadata.$ne", "metadata.a\n"),
        "metadata." + "k" * 65,
    ],
)
def test_an_unknown_parameter(name: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_query([(name, "x")])
    assert (raised.value.code, raised.value.status) == ("unknown_parameter", 400)


@pytest.mark.parametrize("name", ["limit", "sort", "source", "metadata.a", "cursor", "unknown"])
def test_a_parameter_given_twice(name: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_query([(name, "api"), (name, "api")])
    assert (raised.value.code, raised.value.status) == ("repeated_parameter", 400)


# --- cursors -------------------------------------------------------------------------------

NAMES = ["a", "b", "B", "ä", "世界", "😀", "\ue000", "a b", 'quote"', "%"]


# Of an image recorded by its name nobody has seen a size.
SIZES = [0, 1, LARGEST, 5, None, 5]


def document(number: int) -> Document:
    name = NAMES[number % len(NAMES)]
    made = {
        "file_id": f"id-{number:03}",
        "owner": ANYONE.owner,
        "state": LIVE,
        "place": f"local/key-{number}",
        "bucket": "local",
        "object_key": f"key-{number}",
        "created_at": f"2026-01-01T00:00:{number % 5:02}.000Z",
        "updated_at": f"2026-01-02T00:00:{number % 3:02}.000Z",
        "file_name": name,
        "file_size": SIZES[number % len(SIZES)],
        "file_type": ["text/plain", "image/png", "image/gif"][number % 3],
        "source": "api",
        "sweep_at": None,
        "metadata": {"n": str(number % 2)},
        "item_name": f"item-{number}",
        "item_source": None,
    }
    return derived(made)


def elsewhere(bucket: str, number: int) -> dict[str, str]:
    return {"file_id": f"{bucket}-{number}", "bucket": bucket, "place": f"{bucket}/{number}"}


DOCUMENTS = [document(number) for number in range(30)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    database = SqliteDatabase(tmp_path_factory.mktemp("listing") / "catalog.sqlite")
    database.prepare(ALL)
    made = database.collection(FILES)
    for number, each in enumerate(DOCUMENTS):
        made.insert(each)
        made.insert({**each, **elsewhere("other", number), "owner": "other"})
        dead = {**elsewhere("dead", number), "state": "deleted"}
        made.insert({**each, **dead})
    yield made
    database.close()


Pairs = list[tuple[str, str]]


def walk(files: Collection, pairs: Pairs) -> list[list[str]]:
    """The ids of each page."""
    cursor: str | None = None
    pages: list[list[str]] = []
    while len(pages) <= len(DOCUMENTS):
        given = pairs if cursor is None else [*pairs, ("cursor", cursor)]
        found, cursor = list_files(files, ANYONE, parse_query(given))
        pages.append([each["file_id"] for each in found])
        if cursor is None:
            return pages
    raise AssertionError("the pages do not end")


def rank(value: str | int | None) -> tuple[bool, str | int]:
    """What is not known comes before everything that is."""
    return (False, 0) if value is None else (True, value)


@pytest.mark.parametrize("field", ["created_at", "file_name", "file_size", "updated_at"])
@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("limit", [1, 7, 29, 30, 31, 1000])
def test_a_cursor_leads_on(files: Collection, field: str, sign: str, limit: int) -> None:
    pages = walk(files, [("sort", sign + field), ("limit", str(limit))])
    ordered = sorted(DOCUMENTS, key=lambda d: (rank(d[field]), d["file_id"]), reverse=bool(sign))
    assert [i for page in pages for i in page] == [d["file_id"] for d in ordered]
    assert all(len(page) == limit for page in pages[:-1])
    assert len(pages) == -(-len(DOCUMENTS) // limit)  # no empty page at the end


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("file_name", "B")], lambda d: d["file_name"] in "bB" or d["file_name"] == "a b"),
        ([("file_type", "image/*")], lambda d: d["file_type"] != "text/plain"),
        ([("file_type", "image/gif")], lambda d: d["file_type"] == "image/gif"),
        ([("metadata.n", "1")], lambda d: d["metadata"]["n"] == "1"),
        ([("min_size", "1"), ("max_size", "5")], lambda d: d["file_size"] in (1, 5)),
        ([("min_size", "0")], lambda d: d["file_size"] is not None),
        ([("max_size", "0")], lambda d: d["file_size"] == 0),
        ([("max_size", "5")], lambda d: d["file_size"] in (0, 1, 5)),
        ([("max_size", str(LARGEST))], lambda d: d["file_size"] is not None),
        ([("source", "s3")], lambda d: False),
        ([("created_after", "2026-01-01T00:00:03Z")], lambda d: d["created_at"][-6:-5] == "4"),
        ([("created_before", "2026-01-01T00:00:01Z")], lambda d: d["created_at"][-6:-5] == "0"),
    ],
)
def test_filters_find(files: Collection, pairs: Pairs, expected: Any) -> None:
    by_size = [[("limit", "3"), ("sort", sort)] for sort in ("file_size", "-file_size")]
    for more in ([], [("limit", "2")], *by_size):
        found = [file_id for page in walk(files, [*pairs, *more]) for file_id in page]
        assert sorted(found) == [d["file_id"] for d in DOCUMENTS if expected(d)]


def test_the_work_of_a_page_is_bounded(files: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    real = files.page

    def page(*arguments: Any) -> Any:
        asked.append(arguments[-2:])
        return real(*arguments)

    monkeypatch.setattr(files, "page", page)
    list_files(files, ANYONE, parse_query([("limit", "5")]))
    list_files(files, ANYONE, parse_query([("limit", "5"), ("source", "s3")]))
    assert asked == [(6, 6), (6, SCAN)]


SORTED = [("sort", "file_name"), ("limit", "3")]


@pytest.fixture(scope="module")
def cursor(files: Collection) -> str:
    found = list_files(files, ANYONE, parse_query(SORTED))[1]
    assert found is not None
    return found


def opened(cursor: str) -> list[Any]:
    text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    members: list[Any] = json.loads(text)
    return members


def closed(members: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).decode().rstrip("=")


def invalid(pairs: Pairs) -> bool:
    with pytest.raises(ApiError) as raised:
        parse_query(pairs)
    return (raised.value.code, raised.value.status) == ("invalid_cursor", 400)


@pytest.mark.parametrize(
    "others",
    [
        [],
        [("sort", "-file_name")],
        [("sort", "updated_at")],
        [("sort", "file_name"), ("source", "api")],
        [("sort", "file_name"), ("metadata.a", "b")],
    ],
)
def test_a_cursor_of_another_listing(cursor: str, others: Pairs) -> None:
    assert invalid([*others, ("cursor", cursor)])


def test_the_limit_may_change_from_page_to_page(files: Collection, cursor: str) -> None:
    query = parse_query([("sort", "file_name"), ("limit", "1000"), ("cursor", cursor)])
    assert len(list_files(files, ANYONE, query)[0]) == len(DOCUMENTS) - 3


def test_a_cursor_carries_no_owner(files: Collection, cursor: str) -> None:
    query = parse_query([*SORTED, ("cursor", cursor)])
    other = replace(ANYONE, owner="other")
    found, _ = list_files(files, other, query)
    assert {each["owner"] for each in found} == {"other"}


@pytest.mark.parametrize(
    "text", ["", "x", "====", "a b", "ä", "e30", "W10", "bnVsbA", "MQ", "IiI", "gA", "!" * 2000]
)
def test_what_is_no_cursor(text: str) -> None:
    assert invalid([("cursor", text)])


TAMPERED: dict[str, Any] = {
    "without values": lambda bound, *_: [bound],
    "a value missing": lambda bound, name, _: [bound, name],
    "a value too many": lambda *members: [*members, "x"],
    "bound to nothing": lambda _, *rest: ["", *rest],
    "bound to null": lambda _, *rest: [None, *rest],
    "an object": lambda *members: dict.fromkeys(members),
    "a string": lambda *members: "".join(members),
    "a number": lambda *_: 1,
    "deep": lambda *_: json.loads("[" * 900 + "]" * 900),
    "number for a name": lambda bound, _, file_id: [bound, 1, file_id],
    "null for a name": lambda bound, _, file_id: [bound, None, file_id],
    "list for a name": lambda bound, _, file_id: [bound, ["a"], file_id],
    "operator for a name": lambda bound, _, file_id: [bound, {"$ne": None}, file_id],
    "lone surrogate": lambda bound, _, file_id: [bound, "a\ud800", file_id],
    "low surrogate": lambda bound, name, _: [bound, name, "\udfff"],
    "lone surrogate before an emoji": lambda bound, _, file_id: [bound, "\ud800😀", file_id],
    "lone surrogate in another value": lambda bound, *_: [bound, "😀", "\udc00"],
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_cursor_that_was_tampered_with(cursor: str, tamper: Any) -> None:
    assert invalid([*SORTED, ("cursor", closed(tamper(*opened(cursor))))])


@pytest.mark.parametrize("size", [True, 1.0, "1", None, -2, 2**63, 10**400, float("inf")])
def test_a_size_in_a_cursor(files: Collection, size: object) -> None:
    sort = ("sort", "file_size")
    first = list_files(files, ANYONE, parse_query([sort, ("limit", "1")]))[1]
    assert first is not None
    bound, _, file_id = opened(first)
    assert invalid([sort, ("cursor", closed([bound, size, file_id]))])


names = st.sampled_from(["limit", "sort", "cursor", *BAD, "metadata.a"]) | st.text(max_size=5)
values = st.text(max_size=30) | st.sampled_from(["", "1", "image/*", "-file_size", "e30"])


@settings(max_examples=300, deadline=None)
@given(pairs=st.lists(st.tuples(names, values), max_size=4))
@example(pairs=[("created_after", "0001-01-01T00:00:00+23:59")])
@example(pairs=[("file_name", "\ufdfa" * 255)])
def test_any_query_is_answered_or_refused(files: Collection, pairs: Pairs) -> None:
    try:
        found, _ = list_files(files, ANYONE, parse_query(pairs))
    except ApiError as error:
        assert error.status == 400  # noqa: PT017
    else:
        assert {each["owner"] for each in found} <= {ANYONE.owner}


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.text(max_size=5) | st.integers() | st.none(), max_size=3))
def test_any_cursor_is_answered_or_refused(
    files: Collection, cursor: str, values: list[Any]
) -> None:
    forged = closed([opened(cursor)[0], *values])
    try:
        list_files(files, ANYONE, parse_query([*SORTED, ("cursor", forged)]))
    except ApiError as error:
        assert error.code == "invalid_cursor"  # noqa: PT017
