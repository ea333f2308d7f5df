"""Names of files: where they come from and which ones are refused (SPEC 2, 3)."""

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from .checks import assert_error, assert_status, disposition
from .client import Answer, Client, Document
from .drop import Drop
from .forms import file, form, pairs, text

GOOD_NAMES = [
    "a",
    "a b.txt",
    "...",
    "..a",
    ".hidden",
    "-rf",
    "x" * 255,
    "ü" * 255,
    "\U0001f600" * 255,
    'quoted "name".txt',
    "a;b=c, d.txt",
    "100%.txt",
    "%2F.txt",
    "%00.txt",
    "a+b.txt",
    "<script>.html",
    "'; DROP TABLE files; --",
    "$ne",
    "naïve 名前 مرحبا.pdf",
    "u\u0308.txt",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467.png",
]
BAD_NAMES = {
    "empty": "",
    "dot": ".",
    "two dots": "..",
    "slash": "a/b",
    "only a slash": "/",
    "backslash": "a\\b",
    "trailing slash": "a/",
    "256 characters": "x" * 256,
    "256 astral characters": "\U0001f600" * 256,
    "NUL": "a\0b",
    "line feed": "a\nb",
    "carriage return": "a\rb",
    "tab": "a\tb",
    "escape": "a\x1bb",
    "DEL": "a\x7fb",
    "C1 control": "a\x85b",
    "left-to-right override": "a\u202db",
    "right-to-left override": "a\u202etxt.exe",
}
NOT_UTF8 = {
    "lone byte": b"\xff",
    "cut sequence": b"\xc3",
    "overlong slash": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
}
Door = Callable[[Drop, str], Answer]


def by_name_part(drop: Drop, name: str) -> Answer:
    return drop.form(text("file_name", name), pairs({"run": drop.tag}), file(b"x"))


def by_late_name_part(drop: Drop, name: str) -> Answer:
    return drop.form(pairs({"run": drop.tag}), file(b"x"), text("file_name", name))


def by_query(drop: Drop, name: str) -> Answer:
    return drop.post(b"x", None, "?file_name=" + quote(name, safe=""))


def by_extended_filename(drop: Drop, name: str) -> Answer:
    value = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return drop.post(b"x", {"Content-Disposition": value})


def by_json_rename(drop: Drop, name: str) -> Answer:
    return drop.client.put_json(f"/files/{drop.file()['file_id']}", {"file_name": name})


def by_form_rename(drop: Drop, name: str) -> Answer:
    made = form(text("file_name", name))
    path = f"/files/{drop.file()['file_id']}"
    return drop.client.put(path, made.body, {"Content-Type": made.content_type})


def by_raw_replacement(drop: Drop, name: str) -> Answer:
    path = f"/files/{drop.file()['file_id']}?file_name={quote(name, safe='')}"
    return drop.client.put(path, b"new content")


UPLOADS: list[Door] = [by_name_part, by_late_name_part, by_query, by_extended_filename]
RENAMES: list[Door] = [by_json_rename, by_form_rename, by_raw_replacement]


def new_document(answer: Answer) -> Document:
    body: Document = assert_status(answer, 200, 201).json()
    document: Document = body.get("file", body)
    return document


@pytest.mark.parametrize("door", UPLOADS + RENAMES)
@pytest.mark.parametrize("name", GOOD_NAMES, ids=ascii)
def test_a_good_name_is_kept_as_it_is(drop: Drop, client: Client, door: Door, name: str) -> None:
    document = new_document(door(drop, name))
    assert document["file_name"] == name
    assert drop.current(document)["file_name"] == name
    answer = client.get(f"/files/{document['file_id']}")
    assert disposition(answer) == ("attachment", name)


def refusing(doors: list[Door]) -> list[tuple[Door, str]]:
    """Which doors refuse which names: a path in a filename is cut, an empty query is none."""
    queries = (by_query, by_extended_filename, by_raw_replacement)
    return [
        (door, label)
        for door in doors
        for label in BAD_NAMES
        if not (label == "empty" and door in queries)
        and not (door is by_extended_filename and "slash" in label)
    ]


@pytest.mark.parametrize(("door", "label"), refusing(UPLOADS))
def test_a_bad_name_is_refused(drop: Drop, door: Door, label: str) -> None:
    ends_there = label in ("empty", "dot", "two dots", "trailing slash")
    drop.refused(door(drop, BAD_NAMES[label] + ("" if ends_there else drop.tag)), 400)


