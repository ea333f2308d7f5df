"""`file_type`: signatures, then names, then the declared type (SPEC 2)."""

import io
import zipfile

import pytest

from .checks import assert_status
from .client import Client, noise
from .drop import Drop
from .forms import file, pairs, text

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")
PDF = b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\ntrailer << >>\n%%EOF\n"
GZIP = bytes.fromhex("1f8b080000000000000303000000000000000000")
BINARY = noise(500)
TEXT = b"one, two\nthree, four\n"


def zipped(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return target.getvalue()


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ZIP = zipped("a.txt")
OOXML = zipped("[Content_Types].xml", "word/document.xml")

CASES: dict[str, tuple[bytes, str, str | None, str]] = {
    # content, name, declared type, file_type
    "signature": (PNG, "a.png", "image/png", "image/png"),
    "signature alone": (PNG, "a", None, "image/png"),
    "signature before the name": (PNG, "a.txt", None, "image/png"),
    "signature before the declared type": (PNG, "a", "text/html", "image/png"),
    "signature of GIF": (GIF, "a", None, "image/gif"),
    "signature of JPEG": (JPEG, "a", None, "image/jpeg"),
    "signature of PDF": (PDF, "a", None, "application/pdf"),
    "signature of gzip": (GZIP, "a", None, "application/gzip"),
    "container": (ZIP, "a.zip", None, "application/zip"),
    "container without a name": (ZIP, "a", None, "application/zip"),
    "container refined by the name": (OOXML, "a.docx", None, DOCX),
    "name of a container in capitals": (OOXML, "A.DOCX", None, DOCX),
    "container before the declared type": (ZIP, "a.zip", "text/html", "application/zip"),
    "plain text": (TEXT, "a.txt", None, "text/plain"),
    "text refined as CSV": (TEXT, "a.csv", None, "text/csv"),
    "text refined as HTML": (b"<!doctype html><p>x", "a.html", None, "text/html"),
    "text refined as CSS": (b"p { color: red }", "a.css", None, "text/css"),
    "text refined as JSON": (b'{"a": 1}\n', "a.json", None, "application/json"),
    "text refined as SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", None,
                            "image/svg+xml"),
    "name of a text before the declared type": (TEXT, "a.csv", "text/html", "text/csv"),
    "declared": (BINARY, "a", "application/x-custom", "application/x-custom"),
    "declared video": (BINARY, "a", "video/x-custom", "video/x-custom"),
    "declared with a suffix": (BINARY, "a", "application/x.y+json", "application/x.y+json"),
    "nothing known": (BINARY, "a", None, "application/octet-stream"),
    "name alone does not make a type": (BINARY, "a.pdf", None, "application/octet-stream"),
    "declared without a subtype": (BINARY, "a", "nonsense", "application/octet-stream"),
    "declared with an empty subtype": (BINARY, "a", "a/", "application/octet-stream"),
    "declared with an empty type": (BINARY, "a", "/b", "application/octet-stream"),
    "declared with two slashes": (BINARY, "a", "a/b/c", "application/octet-stream"),
    "declared with a space": (BINARY, "a", "a /b", "application/octet-stream"),
    "declared as HTML by angle brackets": (BINARY, "a", "a/<b>", "application/octet-stream"),
    "declared beyond ASCII": (BINARY, "a", "a/ü", "application/octet-stream"),
}  # fmt: skip
cases = pytest.mark.parametrize(
    ("content", "name", "declared", "expected"), CASES.values(), ids=CASES.keys()
)


@cases
def test_the_type_of_a_form(
    drop: Drop, client: Client, content: bytes, name: str, declared: str | None, expected: str
) -> None:
    answer = drop.form(pairs({"run": drop.tag}), file(content, name, declared))
    document = drop.document(answer)
    assert document["file_type"] == expected
    download = client.get(f"/files/{document['file_id']}")
    assert download.headers["Content-Type"] == expected
    assert download.body == content


@cases
def test_the_type_of_a_raw_body(
    drop: Drop, content: bytes, name: str, declared: str | None, expected: str
) -> None:
    headers = {"Content-Type": declared} if declared else {}
    assert drop.document(drop.raw(content, name, headers))["file_type"] == expected


def test_the_name_part_refines_the_type_even_after_the_file(drop: Drop) -> None:
    answer = drop.form(file(TEXT, None), text("file_name", "a.csv"), pairs({"run": drop.tag}))
    assert drop.document(answer)["file_type"] == "text/csv"


def test_the_parameters_of_a_declared_type_do_not_spoil_it(drop: Drop) -> None:
    headers = {"Content-Type": 'application/x-custom; charset="utf-8"'}
    document = drop.document(drop.raw(BINARY, None, headers))
    assert document["file_type"].split(";")[0] == "application/x-custom"


def test_new_content_has_its_own_type(drop: Drop, client: Client) -> None:
    document = drop.file(TEXT, "a.txt")
    answer = assert_status(client.put(f"/files/{document['file_id']}", PNG), 200)
    assert answer.json()["file"]["file_type"] == "image/png"
    assert client.get(f"/files/{document['file_id']}").headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_a_signature_is_seen_however_the_body_arrives(drop: Drop, size: int) -> None:
    pieces = (PNG[start : start + size] for start in range(0, len(PNG), size))
    assert drop.document(drop.raw(pieces, "a"))["file_type"] == "image/png"
