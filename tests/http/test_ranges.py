"""Ranges: RFC 9110 section 14, on a file of ten bytes and on an empty one."""

import pytest

from storage.interfaces import Document
from tests.http.service import Service, assert_error

CONTENT = b"0123456789"

PARTIAL = {
    "bytes=0-0": (0, 0),
    "bytes=0-4": (0, 4),
    "bytes=4-": (4, 9),
    "bytes=9-": (9, 9),
    "bytes=9-9": (9, 9),
    "bytes=0-": (0, 9),
    "bytes=0-9": (0, 9),
    "bytes=0-10": (0, 9),
    "bytes=5-99999999999999999999999": (5, 9),
    "bytes=-1": (9, 9),
    "bytes=-3": (7, 9),
    "bytes=-10": (0, 9),
    "bytes=-11": (0, 9),
    "bytes=-99999999999999999999999": (0, 9),
    "bytes=000002-000004": (2, 4),
    "BYTES=2-4": (2, 4),
    " bytes=2-4 ": (2, 4),
}
OUTSIDE = ["bytes=10-", "bytes=10-20", "bytes=99-", "bytes=-0", "bytes=99999999999999999999999-"]
IGNORED = [
    "bytes=0-1,3-4",
    "bytes=0-1, 99-",
    "lines=0-1",
    "bytes",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "bytes=4-2",
    "bytes=10-2",
    "bytes=--1",
    "bytes=+1-2",
    "bytes=1.0-2",
    "bytes=0x1-2",
    "bytes=1-2-3",
    "bytes 1-2",
    "bytes=1_0-",
    "bytes=²-³",
    "",
]


@pytest.fixture(scope="module")
def document(service: Service) -> Document:
    return service.upload(CONTENT)


@pytest.mark.parametrize(("wanted", "found"), PARTIAL.items())
def test_a_range(service: Service, document: Document, wanted: str, found: tuple[int, int]) -> None:
    first, last = found
    answer = service.client.get(f"/files/{document['file_id']}", headers={"Range": wanted})
    assert answer.status_code == 206
    assert answer.data == CONTENT[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/10"
    assert answer.content_length == last + 1 - first
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Type"] == "text/plain"
    answer.close()


@pytest.mark.parametrize("wanted", OUTSIDE)
def test_a_range_outside_the_file(service: Service, document: Document, wanted: str) -> None:
    answer = service.client.get(f"/files/{document['file_id']}", headers={"Range": wanted})
    assert_error(answer, 416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == "bytes */10"


@pytest.mark.parametrize("wanted", IGNORED)
def test_what_is_no_single_range_gives_the_whole(
    service: Service, document: Document, wanted: str
) -> None:
    answer = service.client.get(f"/files/{document['file_id']}", headers={"Range": wanted})
    assert (answer.status_code, answer.data) == (200, CONTENT)
    assert "Content-Range" not in answer.headers
    answer.close()


@pytest.mark.parametrize("wanted", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])
def test_an_empty_file_has_no_range(service: Service, wanted: str) -> None:
    path = f"/files/{service.upload(b'')['file_id']}"
    answer = service.client.get(path, headers={"Range": wanted})
    assert_error(answer, 416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == "bytes */0"
    whole = service.client.get(path)
    assert (whole.status_code, whole.data, whole.content_length) == (200, b"", 0)


@pytest.mark.parametrize("wanted", [*PARTIAL, *OUTSIDE, *IGNORED])
def test_head_takes_no_range(service: Service, document: Document, wanted: str) -> None:
    """RFC 9110 14.2: a Range is for GET alone."""
    answer = service.client.head(f"/files/{document['file_id']}", headers={"Range": wanted})
    assert (answer.status_code, answer.content_length, answer.data) == (200, 10, b"")


def test_the_metadata_have_no_ranges(service: Service, document: Document) -> None:
    path = f"/files/{document['file_id']}/metadata"
    answer = service.client.get(path, headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.json) == (200, document)
