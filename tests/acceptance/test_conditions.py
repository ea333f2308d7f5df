"""Conditional requests, in the order of RFC 9110 13.2.2 and after existence (SPEC 3)."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from .checks import assert_error, assert_status, http_date
from .client import Answer, Client, Document
from .drop import Drop

CONTENT = b"0123456789"
NOWHERE = "/files/01890a5d-ac96-774b-bcce-b302099a8057"

# Headers and the status; {at}, {before}, {after} are dates around Last-Modified.
CASES: dict[str, tuple[dict[str, str], int]] = {
    "no condition": ({}, 200),
    # 1. If-Match: strong comparison (13.1.1)
    "If-Match": ({"If-Match": '"1"'}, 200),
    "If-Match in a list": ({"If-Match": '"7", "1"'}, 200),
    "If-Match in a list without spaces": ({"If-Match": '"7","1","8"'}, 200),
    "If-Match *": ({"If-Match": "*"}, 200),
    "If-Match another": ({"If-Match": '"2"'}, 412),
    "If-Match others": ({"If-Match": '"2", "3"'}, 412),
    "If-Match weak": ({"If-Match": 'W/"1"'}, 412),
    "If-Match comma in a tag": ({"If-Match": '"1,", ",1"'}, 412),
    # 2. If-Unmodified-Since, without If-Match (13.1.4)
    "If-Unmodified-Since now": ({"If-Unmodified-Since": "{at}"}, 200),
    "If-Unmodified-Since later": ({"If-Unmodified-Since": "{after}"}, 200),
    "If-Unmodified-Since earlier": ({"If-Unmodified-Since": "{before}"}, 412),
    "If-Unmodified-Since no date": ({"If-Unmodified-Since": "yesterday"}, 200),
    "If-Match makes If-Unmodified-Since void": (
        {"If-Match": '"1"', "If-Unmodified-Since": "{before}"}, 200,
    ),
    "If-Match counts beside If-Unmodified-Since": (
        {"If-Match": '"2"', "If-Unmodified-Since": "{after}"}, 412,
    ),
    # 3. If-None-Match: weak comparison (13.1.2)
    "If-None-Match": ({"If-None-Match": '"1"'}, 304),
    "If-None-Match in a list": ({"If-None-Match": '"7", "1"'}, 304),
    "If-None-Match weak": ({"If-None-Match": 'W/"1"'}, 304),
    "If-None-Match weak in a list": ({"If-None-Match": '"7", W/"1"'}, 304),
    "If-None-Match *": ({"If-None-Match": "*"}, 304),
    "If-None-Match another": ({"If-None-Match": '"2"'}, 200),
    "If-None-Match others": ({"If-None-Match": '"2", W/"3"'}, 200),
    # 4. If-Modified-Since, without If-None-Match (13.1.3)
    "If-Modified-Since now": ({"If-Modified-Since": "{at}"}, 304),
    "If-Modified-Since later": ({"If-Modified-Since": "{after}"}, 304),
    "If-Modified-Since earlier": ({"If-Modified-Since": "{before}"}, 200),
    "If-Modified-Since no date": ({"If-Modified-Since": "yesterday"}, 200),
    "If-Modified-Since as RFC 850": ({"If-Modified-Since": "{rfc850}"}, 304),
    "If-Modified-Since as asctime": ({"If-Modified-Since": "{asctime}"}, 304),
    "If-None-Match makes If-Modified-Since void": (
        {"If-None-Match": '"2"', "If-Modified-Since": "{at}"}, 200,
    ),
    "If-None-Match counts beside If-Modified-Since": (
        {"If-None-Match": '"1"', "If-Modified-Since": "{before}"}, 304,
    ),
    # the order of the steps
    "If-Match, then If-None-Match": ({"If-Match": '"1"', "If-None-Match": '"1"'}, 304),
    "If-Match fails first": ({"If-Match": '"2"', "If-None-Match": '"1"'}, 412),
    "If-Unmodified-Since fails first": (
        {"If-Unmodified-Since": "{before}", "If-None-Match": '"1"'}, 412,
    ),
    "If-Unmodified-Since holds, If-Modified-Since fails": (
        {"If-Unmodified-Since": "{at}", "If-Modified-Since": "{at}"}, 304,
    ),
    "If-Match, then If-Modified-Since": ({"If-Match": '"1"', "If-Modified-Since": "{at}"}, 304),
    "all hold": (
        {"If-Match": "*", "If-Unmodified-Since": "{before}",
         "If-None-Match": '"2"', "If-Modified-Since": "{after}"}, 200,
    ),
}  # fmt: skip

# The same with a range: 206 only when every step before it lets it pass (13.1.5, 14.2).
RANGE_CASES: dict[str, tuple[dict[str, str], int]] = {
    "If-Range with the tag": ({"If-Range": '"1"'}, 206),
    "If-Range with another tag": ({"If-Range": '"2"'}, 200),
    "If-Range with the weak tag": ({"If-Range": 'W/"1"'}, 200),
    "If-Range with the date": ({"If-Range": "{at}"}, 206),
    "If-Range with an earlier date": ({"If-Range": "{before}"}, 200),
    "If-Range with a later date": ({"If-Range": "{after}"}, 200),
    "If-Range with nonsense": ({"If-Range": "nonsense"}, 200),
    "If-Range *": ({"If-Range": "*"}, 200),
    "If-Match lets the range pass": ({"If-Match": '"1"'}, 206),
    "If-Match fails before the range": ({"If-Match": '"2"'}, 412),
    "If-None-Match lets the range pass": ({"If-None-Match": '"2"'}, 206),
    "If-None-Match fails before the range": ({"If-None-Match": '"1"'}, 304),
    "If-Modified-Since fails before the range": ({"If-Modified-Since": "{at}"}, 304),
    "If-Unmodified-Since fails before the range": ({"If-Unmodified-Since": "{before}"}, 412),
    "If-Match fails before If-Range": ({"If-Match": '"2"', "If-Range": '"1"'}, 412),
    "If-Match holds, If-Range does not": ({"If-Match": '"1"', "If-Range": '"2"'}, 200),
}
UNSATISFIABLE_CASES: dict[str, tuple[dict[str, str], int]] = {
    "no condition": ({}, 416),
    "If-Range holds": ({"If-Range": '"1"'}, 416),
    "If-Range fails": ({"If-Range": '"2"'}, 200),
    "If-Match fails": ({"If-Match": '"2"'}, 412),
    "If-None-Match fails": ({"If-None-Match": '"1"'}, 304),
    "If-Unmodified-Since fails": ({"If-Unmodified-Since": "{before}"}, 412),
}


@pytest.fixture(scope="module")
def document(shelf: Drop) -> Document:
    return shelf.file(CONTENT)


@pytest.fixture(scope="module")
def dates(client: Client, document: Document) -> dict[str, str]:
    header = client.head(f"/files/{document['file_id']}").headers["Last-Modified"]
    at, day = http_date(header), timedelta(days=1)
    return {
        "at": header,
        "before": format_datetime(at - day, usegmt=True),
        "after": format_datetime(at + day, usegmt=True),
        "rfc850": at.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        "asctime": at.strftime("%a %b ") + f"{at.day:2} " + at.strftime("%H:%M:%S %Y"),
    }


def filled(headers: dict[str, str], dates: dict[str, str]) -> dict[str, str]:
    return {name: value.format(**dates) for name, value in headers.items()}


def assert_outcome(answer: Answer, status: int) -> None:
    if status in (412, 416):
        assert_error(answer, status)
    assert answer.status == status
    if status == 304:
        assert answer.body == b""
    if status == 200:
        assert answer.body == CONTENT


@pytest.mark.parametrize("label", CASES)
def test_conditions_of_get(
    client: Client, document: Document, dates: dict[str, str], label: str
) -> None:
    headers, status = CASES[label]
    answer = client.get(f"/files/{document['file_id']}", filled(headers, dates))
    assert_outcome(answer, status)


@pytest.mark.parametrize("label", CASES)
def test_conditions_of_head(
    client: Client, document: Document, dates: dict[str, str], label: str
) -> None:
    headers, status = CASES[label]
    answer = client.head(f"/files/{document['file_id']}", filled(headers, dates))
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("label", RANGE_CASES)
def test_conditions_of_a_range(
    client: Client, document: Document, dates: dict[str, str], label: str
) -> None:
    headers, status = RANGE_CASES[label]
    sent = {"Range": "bytes=2-4", **filled(headers, dates)}
    answer = client.get(f"/files/{document['file_id']}", sent)
    assert_outcome(answer, status)
    if status == 206:
        assert answer.body == b"234"


@pytest.mark.parametrize("label", UNSATISFIABLE_CASES)
def test_conditions_go_before_416(
    client: Client, document: Document, dates: dict[str, str], label: str
) -> None:
    headers, status = UNSATISFIABLE_CASES[label]
    sent = {"Range": "bytes=10-", **filled(headers, dates)}
    assert_outcome(client.get(f"/files/{document['file_id']}", sent), status)


def test_if_range_without_a_range_means_nothing(client: Client, document: Document) -> None:
    answer = client.get(f"/files/{document['file_id']}", {"If-Range": '"1"'})
    assert_outcome(answer, 200)


@pytest.mark.parametrize("header", ["If-None-Match", "If-Modified-Since"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_304_says_what_a_cache_needs(
    client: Client, document: Document, dates: dict[str, str], method: str, header: str
) -> None:
    """RFC 9110 15.4.5."""
    value = dates["at"] if header == "If-Modified-Since" else '"1"'
    answer = client.send(method, f"/files/{document['file_id']}", {header: value})
    assert assert_status(answer, 304).headers["ETag"] == '"1"'
    assert answer.headers["Cache-Control"].replace(" ", "") == "private,no-cache"
    assert answer.headers.get("Content-Length", "0") in ("0", str(len(CONTENT)))


def test_304_leaves_the_connection_usable(client: Client, document: Document) -> None:
    path = f"/files/{document['file_id']}"
    with client.wire() as wire:
        wire.request("GET", path, {"If-None-Match": '"1"'})
        assert wire.answer().status == 304
        wire.request("GET", path)
        assert wire.answer().body == CONTENT


CONDITIONS = {
    "If-Match *": {"If-Match": "*"},
    "If-Match": {"If-Match": '"1"'},
    "If-None-Match *": {"If-None-Match": "*"},
    "If-None-Match": {"If-None-Match": '"1"'},
    "If-Modified-Since": {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    "If-Unmodified-Since": {"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
    "Range": {"Range": "bytes=99-"},
}


@pytest.mark.parametrize("label", CONDITIONS)
def test_existence_goes_before_conditions(client: Client, label: str) -> None:
    """RFC 9110 13.2.1: conditions are evaluated only where the answer would be a 2xx."""
    assert_error(client.get(NOWHERE, CONDITIONS[label]), 404)


ODD = [
    {"If-Match": "1"},
    {"If-Match": '"1'},
    {"If-Match": ","},
    {"If-None-Match": "1"},
    {"If-None-Match": 'w/"1"'},
    {"If-None-Match": "\u00fc"},
    {"If-Modified-Since": "Fri, 31 Feb 2025 00:00:00 GMT"},
    {"If-Modified-Since": "Fri, 01 Jan 99999 00:00:00 GMT"},
    {"If-Modified-Since": "Fri, 01 Jan 0000 00:00:00 GMT"},
    {"If-Modified-Since": "Mon, 01 Jan 0001 00:00:00 +2359"},
    {"If-Unmodified-Since": "Fri, 01 Jan 2025 25:61:61 GMT"},
    {"If-Unmodified-Since": "-1"},
    {"If-Range": "Mon, 01 Jan 0001 00:00:00 +2359", "Range": "bytes=0-1"},
    {"If-Range": '"1", "2"', "Range": "bytes=0-1"},
]


@pytest.mark.parametrize("headers", ODD, ids=ascii)
def test_an_odd_condition_breaks_nothing(
    client: Client, document: Document, headers: dict[str, str]
) -> None:
    answer = client.get(f"/files/{document['file_id']}", headers)
    assert assert_status(answer, 200, 206, 304, 400, 412).status < 500


OTHER_GUARDS = {
    "If-None-Match *": {"If-None-Match": "*"},
    "If-None-Match": {"If-None-Match": '"1"'},
    "If-Unmodified-Since": {"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("label", OTHER_GUARDS)
def test_other_conditions_guard_changes_too(
    drop: Drop, client: Client, label: str, method: str
) -> None:
    """RFC 9110 13.2.2: for other methods than GET and HEAD it is 412 instead of 304."""
    document = drop.file()
    path = f"/files/{document['file_id']}"
    assert_error(client.send(method, path, OTHER_GUARDS[label], b"new"), 412)
    assert drop.current(document) == document


def test_a_change_ends_an_old_validator(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file()['file_id']}"
    assert client.get(path, {"If-None-Match": '"1"'}).status == 304
    assert_status(client.put(path, b"new"), 200)
    assert client.get(path, {"If-None-Match": '"1"'}).body == b"new"
    assert client.get(path, {"If-None-Match": '"2"'}).status == 304
    answer = client.get(path, {"If-Range": '"1"', "Range": "bytes=0-0"})
    assert (answer.status, answer.body) == (200, b"new")
