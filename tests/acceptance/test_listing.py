"""GET /files: order and filters (SPEC 3)."""

import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from operator import itemgetter

import pytest

from .checks import FIELDS, assert_status, instant
from .client import Client
from .drop import Drop, dropping, pages
from .test_types import GIF, PDF, PNG

# All below U+D800: above, stores that sort by UTF-16 differ from those that sort by code point.
NAMES = [
    "a",
    "B",
    "b",
    "Z",
    "_",
    "0",
    "10",
    "9",
    "é",
    "e\u0301",
    "ß",
    "z",
    "А",
    "中",
    "가",
    " a",
    "~",
]
FIELDS_TO_SORT_BY = ["created_at", "updated_at", "file_name", "file_size"]


@pytest.fixture(scope="module")
def library(client: Client) -> Iterator[Drop]:
    """Files with different names, sizes and times; the first one was changed last."""
    with dropping(client) as drop:
        first, *_ = [
            drop.file(b"x" * ((index * 7) % len(NAMES)), name + drop.tag)
            for index, name in enumerate(NAMES)
        ]
        client.put_json(f"/files/{first['file_id']}", {"metadata": {"run": drop.tag, "a": "b"}})
        yield drop


def test_the_listing_is_an_array_of_documents(library: Drop, client: Client) -> None:
    answer = assert_status(client.get(f"/files?metadata.run={library.tag}"), 200)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    assert isinstance(answer.json(), list)
    assert all(set(document) == FIELDS for document in library.listing())
    assert len(library.listing()) == len(NAMES)


def test_a_listed_document_is_the_whole_document(library: Drop) -> None:
    for document in library.listing():
        assert library.current(document) == document


def test_the_listing_starts_with_the_newest(library: Drop) -> None:
    assert library.names() == NAMES[::-1]


def test_no_filter_is_needed(library: Drop, client: Client) -> None:
    """Files of others may stand between ours; each of ours stands there once, newest first."""
    names = []
    for page in pages(client, {}):
        names += [one["file_name"] for one in page if one["metadata"].get("run") == library.tag]
        if len(names) >= len(NAMES):
            break
    assert names == [name + library.tag for name in NAMES[::-1]]


@pytest.mark.parametrize("field", FIELDS_TO_SORT_BY)
def test_every_sort_goes_up(library: Drop, field: str) -> None:
    values = [document[field] for document in library.listing(sort=field)]
    assert len(values) == len(NAMES)
    assert values == sorted(values)
    assert len(set(values)) > 1


@pytest.mark.parametrize("field", FIELDS_TO_SORT_BY)
def test_every_sort_goes_down(library: Drop, field: str) -> None:
    values = [document[field] for document in library.listing(sort=f"-{field}")]
    assert len(values) == len(NAMES)
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1


def test_names_sort_by_code_point(library: Drop) -> None:
    expected = sorted(NAMES)
    assert library.names(sort="file_name") == expected
    assert library.names(sort="-file_name") == expected[::-1]


def test_a_prefix_sorts_before_the_longer_name(drop: Drop) -> None:
    for name in ("ab", "a", "abc", "a!"):
        drop.file(name=drop.tag + name)
    assert drop.names(sort="file_name") == ["a", "a!", "ab", "abc"]


def test_the_file_that_changed_last_is_updated_last(library: Drop) -> None:
    assert library.names(sort="updated_at")[-1] == NAMES[0]
    assert library.names(sort="-updated_at")[0] == NAMES[0]
    assert library.names(sort="created_at")[0] == NAMES[0]


def test_sizes_sort_as_numbers(drop: Drop) -> None:
    for size in (9, 10, 100, 2):
        drop.file(b"x" * size)
    assert [one["file_size"] for one in drop.listing(sort="file_size")] == [2, 9, 10, 100]


# --- filters -------------------------------------------------------------------------------------

