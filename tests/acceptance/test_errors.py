"""Errors in the one shape, request ids, and routes that are not there (SPEC 7)."""

import re
from uuid import uuid4

import pytest

from .checks import assert_error, assert_status
from .client import KIB, TIB, Answer, Client, Document
from .drop import Drop
from .forms import file, form

NOWHERE = "01890a5d-ac96-774b-bcce-b302099a8057"
NOT_IDS = [
    "x",
    "0",
    "-1",
    "null",
    "undefined",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "2f1acc6c-1c0f-4f5a-9f0e-3b8a3d3a8f5e",
    NOWHERE,
    "01890a5d-ac96-774b-bcce-b302099a805",
    "01890a5d-ac96-774b-bcce-b302099a80577",
    "01890a5d-ac96-774b-bcce-b302099a805g",
    f"{{{NOWHERE}}}",
    f"urn:uuid:{NOWHERE}",
    f"%20{NOWHERE}",
    f"{NOWHERE}%00",
    f"{NOWHERE}%0A",
    f"{NOWHERE}.txt",
    f"{NOWHERE},{NOWHERE}",
    "$ne",
    "%7B%22$ne%22:null%7D",
    "%5B%5D",
    "*",
    "%25",
    "%2A",
    "%00",
    "%FF",
    "%C3%BC",
    "%ED%A0%80",
    "%D9%A3",
    "..%2F..%2Fetc%2Fpasswd",
    "..%5Cx",
    "'%20OR%201=1--",
    "a" * 5000,
]


@pytest.mark.parametrize("file_id", NOT_IDS, ids=lambda value: value[:40])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_id_that_is_none_is_404(client: Client, method: str, file_id: str) -> None:
    with client.wire() as wire:
        wire.request(method, f"/files/{file_id}", {"Content-Length": "0"})
        assert_error(wire.answer(), 404)


@pytest.mark.parametrize("file_id", NOT_IDS, ids=lambda value: value[:40])
def test_an_id_that_is_none_has_no_metadata(client: Client, file_id: str) -> None:
    with client.wire() as wire:
        wire.request("GET", f"/files/{file_id}/metadata")
        assert_error(wire.answer(), 404)


@pytest.mark.parametrize("file_id", ["x", NOWHERE, "%FF", "%00"])
def test_head_of_nothing_is_404_without_a_body(client: Client, file_id: str) -> None:
    with client.wire() as wire:
        wire.request("HEAD", f"/files/{file_id}", {"Connection": "close"})
        assert wire.answer("HEAD").status == 404
        assert wire.read() == b""


UNKNOWN_ROUTES = [
    "/nope",
    "/files/x/y",
    f"/files/{NOWHERE}/nope",
    f"/files/{NOWHERE}/metadata/more",
    "/files/upload/more",
    "/FILES",
    "/healthz/x",
    "/%2e%2e/etc/passwd",
    "/static/app.py",
    "/.env",
    "/%00",
    "/%FF",
    "/%C3%BC",
]


