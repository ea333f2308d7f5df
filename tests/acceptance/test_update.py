"""PUT /files/{file_id}: new content, a new name, new metadata, or several at once (SPEC 3)."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from .checks import assert_document, assert_error, assert_status
from .client import MIB, Answer, Client, Document, noise, pieces
from .drop import Drop
from .forms import BOUNDARY, body, file, form, pairs, text

OLD, NEW = b"0123456789", b"the new content"
UNKNOWN = [
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "not-an-id",
]


def put_form(client: Client, document: Document, *parts: bytes) -> Answer:
    made = form(*parts)
    path = f"/files/{document['file_id']}"
    return client.put(path, made.body, {"Content-Type": made.content_type})


def changed(answer: Answer) -> Document:
    """The document in the answer to a successful PUT."""
    result = assert_status(answer, 200).json()
    assert set(result) == {"message", "file"}
    assert result["message"] == "File updated successfully"
    assert_document(result["file"])
    document: Document = result["file"]
    return document


# Each sends NEW to the file and nothing else.
def by_raw(client: Client, path: str) -> Answer:
    return client.put(path, NEW, {"Content-Type": "application/octet-stream"})


def by_raw_without_type(client: Client, path: str) -> Answer:
    return client.put(path, NEW)


def by_chunks(client: Client, path: str) -> Answer:
    return client.put(path, pieces(NEW, 4))


def by_form(client: Client, path: str) -> Answer:
    made = form(file(NEW, "other-name.bin"))
    return client.put(path, made.body, {"Content-Type": made.content_type})


def by_chunked_form(client: Client, path: str) -> Answer:
    made = form(file(NEW, None))
    return client.put(path, pieces(made.body, 50), {"Content-Type": made.content_type})


WAYS = [by_raw, by_raw_without_type, by_chunks, by_form, by_chunked_form]
any_way = pytest.mark.parametrize("way", WAYS)
Way = Callable[[Client, str], Answer]


@any_way
def test_new_content_replaces_the_old(drop: Drop, client: Client, way: Way) -> None:
    old = drop.file(OLD, metadata={"colour": "blue"})
    new = changed(way(client, f"/files/{old['file_id']}"))
    assert new["file_size"] == len(NEW)
    assert new["sha256"] == hashlib.sha256(NEW).hexdigest()
    assert new["etag"] != old["etag"]
    assert new["object_key"] != old["object_key"], "a key is never written twice (SPEC 8)"
    assert new["revision"] == 2
    assert drop.content(old) == NEW
    assert drop.current(old) == new


@any_way
def test_new_content_keeps_everything_else(drop: Drop, client: Client, way: Way) -> None:
    old = drop.file(OLD, metadata={"colour": "blue"})
    new = changed(way(client, f"/files/{old['file_id']}"))
    for field in ("file_id", "file_name", "metadata", "created_at", "bucket", "owner", "source"):
        assert new[field] == old[field]
    assert new["updated_at"] >= old["updated_at"]
    assert drop.listing() == [new]


@pytest.mark.parametrize("size", [0, 8 * MIB, 20 * MIB])
def test_new_content_of_any_size(drop: Drop, client: Client, size: int) -> None:
    document = drop.file(noise(9 * MIB))
    new = changed(client.put(f"/files/{document['file_id']}", noise(size, seed=2)))
    assert new["file_size"] == size
    assert drop.content(document) == noise(size, seed=2)


def test_the_same_content_again_is_a_change(drop: Drop, client: Client) -> None:
    document = drop.file(OLD)
    new = changed(client.put(f"/files/{document['file_id']}", OLD))
    assert new["sha256"] == document["sha256"]
    assert drop.content(document) == OLD


RAW_NAMES = {
    "disposition": ({"Content-Disposition": 'attachment; filename="new.txt"'}, ""),
    "extended": ({"Content-Disposition": "attachment; filename*=UTF-8''new.txt"}, ""),
    "query": ({}, "?file_name=new.txt"),
    "disposition before query": (
        {"Content-Disposition": 'attachment; filename="new.txt"'}, "?file_name=no.txt",
    ),
}  # fmt: skip


@pytest.mark.parametrize("label", RAW_NAMES)
def test_a_raw_body_may_bring_a_name(drop: Drop, client: Client, label: str) -> None:
    headers, query = RAW_NAMES[label]
    document = drop.file(OLD)
    new = changed(client.put(f"/files/{document['file_id']}{query}", NEW, headers))
    assert (new["file_name"], new["revision"]) == ("new.txt", 2)
    assert drop.content(document) == NEW


def test_the_filename_of_a_part_does_not_rename(drop: Drop, client: Client) -> None:
    document = drop.file(OLD)
    new = changed(put_form(client, document, file(NEW, "other.txt")))
    assert new["file_name"] == document["file_name"]


FORMS: dict[str, tuple[list[bytes], bytes, str | None, dict[str, str] | None]] = {
    # parts, content, name, metadata
    "name": ([text("file_name", "new")], OLD, "new", None),
    "metadata": ([pairs({"a": "b"})], OLD, None, {"a": "b"}),
    "name and metadata": ([text("file_name", "new"), pairs({"a": "b"})], OLD, "new", {"a": "b"}),
    "content and name": ([file(NEW), text("file_name", "new")], NEW, "new", None),
    "name and content": ([text("file_name", "new"), file(NEW)], NEW, "new", None),
    "content and metadata": ([file(NEW), pairs({"a": "b"})], NEW, None, {"a": "b"}),
    "everything": ([pairs({}), file(NEW), text("file_name", "new")], NEW, "new", {}),
    "empty content": ([file(b"")], b"", None, None),
}


@pytest.mark.parametrize("label", FORMS)
def test_a_form_changes_what_it_names(drop: Drop, client: Client, label: str) -> None:
    parts, content, name, metadata = FORMS[label]
    old = drop.file(OLD)
    new = changed(put_form(client, old, *parts))
    assert new["file_name"] == (name or old["file_name"])
    assert new["metadata"] == (old["metadata"] if metadata is None else metadata)
    assert new["revision"] == 2, "several changes at once are one change"
    assert drop.content(old) == content
    assert drop.current(old) == new


JSONS: dict[str, tuple[Document, str | None, dict[str, str] | None]] = {
    "name": ({"file_name": "new"}, "new", None),
    "metadata": ({"metadata": {"a": "b"}}, None, {"a": "b"}),
    "no metadata": ({"metadata": {}}, None, {}),
    "both": ({"file_name": "new", "metadata": {"a": "b"}}, "new", {"a": "b"}),
}


@pytest.mark.parametrize("label", JSONS)
def test_json_changes_what_it_names(drop: Drop, client: Client, label: str) -> None:
    change, name, metadata = JSONS[label]
    old = drop.file(OLD)
    new = changed(client.put_json(f"/files/{old['file_id']}", change))
    assert new["file_name"] == (name or old["file_name"])
    assert new["metadata"] == (old["metadata"] if metadata is None else metadata)
    assert new["revision"] == 2
    assert new["object_key"] == old["object_key"]
    assert new["sha256"] == old["sha256"]
    assert new["created_at"] == old["created_at"]
    assert new["updated_at"] >= old["updated_at"]
    assert drop.content(old) == OLD


@pytest.mark.parametrize("content_type", [
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON",
    "application/json;charset=UTF-8",
])  # fmt: skip
def test_a_json_body_is_never_content(drop: Drop, client: Client, content_type: str) -> None:
    document = drop.file(OLD)
    headers = {"Content-Type": content_type}
    answer = client.put(f"/files/{document['file_id']}", b'{"file_name": "new"}', headers)
    assert changed(answer)["file_name"] == "new"
    assert drop.content(document) == OLD


def test_json_may_come_in_chunks(drop: Drop, client: Client) -> None:
    body = pieces(b'{"file_name": "new"}', 3)
    path = f"/files/{drop.file()['file_id']}"
    answer = client.put(path, body, {"Content-Type": "application/json"})
    assert changed(answer)["file_name"] == "new"


def test_json_may_hold_unicode_as_it_is(drop: Drop, client: Client) -> None:
    body = '{"file_name": "naïve 名前 \U0001f600"}'.encode()
    answer = client.put_json(f"/files/{drop.file()['file_id']}", body)
    assert changed(answer)["file_name"] == "naïve 名前 \U0001f600"


def test_a_change_of_nothing_keeps_the_revision(drop: Drop, client: Client) -> None:
    """SPEC 2: the revision rises with each change that a client can see."""
    document = drop.file(OLD)
    same = {"file_name": document["file_name"], "metadata": document["metadata"]}
    assert changed(client.put_json(f"/files/{document['file_id']}", same)) == document


def test_each_change_raises_the_revision_by_one(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file(OLD)['file_id']}"
    assert changed(client.put_json(path, {"file_name": "a"}))["revision"] == 2
    assert changed(client.put(path, NEW))["revision"] == 3
    assert changed(client.put_json(path, {"metadata": {}}))["revision"] == 4


@pytest.mark.parametrize("member", [
    "file_id", "file_size", "file_type", "sha256", "created_at", "revision", "owner", "bucket",
    "object_key", "etag", "source", "state", "garbage", "version", "_id", "$set", "FILE_NAME",
    "filename", "",
])  # fmt: skip
def test_an_unknown_member_is_refused(drop: Drop, client: Client, member: str) -> None:
    document = drop.file(OLD)
    change = {"file_name": "new", member: "x"}
    error = assert_error(client.put_json(f"/files/{document['file_id']}", change), 400)
    assert "form" in error["error"].lower(), "it is to name the form route"
    assert drop.current(document) == document


NOT_A_CHANGE = {
    "empty object": b"{}",
    "nothing": b"",
    "spaces": b"  ",
    "array": b"[]",
    "array of a change": b'[{"file_name": "new"}]',
    "string": b'"new"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
    "NaN": b"NaN",
    "infinity": b'{"metadata": {"a": -Infinity}}',
    "NaN in metadata": b'{"metadata": {"a": NaN}}',
    "cut": b'{"file_name": "new"',
    "tail": b'{"file_name": "new"} x',
    "two": b'{"file_name": "new"}{"file_name": "newer"}',
    "word": b"file_name=new",
    "comment": b'{"file_name": "new"} // comment',
    "comma": b'{"file_name": "new",}',
    "not UTF-8": b'{"file_name": "\xff"}',
    "NUL": b'{"file_name": "new"}\0',
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"metadata":' * 50_000 + b"1" + b"}" * 50_000,
    "unclosed depth": b"[" * 500_000,
    "huge number": b'{"metadata": {"a": ' + b"9" * 100_000 + b"}}",
    "surrogate in metadata": rb'{"metadata": {"a": "\ud800"}}',
    "surrogate in a key": rb'{"metadata": {"\ud800": "a"}}',
    "surrogate in an unknown member": rb'{"\ud800": "a"}',
}


@pytest.mark.parametrize("label", NOT_A_CHANGE)
def test_what_is_no_change_is_refused(drop: Drop, client: Client, label: str) -> None:
    document = drop.file(OLD)
    answer = client.put_json(f"/files/{document['file_id']}", NOT_A_CHANGE[label])
    assert_error(answer, 400)
    assert drop.current(document) == document


WRONG_VALUES: list[Any] = [
    None, True, 1, 1.5, [], ["a"], {}, {"$ne": None}, {"$gt": ""}, {"$regex": ".*"},
]  # fmt: skip


@pytest.mark.parametrize("value", WRONG_VALUES, ids=str)
def test_a_name_is_a_string(drop: Drop, client: Client, value: object) -> None:
    document = drop.file(OLD)
    assert_error(client.put_json(f"/files/{document['file_id']}", {"file_name": value}), 400)
    assert drop.current(document) == document


@pytest.mark.parametrize("value", [None, True, 1, "a", [], [["a", "b"]], {"$ne": None}], ids=str)
def test_metadata_is_an_object_of_strings(drop: Drop, client: Client, value: object) -> None:
    document = drop.file(OLD)
    assert_error(client.put_json(f"/files/{document['file_id']}", {"metadata": value}), 400)
    assert drop.current(document) == document


def test_json_over_1_mib_is_413(drop: Drop, client: Client) -> None:
    document = drop.file(OLD)
    body = b'{"file_name": "new"}'.ljust(MIB + 1)
    assert_error(client.put_json(f"/files/{document['file_id']}", body), 413)
    assert drop.current(document) == document


def test_json_over_1_mib_is_413_when_its_length_is_unknown(drop: Drop, client: Client) -> None:
    document = drop.file(OLD)
    body = pieces(b'{"file_name": "new"}'.ljust(MIB + 1))
    headers = {"Content-Type": "application/json"}
    assert_error(client.put(f"/files/{document['file_id']}", body, headers), 413)
    assert drop.current(document) == document


def test_json_of_1_mib_is_read(drop: Drop, client: Client) -> None:
    body = b'{"file_name": "new"}'.ljust(MIB)
    answer = client.put_json(f"/files/{drop.file()['file_id']}", body)
    assert changed(answer)["file_name"] == "new"


BAD_FORMS = {
    "no part": [],
    "unknown part": [text("colour", "blue")],
    "unknown part that would be metadata": [text("colour", '{"a": "b"}')],
    "unknown part beside content": [file(NEW), text("colour", "blue")],
    "content in another part": [file(NEW, name="upload")],
    "two files": [file(NEW), file(NEW)],
    "two names": [text("file_name", "new"), text("file_name", "newer")],
    "two metadata": [pairs({"a": "b"}), pairs({"a": "c"})],
    "bad name after content": [file(NEW), text("file_name", "a/b")],
    "bad metadata after content": [file(NEW), text("metadata", "{")],
}


@pytest.mark.parametrize("label", BAD_FORMS)
def test_a_bad_form_changes_nothing(drop: Drop, client: Client, label: str) -> None:
    document = drop.file(OLD)
    assert_error(put_form(client, document, *BAD_FORMS[label]), 400)
    assert drop.current(document) == document
    assert drop.content(document) == OLD


def test_a_cut_form_changes_nothing(drop: Drop, client: Client) -> None:
    document = drop.file(OLD)
    whole = body(text("file_name", "new"), file(noise(9 * MIB)))
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = client.put(f"/files/{document['file_id']}", whole[:-4], headers)
    assert_error(answer, 400)
    assert drop.current(document) == document
    assert drop.content(document) == OLD


REFUSED_HEADERS = {
    "Content-Encoding": ({"Content-Encoding": "gzip"}, 415),
    "Content-Range": ({"Content-Range": "bytes 0-14/15"}, 400),
}


@pytest.mark.parametrize("label", REFUSED_HEADERS)
def test_partial_or_encoded_content_is_refused(drop: Drop, client: Client, label: str) -> None:
    """RFC 9110 14.5: a server that does not support partial PUT must not take it as whole."""
    headers, status = REFUSED_HEADERS[label]
    document = drop.file(OLD)
    assert_error(client.put(f"/files/{document['file_id']}", NEW, headers), status)
    assert drop.current(document) == document


BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "raw": (NEW, {}),
    "JSON": (b'{"file_name": "new"}', {"Content-Type": "application/json"}),
    "form": (form(file(NEW)).body, {"Content-Type": form().content_type}),
    "form without content": (
        form(text("file_name", "new")).body, {"Content-Type": form().content_type},
    ),
}  # fmt: skip
any_body = pytest.mark.parametrize("kind", BODIES)


@any_body
@pytest.mark.parametrize("tag", ['"1"', "*", '"7", "1"'])
def test_if_match_lets_the_change_pass(drop: Drop, client: Client, kind: str, tag: str) -> None:
    body, headers = BODIES[kind]
    path = f"/files/{drop.file(OLD)['file_id']}"
    assert changed(client.put(path, body, {"If-Match": tag, **headers}))["revision"] == 2


@any_body
@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', '"7", "8"', '""'])
def test_if_match_stops_the_change(drop: Drop, client: Client, kind: str, tag: str) -> None:
    """RFC 9110 13.1.1: strong comparison; the lost update is prevented."""
    body, headers = BODIES[kind]
    document = drop.file(OLD)
    path = f"/files/{document['file_id']}"
    assert_error(client.put(path, body, {"If-Match": tag, **headers}), 412)
    assert drop.current(document) == document
    assert drop.content(document) == OLD


@any_body
def test_the_second_of_two_guarded_changes_is_stopped(
    drop: Drop, client: Client, kind: str
) -> None:
    body, headers = BODIES[kind]
    path = f"/files/{drop.file(OLD)['file_id']}"
    first = client.put(path, body, {"If-Match": '"1"', **headers})
    second = client.put(path, body, {"If-Match": '"1"', **headers})
    assert (first.status, second.status) == (200, 412)


@any_body
@pytest.mark.parametrize("file_id", UNKNOWN)
@pytest.mark.parametrize("condition", [{}, {"If-Match": "*"}, {"If-Match": '"1"'}], ids=str)
def test_what_does_not_exist_cannot_be_changed(
    client: Client, kind: str, file_id: str, condition: dict[str, str]
) -> None:
    body, headers = BODIES[kind]
    assert_error(client.put(f"/files/{file_id}", body, {**condition, **headers}), 404)


@any_body
def test_a_change_never_creates(drop: Drop, client: Client, kind: str) -> None:
    body, headers = BODIES[kind]
    path = f"/files/{drop.file()['file_id']}"
    assert_status(client.delete(path), 200)
    assert_error(client.put(path, body, headers), 404)
    assert_error(client.get(path), 404)


def test_the_answer_to_a_change_is_not_stored(drop: Drop, client: Client) -> None:
    answer = client.put_json(f"/files/{drop.file()['file_id']}", {"file_name": "new"})
    assert "no-store" in assert_status(answer, 200).headers["Cache-Control"]
