"""Ranges of a download (RFC 9110 14, SPEC 3): one is served, several and odd ones are ignored."""

import pytest

from .checks import assert_error, assert_status
from .client import MIB, Client, Document, noise
from .drop import Drop

DIGITS = b"0123456789"
SATISFIABLE = {
    # Range: first and last byte of the answer
    "bytes=0-0": (0, 0),
    "bytes=0-4": (0, 4),
    "bytes=3-5": (3, 5),
    "bytes=0-9": (0, 9),
    "bytes=9-9": (9, 9),
    "bytes=5-": (5, 9),
    "bytes=0-": (0, 9),
    "bytes=9-": (9, 9),
    "bytes=0-10": (0, 9),
    "bytes=8-1000": (8, 9),
    "bytes=2-99999999999999999999999999": (2, 9),
    "bytes=-1": (9, 9),
    "bytes=-3": (7, 9),
    "bytes=-10": (0, 9),
    "bytes=-11": (0, 9),
    "bytes=-99999999999999999999999999": (0, 9),
    "bytes=00-04": (0, 4),
    "Bytes=0-4": (0, 4),
}
UNSATISFIABLE = [
    "bytes=10-",
    "bytes=10-10",
    "bytes=10-20",
    "bytes=99999999999999999999999999-",
    "bytes=-0",
    "bytes=-00",
]
IGNORED = [
    "bytes=0-1,3-4",
    "bytes=0-1, 3-4",
    "bytes=0-1,20-30",
    "bytes=20-30,40-50",
    "bytes=-0,0-1",
    "bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-",
    "items=0-1",
    "byte=0-1",
    "seconds=1.5-2.5",
    "none",
    "bytes",
    "bytes=",
    "bytes=-",
    "bytes=--1",
    "bytes=a-b",
    "bytes=0-b",
    "bytes=5-2",
    "bytes=1-2-3",
    "bytes=+1-2",
    "bytes=1_0-",
    "bytes=0x1-2",
    "bytes=1.5-2",
    "bytes=1e0-2",
    "bytes 0-1",
    "bytes:0-1",
    "bytes=0 - 1",
    "bytes=\u0660-\u0661",
    "=0-1",
    "0-1",
    "bytes=" + "9" * 5000 + "-" + "1" * 10,
]


@pytest.fixture(scope="module")
def document(shelf: Drop) -> Document:
    return shelf.file(DIGITS)


@pytest.fixture(scope="module")
def empty(shelf: Drop) -> Document:
    return shelf.file(b"")


@pytest.fixture(scope="module")
def large(shelf: Drop) -> Document:
    return shelf.file(noise(20 * MIB))


@pytest.mark.parametrize(("header", "expected"), SATISFIABLE.items())
def test_one_range_is_served(
    client: Client, document: Document, header: str, expected: tuple[int, int]
) -> None:
    first, last = expected
    answer = client.get(f"/files/{document['file_id']}", {"Range": header})
    assert answer.status == 206
    assert answer.body == DIGITS[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/10"
    assert answer.headers["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize("header", UNSATISFIABLE)
def test_a_range_beyond_the_end_is_416(client: Client, document: Document, header: str) -> None:
    """RFC 9110 15.5.17."""
    answer = client.get(f"/files/{document['file_id']}", {"Range": header})
    assert_error(answer, 416)
    assert answer.headers["Content-Range"] == "bytes */10"


@pytest.mark.parametrize("header", IGNORED, ids=lambda header: ascii(header)[:40])
def test_any_other_range_gives_the_whole(client: Client, document: Document, header: str) -> None:
    """RFC 9110 14.2: a server may ignore the field, and must where it does not understand it."""
    answer = client.get(f"/files/{document['file_id']}", {"Range": header})
    assert (answer.status, answer.body) == (200, DIGITS)
    assert "Content-Range" not in answer.headers
    assert answer.headers["Content-Length"] == "10"


@pytest.mark.parametrize("header", ["bytes=0-4", "bytes=10-", "bytes=0-1,3-4"])
def test_a_range_means_nothing_to_head(client: Client, document: Document, header: str) -> None:
    """RFC 9110 14.2: GET is the only method for which range handling is defined."""
    answer = client.head(f"/files/{document['file_id']}", {"Range": header})
    assert answer.status == 200
    assert answer.headers["Content-Length"] == "10"


def test_a_partial_answer_has_the_headers_of_the_whole(client: Client, document: Document) -> None:
    """RFC 9110 15.3.7."""
    path = f"/files/{document['file_id']}"
    whole, partial = client.get(path), client.get(path, {"Range": "bytes=2-3"})
    for name in (
        "Content-Type", "Content-Disposition", "ETag", "Last-Modified", "Accept-Ranges",
        "Cache-Control", "Repr-Digest", "X-Content-Type-Options", "Cross-Origin-Resource-Policy",
    ):  # fmt: skip
        assert partial.headers[name] == whole.headers[name]


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=1-", "bytes=-0"])
def test_an_empty_file_has_no_ranges(client: Client, empty: Document, header: str) -> None:
    answer = client.get(f"/files/{empty['file_id']}", {"Range": header})
    assert_error(answer, 416)
    assert answer.headers["Content-Range"] == "bytes */0"


def test_the_end_of_an_empty_file_is_empty(client: Client, empty: Document) -> None:
    """A suffix of an empty file is satisfiable by RFC 9110 14.1.2, but no 206 can say so."""
    answer = client.get(f"/files/{empty['file_id']}", {"Range": "bytes=-5"})
    if assert_status(answer, 200, 416).status == 200:
        assert answer.body == b""


EDGES = [
    (0, 0),
    (8 * MIB - 1, 8 * MIB),
    (8 * MIB, 16 * MIB - 1),
    (MIB - 1, 3 * MIB + 1),
    (1, 20 * MIB - 2),
    (20 * MIB - 1, 20 * MIB - 1),
]


@pytest.mark.parametrize(("first", "last"), EDGES)
def test_ranges_of_a_large_file(client: Client, large: Document, first: int, last: int) -> None:
    headers = {"Range": f"bytes={first}-{last}"}
    answer = assert_status(client.get(f"/files/{large['file_id']}", headers), 206)
    assert answer.body == noise(20 * MIB)[first : last + 1]


def test_a_file_can_be_fetched_piece_by_piece(client: Client, large: Document) -> None:
    path, step = f"/files/{large['file_id']}", 3 * MIB
    whole = bytearray()
    while len(whole) < 20 * MIB:
        header = {"Range": f"bytes={len(whole)}-{len(whole) + step - 1}", "If-Range": '"1"'}
        whole += assert_status(client.get(path, header), 206).body
    assert bytes(whole) == noise(20 * MIB)


def test_the_connection_is_usable_after_a_range(client: Client, large: Document) -> None:
    path = f"/files/{large['file_id']}"
    with client.wire() as wire:
        for start in (5 * MIB, 0, 19 * MIB):
            wire.request("GET", path, {"Range": f"bytes={start}-{start + 99}"})
            assert wire.answer().body == noise(20 * MIB)[start : start + 100]