@pytest.mark.parametrize("path", UNKNOWN_ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_an_unknown_route_is_404(client: Client, method: str, path: str) -> None:
    with client.wire() as wire:
        wire.request(method, path, {"Content-Length": "0"})
        assert_error(wire.answer(), 404)


WRONG_METHODS = [
    ("POST", "/files", {"GET"}),
    ("PUT", "/files", {"GET"}),
    ("DELETE", "/files", {"GET"}),
    ("PATCH", "/files", {"GET"}),
    ("POST", f"/files/{NOWHERE}", {"GET", "HEAD", "PUT", "DELETE"}),
    ("PATCH", f"/files/{NOWHERE}", {"GET", "HEAD", "PUT", "DELETE"}),
    ("BREW", f"/files/{NOWHERE}", {"GET", "HEAD", "PUT", "DELETE"}),
    ("TRACE", f"/files/{NOWHERE}", {"GET", "HEAD", "PUT", "DELETE"}),
    ("PUT", f"/files/{NOWHERE}/metadata", {"GET"}),
    ("DELETE", f"/files/{NOWHERE}/metadata", {"GET"}),
    ("PATCH", "/files/upload", {"POST"}),
    ("POST", "/healthz", {"GET"}),
    ("DELETE", "/readyz", {"GET"}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), WRONG_METHODS)
def test_a_wrong_method_is_405_with_allow(
    client: Client, method: str, path: str, allowed: set[str]
) -> None:
    """RFC 9110 15.5.6."""
    answer = client.send(method, path)
    assert_error(answer, 405)
    methods = {name.strip() for name in answer.headers["Allow"].split(",")}
    assert methods >= allowed
    assert method not in methods


def test_the_methods_of_a_file_are_told(drop: Drop, client: Client) -> None:
    answer = client.send("PATCH", f"/files/{drop.file()['file_id']}")
    allowed = {name.strip() for name in answer.headers["Allow"].split(",")}
    assert allowed - {"OPTIONS"} == {"GET", "HEAD", "PUT", "DELETE"}


def test_a_long_request_line_is_414(client: Client) -> None:
    with client.wire() as wire:
        wire.request("GET", "/files?file_name=" + "a" * 128 * KIB)
        assert_error(wire.answer(), 414)


def test_a_long_path_is_414(client: Client) -> None:
    with client.wire() as wire:
        wire.request("GET", "/files/" + "a" * 128 * KIB)
        assert_error(wire.answer(), 414)


def test_a_filter_of_4_kib_and_a_cursor_fit_into_the_request_line(client: Client) -> None:
    answer = client.get(f"/files?metadata.run={'a' * 4096}&limit=1")
    assert answer.status != 414


def test_a_long_header_is_431(client: Client) -> None:
    with client.wire() as wire:
        wire.request("GET", "/files", {"X-Long": "a" * 128 * KIB})
        assert_error(wire.answer(), 431)


def test_many_headers_are_431(client: Client) -> None:
    with client.wire() as wire:
        wire.request("GET", "/files", {f"X-Header-{number}": "a" for number in range(2000)})
        assert_error(wire.answer(), 431)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_too_large_is_413_at_once(drop: Drop, client: Client, method: str) -> None:
    """SPEC 8: `MAX_FILE_SIZE` is 5 TiB at most by default."""
    path = f"/files/upload?file_name={drop.tag}x"
    if method == "PUT":
        path = f"/files/{drop.file()['file_id']}"
    with client.wire() as wire:
        wire.request(method, path, {"Content-Length": str(5 * TIB + 1)})
        answer = wire.answer()
    assert_error(answer, 413)
    assert answer.headers["Connection"].lower() == "close"
    assert [document["revision"] for document in drop.listing()] == [1] * (method == "PUT")


def test_too_long_a_length_is_a_4xx(client: Client) -> None:
    with client.wire() as wire:
        wire.request("POST", "/files/upload", {"Content-Length": "9" * 30})
        assert_error(wire.answer(), 400, 413)


UNSUPPORTED = ["gzip", "br", "deflate", "zstd", "gzip, gzip", "x-unknown", "aws-chunked"]


@pytest.mark.parametrize("encoding", UNSUPPORTED)
def test_encoded_content_is_415(drop: Drop, encoding: str) -> None:
    """SPEC 3; RFC 9110 15.5.16."""
    drop.refused(drop.raw(b"x", None, {"Content-Encoding": encoding}), 415)
    made = form(file(b"x", f"{drop.tag}.txt"))
    headers = {"Content-Type": made.content_type, "Content-Encoding": encoding}
    drop.refused(drop.post(made.body, headers), 415)


@pytest.mark.parametrize("value", ["bytes 0-0/1", "bytes 0-0/*", "bytes */1", "nonsense"])
def test_partial_content_is_400(drop: Drop, value: str) -> None:
    drop.refused(drop.raw(b"x", None, {"Content-Range": value}), 400)
    made = form(file(b"x", f"{drop.tag}.txt"))
    headers = {"Content-Type": made.content_type, "Content-Range": value}
    drop.refused(drop.post(made.body, headers), 400)


# --- X-Request-Id --------------------------------------------------------------------------------

GOOD_IDS = ["a", "0", "-", ".", "_", "abc-123._XYZ", "a" * 128, str(uuid4())]
BAD_IDS = [
    "a" * 129, "a" * 4000, "a b", "a/b", "a;b", "a,b", "a:b", '"a"', "<a>", "a\tb", "ü", "{a}",
    "a%0Ab", "$(id)", "a\\nb", "*",
]  # fmt: skip


def some_answers(client: Client, headers: dict[str, str]) -> list[Answer]:
    """Answers of several kinds: of routes, of the framework, with and without a body."""
    return [
        client.get("/healthz", headers),
        client.get("/files?limit=1", headers),
        client.get("/files?limit=0", headers),
        client.get("/nope", headers),
        client.send("PATCH", "/files", headers),
        client.head(f"/files/{NOWHERE}", headers),
        client.get(f"/files/{NOWHERE}", headers),
    ]


@pytest.mark.parametrize("request_id", GOOD_IDS, ids=lambda value: value[:20])
def test_a_good_request_id_is_taken_over(client: Client, request_id: str) -> None:
    for answer in some_answers(client, {"X-Request-Id": request_id}):
        assert answer.headers["X-Request-Id"] == request_id


@pytest.mark.parametrize("request_id", BAD_IDS, ids=lambda value: ascii(value)[:20])
def test_a_malformed_request_id_is_replaced(client: Client, request_id: str) -> None:
    for answer in some_answers(client, {"X-Request-Id": request_id}):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.headers["X-Request-Id"])
        assert answer.headers["X-Request-Id"] != request_id