@pytest.mark.parametrize(("door", "label"), refusing(RENAMES))
def test_a_bad_new_name_is_refused(drop: Drop, door: Door, label: str) -> None:
    assert_error(door(drop, BAD_NAMES[label]), 400)
    (document,) = drop.listing()
    assert document["file_name"] == f"{drop.tag}.bin"
    assert (document["revision"], document["file_size"]) == (1, 10)


@pytest.mark.parametrize("label", NOT_UTF8)
def test_a_name_part_that_is_not_utf8_is_refused(drop: Drop, label: str) -> None:
    name = text("file_name", NOT_UTF8[label] + drop.tag.encode())
    drop.refused(drop.form(name, pairs({"run": drop.tag}), file(b"x")), 400)


@pytest.mark.parametrize("label", NOT_UTF8)
def test_a_filename_of_a_part_that_is_not_utf8_is_refused(drop: Drop, label: str) -> None:
    filename = NOT_UTF8[label] + drop.tag.encode()
    drop.refused(drop.form(pairs({"run": drop.tag}), file(b"x", filename)), 400)


@pytest.mark.parametrize("label", NOT_UTF8)
def test_a_name_in_the_query_that_is_not_utf8_is_refused(drop: Drop, label: str) -> None:
    query = f"?file_name={drop.tag}{quote(NOT_UTF8[label])}"
    drop.refused(drop.post(b"x", None, query), 400)


@pytest.mark.parametrize("label", NOT_UTF8)
def test_an_extended_filename_that_is_not_utf8_is_refused(drop: Drop, label: str) -> None:
    """RFC 8187 3.2: the bytes after the percent-decoding are to be UTF-8."""
    value = f"attachment; filename*=UTF-8''{drop.tag}{quote(NOT_UTF8[label])}"
    drop.refused(drop.post(b"x", {"Content-Disposition": value}), 400)


@pytest.mark.parametrize("label", NOT_UTF8)
def test_a_json_name_that_is_not_utf8_is_refused(drop: Drop, label: str) -> None:
    document = drop.file()
    body = b'{"file_name": "a' + NOT_UTF8[label] + b'"}'
    assert_error(drop.client.put_json(f"/files/{document['file_id']}", body), 400)
    assert drop.current(document) == document


@pytest.mark.parametrize("escape", [r"\ud800", r"a\udfff", r"\udc00\ud800", r"\ud83dx"])
def test_a_json_name_with_a_lone_surrogate_is_refused(drop: Drop, escape: str) -> None:
    document = drop.file()
    body = b'{"file_name": "%b"}' % escape.encode()
    assert_error(drop.client.put_json(f"/files/{document['file_id']}", body), 400)
    assert drop.current(document) == document


def test_an_escaped_surrogate_pair_is_one_character(drop: Drop) -> None:
    """RFC 8259 7: a character outside the BMP is escaped as a pair."""
    path = f"/files/{drop.file()['file_id']}"
    answer = drop.client.put_json(path, rb'{"file_name": "\ud83d\ude00"}')
    assert new_document(answer)["file_name"] == "\U0001f600"


RAW_NAMES = {
    # Content-Disposition, query, name
    "query": (None, "?file_name=q.txt", "q.txt"),
    "nothing": (None, "", "untitled"),
    "disposition without a name": ("attachment", "?file_name=q.txt", "q.txt"),
    "disposition without any name": ("attachment", "", "untitled"),
    "token": ("attachment; filename=a.txt", "", "a.txt"),
    "quoted": ('attachment; filename="a b.txt"', "", "a b.txt"),
    "quoted pair": (r'attachment; filename="a\"b.txt"', "", 'a"b.txt'),
    "semicolon in quotes": ('attachment; filename="a; filename=b.txt"', "", "a; filename=b.txt"),
    "inline": ('inline; filename="a.txt"', "", "a.txt"),
    "case of the parameter": ('attachment; FileName="a.txt"', "", "a.txt"),
    "UTF-8 bytes": ('attachment; filename="ü.txt"', "", "ü.txt"),
    "extended": ("attachment; filename*=UTF-8''%C3%BC.txt", "", "ü.txt"),
    "extended, lower case": ("attachment; filename*=utf-8''%c3%bc.txt", "", "ü.txt"),
    "extended with language": ("attachment; filename*=UTF-8'de'%C3%BC.txt", "", "ü.txt"),
    "extended after plain": (
        "attachment; filename=\"u.txt\"; filename*=UTF-8''%C3%BC.txt", "", "ü.txt",
    ),
    "extended before plain": (
        "attachment; filename*=UTF-8''%C3%BC.txt; filename=\"u.txt\"", "", "ü.txt",
    ),
    "disposition before query": ('attachment; filename="d.txt"', "?file_name=q.txt", "d.txt"),
    "extended before query": (
        "attachment; filename*=UTF-8''%C3%BC.txt", "?file_name=q.txt", "ü.txt",
    ),
    "path": ('attachment; filename="dir/sub/a.txt"', "", "a.txt"),
    "absolute path": ('attachment; filename="/etc/passwd"', "", "passwd"),
    "climbing path": ('attachment; filename="../../a.txt"', "", "a.txt"),
    "extended path": ("attachment; filename*=UTF-8''dir%2Fa.txt", "", "a.txt"),
    "extended Windows path": ("attachment; filename*=UTF-8''C%3A%5Cdir%5Ca.txt", "", "a.txt"),
    "plus in the query": (None, "?file_name=a+b.txt", "a b.txt"),
    "escaped plus in the query": (None, "?file_name=a%2Bb.txt", "a+b.txt"),
}  # fmt: skip


