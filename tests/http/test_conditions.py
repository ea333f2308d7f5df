"""Conditional requests: the order of RFC 9110 13.2.2, on every route that has them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.http import http_date

from storage.interfaces import Document
from tests.http.service import Request, Service, as_json, assert_error, raw

MODIFIED = datetime(2026, 3, 9, 18, 0, 0, tzinfo=UTC)
EXACT = http_date(MODIFIED)
EARLIER, LATER = (http_date(MODIFIED + timedelta(seconds=s)) for s in (-1, 1))

Headers = dict[str, str]


@pytest.fixture
def document(service: Service) -> Document:
    """In revision 2, last changed half a second after a full one."""
    made = service.files.get(file_id=service.upload()["file_id"])
    assert made is not None
    changed = {"revision": 2, "updated_at": "2026-03-09T18:00:00.500Z"}
    return service.files.replace({**made, **changed})


READS: dict[str, tuple[Headers, int]] = {
    "nothing": ({}, 200),
    # If-Match compares strongly
    "match": ({"If-Match": '"2"'}, 200),
    "match any": ({"If-Match": "*"}, 200),
    "match one of several": ({"If-Match": '"x", "2"'}, 200),
    "match another": ({"If-Match": '"1"'}, 412),
    "match none of several": ({"If-Match": '"1", "22"'}, 412),
    "match weakly": ({"If-Match": 'W/"2"'}, 412),
    "match nothing": ({"If-Match": ""}, 412),
    # If-Unmodified-Since
    "unmodified since then": ({"If-Unmodified-Since": EXACT}, 200),
    "unmodified since later": ({"If-Unmodified-Since": LATER}, 200),
    "unmodified since earlier": ({"If-Unmodified-Since": EARLIER}, 412),
    "unmodified since nonsense": ({"If-Unmodified-Since": "yesterday"}, 200),
    "match goes before unmodified": ({"If-Match": '"2"', "If-Unmodified-Since": EARLIER}, 200),
    "match fails before unmodified": ({"If-Match": '"1"', "If-Unmodified-Since": LATER}, 412),
    # If-None-Match compares weakly
    "none match": ({"If-None-Match": '"2"'}, 304),
    "none match weakly": ({"If-None-Match": 'W/"2"'}, 304),
    "none match any": ({"If-None-Match": "*"}, 304),
    "none match one of several": ({"If-None-Match": '"1", W/"2"'}, 304),
    "none match another": ({"If-None-Match": '"1"'}, 200),
    "none match nothing": ({"If-None-Match": ""}, 200),
    # If-Modified-Since
    "modified since then": ({"If-Modified-Since": EXACT}, 304),
    "modified since later": ({"If-Modified-Since": LATER}, 304),
    "modified since earlier": ({"If-Modified-Since": EARLIER}, 200),
    "modified since nonsense": ({"If-Modified-Since": "0"}, 200),
    "none match goes before modified": ({"If-None-Match": '"1"', "If-Modified-Since": LATER}, 200),
    "none match holds before modified": (
        {"If-None-Match": '"2"', "If-Modified-Since": EARLIER},
        304,
    ),
    # together
    "match and none match": ({"If-Match": '"2"', "If-None-Match": '"2"'}, 304),
    "no match and none match": ({"If-Match": '"1"', "If-None-Match": '"2"'}, 412),
    "unmodified and modified": ({"If-Unmodified-Since": EXACT, "If-Modified-Since": EXACT}, 304),
    "too late and modified": ({"If-Unmodified-Since": EARLIER, "If-Modified-Since": EXACT}, 412),
    # before any range
    "none match and range": ({"If-None-Match": '"2"', "Range": "bytes=0-1"}, 304),
    "none match and bad range": ({"If-None-Match": '"2"', "Range": "bytes=99-"}, 304),
    "no match and bad range": ({"If-Match": '"1"', "Range": "bytes=99-"}, 412),
}


@pytest.mark.parametrize("route", ["", "/metadata"], ids=["bytes", "metadata"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("headers", "status"), READS.values(), ids=READS)
def test_reading(
    service: Service, document: Document, headers: Headers, status: int, method: str, route: str
) -> None:
    path = f"/files/{document['file_id']}{route}"
    answer = service.client.open(path, method=method, headers=headers)
    assert answer.status_code == status
    if status == 412 and method == "GET":
        assert_error(answer, 412, "precondition_failed")
    if status != 412:
        assert answer.headers["ETag"] == '"2"'
        assert "Cache-Control" in answer.headers
    if status == 304 or method == "HEAD":
        assert answer.data == b""
    if status == 304:
        assert "Content-Type" not in answer.headers
        assert answer.headers.get("Content-Length", "0") == "0"
    answer.close()


def test_what_is_not_there_meets_no_condition(service: Service) -> None:
    for headers in ({"If-Match": "*"}, {"If-None-Match": "*"}, {"If-Match": '"1"'}):
        for method in ("GET", "PUT", "DELETE"):
            answer = service.client.open("/files/absent", method=method, headers=headers)
            assert_error(answer, 404, "file_not_found")


CHANGES = {
    name: (headers, 412 if status == 304 else status)
    for name, (headers, status) in READS.items()
    if not {"If-Modified-Since", "Range"} & headers.keys()
}
DOINGS: dict[str, tuple[str, Callable[[], Request]]] = {
    "delete": ("DELETE", dict),
    "rename": ("PUT", lambda: as_json({"file_name": "b.txt"})),
    "new content": ("PUT", lambda: raw(b"new")),
}
REVISIONS = {"PUT": 3, "DELETE": None}


@pytest.mark.parametrize("doing", DOINGS.values(), ids=DOINGS)
@pytest.mark.parametrize(("headers", "status"), CHANGES.values(), ids=CHANGES)
def test_changing(
    service: Service,
    document: Document,
    headers: Headers,
    status: int,
    doing: tuple[str, Callable[[], Request]],
) -> None:
    method, body = doing
    path = f"/files/{document['file_id']}"
    asked = {**body(), "headers": headers}
    answer = service.client.open(path, method=method, **asked)
    answer.close()
    assert answer.status_code == status
    now = service.files.get(file_id=document["file_id"])
    if status == 412:
        assert_error(answer, 412, "precondition_failed")
        assert now == document
    else:
        assert (now and now["revision"]) == REVISIONS[method]


# --- If-Range ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ('"2"', 206),
        (' "2" ', 206),
        ('"1"', 200),
        ('W/"2"', 200),
        ("*", 200),
        ("2", 200),
        (EXACT, 206),
        (EARLIER, 200),
        (LATER, 200),
        ("yesterday", 200),
        ("", 200),
    ],
)
def test_if_range(service: Service, document: Document, if_range: str, status: int) -> None:
    path = f"/files/{document['file_id']}"
    for wanted, found in (("bytes=2-4", status), ("bytes=99-", 416 if status == 206 else 200)):
        headers = {"Range": wanted, "If-Range": if_range}
        answer = service.client.get(path, headers=headers)
        assert answer.status_code == found
        if found != 416:
            assert answer.data == (b"234" if found == 206 else b"0123456789")
        answer.close()


def test_if_range_without_range(service: Service, document: Document) -> None:
    path = f"/files/{document['file_id']}"
    answer = service.client.get(path, headers={"If-Range": '"1"'})
    assert (answer.status_code, answer.data) == (200, b"0123456789")
    answer.close()