def test_an_empty_request_id_is_replaced(client: Client) -> None:
    with client.wire() as wire:
        wire.request("GET", "/healthz", {"X-Request-Id": ""})
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", wire.answer().headers["X-Request-Id"])


def test_every_request_has_an_id_of_its_own(client: Client) -> None:
    ids = [answer.headers["X-Request-Id"] for answer in some_answers(client, {})]
    assert len(set(ids)) == len(ids)


def test_an_error_names_the_request_id(client: Client) -> None:
    error = assert_error(client.get("/nope", {"X-Request-Id": "my-request.1"}), 404)
    assert error["request_id"] == "my-request.1"


def test_downloads_uploads_and_changes_have_a_request_id(drop: Drop, client: Client) -> None:
    headers = {"X-Request-Id": "my-request.2"}
    answer = drop.raw(b"x", None, headers)
    path = f"/files/{drop.document(answer)['file_id']}"
    answers = [
        answer,
        client.get(path, headers),
        client.head(path, headers),
        client.get(path, {"If-None-Match": "*", **headers}),
        client.put(path, b"y", headers),
        client.put_json(path, {"file_name": "b"}, headers),
        client.delete(path, headers),
    ]
    assert [one.status for one in answers] == [201, 200, 200, 304, 200, 200, 200]
    assert {one.headers["X-Request-Id"] for one in answers} == {"my-request.2"}


# --- strange headers -----------------------------------------------------------------------------

STRANGE: dict[str, dict[str, str | bytes]] = {
    "type without a slash": {"Content-Type": "x"},
    "empty type": {"Content-Type": ""},
    "type of semicolons": {"Content-Type": ";;;"},
    "unknown charset": {"Content-Type": "text/plain; charset=nope"},
    "type beyond ASCII": {"Content-Type": "text/ü"},
    "long type": {"Content-Type": "text/" + "x" * 5000},
    "empty disposition": {"Content-Disposition": ""},
    "disposition of semicolons": {"Content-Disposition": ";;;="},
    "open quote": {"Content-Disposition": 'attachment; filename="open'},
    "open escape": {"Content-Disposition": 'attachment; filename="open\\'},
    "unknown charset of a name": {"Content-Disposition": "attachment; filename*=nope''a"},
    "no charset of a name": {"Content-Disposition": "attachment; filename*=a"},
    "cut percent": {"Content-Disposition": "attachment; filename*=UTF-8''%E"},
    "bytes of Latin-1": {"Content-Disposition": b'attachment; filename="\xfc.txt"'},
    "two filenames": {"Content-Disposition": "attachment; filename=a; filename=b"},
    "continuations": {"Content-Disposition": "attachment; filename*0=a; filename*1=b"},
    "foreign method": {"X-HTTP-Method-Override": "DELETE"},
    "forwarded": {"X-Forwarded-For": "1.2.3.4, 5.6.7.8", "X-Forwarded-Proto": "gopher"},
    "cookies": {"Cookie": "a=" + "b" * 4000},
    "accept": {"Accept": "nonsense;;q=x", "Accept-Encoding": "identity;q=0"},
    "authorization": {"Authorization": "Bearer \x80"},
}


@pytest.mark.parametrize("label", STRANGE)
def test_strange_headers_of_an_upload_break_nothing(drop: Drop, label: str) -> None:
    answer = drop.raw(b"x", None, STRANGE[label])
    if assert_status(answer, 201, 400, 415).status != 201:
        drop.refused(answer, 400, 415)


@pytest.mark.parametrize("label", STRANGE)
def test_strange_headers_of_a_request_break_nothing(client: Client, label: str) -> None:
    for path, status in (("/healthz", 200), ("/files?limit=1", 200), (f"/files/{NOWHERE}", 404)):
        assert_status(client.get(path, STRANGE[label]), status, 400)


@pytest.mark.parametrize("query", ["a=1", "inline=2", "redirect=x", "inline=%FF", "%FF", "&&=&"])
def test_a_strange_query_of_a_download_breaks_nothing(
    drop: Drop, client: Client, query: str
) -> None:
    document: Document = drop.file()
    answer = client.get(f"/files/{document['file_id']}?{query}")
    assert_status(answer, 200, 302, 400)


def test_json_answers_are_not_stored(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file()['file_id']}"
    for answer in (
        client.get("/files?limit=1"),
        client.get(f"{path}/metadata"),
        client.put_json(path, {"file_name": "b"}),
        client.delete(path),
        client.delete(path),
        client.get("/nope"),
        client.send("PATCH", "/files"),
    ):
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        assert "no-store" in answer.headers["Cache-Control"]