SEARCHES = {
    # name of the file, what finds it, what does not
    "any part": ("report-2026.pdf", ["report", "2026", ".pdf", "t-2", "report-2026.pdf"], ["xpdf"]),
    "any case": ("Report.PDF", ["report.pdf", "REPORT", "rEpOrT.pDf"], ["reports"]),
    "any case of Unicode": ("Ünïcode ŽLUTÝ", ["ÜNÏCODE", "ünïcode", "žlutý"], ["unicode"]),
    "case folding": ("straße", ["STRASSE", "strasse", "straße", "STRAßE"], ["strase"]),
    "final sigma": ("ΟΔΟΣ", ["οδος", "οδοσ", "ΟΔΟΣ"], ["οδοι"]),
    "composed": ("caf\u00e9", ["caf\u00e9", "cafe\u0301", "CAFE\u0301"], ["cafe."]),
    "decomposed": ("cafe\u0301", ["caf\u00e9", "cafe\u0301", "CAF\u00c9"], ["cafe."]),
    "outside the BMP": ("party \U0001f600", ["\U0001f600", "y \U0001f600"], ["\U0001f601"]),
    "percent": ("100% sure", ["%", "0% s"], ["1%0", "100%%"]),
    "underscore": ("a_b", ["_", "a_b"], ["a__", "__"]),
    "wildcards": ("a*b?c", ["*", "?", "a*b?c"], ["a*c", "a?b"]),
    "expressions": ("a.b+c[d](e)^$|", [".b+c[d]", "(e)", "^$|"], ["a.*", "[a-z]", ".+c", "^a"]),
    "quotes": ('it\'s "it"', ["'", '"it"', "t's"], ["''", "its"]),
    "spaces": ("two  spaces", ["  ", "o  s"], ["two spaces", "   "]),
    "operators": ("$ne {x}", ["$ne", "{x}"], ["$eq", '{"$ne": null}']),
    "whole name": ("x" * 223, ["x" * 223], ["x" * 224]),
}


@pytest.mark.parametrize("label", SEARCHES)
def test_names_are_searched(drop: Drop, label: str) -> None:
    name, found, missed = SEARCHES[label]
    drop.file(name=f"{name}")
    drop.file(name="another")
    for search in found:
        assert drop.names(file_name=search) == [name], search
    for search in missed:
        assert drop.names(file_name=search) == [], search


def test_a_search_shows_the_name_as_it_was_given(drop: Drop) -> None:
    name = unicodedata.normalize("NFD", "Café Żółć")
    drop.file(name=name)
    assert drop.names(file_name="CAFÉ żółć") == [name]


def test_a_renamed_file_is_found_by_its_new_name_only(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file(name='Before')['file_id']}"
    assert_status(client.put_json(path, {"file_name": "After"}), 200)
    assert drop.names(file_name="before") == []
    assert drop.names(file_name="after") == ["After"]


TYPES = {
    "image/png": ["png"],
    "image/gif": ["gif"],
    "image/*": ["gif", "png"],
    "application/*": ["pdf"],
    "application/pdf": ["pdf"],
    "text/*": ["table.csv"],
    "text/csv": ["table.csv"],
    "text/plain": [],
    "video/*": [],
    "image/p": [],
    "image/pn*": [],
    "image/.*": [],
    "image/%": [],
    "image/p_g": [],
}


@pytest.fixture(scope="module")
def gallery(client: Client) -> Iterator[Drop]:
    with dropping(client) as drop:
        for name, content in (("png", PNG), ("gif", GIF), ("pdf", PDF)):
            drop.file(content, name)
        drop.file(b"1,2\n", "table.csv")
        yield drop


@pytest.mark.parametrize("wanted", TYPES)
def test_types_are_filtered(gallery: Drop, client: Client, wanted: str) -> None:
    answer = client.get(f"/files?file_type={wanted}&metadata.run={gallery.tag}&sort=file_name")
    if answer.status == 400:
        assert wanted in ("image/pn*", "image/.*", "image/%")
        return
    assert gallery.names(file_type=wanted, sort="file_name") == TYPES[wanted]


def test_sources_are_filtered(drop: Drop) -> None:
    drop.file(name="mine")
    assert drop.names(source="api") == ["mine"]
    assert drop.names(source="s3") == []


SIZES = {
    (("min_size", 0),): [0, 5, 10],
    (("min_size", 5),): [5, 10],
    (("min_size", 6),): [10],
    (("min_size", 11),): [],
    (("max_size", 0),): [0],
    (("max_size", 5),): [0, 5],
    (("max_size", 9),): [0, 5],
    (("max_size", 2**62),): [0, 5, 10],
    (("min_size", 2**62),): [],
    (("min_size", 1), ("max_size", 9)): [5],
    (("min_size", 5), ("max_size", 5)): [5],
}


@pytest.fixture(scope="module")
def scale(client: Client) -> Iterator[Drop]:
    with dropping(client) as drop:
        for size in (0, 5, 10):
            drop.file(b"x" * size)
        yield drop


@pytest.mark.parametrize("limits", SIZES, ids=str)
def test_sizes_are_filtered(scale: Drop, limits: tuple[tuple[str, int], ...]) -> None:
    found = scale.listing(sort="file_size", **dict(limits))
    assert [document["file_size"] for document in found] == SIZES[limits]


SHAPES = ["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00"]


