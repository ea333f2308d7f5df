import io
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.media_types import HEAD, UNKNOWN, detect

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ODT = "application/vnd.oasis.opendocument.text"


def zipped(*names: str) -> bytes:
    """A zip of empty files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return buffer.getvalue()


PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
GZIP = b"\x1f\x8b\x08\x00" + bytes(8)
BMP = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"
ZIP = zipped("a.txt")
BINARY = b"\x00\x01\x02\x03"

# content, name, declared type -> detected type
CASES = {
    "signature": (PNG, "a", None, "image/png"),
    "signature before name": (PNG, "a.txt", None, "image/png"),
    "signature before declaration": (JPEG, "a", "image/png", "image/jpeg"),
    "gif": (b"GIF89a" + bytes(9), "a", None, "image/gif"),
    "webp": (b"RIFF\x10\0\0\0WEBPVP8 ", "a", None, "image/webp"),
    "pdf": (b"%PDF-1.7\n", "a.txt", "text/plain", "application/pdf"),
    "rtf": (b"{\\rtf1\\ansi hello}", "a", None, "application/rtf"),
    "postscript": (b"%!PS-Adobe-3.0", "a.txt", None, "application/postscript"),
    "bitmap": (BMP, "a", None, "image/bmp"),
    "text that begins with BM": (b"BM is a car maker", "a.txt", None, "text/plain"),
    "BM and no bitmap": (b"BM\x01\x02\x03\x04\x05\x06\x07\x08\x09", "a", None, UNKNOWN),
    "text that begins with MZ": (b"MZ is text, too", "a", None, "text/plain"),
    "text that begins with ID3": (b"ID3 is text, too", "a", None, "text/plain"),
    "zip": (ZIP, "a.zip", None, "application/zip"),
    "zip without a name for it": (ZIP, "a", None, "application/zip"),
    "zip called text": (ZIP, "a.txt", "text/plain", "application/zip"),
    "zip called picture": (ZIP, "a.png", None, "application/zip"),
    "docx by name": (ZIP, "a.docx", None, DOCX),
    "docx by name in capitals": (ZIP, "A.DOCX", None, DOCX),
    "odt by name": (ZIP, "a.odt", None, ODT),
    "epub by name": (ZIP, "a.epub", None, "application/epub+zip"),
    "docx by content": (
        zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
        "a",
        None,
        DOCX,
    ),
    "docx that is none": (b"hello", "a.docx", None, "text/plain"),
    "gzip": (GZIP, "a.tar.gz", None, "application/gzip"),
    "gzip called text": (GZIP, "a.txt", None, "application/gzip"),
    "text": (b"hello", "a", None, "text/plain"),
    "text called picture": (b"hello", "a.png", "image/png", "text/plain"),
    "csv": (b"a,b\n1,2\n", "a.csv", None, "text/csv"),
    "csv in capitals": (b"a,b\n", "A.CSV", None, "text/csv"),
    "json": (b"{}", "a.json", None, "application/json"),
    "html": (b"<!doctype html><p>", "a.html", None, "text/html"),
    "html without a name": (b"<!doctype html><p>", "a", "text/html; charset=utf-8", "text/html"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", None, "image/svg+xml"),
    "svg declared": (b"<svg/>", "a", "image/svg+xml", "image/svg+xml"),
    "svg called png": (b"<svg/>", "a.png", "image/png", "text/plain"),
    "text, name before declaration": (b"x", "a.csv", "text/html", "text/csv"),
    "text declared so": (b"x", "a", "text/x-foo", "text/x-foo"),
    "text declared a form": (b"a=b", "a", "application/x-www-form-urlencoded", "text/plain"),
    "byte order mark": (b"\xef\xbb\xbfhello", "a", None, "text/plain"),
    "escape sequences": (b"\x1b[1mbold\x1b[0m", "a", None, "text/plain"),
    "character cut in two": (("ü" * HEAD).encode()[: HEAD - 1], "a", None, "text/plain"),
    "latin-1": (b"gr\xfc\xdfe", "a.txt", None, UNKNOWN),
    "latin-1 declared": (b"gr\xfc\xdfe", "a.txt", "text/plain; charset=latin-1", "text/plain"),
    "nul": (b"a\0b", "a.txt", None, UNKNOWN),
    "empty": (b"", "a", None, UNKNOWN),
    "empty text": (b"", "a.txt", None, "text/plain"),
    "empty html": (b"", "a.html", None, "text/html"),
    "empty picture": (b"", "a.png", None, UNKNOWN),
    "empty declared": (b"", "a", "image/png", "image/png"),
    "binary": (BINARY, "a.bin", None, UNKNOWN),
    "binary by declaration": (BINARY, "a", "Foo/Bar; x=y", "foo/bar"),
    "binary is not judged by its name": (BINARY, "a.mp4", None, UNKNOWN),
    "declared a form": (BINARY, "a", "multipart/form-data; boundary=x", UNKNOWN),
    "declared without subtype": (BINARY, "a", "foo", UNKNOWN),
    "declared with spaces": (BINARY, "a", " foo/bar ", "foo/bar"),
    "declared nothing": (BINARY, "a", "", UNKNOWN),
    "declared markup": (BINARY, "a", "text/<b>", UNKNOWN),
    "declared with a newline": (BINARY, "a", "foo/bar\r\nX: y", UNKNOWN),
    "declared at length": (BINARY, "a", f"a/{'b' * 128}", UNKNOWN),
}


@pytest.mark.parametrize(("head", "name", "declared", "expected"), CASES.values(), ids=CASES)
def test_detect(head: bytes, name: str, declared: str | None, expected: str) -> None:
    assert detect(head, name, declared) == expected


@given(st.binary(max_size=40), st.text(), st.none() | st.text())
@example(b"\x89PNG\r\n\x1a\n", "a", None)
@example(b"BM", "a", None)
@example(b"PK\x03\x04", "a.docx", None)
@example(b"RIFF", "a", None)
def test_whatever_comes_gets_a_type(head: bytes, name: str, declared: str | None) -> None:
    family, _, kind = detect(head, name, declared).partition("/")
    assert family and kind and f"{family}/{kind}".isascii()