@pytest.mark.parametrize(("header", "query", "name"), RAW_NAMES.values(), ids=RAW_NAMES.keys())
def test_the_name_of_a_raw_body(drop: Drop, header: str | None, query: str, name: str) -> None:
    """RFC 6266 4.3: `filename*` goes before `filename`, wherever it stands."""
    headers = {"Content-Disposition": header} if header else {}
    assert drop.document(drop.post(b"x", headers, query))["file_name"] == name


FORM_NAMES: dict[str, tuple[str | None, str | None, str]] = {
    # filename of the part, text part, name
    "filename": ("a.txt", None, "a.txt"),
    "none": (None, None, "untitled"),
    "text part": (None, "t.txt", "t.txt"),
    "text part before filename": ("a.txt", "t.txt", "t.txt"),
    "Unicode": ("名前 ü.txt", None, "名前 ü.txt"),
    "quote as browsers escape it": ("a%22b.txt", None, 'a"b.txt'),
    "path": ("dir/sub/a.txt", None, "a.txt"),
    "absolute path": ("/etc/passwd", None, "passwd"),
    "climbing path": ("../../a.txt", None, "a.txt"),
    "Windows path": ("C:\\dir\\a.txt", None, "a.txt"),
    "network path": ("\\\\host\\share\\a.txt", None, "a.txt"),
    "relative Windows path": ("dir\\a.txt", None, "a.txt"),
}


@pytest.mark.parametrize(
    ("filename", "name_part", "name"), FORM_NAMES.values(), ids=FORM_NAMES.keys()
)
def test_the_name_of_a_form(
    drop: Drop, filename: str | None, name_part: str | None, name: str
) -> None:
    """RFC 7578 4.2; browsers write UTF-8 and escape only quote, CR and LF (HTML 4.10.22.8)."""
    names = [text("file_name", name_part)] if name_part else []
    answer = drop.form(*names, pairs({"run": drop.tag}), file(b"x", filename))
    assert drop.document(answer)["file_name"] == name


@pytest.mark.parametrize("filename", ["..", "dir/..", "a/.", "x" * 256, "a\x1bb", "a\u202eb"])
def test_a_bad_filename_of_a_part_is_refused(drop: Drop, filename: str) -> None:
    drop.refused(drop.form(pairs({"run": drop.tag}), file(b"x", filename)), 400)


@pytest.mark.parametrize("filename", ["..", "dir%2F..", "a%2F.", "x" * 256, "a%00b", "a%0Ab"])
def test_a_bad_filename_of_a_raw_body_is_refused(drop: Drop, filename: str) -> None:
    value = f"attachment; filename*=UTF-8''{filename}"
    assert_error(drop.post(b"x", {"Content-Disposition": value}), 400)


def test_two_files_may_have_the_same_name(drop: Drop) -> None:
    name = f"{drop.tag} twin"
    assert drop.file(name=name)["file_id"] != drop.file(name=name)["file_id"]
    assert drop.names() == [" twin", " twin"]


def test_a_json_answer_carries_the_name_in_json(drop: Drop, client: Client) -> None:
    document = drop.file(name="naïve 名前 \U0001f600.txt")
    body = client.get(f"/files/{document['file_id']}/metadata").body
    assert json.loads(body.decode("utf-8"))["file_name"] == "naïve 名前 \U0001f600.txt"