@pytest.mark.parametrize("shape", SHAPES)
def test_times_are_filtered(drop: Drop, shape: str) -> None:
    at = instant(drop.file()["created_at"])
    earlier, later = ((at + timedelta(seconds=s)).strftime(shape) for s in (-60, 60))
    assert len(drop.listing(created_after=earlier)) == 1
    assert len(drop.listing(created_before=later)) == 1
    assert len(drop.listing(created_after=earlier, created_before=later)) == 1
    assert drop.listing(created_after=later) == []
    assert drop.listing(created_before=earlier) == []


def test_times_may_have_an_offset(drop: Drop) -> None:
    """RFC 3339 4.2: the same instant is written in any zone."""
    at = instant(drop.file()["created_at"]) + timedelta(hours=5, minutes=30)
    earlier, later = (
        (at + timedelta(seconds=s)).strftime("%Y-%m-%dT%H:%M:%S+05:30") for s in (-60, 60)
    )
    assert len(drop.listing(created_after=earlier, created_before=later)) == 1
    assert drop.listing(created_after=later) == []


def test_the_far_past_and_future_are_times(drop: Drop) -> None:
    drop.file()
    assert len(drop.listing(created_after="1970-01-01T00:00:00Z")) == 1
    assert len(drop.listing(created_before="9999-12-31T23:59:59Z")) == 1
    assert drop.listing(created_before="0001-01-01T00:00:00Z") == []


PAIRS: list[tuple[dict[str, str], list[str]]] = [
    ({"metadata.colour": "blue"}, ["one", "three"]),
    ({"metadata.colour": "red"}, ["two"]),
    ({"metadata.colour": "blu"}, []),
    ({"metadata.colour": "Blue"}, []),
    ({"metadata.colour": "blue", "metadata.shape": "round"}, ["three"]),
    ({"metadata.colour": "red", "metadata.shape": "round"}, []),
    ({"metadata.shape": "round"}, ["three"]),
    ({"metadata.size": ""}, ["two"]),
    ({"metadata.name": "naïve 名前"}, ["one"]),
    ({"metadata.colour": '{"$ne": null}'}, []),
    ({"metadata.colour": "blue' OR '1'='1"}, []),
    ({"metadata.nothing": "blue"}, []),
    ({"metadata.a-b_c": "x"}, ["two"]),
]


@pytest.fixture(scope="module")
def labelled(client: Client) -> Iterator[Drop]:
    with dropping(client) as drop:
        drop.file(name="one", metadata={"colour": "blue", "name": "naïve 名前"})
        drop.file(name="two", metadata={"colour": "red", "size": "", "a-b_c": "x"})
        drop.file(name="three", metadata={"colour": "blue", "shape": "round"})
        yield drop


@pytest.mark.parametrize(("wanted", "names"), PAIRS, ids=str)
def test_pairs_are_filtered(labelled: Drop, wanted: dict[str, str], names: list[str]) -> None:
    assert labelled.names(sort="created_at", **wanted) == names


def test_changed_pairs_are_found_by_their_new_value_only(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file(metadata={'colour': 'blue'})['file_id']}"
    change = {"metadata": {"run": drop.tag, "colour": "red"}}
    assert_status(client.put_json(path, change), 200)
    assert drop.listing(**{"metadata.colour": "blue"}) == []
    assert len(drop.listing(**{"metadata.colour": "red"})) == 1


def test_filters_are_joined_by_and(labelled: Drop) -> None:
    filters: dict[str, str | int] = {"metadata.colour": "blue", "file_name": "thr"}
    assert labelled.names(**filters) == ["three"]
    assert labelled.names(**filters, min_size=11) == []
    assert labelled.names(**filters, source="s3") == []
    assert labelled.names(**filters, file_type="video/*") == []


@pytest.mark.parametrize("sort", ["file_name", "-file_name", "file_size", "-updated_at"])
def test_filters_and_sorts_combine(labelled: Drop, sort: str) -> None:
    found = labelled.listing(sort=sort, **{"metadata.colour": "blue"})
    field = sort.removeprefix("-")
    ordered = sorted(found, key=itemgetter(field), reverse=sort.startswith("-"))
    assert [one[field] for one in found] == [one[field] for one in ordered]
    assert {one["file_name"] for one in found} == {"one", "three"}


def test_nothing_found_is_an_empty_array(drop: Drop, client: Client) -> None:
    answer = client.get(f"/files?metadata.run={drop.tag}&limit=1")
    assert assert_status(answer, 200).json() == []
    assert drop.listing() == []


def test_a_plus_in_the_query_is_a_space(drop: Drop, client: Client) -> None:
    drop.file(name="a b")
    drop.file(name="a+b")
    for encoded, name in (("a+b", "a b"), ("a%20b", "a b"), ("a%2Bb", "a+b")):
        answer = client.get(f"/files?metadata.run={drop.tag}&file_name={encoded}")
        assert [one["file_name"] for one in answer.json()] == [name]
