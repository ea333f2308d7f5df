"""GET and HEAD /files/{file_id}: the bytes and the headers around them (SPEC 3)."""

import base64
import hashlib

import pytest

from .checks import assert_error, assert_status, disposition, etag, http_date, instant
from .client import MIB, Answer, Client, Document, noise
from .drop import Drop
from .test_types import BINARY, GIF, JPEG, PDF, PNG, TEXT, ZIP

CONTENT = noise(70_000)


@pytest.fixture(scope="module")
def document(shelf: Drop) -> Document:
    return shelf.file(CONTENT, "naïve 名前.bin")


@pytest.fixture(params=["GET", "HEAD"])
def answer(request: pytest.FixtureRequest, client: Client, document: Document) -> Answer:
    return assert_status(client.send(request.param, f"/files/{document['file_id']}"), 200)


def test_get_gives_the_bytes(client: Client, document: Document) -> None:
    assert client.get(f"/files/{document['file_id']}").body == CONTENT


def test_the_type_is_exactly_that_of_the_document(answer: Answer, document: Document) -> None:
    assert answer.headers["Content-Type"] == document["file_type"]


def test_the_length_is_known(answer: Answer) -> None:
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert "Transfer-Encoding" not in answer.headers


def test_the_name_is_given_as_rfc_6266_says(answer: Answer) -> None:
    assert disposition(answer) == ("attachment", "naïve 名前.bin")


def test_the_etag_is_the_quoted_revision(answer: Answer) -> None:
    assert answer.headers["ETag"] == '"1"'


def test_last_modified_is_the_time_of_the_document(answer: Answer, document: Document) -> None:
    expected = instant(document["updated_at"]).replace(microsecond=0)
    assert http_date(answer.headers["Last-Modified"]) == expected


def test_ranges_are_offered(answer: Answer) -> None:
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_the_digest_of_the_content_is_given(answer: Answer) -> None:
    """RFC 9530 3."""
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"


def test_caches_ask_again(answer: Answer) -> None:
    assert answer.headers["Cache-Control"].replace(" ", "").split(",") == ["private", "no-cache"]


def test_browsers_are_told_to_be_careful(answer: Answer) -> None:
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_bytes_are_sent_as_they_are(answer: Answer) -> None:
    assert "Content-Encoding" not in answer.headers


def test_head_has_the_same_headers_as_get(client: Client, document: Document) -> None:
    """RFC 9110 9.3.2."""
    path = f"/files/{document['file_id']}"
    ignored = {"date", "x-request-id", "connection"}
    got, head = (
        {name.lower(): value for name, value in one.headers.items() if name.lower() not in ignored}
        for one in (client.get(path), client.head(path))
    )
    assert head == got


def test_head_has_no_body(client: Client, document: Document) -> None:
    with client.wire() as wire:
        wire.request("HEAD", f"/files/{document['file_id']}", {"Connection": "close"})
        assert wire.answer("HEAD").status == 200
        assert wire.read() == b""


def test_head_leaves_the_connection_usable(client: Client, document: Document) -> None:
    path = f"/files/{document['file_id']}"
    with client.wire() as wire:
        wire.request("HEAD", path)
        assert wire.answer("HEAD").status == 200
        wire.request("GET", path)
        assert wire.answer().body == CONTENT


def test_an_empty_file_is_an_empty_answer(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file(b'')['file_id']}"
    for answer in (client.get(path), client.head(path)):
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Length"] == "0"


def test_the_etag_follows_the_revision(drop: Drop, client: Client) -> None:
    document = drop.file()
    path = f"/files/{document['file_id']}"
    changed = client.put_json(path, {"file_name": "b"}).json()["file"]
    assert changed["revision"] == 2
    for route in (path, f"{path}/metadata"):
        assert client.get(route).headers["ETag"] == etag(changed) == '"2"'
    assert disposition(client.get(path)) == ("attachment", "b")


def test_the_metadata_route_has_the_same_etag(client: Client, document: Document) -> None:
    answer = assert_status(client.get(f"/files/{document['file_id']}/metadata"), 200)
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.json() == document


