"""The body on the wire: lengths, chunks, cut connections, Expect, early answers (SPEC 3, 7)."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from .checks import assert_error, assert_status
from .client import GIB, MIB, TIB, Client, Headers, chunked, noise
from .drop import Drop
from .forms import BOUNDARY, body, file, pairs, text

NOWHERE = "/files/01890a5d-ac96-774b-bcce-b302099a8057"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
JSON = {"Content-Type": "application/json"}

# --- bodies that end too soon --------------------------------------------------------------------

LARGE = noise(9 * MIB)
CUTS = [0, 1, 70, 200, 5_000, 100_000, 8 * MIB, 8 * MIB + 1, 9 * MIB - 1]


def whole_form(tag: str) -> bytes:
    return body(pairs({"run": tag}), file(LARGE, tag))


@pytest.mark.parametrize("cut", CUTS)
def test_a_raw_body_shorter_than_its_length_is_refused(
    drop: Drop, client: Client, cut: int
) -> None:
    with client.wire() as wire:
        path = f"/files/upload?file_name={drop.tag}"
        wire.request("POST", path, {"Content-Length": str(len(LARGE))})
        wire.send(LARGE[:cut])
        wire.finish()
        answer = wire.answer()
    drop.refused(answer, 400)
    assert answer.headers["Connection"].lower() == "close"


@pytest.mark.parametrize("cut", CUTS)
def test_a_form_shorter_than_its_length_is_refused(drop: Drop, client: Client, cut: int) -> None:
    whole = whole_form(drop.tag)
    with client.wire() as wire:
        wire.request("POST", "/files/upload", {"Content-Length": str(len(whole)), **FORM})
        wire.send(whole[:cut])
        wire.finish()
        drop.refused(wire.answer(), 400)


def test_a_whole_form_in_a_body_that_is_not_is_refused(drop: Drop, client: Client) -> None:
    whole = whole_form(drop.tag)
    with client.wire() as wire:
        wire.request("POST", "/files/upload", {"Content-Length": str(len(whole) + 1), **FORM})
        wire.send(whole)
        wire.finish()
        drop.refused(wire.answer(), 400)


@pytest.mark.parametrize("cut", CUTS)
def test_a_chunked_body_without_its_last_chunk_is_refused(
    drop: Drop, client: Client, cut: int
) -> None:
    with client.wire() as wire:
        path = f"/files/upload?file_name={drop.tag}"
        wire.request("POST", path, {"Transfer-Encoding": "chunked"})
        wire.send(chunked(LARGE)[:cut])
        wire.finish()
        drop.refused(wire.answer(), 400)


@pytest.mark.parametrize("cut", CUTS)
def test_a_chunked_form_without_its_last_chunk_is_refused(
    drop: Drop, client: Client, cut: int
) -> None:
    with client.wire() as wire:
        wire.request("POST", "/files/upload", {"Transfer-Encoding": "chunked", **FORM})
        wire.send(chunked(whole_form(drop.tag))[:cut])
        wire.finish()
        drop.refused(wire.answer(), 400)


@pytest.mark.parametrize("ending", [b"", b"0", b"0\r", b"0\r\n", b"0\r\nX: y\r\n"], ids=repr)
@pytest.mark.parametrize("kind", ["raw", "form"])
def test_every_byte_of_the_last_chunk_is_wanted(
    drop: Drop, client: Client, kind: str, ending: bytes
) -> None:
    """RFC 9112 7.1: the body ends with `0 CRLF`, trailers and an empty line."""
    content = whole_form(drop.tag) if kind == "form" else LARGE
    headers = FORM if kind == "form" else {}
    with client.wire() as wire:
        path = f"/files/upload?file_name={drop.tag}"
        wire.request("POST", path, {"Transfer-Encoding": "chunked", **headers})
        wire.send(chunked(content)[: -len(b"0\r\n\r\n")] + ending)
        wire.finish()
        drop.refused(wire.answer(), 400)


BAD_CHUNKS = {
    "no size": b"\r\nabc\r\n0\r\n\r\n",
    "word": b"xyz\r\nabc\r\n0\r\n\r\n",
    "negative": b"-3\r\nabc\r\n0\r\n\r\n",
    "plus": b"+3\r\nabc\r\n0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "underscore": b"0_3\r\nabc\r\n0\r\n\r\n",
    "space before": b" 3\r\nabc\r\n0\r\n\r\n",
    "line feed only": b"3\nabc\n0\n\n",
    "content too long": b"3\r\nabcdef\r\n0\r\n\r\n",
    "no line end after the content": b"3\r\nabc0\r\n\r\n",
    "content too short": b"9\r\nabc\r\n0\r\n\r\n",
    "endless size": b"1" * 100_000,
    "huge size": b"f" * 17 + b"\r\nabc",
    "endless extension": b"3;" + b"a" * 1_000_000,
    "bare CR in the extension": b"3;a=\rb\r\nabc\r\n0\r\n\r\n",
    "second size is bad": b"3\r\nabc\r\nxyz\r\nabc\r\n0\r\n\r\n",
    "last size is bad": b"3\r\nabc\r\n0x0\r\n\r\n",
}


@pytest.mark.parametrize("label", BAD_CHUNKS)
def test_a_bad_chunk_is_refused(drop: Drop, client: Client, label: str) -> None:
    with client.wire() as wire:
        path = f"/files/upload?file_name={drop.tag}"
        wire.request("POST", path, {"Transfer-Encoding": "chunked"})
        wire.send(BAD_CHUNKS[label])
        wire.finish()
        drop.refused(wire.answer(), 400, 413)


@pytest.mark.parametrize("label", BAD_CHUNKS)
def test_a_bad_chunk_changes_nothing(drop: Drop, client: Client, label: str) -> None:
    document = drop.file()
    with client.wire() as wire:
        path = f"/files/{document['file_id']}"
        wire.request("PUT", path, {"Transfer-Encoding": "chunked"})
        wire.send(BAD_CHUNKS[label])
        wire.finish()
        assert_error(wire.answer(), 400, 413)
    assert drop.current(document) == document
    assert drop.content(document) == b"0123456789"


CHANGES: dict[str, tuple[Headers, bytes]] = {
    "raw": ({}, LARGE),
    "form": (FORM, body(file(LARGE))),
    "name": (FORM, body(text("file_name", "new"))),
    "JSON": (JSON, b'{"file_name": "new"}'),
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("known", [True, False], ids=["length", "chunked"])
def test_a_change_that_is_cut_off_is_none(
    drop: Drop, client: Client, kind: str, known: bool
) -> None:
    document = drop.file()
    headers, content = CHANGES[kind]
    framing = {"Content-Length": str(len(content))} if known else {"Transfer-Encoding": "chunked"}
    with client.wire() as wire:
        wire.request("PUT", f"/files/{document['file_id']}", {**framing, **headers})
        wire.send(content[:-1] if known else chunked(content)[:-3])
        wire.finish()
        assert_error(wire.answer(), 400)
    assert drop.current(document) == document
    assert drop.content(document) == b"0123456789"


@pytest.mark.parametrize("known", [True, False], ids=["length", "chunked"])
@pytest.mark.parametrize("kind", ["raw", "form"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.95])
def test_a_client_that_goes_away_leaves_nothing(
    drop: Drop, client: Client, kind: str, known: bool, share: float
) -> None:
    """The catalog can only be looked at from outside: no document appears, now or later."""
    content = whole_form(drop.tag) if kind == "form" else LARGE
    framing = {"Content-Length": str(len(content))} if known else {"Transfer-Encoding": "chunked"}
    headers = {**framing, **(FORM if kind == "form" else {})}
    encoded = content if known else chunked(content)
    wire = client.wire()
    wire.request("POST", f"/files/upload?file_name={drop.tag}", headers)
    wire.send(encoded[: int(len(encoded) * share)])
    wire.reset()
    for _ in range(3):
        assert drop.leftovers() == []
        sleep(0.1)
    assert_status(client.get("/healthz"), 200)


# --- bodies that are whole -----------------------------------------------------------------------

GOOD_CHUNKS = {
    "plain": b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
    "hex digits": b"00000006\r\nabcdef\r\n0\r\n\r\n",
    "capital hex digits": b"A\r\nabcdefabcd\r\n0\r\n\r\n",
    "small hex digits": b"a\r\nabcdefabcd\r\n0\r\n\r\n",
    "extension": b"3;a=b\r\nabc\r\n0;c\r\n\r\n",
    "quoted extension": b'3;a="b c"\r\nabc\r\n0\r\n\r\n',
    "trailer": b"3\r\nabc\r\n0\r\nX-Trailer: yes\r\n\r\n",
    "several zeros": b"3\r\nabc\r\n000\r\n\r\n",
    "empty": b"0\r\n\r\n",
}


@pytest.mark.parametrize("label", GOOD_CHUNKS)
def test_a_good_chunked_body_is_read(drop: Drop, client: Client, label: str) -> None:
    """RFC 9112 7.1."""
    with client.wire() as wire:
        path = f"/files/upload?file_name={drop.tag}"
        wire.request("POST", path, {"Transfer-Encoding": "chunked"})
        wire.send(GOOD_CHUNKS[label])
        document = drop.document(drop.note(wire.answer()))
        expected = {"plain": b"abcdef", "hex digits": b"abcdef", "empty": b""}
        long = b"abcdefabcd" if "hex digits" in label else b"abc"
        assert drop.content(document) == expected.get(label, long)
        wire.request("GET", "/healthz")
        assert wire.answer().status == 200


def test_a_body_may_arrive_byte_by_byte(drop: Drop, client: Client) -> None:
    whole = body(text("file_name", drop.tag), file(b"content"))
    with client.wire() as wire:
        wire.request("POST", "/files/upload", {"Content-Length": str(len(whole)), **FORM})
        for index in range(len(whole)):
            wire.send(whole[index : index + 1])
        document = drop.document(drop.note(wire.answer()))
    assert drop.content(document) == b"content"


def test_what_follows_the_body_is_the_next_request(drop: Drop, client: Client) -> None:
    """RFC 9112 9.3.2: requests may be sent before the answers are read."""
    with client.wire() as wire:
        wire.request("POST", f"/files/upload?file_name={drop.tag}", {"Content-Length": "3"})
        wire.send(b"abc")
        wire.request("GET", "/healthz")
        assert drop.content(drop.document(drop.note(wire.answer()))) == b"abc"
        assert wire.answer().status == 200


def test_what_is_beyond_the_length_is_no_part_of_the_file(drop: Drop, client: Client) -> None:
    """RFC 9112 6.3: the rest is read as a request, and this one is none."""
    with client.wire() as wire:
        wire.request("POST", f"/files/upload?file_name={drop.tag}", {"Content-Length": "3"})
        wire.send(b"abcdef ghi\r\n\r\n")
        assert drop.content(drop.document(drop.note(wire.answer()))) == b"abc"
        assert_error(wire.answer(), 400)


# --- Expect: 100-continue (RFC 9110 10.1.1) ------------------------------------------------------


@pytest.mark.parametrize("expectation", ["100-continue", "100-Continue"])
def test_a_client_that_waits_is_told_to_go_on(drop: Drop, client: Client, expectation: str) -> None:
    headers = {"Content-Length": "10", "Expect": expectation}
    with client.wire() as wire:
        wire.request("POST", f"/files/upload?file_name={drop.tag}", headers)
        assert wire.read(len(b"HTTP/1.1 100")) == b"HTTP/1.1 100"
        while wire.read(1) != b"\n":
            pass
        assert wire.read(2) == b"\r\n"
        wire.send(b"0123456789")
        document = drop.document(drop.note(wire.answer()))
    assert drop.content(document) == b"0123456789"


def test_a_client_that_does_not_wait_is_served_too(drop: Drop, client: Client) -> None:
    headers = {"Content-Length": "10", "Expect": "100-continue"}
    with client.wire() as wire:
        wire.request("POST", f"/files/upload?file_name={drop.tag}", headers)
        wire.send(b"0123456789")
        drop.document(drop.note(wire.answer()))


def test_a_change_can_wait_too(drop: Drop, client: Client) -> None:
    document = drop.file()
    headers = {"Content-Length": "3", "Expect": "100-continue"}
    with client.wire() as wire:
        wire.request("PUT", f"/files/{document['file_id']}", headers)
        assert wire.read(len(b"HTTP/1.1 100")) == b"HTTP/1.1 100"
        wire.send(b"abc")
        while wire.read(1) != b"\n":
            pass
        assert wire.read(2) == b"\r\n"
        assert wire.answer().status == 200
    assert drop.content(document) == b"abc"


# --- early answers -------------------------------------------------------------------------------

Route = Callable[[Drop], str]


def upload(query: str) -> Route:
    return lambda drop: f"/files/upload?file_name={drop.tag}{query}"


def existing(drop: Drop) -> str:
    return f"/files/{drop.file()['file_id']}"


def fixed(path: str) -> Route:
    return lambda drop: path


EARLY: dict[str, tuple[str, Route, dict[str, str], int]] = {
    # method, path, headers, status
    "bad name": ("POST", upload("%2Fb"), {}, 400),
    "long name": ("POST", upload("a" * 256), {}, 400),
    "bad disposition": (
        "POST", upload(""), {"Content-Disposition": "attachment; filename*=UTF-8''a%00b"}, 400,
    ),
    "encoded": ("POST", upload(""), {"Content-Encoding": "gzip"}, 415),
    "encoded form": ("POST", upload(""), {"Content-Encoding": "gzip", **FORM}, 415),
    "partial": ("POST", upload(""), {"Content-Range": "bytes 0-1/2"}, 400),
    "malformed digest": ("POST", upload(""), {"Content-MD5": "x"}, 400),
    "malformed digest of a form": ("POST", upload(""), {"Content-Digest": "!", **FORM}, 400),
    "form without a boundary": ("POST", upload(""), {"Content-Type": "multipart/form-data"}, 400),
    "too large": ("POST", upload(""), {"Content-Length": str(6 * TIB)}, 413),
    "unknown file": ("PUT", fixed(NOWHERE), {}, 404),
    "unknown file, form": ("PUT", fixed(NOWHERE), FORM, 404),
    "unknown file, JSON": ("PUT", fixed(NOWHERE), JSON, 404),
    "no id": ("PUT", fixed("/files/x"), {}, 404),
    "another revision": ("PUT", existing, {"If-Match": '"7"'}, 412),
    "another revision, form": ("PUT", existing, {"If-Match": '"7"', **FORM}, 412),
    "encoded change": ("PUT", existing, {"Content-Encoding": "gzip"}, 415),
    "too large a change": ("PUT", existing, {"Content-Length": str(6 * TIB)}, 413),
    "too large a JSON": ("PUT", existing, JSON, 413),
    "unknown route": ("POST", fixed("/nope"), {}, 404),
    "wrong method": ("POST", fixed("/files"), {}, 405),
}  # fmt: skip
early = pytest.mark.parametrize("label", list(EARLY))


@early
def test_what_is_clear_from_the_head_is_answered_at_once(
    drop: Drop, client: Client, label: str
) -> None:
    """Not a byte of the announced GiB is sent before the answer."""
    method, path, headers, status = EARLY[label]
    with client.wire() as wire:
        wire.request(method, path(drop), {"Content-Length": str(GIB), **headers})
        answer = wire.answer()
        assert_error(answer, status)
        assert answer.headers["Connection"].lower() == "close"
        wire.finish()
        assert wire.read() == b""
    assert all(document["revision"] == 1 for document in drop.leftovers())


@early
def test_an_early_answer_can_be_read_while_the_body_is_sent(
    drop: Drop, client: Client, label: str
) -> None:
    """The server goes on discarding, so that no reset destroys the answer."""
    method, path, headers, status = EARLY[label]
    with client.wire() as wire:
        wire.request(method, path(drop), {"Content-Length": str(GIB), **headers})
        wire.send(bytes(16 * MIB))
        answer = wire.answer()
    assert_error(answer, status)
    assert answer.headers["Connection"].lower() == "close"


@early
def test_a_client_that_waits_is_not_told_to_go_on_in_vain(
    drop: Drop, client: Client, label: str
) -> None:
    method, path, headers, status = EARLY[label]
    expect = {"Content-Length": str(GIB), "Expect": "100-continue", **headers}
    with client.wire() as wire:
        wire.request(method, path(drop), expect)
        answer = wire.answer()
    assert_error(answer, status)
    assert answer.interim == []


@pytest.mark.parametrize("parts", [
    text("file_name", "a/b"),
    text("file_name", "x" * 256),
    text("metadata", "[]"),
    text("metadata", '{"KEY": "x"}'),
    text("colour", "blue"),
], ids=repr)  # fmt: skip
def test_a_bad_part_before_the_file_is_answered_before_the_file(
    drop: Drop, client: Client, parts: bytes
) -> None:
    head = body(parts, file(bytes(MIB), drop.tag))[: -len(BOUNDARY) - 8]
    with client.wire() as wire:
        wire.request("POST", "/files/upload", {"Content-Length": str(GIB), **FORM})
        wire.send(head)
        answer = wire.answer()
    drop.refused(answer, 400)
    assert answer.headers["Connection"].lower() == "close"


def test_an_early_answer_to_a_chunked_body_can_be_read(drop: Drop, client: Client) -> None:
    with client.wire() as wire:
        path = f"/files/upload?file_name={drop.tag}%2Fb"
        wire.request("POST", path, {"Transfer-Encoding": "chunked"})
        wire.send(chunked(bytes(8 * MIB))[: -len(b"0\r\n\r\n")])
        answer = wire.answer()
    drop.refused(answer, 400)
    assert answer.headers["Connection"].lower() == "close"


# --- the same with curl --------------------------------------------------------------------------

CURL = shutil.which("curl")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed")


def curl(*arguments: str) -> tuple[int, Any]:
    """The status and the JSON that curl read; curl must not complain."""
    command = [CURL or "curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]
    command += ["--write-out", "\n%{http_code}", *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    answer, _, status = done.stdout.rpartition(b"\n")
    return int(status), json.loads(answer)


@pytest.fixture
def sparse(tmp_path: Path) -> str:
    """A GiB that takes no room."""
    path = tmp_path / "gib.bin"
    with path.open("wb") as target:
        target.truncate(GIB)
    return str(path)


@needs_curl
@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
def test_curl_reads_the_refusal_of_a_raw_gib(drop: Drop, sparse: str, expect: str) -> None:
    url = f"{drop.client.base_url}/files/upload?file_name={drop.tag}%2Fb"
    status, error = curl("-T", sparse, "-X", "POST", "-H", expect, url)
    assert (status, set(error)) == (400, {"error", "code", "request_id"})
    assert drop.leftovers() == []


@needs_curl
@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
def test_curl_reads_the_refusal_of_a_gib_in_a_form(drop: Drop, sparse: str, expect: str) -> None:
    url = f"{drop.client.base_url}/files/upload"
    form = ["-F", f"file_name={drop.tag}/b", "-F", f"file=@{sparse}"]
    status, error = curl("-H", expect, *form, url)
    assert (status, set(error)) == (400, {"error", "code", "request_id"})
    assert drop.leftovers() == []


@needs_curl
def test_curl_reads_the_refusal_of_a_change(drop: Drop, sparse: str) -> None:
    url = f"{drop.client.base_url}{existing(drop)}"
    status, error = curl("-T", sparse, "-H", 'If-Match: "7"', url)
    assert (status, set(error)) == (412, {"error", "code", "request_id"})


@needs_curl
def test_curl_uploads_in_every_way(drop: Drop, tmp_path: Path) -> None:
    path = tmp_path / f"{drop.tag}.txt"
    path.write_bytes(b"content")
    url = f"{drop.client.base_url}/files/upload"
    named = f"{url}?file_name={drop.tag}.txt"
    ways = [
        ("-F", f"file=@{path}", url),
        ("-F", f"file=@{path}", "-F", f'metadata={{"run": "{drop.tag}"}}', url),
        ("-T", str(path), "-X", "POST", named),
        ("-T", str(path), "-X", "POST", "-H", "Transfer-Encoding: chunked", named),
        ("--data-binary", f"@{path}", named),
    ]
    for way in ways:
        status, document = curl(*way)
        made = {one["file_id"] for one in drop.leftovers()}
        assert status == 201
        assert document["file_id"] in made
        assert document["file_name"] == f"{drop.tag}.txt"
        assert drop.content(document) == b"content"
    assert len(made) == len(ways)
