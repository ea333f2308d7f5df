"""`metadata`: the client's own string pairs (SPEC 2), at upload and at change."""

import json
from collections.abc import Callable

import pytest

from .checks import assert_error, assert_status
from .client import KIB, Answer
from .drop import Drop
from .forms import file, form, text

GOOD = {
    "none": {},
    "one": {"colour": "blue"},
    "several": {"a": "1", "b": "2", "c": "3"},
    "characters of a key": {"a-z_0-9": "x"},
    "digits only": {"0": "x"},
    "64 characters of key": {"k" * 64: "x"},
    "empty value": {"a": ""},
    "spaces around": {"a": "  x  "},
    "quotes and commas": {"a": '"x", \\y'},
    "Unicode": {"a": "naïve 名前 \U0001f600"},
    "combining": {"a": "e\u0301"},
    "looks like JSON": {"a": '{"$ne": null}'},
    "names of Python": {"__class__": "x", "__proto__": "y"},
    "2 KiB": {"k" * 48: "v" * 2000},
    "2 KiB of UTF-8": {"k" * 48: "ü" * 1000},
}
BAD = {
    "capital": {"Key": "x"},
    "space": {"a b": "x"},
    "dot": {"a.b": "x"},
    "dollar": {"$ne": "x"},
    "slash": {"a/b": "x"},
    "umlaut": {"ü": "x"},
    "line end": {"a\n": "x"},
    "Arabic digit": {"\u0663": "x"},
    "empty key": {"": "x"},
    "65 characters of key": {"k" * 65: "x"},
    "number": {"a": 1},
    "fraction": {"a": 1.5},
    "true": {"a": True},
    "null": {"a": None},
    "list": {"a": ["x"]},
    "object": {"a": {"b": "x"}},
    "operator": {"a": {"$ne": None}},
    "over 2 KiB": {"k" * 48: "v" * 2001},
    "over 2 KiB of UTF-8": {"k" * 48: "ü" * 1001},
    "over 2 KiB in many": {f"key-{number:02}": "v" * 40 for number in range(50)},
    "array": [["a", "x"]],
    "string": "a=x",
    "null instead": None,
    "number instead": 1,
}
BROKEN = {
    "empty": b"",
    "word": b"blue",
    "cut": b'{"a": "x"',
    "trailing": b'{"a": "x"} {}',
    "comma": b'{"a": "x",}',
    "single quotes": b"{'a': 'x'}",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "not UTF-8": b'{"a": "\xff"}',
    "lone surrogate": rb'{"a": "\ud800"}',
    "raw control character": b'{"a": "x\ny"}',
    "deep": b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "huge number": b'{"a": ' + b"9" * 10_000 + b"}",
}
Door = Callable[[Drop, bytes], Answer]


def at_upload(drop: Drop, encoded: bytes) -> Answer:
    return drop.form(text("metadata", encoded), text("file_name", drop.tag), file(b"x"))


def after_the_file(drop: Drop, encoded: bytes) -> Answer:
    return drop.form(text("file_name", drop.tag), file(b"x"), text("metadata", encoded))


def by_form_change(drop: Drop, encoded: bytes) -> Answer:
    made = form(text("metadata", encoded))
    path = f"/files/{drop.file()['file_id']}"
    return drop.client.put(path, made.body, {"Content-Type": made.content_type})


def by_json_change(drop: Drop, encoded: bytes) -> Answer:
    path = f"/files/{drop.file()['file_id']}"
    return drop.client.put_json(path, b'{"metadata": ' + encoded + b"}")


UPLOADS = [at_upload, after_the_file]
CHANGES = [by_form_change, by_json_change]


@pytest.mark.parametrize("door", UPLOADS)
@pytest.mark.parametrize("label", GOOD)
def test_good_pairs_are_kept_at_upload(drop: Drop, door: Door, label: str) -> None:
    document = drop.document(door(drop, json.dumps(GOOD[label]).encode()))
    assert document["metadata"] == GOOD[label]
    assert drop.current(document)["metadata"] == GOOD[label]


@pytest.mark.parametrize("door", CHANGES)
@pytest.mark.parametrize("label", GOOD)
def test_good_pairs_replace_the_old_ones(drop: Drop, door: Door, label: str) -> None:
    document = assert_status(door(drop, json.dumps(GOOD[label]).encode()), 200).json()["file"]
    assert document["metadata"] == GOOD[label]
    assert drop.current(document)["metadata"] == GOOD[label]
    assert document["revision"] == 2


@pytest.mark.parametrize("door", UPLOADS)
@pytest.mark.parametrize("label", BAD)
def test_bad_pairs_are_refused_at_upload(drop: Drop, door: Door, label: str) -> None:
    drop.refused(door(drop, json.dumps(BAD[label]).encode()), 400)


@pytest.mark.parametrize("door", CHANGES)
@pytest.mark.parametrize("label", BAD)
def test_bad_pairs_change_nothing(drop: Drop, door: Door, label: str) -> None:
    assert_error(door(drop, json.dumps(BAD[label]).encode()), 400)
    (document,) = drop.listing()
    assert (document["metadata"], document["revision"]) == ({"run": drop.tag}, 1)


@pytest.mark.parametrize("door", UPLOADS)
@pytest.mark.parametrize("label", BROKEN)
def test_broken_json_is_refused_at_upload(drop: Drop, door: Door, label: str) -> None:
    drop.refused(door(drop, BROKEN[label]), 400)


@pytest.mark.parametrize("door", CHANGES)
@pytest.mark.parametrize("label", BROKEN)
def test_broken_json_changes_nothing(drop: Drop, door: Door, label: str) -> None:
    assert_error(door(drop, BROKEN[label]), 400)
    (document,) = drop.listing()
    assert (document["metadata"], document["revision"]) == ({"run": drop.tag}, 1)


@pytest.mark.parametrize("value", ["\0", "\x1b", "\u202e", "\ufeff", "\uffff"], ids=ascii)
def test_an_odd_value_is_kept_or_refused_but_breaks_nothing(drop: Drop, value: str) -> None:
    answer = at_upload(drop, json.dumps({"a": value}).encode())
    if assert_status(answer, 201, 400).status == 201:
        assert drop.current(answer.json())["metadata"] == {"a": value}


def test_a_text_part_may_be_64_kib_long(drop: Drop) -> None:
    encoded = b'{"a": "x"}'.ljust(64 * KIB)
    assert drop.document(at_upload(drop, encoded))["metadata"] == {"a": "x"}


def test_a_longer_text_part_is_refused(drop: Drop) -> None:
    drop.refused(at_upload(drop, b'{"a": "x"}'.ljust(64 * KIB + 1)), 400)