NEVER_INLINE = {
    "HTML": (b"<!doctype html><script>1</script>", "a.html", None),
    "HTML by declaration": (BINARY, "a", "text/html"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", None),
    "SVG by declaration": (BINARY, "a", "image/svg+xml"),
    "SVG in capitals": (BINARY, "a", "IMAGE/SVG+XML"),
    "XHTML": (BINARY, "a", "application/xhtml+xml"),
    "XML": (BINARY, "a", "application/xml"),
    "script": (BINARY, "a", "text/javascript"),
    "flash": (BINARY, "a", "application/x-shockwave-flash"),
    "container": (ZIP, "a.zip", None),
    "unknown": (BINARY, "a", None),
}
INLINE = {
    "PNG": (PNG, "a.png", None, "sandbox"),
    "GIF": (GIF, "a.gif", None, "sandbox"),
    "JPEG": (JPEG, "a.jpg", None, "sandbox"),
    "audio": (BINARY, "a", "audio/mpeg", "sandbox"),
    "video": (BINARY, "a", "video/mp4", "sandbox"),
    "plain text": (TEXT, "a.txt", None, "sandbox"),
    "PDF": (PDF, "a.pdf", None, "default-src 'none'; frame-ancestors 'self'"),
}


@pytest.mark.parametrize("label", NEVER_INLINE)
def test_what_a_browser_would_run_is_never_inline(drop: Drop, client: Client, label: str) -> None:
    content, name, declared = NEVER_INLINE[label]
    document = drop.file(content, name, content_type=declared)
    for query in ("", "?inline=1"):
        answer = assert_status(client.get(f"/files/{document['file_id']}{query}"), 200)
        assert disposition(answer) == ("attachment", name)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("label", INLINE)
def test_what_a_browser_only_shows_may_be_inline(drop: Drop, client: Client, label: str) -> None:
    content, name, declared, policy = INLINE[label]
    path = f"/files/{drop.file(content, name, content_type=declared)['file_id']}"
    for answer in (client.get(f"{path}?inline=1"), client.head(f"{path}?inline=1")):
        assert disposition(assert_status(answer, 200)) == ("inline", name)
        assert answer.headers["Content-Security-Policy"] == policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("query", ["", "?inline=0"])
def test_nothing_is_inline_unasked(drop: Drop, client: Client, query: str) -> None:
    document = drop.file(PNG, "a.png")
    answer = client.get(f"/files/{document['file_id']}{query}")
    assert disposition(answer) == ("attachment", "a.png")


def test_a_range_of_an_inline_file_is_sandboxed_too(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file(PNG, 'a.png')['file_id']}?inline=1"
    answer = assert_status(client.get(path, {"Range": "bytes=0-3"}), 206)
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    assert disposition(answer)[0] == "inline"


@pytest.mark.parametrize("size", [0, 10, 9 * MIB])
def test_a_redirect_leads_to_the_same_bytes(drop: Drop, client: Client, size: int) -> None:
    """Where the store can presign it is 302; else the bytes come at once."""
    content = noise(size)
    document = drop.file(content, "naïve 名前.bin")
    answer = client.get(f"/files/{document['file_id']}?redirect=1")
    if assert_status(answer, 200, 302).status == 302:
        assert "no-store" in answer.headers["Cache-Control"]
        answer = assert_status(client.get(answer.headers["Location"]), 200)
    assert answer.body == content
    assert answer.headers["Content-Type"] == document["file_type"]
    assert disposition(answer) == ("attachment", "naïve 名前.bin")


def test_a_redirect_keeps_an_inline_file_inline(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file(PNG, 'a.png')['file_id']}?redirect=1&inline=1"
    answer = assert_status(client.get(path), 200, 302)
    if answer.status == 302:
        answer = assert_status(client.get(answer.headers["Location"]), 200)
    assert disposition(answer) == ("inline", "a.png")
    assert answer.headers["Content-Type"] == "image/png"


def test_existence_goes_before_the_redirect(client: Client) -> None:
    assert_error(client.get("/files/01890a5d-ac96-774b-bcce-b302099a8057?redirect=1"), 404)


REDIRECT_CONDITIONS = {
    "If-Match fails": ({"If-Match": '"99"'}, 412),
    "If-None-Match fails": ({"If-None-Match": '"1"'}, 304),
    "If-Modified-Since": ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
    "If-Unmodified-Since": ({"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 412),
}


@pytest.mark.parametrize("label", REDIRECT_CONDITIONS)
def test_conditions_go_before_the_redirect(client: Client, document: Document, label: str) -> None:
    headers, status = REDIRECT_CONDITIONS[label]
    path = f"/files/{document['file_id']}?redirect=1"
    assert_status(client.get(path, headers), status)
