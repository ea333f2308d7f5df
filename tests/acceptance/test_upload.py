"""POST /files/upload: forms and raw bodies, of known and unknown length (SPEC 2, 3, 8)."""

import hashlib
from collections.abc import Callable
from itertools import permutations
from urllib.parse import urljoin

import pytest

from .checks import FIELDS, assert_document, assert_status, instant
from .client import MIB, Answer, Client, noise, pieces
from .drop import Drop
from .forms import file, form, pairs, text

SIZES = [0, 1, 65_536, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 24 * MIB]


def as_form(drop: Drop, content: bytes) -> Answer:
    return drop.form(text("file_name", f"{drop.tag}.bin"), file(content))


def as_chunked_form(drop: Drop, content: bytes) -> Answer:
    made = form(text("file_name", f"{drop.tag}.bin"), file(content))
    return drop.post(pieces(made.body), {"Content-Type": made.content_type})


def as_raw(drop: Drop, content: bytes) -> Answer:
    return drop.raw(content)


def as_chunked_raw(drop: Drop, content: bytes) -> Answer:
    return drop.raw(pieces(content))


WAYS = [as_form, as_chunked_form, as_raw, as_chunked_raw]
any_way = pytest.mark.parametrize("way", WAYS)
Way = Callable[[Drop, bytes], Answer]


@any_way
@pytest.mark.parametrize("size", SIZES)
def test_what_is_uploaded_can_be_downloaded(drop: Drop, way: Way, size: int) -> None:
    content = noise(size)
    document = drop.document(way(drop, content))
    assert document["file_size"] == size
    assert document["sha256"] == hashlib.sha256(content).hexdigest()
    assert drop.content(document) == content


@any_way
def test_the_answer_is_a_whole_document(drop: Drop, way: Way) -> None:
    document = drop.document(way(drop, b"0123456789"))
    assert_document(document)
    assert document["file_name"] == f"{drop.tag}.bin"
    assert document["file_size"] == 10
    assert document["metadata"] == {}
    assert document["revision"] == 1
    assert [document[f"event_{field}"] for field in ("name", "time")] == [None, None]
    assert document["sequencer"] is None


@any_way
def test_the_answer_says_where_the_file_is(drop: Drop, client: Client, way: Way) -> None:
    answer = way(drop, b"0123456789")
    document = drop.document(answer)
    location = urljoin(client.base_url + "/files/upload", answer.headers["Location"])
    assert location == f"{client.base_url}/files/{document['file_id']}"
    assert client.get(location).body == b"0123456789"


@any_way
def test_the_answer_has_the_etag_of_revision_1(drop: Drop, way: Way) -> None:
    assert assert_status(way(drop, b"x"), 201).headers["ETag"] == '"1"'


@any_way
def test_the_answer_is_json_and_not_stored(drop: Drop, way: Way) -> None:
    answer = assert_status(way(drop, b"x"), 201)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]


@any_way
def test_the_file_is_listed(drop: Drop, way: Way) -> None:
    document = drop.document(way(drop, b"x"))
    assert drop.leftovers() == [document]


def test_the_metadata_route_shows_the_same_document(drop: Drop) -> None:
    document = drop.file()
    assert drop.current(document) == document


def test_the_file_is_created_now_by_the_clock_of_the_server(drop: Drop) -> None:
    first, second = drop.file(), drop.file()
    assert instant(first["created_at"]) <= instant(second["created_at"])


def test_the_listing_shows_no_internal_field(drop: Drop) -> None:
    drop.file()
    assert [set(document) for document in drop.listing()] == [FIELDS]


def test_the_same_upload_twice_makes_two_files(drop: Drop) -> None:
    first, second = drop.file(), drop.file()
    assert first["file_id"] != second["file_id"]
    assert first["object_key"] != second["object_key"]
    assert first["bucket"] == second["bucket"]
    assert len(drop.listing()) == 2


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_text_parts_may_stand_before_or_after_the_file(drop: Drop, order: tuple[int, ...]) -> None:
    parts = [
        text("file_name", f"{drop.tag} named.bin"),
        pairs({"run": drop.tag, "colour": "blue"}),
        file(b"content"),
    ]
    document = drop.document(drop.form(*(parts[index] for index in order)))
    assert document["file_name"] == f"{drop.tag} named.bin"
    assert document["metadata"] == {"run": drop.tag, "colour": "blue"}
    assert drop.content(document) == b"content"


def test_late_text_parts_count_for_a_large_file_too(drop: Drop) -> None:
    content = noise(9 * MIB)
    name = text("file_name", f"{drop.tag} late.bin")
    document = drop.document(drop.form(file(content), name, pairs({"run": drop.tag})))
    assert document["file_name"] == f"{drop.tag} late.bin"
    assert drop.listing() == [document]
    assert drop.content(document) == content


RAW_TYPES = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/mixed; boundary=x",
    "text/plain; charset=utf-8",
]


@pytest.mark.parametrize("content_type", RAW_TYPES)
def test_a_body_of_any_other_type_is_the_file(drop: Drop, content_type: str) -> None:
    content = b'a=1&b=2 {"file_name": "no"}'
    document = drop.document(drop.raw(content, headers={"Content-Type": content_type}))
    assert document["file_name"] == f"{drop.tag}.bin"
    assert drop.content(document) == content


def test_a_broken_json_body_is_a_file_like_any_other(drop: Drop) -> None:
    headers = {"Content-Type": "application/json"}
    document = drop.document(drop.raw(b"{broken", f"{drop.tag}.json", headers))
    assert drop.content(document) == b"{broken"


def test_the_media_type_of_a_form_is_written_in_any_case(drop: Drop) -> None:
    """RFC 9110 8.3.1: type, subtype and parameter names are case-insensitive."""
    made = form(text("file_name", f"{drop.tag}.txt"), file(b"content"))
    content_type = made.content_type.replace("multipart/form-data; b", "Multipart/FORM-Data; B")
    document = drop.document(drop.post(made.body, {"Content-Type": content_type}))
    assert drop.content(document) == b"content"


def test_a_chunked_upload_says_nothing_about_its_size(drop: Drop) -> None:
    document = drop.document(drop.raw(pieces(noise(300_000), size=7)))
    assert document["file_size"] == 300_000


def test_a_connection_takes_several_uploads(drop: Drop, client: Client) -> None:
    with client.wire() as wire:
        for number in range(3):
            path = f"/files/upload?file_name={drop.tag}-{number}"
            wire.request("POST", path, {"Content-Length": "1"})
            wire.send(b"%d" % number)
            assert drop.content(drop.document(drop.note(wire.answer()))) == b"%d" % number
