"""Images: POST /upload, GET /getall, POST /getitem, DELETE /delete (SPEC 5; seed 1)."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from .checks import TIMESTAMP, UUID7, assert_error, assert_status, next_page
from .client import KIB, MIB, Answer, Client, Document, chunked, noise
from .doors import NOT_JSON, NOT_OBJECTS, UNSTORABLE, Album, pages_of
from .drop import Drop
from .forms import BOUNDARY, file, form, pairs, part, text
from .pictures import (
    FORMATS,
    bmp_of,
    gif_of,
    jpeg_after,
    jpeg_of,
    picture,
    png_of,
    tiff_of,
    turned,
    webp_canvas,
    webp_of,
)
from .test_parallel import CLIENTS, at_once, statuses

ADDED = "Metadata added successfully"
RECORDED = ["FileName", "Bucket", "Source", "Timestamp", "FileId"]
UPLOADED = [*RECORDED, "FileSize", "FileType", "Width", "Height"]
MISSING, NOT_FOUND = "FileName missing", "Item not found"
ELSEWHERE = "image-upload-demo-komal"


@pytest.fixture
def album(drop: Drop) -> Iterator[Album]:
    album = Album(drop)
    yield album
    album.close()


def assert_item(item: Document, fields: list[str]) -> None:
    """SPEC 5: exactly these fields, the seed's four first."""
    assert list(item) == fields
    assert re.fullmatch(TIMESTAMP, item["Timestamp"])
    assert re.fullmatch(UUID7, item["FileId"])
    assert all(isinstance(item[name], str) and item[name] for name in RECORDED)


def assert_says(answer: Answer, status: int, sentence: str) -> None:
    """The error, word for word."""
    assert assert_error(answer, status)["error"] == sentence


def assert_gone(album: Album, item: Document) -> None:
    """Neither door knows it any more."""
    assert_says(album.find(item["FileName"]), 404, NOT_FOUND)
    assert item["FileId"] not in [one["FileId"] for one in album.items()]
    assert_error(album.client.get(f"/files/{item['FileId']}"), 404)
    assert_error(album.client.get(f"/files/{item['FileId']}/metadata"), 404)


# --- recorded by name ----------------------------------------------------------------------------


def test_a_name_is_recorded(album: Album) -> None:
    name = album.name()
    answer = assert_status(album.record(name, Bucket=ELSEWHERE, Source="S3"), 200)
    assert answer.json() == ADDED
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    item = album.item(name)
    assert_item(item, RECORDED)
    assert (item["FileName"], item["Bucket"], item["Source"]) == (name, ELSEWHERE, "S3")
    assert album.items() == [item]


@pytest.mark.parametrize("more", [{}, {"Bucket": None}, {"Bucket": ""}], ids=str)
def test_without_a_bucket_it_is_the_services_own(album: Album, more: dict[str, Any]) -> None:
    name = album.name()
    assert_status(album.record(name, **more), 200)
    item = album.item(name)
    assert_item(item, RECORDED)
    assert item["Bucket"] == album.bucket()


@pytest.mark.parametrize("bucket", [None, ELSEWHERE], ids=["ours", "another"])
def test_a_name_recorded_again_is_replaced(album: Album, bucket: str | None) -> None:
    first = album.recorded(Bucket=bucket, Source="first")
    again = album.recorded(Bucket=bucket, Source="second")
    assert again == {**first, "Source": "second", "Timestamp": again["Timestamp"]}
    assert again["Timestamp"] >= first["Timestamp"]
    assert album.items() == [again]


def test_what_is_not_said_again_is_not_kept(album: Album) -> None:
    """As DynamoDB's put_item has it: the item is replaced, not merged."""
    plain = album.recorded(album.name("plain.png"))
    album.recorded(Source="camera")
    assert album.recorded()["Source"] == plain["Source"]


def test_one_name_in_two_buckets_is_two_items(album: Album) -> None:
    ours, theirs = album.recorded(), album.recorded(Bucket=ELSEWHERE)
    assert ours["FileId"] != theirs["FileId"]
    assert album.item(album.name(), Bucket=ours["Bucket"]) == ours
    assert album.item(album.name(), Bucket=ELSEWHERE) == theirs
    assert album.item(album.name()) == ours, "the service's own bucket comes first"
    assert len(album.items()) == 2
    assert_says(album.find(album.name(), Bucket=f"{ELSEWHERE}-2"), 404, NOT_FOUND)


def test_without_ours_the_newest_is_found(album: Album) -> None:
    for number in (2, 1, 3):
        album.recorded(Bucket=f"{ELSEWHERE}-{number}")
        time.sleep(0.01)
        assert album.item(album.name())["Bucket"] == f"{ELSEWHERE}-{number}"


def test_a_deletion_can_be_narrowed_to_a_bucket(album: Album) -> None:
    ours, theirs = album.recorded(), album.recorded(Bucket=ELSEWHERE)
    assert_says(album.remove(album.name(), Bucket=f"{ELSEWHERE}-2"), 404, NOT_FOUND)
    assert_status(album.remove(album.name(), Bucket=ELSEWHERE), 200)
    assert album.items() == [ours]
    assert_status(album.remove(album.name()), 200)
    assert_gone(album, ours)
    assert_gone(album, theirs)


def test_a_recorded_name_stays_though_there_is_no_object(album: Album) -> None:
    item = album.recorded()
    for _ in range(2):
        for method in ("GET", "HEAD"):
            answer = album.client.send(method, f"/files/{item['FileId']}")
            assert answer.status == 404
        assert album.item(album.name()) == item
    assert_error(album.client.get(f"/files/{item['FileId']}"), 404)
    assert album.items() == [item]


def test_the_bytes_of_another_bucket_are_not_ours_to_give(album: Album) -> None:
    item = album.recorded(Bucket=ELSEWHERE)
    path = f"/files/{item['FileId']}"
    for query in ("", "?inline=1", "?redirect=1"):
        error = assert_error(album.client.get(path + query), 409)
        assert error["code"] == "not_in_our_bucket"
    assert album.client.head(path).status == 409
    assert album.item(album.name()) == item


@pytest.mark.parametrize("bucket", [None, ELSEWHERE], ids=["ours", "another"])
def test_a_recorded_name_takes_no_content(album: Album, bucket: str | None) -> None:
    item = album.recorded(Bucket=bucket)
    path = f"/files/{item['FileId']}"
    made = form(file(b"x"))
    assert_error(album.client.put(path, b"x", {"Content-Type": "image/png"}), 409)
    assert_error(album.client.put(path, made.body, {"Content-Type": made.content_type}), 409)
    assert album.item(album.name(), Bucket=item["Bucket"]) == item


@pytest.mark.parametrize("bucket", [None, ELSEWHERE], ids=["ours", "another"])
def test_a_recorded_name_has_a_file_document(album: Album, bucket: str | None) -> None:
    item = album.recorded(Bucket=bucket)
    answer = album.client.get(f"/files/{item['FileId']}/metadata")
    document = assert_status(answer, 200).json()
    assert document["file_id"] == item["FileId"]
    assert (document["bucket"], document["object_key"]) == (item["Bucket"], item["FileName"])
    assert document["file_size"] is None and document["sha256"] is None
    assert document["revision"] == 1


@pytest.mark.parametrize("bucket", [None, ELSEWHERE], ids=["ours", "another"])
def test_a_record_can_be_deleted_as_a_file(album: Album, bucket: str | None) -> None:
    item = album.recorded(Bucket=bucket)
    assert_status(album.client.delete(f"/files/{item['FileId']}"), 200)
    assert_gone(album, item)


@pytest.mark.parametrize("bucket", [None, ELSEWHERE], ids=["ours", "another"])
def test_a_deleted_name_can_be_recorded_again(album: Album, bucket: str | None) -> None:
    for _ in range(3):
        item = album.recorded(Bucket=bucket)
        assert_status(album.remove(album.name()), 200)
        assert_gone(album, item)
    again = album.recorded(Bucket=bucket)
    assert again["FileId"] != item["FileId"], "ids are never reused"


KEYS = {
    "folders": "a/b/TAG.png",
    "double slash": "a//TAG.png",
    "dot": "a/./TAG.png",
    "dots": "a/../TAG.png",
    "dot before": "./TAG.png",
    "dots before": "../TAG.png",
    "slash behind": "TAG/",
    "backslash": "a\\TAG.png",
    "space": " a TAG b .png",
    "plus": "a+TAG.png",
    "percent": "a%2FTAG%00%ff.png",
    "unicode": "ü-мир-牛-\U0001f600-TAG.png",
    "decomposed": "u\u0308TAG.png",
    "query": "TAG?versionId=null&x=#y",
    "line end": "a\nTAG.png",
    "control character": "a\x01TAG.png",
    "not a character": "a\uffffTAG.png",
    "markup": "<TAG>&amp;.png",
    "quotes": "\"'TAG`.png",
    "operator": "$ne.TAG",
    "no suffix": "TAG",
    "text": "TAG.txt",
    "long segment": "TAG" + "a" * 300,
    "1024 bytes": "TAG/" + "ab/" * 329 + "x",
    "of UTF-8": "TAG" + "ü" * 496,
}


@pytest.mark.parametrize("bucket", [None, ELSEWHERE], ids=["ours", "another"])
@pytest.mark.parametrize("label", KEYS)
def test_any_key_is_recorded_as_it_is_or_refused(
    album: Album, label: str, bucket: str | None
) -> None:
    """Each is a legal key of S3, though not each store takes it."""
    key = KEYS[label].replace("TAG", album.drop.tag)
    answer = album.record(key, Bucket=bucket)
    if assert_status(answer, 200, 400).status == 400:
        assert bucket is None, "for another bucket no store is asked"
        album.refused(answer, 400)
        return
    item = album.item(key)
    assert item["FileName"] == key
    assert item in album.items()
    assert_error(album.client.get(f"/files/{item['FileId']}"), 404 if bucket is None else 409)
    assert assert_status(album.remove(key), 200).json()["deletedFile"] == key
    assert_gone(album, item)


# --- bad JSON ------------------------------------------------------------------------------------

NO_NAMES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "empty": {"FileName": ""},
    "null": {"FileName": None},
    "other spelling": {"fileName": "a", "filename": "a", "file_name": "a"},
    "only a bucket": {"Bucket": ELSEWHERE, "Source": "S3"},
}
ROUTES = [("POST", "/upload"), ("POST", "/getitem"), ("DELETE", "/delete")]
routes = pytest.mark.parametrize(("method", "path"), ROUTES, ids=[path for _, path in ROUTES])


@routes
@pytest.mark.parametrize("label", NO_NAMES)
def test_the_name_is_missing(client: Client, method: str, path: str, label: str) -> None:
    assert_says(client.send_json(method, path, NO_NAMES[label]), 400, MISSING)


@routes
@pytest.mark.parametrize("member", ["FileName", "Bucket"])
@pytest.mark.parametrize("value", [5, 0, 1.5, True, False, [], ["a"], {}, {"$ne": None}], ids=str)
def test_a_value_of_another_type_is_refused(
    album: Album, method: str, path: str, member: str, value: Any
) -> None:
    item = album.recorded()
    body = {"FileName": album.name(), member: value}
    assert_error(album.client.send_json(method, path, body), 400)
    assert album.items() == [item]


@pytest.mark.parametrize("value", [5, 0, False, ["S3"], [], {"S3": 1}, {}], ids=str)
def test_a_source_of_another_type_is_refused(album: Album, value: Any) -> None:
    album.refused(album.record(album.name(), Source=value), 400)


@routes
@pytest.mark.parametrize("member", ["FileName", "Bucket"])
@pytest.mark.parametrize("label", UNSTORABLE)
def test_a_text_that_cannot_be_stored_is_refused(
    album: Album, method: str, path: str, member: str, label: str
) -> None:
    item = album.recorded()
    body = {"FileName": album.name(), member: UNSTORABLE[label]}
    answer = album.client.send_json(method, path, body)
    assert_error(answer, 400, *([] if path == "/upload" else [404]))
    assert album.items() == [item]


@pytest.mark.parametrize("label", UNSTORABLE)
def test_a_source_that_cannot_be_stored_is_refused(album: Album, label: str) -> None:
    album.refused(album.record(album.name(), Source=UNSTORABLE[label]), 400)


@routes
@pytest.mark.parametrize("label", [*NOT_JSON, *NOT_OBJECTS])
def test_a_body_that_is_no_json_object_is_refused(
    client: Client, method: str, path: str, label: str
) -> None:
    assert_error(client.send_json(method, path, {**NOT_JSON, **NOT_OBJECTS}[label]), 400)


@pytest.mark.parametrize("name", ["a" * 1025, "ü" * 513, "a/" * 600])
def test_a_key_over_1024_bytes_is_refused(album: Album, name: str) -> None:
    assert_error(album.record(name), 400)
    assert_error(album.find(name), 400, 404)
    assert_error(album.remove(name), 400, 404)


@routes
def test_a_json_body_over_1_mib_is_413(album: Album, method: str, path: str) -> None:
    body = {"FileName": album.name(), "Source": "S3", "more": "x" * MIB}
    album.refused(album.client.send_json(method, path, body), 413)


@routes
def test_a_missing_body_is_400(client: Client, method: str, path: str) -> None:
    assert_error(client.send_json(method, path, b""), 400)
    with client.wire() as wire:
        wire.request(method, path)
        assert_error(wire.answer(), 400)


def test_a_deletion_of_nothing_says_what_is_missing(client: Client) -> None:
    assert_says(client.delete("/delete"), 400, MISSING)
    assert_says(client.delete("/delete?FileName="), 400, MISSING)
    assert_says(client.delete(f"/delete?Bucket={ELSEWHERE}"), 400, MISSING)


@routes
def test_an_encoded_body_is_415(album: Album, method: str, path: str) -> None:
    answer = album.client.send_json(
        method, path, {"FileName": album.name()}, {"Content-Encoding": "gzip"}
    )
    album.refused(answer, 415)


@routes
@pytest.mark.parametrize("query", ["colour=blue", "filename=a", "x", "%FF", "FileName[]=a"])
def test_a_bad_query_is_400(album: Album, method: str, path: str, query: str) -> None:
    item = album.recorded()
    answer = album.client.send_json(method, f"{path}?{query}", {"FileName": album.name()})
    assert_error(answer, 400)
    assert album.items() == [item]


@pytest.mark.parametrize(
    "query", ["FileName=NAME&FileName=NAME", "FileName=NAME&Bucket=a&Bucket=a"]
)
def test_a_parameter_of_a_deletion_stands_once(album: Album, query: str) -> None:
    item = album.recorded()
    assert_error(album.client.delete(f"/delete?{query.replace('NAME', album.name())}"), 400)
    assert album.items() == [item]


WRONG_METHODS = [
    ("GET", "/upload", "POST"),
    ("PUT", "/upload", "POST"),
    ("POST", "/getall", "GET"),
    ("GET", "/getitem", "POST"),
    ("GET", "/delete", "DELETE"),
    ("POST", "/delete", "DELETE"),
]


@pytest.mark.parametrize(("method", "path", "allowed"), WRONG_METHODS)
def test_a_wrong_method_is_405_with_allow(
    client: Client, method: str, path: str, allowed: str
) -> None:
    answer = client.send(method, path)
    assert_error(answer, 405)
    assert allowed in [name.strip() for name in answer.headers["Allow"].split(",")]


# --- pictures ------------------------------------------------------------------------------------


def assert_holds(album: Album, item: Document, content: bytes) -> None:
    """The item is the only one, and its file has this content."""
    assert album.items() == [item]
    assert album.item(item["FileName"]) == item
    answer = assert_status(album.client.get(f"/files/{item['FileId']}"), 200)
    assert answer.body == content
    assert answer.headers["Content-Type"] == item["FileType"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_is_stored_and_recorded(album: Album, kind: str) -> None:
    content, name = picture(kind), album.name(f"a.{kind.lower()}")
    answer = assert_status(album.put(content, name), 200)
    assert list(answer.json()) == ["message", "data"]
    assert answer.json()["message"] == ADDED
    assert "no-store" in answer.headers["Cache-Control"]
    item = answer.json()["data"]
    assert_item(item, UPLOADED)
    assert (item["FileName"], item["Bucket"]) == (name, album.bucket())
    assert (item["Width"], item["Height"], item["FileSize"]) == (7, 5, len(content))
    assert item["FileType"] == f"image/{kind.lower()}"
    assert_holds(album, item, content)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_content_decides_not_the_name(album: Album, kind: str) -> None:
    item = album.picture(picture(kind), album.name("a.txt"))
    assert item["FileType"] == f"image/{kind.lower()}"
    assert album.items() == [item]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["AVIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_dimensions_are_those_that_a_person_sees(album: Album, kind: str, orientation: int) -> None:
    content = turned(kind, orientation)
    item = album.picture(content)
    seen = (7, 5) if orientation < 5 else (5, 7)
    assert (item["Width"], item["Height"]) == seen
    assert_holds(album, item, content)


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_a_strange_orientation_turns_nothing(album: Album, orientation: int) -> None:
    item = album.picture(turned("JPEG", orientation))
    assert (item["Width"], item["Height"]) == (7, 5)


PICTURES = {
    "JPEG, 64 KiB before its frame": jpeg_after(1),
    "JPEG, 1 MiB before its frame": jpeg_after(16),
    "JPEG, 8 MiB before its frame": jpeg_after(128),
    "JPEG, 1 MiB of APP1 before its frame": jpeg_after(16, 0xE1),
    "JPEG, 1 MiB of comments before its frame": jpeg_after(16, 0xFE),
    "progressive JPEG": picture("JPEG", progressive=True),
    "JPEG with something behind it": picture("JPEG") + noise(100_000),
    "PNG with something behind it": picture("PNG") + b"<?php echo 1; ?>",
    "interlaced GIF": picture("GIF", interlace=1),
    "lossless WEBP": picture("WEBP", lossless=True),
    "smallest WEBP": webp_of(7, 5),
    "big-endian TIFF": picture("TIFF", big_tiff=True),
    "LZW TIFF": picture("TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("content", PICTURES.values(), ids=list(PICTURES))
def test_an_unusual_picture_is_taken(album: Album, content: bytes) -> None:
    item = album.picture(content)
    assert (item["Width"], item["Height"]) == (7, 5)
    assert_holds(album, item, content)


SMALL_ENOUGH = {
    "PNG of 100.0 megapixels": (png_of(10_000, 10_000), 10_000, 10_000),
    "wide PNG": (png_of(100_000_000, 1), 100_000_000, 1),
    "WEBP of 100.0 megapixels": (webp_of(10_000, 10_000), 10_000, 10_000),
    "JPEG of 100.0 megapixels": (jpeg_of(10_000, 10_000), 10_000, 10_000),
    "TIFF of 100.0 megapixels": (tiff_of(10_000, 10_000), 10_000, 10_000),
}
TOO_LARGE = {
    "PNG of 100.1 megapixels": png_of(10_010, 10_000),
    "PNG of one row too many": png_of(10_000, 10_001),
    "wide PNG": png_of(100_000_001, 1),
    "PNG as large as can be": png_of(2**31 - 1, 2**31 - 1),
    "WEBP of 100.1 megapixels": webp_of(10_010, 10_000),
    "WEBP as large as can be": webp_of(16_384, 16_384),
    "GIF as large as can be": gif_of(65_535, 65_535),
    "BMP of 100.1 megapixels": bmp_of(10_010, 10_000),
    "JPEG of 100.1 megapixels": jpeg_of(10_010, 10_000),
    "JPEG as large as can be": jpeg_of(65_535, 65_535),
    "TIFF of 100.1 megapixels": tiff_of(10_010, 10_000),
}


@pytest.mark.parametrize("label", SMALL_ENOUGH)
def test_100_megapixels_are_taken(album: Album, label: str) -> None:
    content, width, height = SMALL_ENOUGH[label]
    item = album.picture(content)
    assert (item["Width"], item["Height"]) == (width, height)
    assert_holds(album, item, content)


@pytest.mark.parametrize("content", TOO_LARGE.values(), ids=list(TOO_LARGE))
def test_more_than_100_megapixels_are_413(album: Album, content: bytes) -> None:
    album.refused(album.put(content), 413)
    assert_status(album.client.get("/healthz"), 200)


def test_bombs_at_once_are_all_refused(album: Album, base_url: str) -> None:
    made = form(file(webp_of(16_384, 16_384), album.name()))

    headers = {"Content-Type": made.content_type}
    answers = at_once(base_url, lambda client, _: client.post("/upload", made.body, headers))
    assert statuses(answers) == {413: CLIENTS}
    assert album.items() == []


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"><script>1</script></svg>'
NOT_PICTURES = {
    "nothing": b"",
    "one byte": b"\x89",
    "text": b"This is a text and no picture at all.",
    "long text": b"BMP II* GIF " * 10_000,
    "noise": noise(100_000),
    "zeros": b"\0" * 100_000,
    "SVG": SVG,
    "SVG with its prolog": b'<?xml version="1.0"?>\n' + SVG,
    "HTML": b"<!doctype html><title>a</title><script>alert(1)</script>",
    "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 7 5\nshowpage\n%%EOF\n",
    "ZIP": b"PK\x03\x04" + b"\0" * 100,
    "MP4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 100,
    "AVIF brand alone": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + b"\0" * 100,
    "RIFF of sound": b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 100,
    "WEBP canvas without a picture": webp_canvas(100, 100),
    "HTML behind a PNG signature": b"\x89PNG\r\n\x1a\n<html><script>1</script></html>",
    "HTML behind a GIF signature": b"GIF89a",
    "PNG of no pixels": png_of(0, 0),
    "PNG with a bad checksum": png_of(7, 5).replace(b"\0\0\0\x07", b"\0\0\0\x09", 1),
    "PNG with a line end of DOS": picture("PNG").replace(b"\r\n", b"\n", 1),
    "JPEG of no pixels": jpeg_of(0, 0),
    "JPEG without a frame": b"\xff\xd8\xff\xd9",
    "JPEG of segments alone": jpeg_after(2)[: 2 + 2 * 65_537],
    **{f"{kind} cut after {size} bytes": picture(kind)[:size]
       for kind, size in (("PNG", 8), ("PNG", 20), ("PNG", 30), ("GIF", 6), ("GIF", 9), ("BMP", 2),
                          ("BMP", 20), ("JPEG", 2), ("JPEG", 20), ("JPEG", 100), ("TIFF", 4),
                          ("WEBP", 12), ("WEBP", 20), ("AVIF", 12), ("AVIF", 60))},
}  # fmt: skip


@pytest.mark.parametrize("content", NOT_PICTURES.values(), ids=list(NOT_PICTURES))
def test_what_is_no_picture_is_415(album: Album, content: bytes) -> None:
    album.refused(album.put(content), 415)
    made = form(file(content, album.name("a.png"), "image/png"))
    album.refused(album.send(made.body, made.content_type), 415)


def test_a_refused_picture_replaces_nothing(album: Album) -> None:
    content = picture()
    item = album.picture(content)
    assert_error(album.put(b"text"), 415)
    assert_error(album.put(png_of(10_010, 10_000)), 413)
    assert_holds(album, item, content)


def padded(size: int) -> bytes:
    """A PNG of this many bytes."""
    content = picture()
    return content + b"\0" * (size - len(content))


def test_a_picture_of_64_mib_is_taken(album: Album) -> None:
    item = album.picture(padded(64 * MIB))
    assert item["FileSize"] == 64 * MIB
    assert (item["Width"], item["Height"]) == (7, 5)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_picture_over_64_mib_is_413(album: Album, framing: str) -> None:
    made = form(file(padded(64 * MIB + 1), album.name()))
    data = made.body if framing == "length" else _halves(made.body)
    album.refused(album.send(data, made.content_type), 413)


def _halves(data: bytes) -> Iterator[bytes]:
    yield data[: 1 << 20]
    yield data[1 << 20 :]


def test_much_more_is_413_at_once(album: Album) -> None:
    with album.client.wire() as wire:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        wire.request("POST", "/upload", {**headers, "Content-Length": str(96 * MIB)})
        answer = wire.answer()
    album.refused(answer, 413)
    assert answer.headers["Connection"].lower() == "close"


def test_an_upload_that_breaks_off_leaves_nothing(album: Album) -> None:
    made = form(file(picture(), album.name()))
    with album.client.wire() as wire:
        headers = {"Content-Type": made.content_type, "Content-Length": str(len(made.body))}
        wire.request("POST", "/upload", headers)
        wire.send(made.body[:-10])
        wire.finish()
        answer = wire.answer()
    album.refused(answer, 400)


def test_a_picture_can_be_sent_in_chunks(album: Album) -> None:
    made = form(file(picture(), album.name()))
    with album.client.wire() as wire:
        headers = {"Content-Type": made.content_type, "Transfer-Encoding": "chunked"}
        wire.request("POST", "/upload", headers)
        wire.send(chunked(made.body, 7))
        item = assert_status(wire.answer(), 200).json()["data"]
    assert_holds(album, item, picture())


NAMES = {
    "unicode": "ü-мир-牛-\U0001f600.png",
    "decomposed": "u\u0308.png",
    "space": " a b .png",
    "percent": "100%25.png",
    "plus": "a+b.png",
    "query": "a?b#c&d=e.png",
    "dots": "..a..png",
    "quote": "it's.png",
    "no suffix": "picture",
    "operator": "$ne",
}


@pytest.mark.parametrize("label", NAMES)
@pytest.mark.parametrize("how", ["filename", "part"])
def test_a_picture_keeps_its_name(album: Album, label: str, how: str) -> None:
    name = album.name(NAMES[label])
    parts = [file(picture(), name)] if how == "filename" else [text("file_name", name)]
    answer = album.form(*parts, *([] if how == "filename" else [file(picture(), "other.png")]))
    item = assert_status(answer, 200).json()["data"]
    assert item["FileName"] == name
    assert_holds(album, item, picture())
    assert_status(album.remove(name), 200)
    assert_gone(album, item)


def test_a_path_is_cut_to_its_last_segment(album: Album) -> None:
    for path in ("a/b/", "../../", "/etc/", "C:\\\\Windows\\\\"):
        assert album.picture(picture(), path + album.name())["FileName"] == album.name()
    assert len(album.items()) == 1


BAD_FORMS = {
    "no file": [pairs({"a": "b"})],
    "a name alone": [text("file_name", "NAME")],
    "two files": [file(picture(), "NAME"), file(picture(), "NAME")],
    "an unknown part": [file(picture(), "NAME"), text("FileName", "NAME")],
    "a name with a slash": [file(picture(), "NAME"), text("file_name", "a/NAME")],
    "an empty name": [file(picture(), "NAME"), text("file_name", "")],
    "a control character": [file(picture(), "NAME"), text("file_name", "\x01NAME")],
    "pairs that are no object": [file(picture(), "NAME"), pairs(["NAME"])],
    "a digest of something else": [
        file(picture(), "NAME", None, "Content-MD5: " + "A" * 22 + "==")
    ],
    "a part without a name": [file(picture(), "NAME"), part(b"x", "Content-Type: text/plain")],
}


@pytest.mark.parametrize("label", BAD_FORMS)
def test_a_bad_form_is_400_and_leaves_nothing(album: Album, label: str) -> None:
    parts = [one.replace(b"NAME", album.name().encode()) for one in BAD_FORMS[label]]
    album.refused(album.form(*parts), 400)


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", "text/plain"])
def test_a_picture_without_a_form_is_refused(album: Album, content_type: str) -> None:
    album.refused(album.send(picture(), content_type), 400, 415)


# --- the same name again -------------------------------------------------------------------------


def test_the_same_name_again_replaces_the_content(album: Album) -> None:
    first = album.picture(picture())
    content = picture("JPEG", (30, 20))
    again = album.picture(content)
    assert again["FileId"] == first["FileId"]
    assert again["Timestamp"] >= first["Timestamp"]
    assert (again["Width"], again["Height"], again["FileType"]) == (30, 20, "image/jpeg")
    assert_holds(album, again, content)


def test_the_same_content_again_is_one_item(album: Album) -> None:
    ids = {album.picture(picture())["FileId"] for _ in range(3)}
    assert len(ids) == len(album.items()) == 1


def test_uploads_of_one_name_at_once_are_one_item(album: Album, base_url: str) -> None:
    contents = [picture(size=(number + 1, 1)) for number in range(CLIENTS)]
    forms = [form(file(content, album.name())) for content in contents]

    def act(client: Client, number: int) -> Answer:
        headers = {"Content-Type": forms[number].content_type}
        return client.post("/upload", forms[number].body, headers)

    answers = at_once(base_url, act)
    assert statuses(answers) == {200: CLIENTS}
    assert len({answer.json()["data"]["FileId"] for answer in answers}) == 1
    item = album.item(album.name())
    assert_holds(album, item, contents[item["Width"] - 1])


def test_records_of_one_name_at_once_are_one_item(album: Album, base_url: str) -> None:
    body = {"FileName": album.name()}
    answers = at_once(
        base_url,
        lambda client, number: client.send_json("POST", "/upload", {**body, "Source": str(number)}),
    )
    assert statuses(answers) == {200: CLIENTS}
    (item,) = album.items()
    assert item["Source"] in "01234567"


def test_of_deletions_at_once_one_wins(album: Album, base_url: str) -> None:
    item = album.picture(picture())
    body = {"FileName": album.name()}
    answers = at_once(base_url, lambda client, _: client.send_json("DELETE", "/delete", body))
    assert statuses(answers) == {200: 1, 404: CLIENTS - 1}
    assert_gone(album, item)


def test_a_picture_of_a_recorded_name_is_the_same_item(album: Album) -> None:
    recorded = album.recorded()
    content = picture()
    item = album.picture(content)
    assert item["FileId"] == recorded["FileId"]
    assert item["FileName"] == album.name()
    assert_holds(album, item, content)


def test_a_record_of_an_uploaded_name_is_the_same_item(album: Album) -> None:
    content = picture()
    uploaded = album.picture(content)
    item = album.recorded(Source="camera")
    assert item == {**uploaded, "Source": "camera", "Timestamp": item["Timestamp"]}
    assert_holds(album, item, content)
    assert_status(album.remove(album.name()), 200)
    assert_gone(album, item)


def test_a_record_in_another_bucket_leaves_the_picture_alone(album: Album) -> None:
    uploaded = album.picture(picture())
    elsewhere = album.recorded(Bucket=ELSEWHERE)
    assert elsewhere["FileId"] != uploaded["FileId"]
    assert album.item(album.name()) == uploaded
    assert_status(album.remove(album.name(), Bucket=ELSEWHERE), 200)
    assert_holds(album, uploaded, picture())


def test_a_renamed_picture_goes_by_its_new_name(album: Album) -> None:
    item, new = album.picture(picture()), album.name("new.png")
    assert_status(album.client.put_json(f"/files/{item['FileId']}", {"file_name": new}), 200)
    assert album.item(new)["FileId"] == item["FileId"]
    assert album.item(new)["FileName"] == new
    assert_says(album.find(album.name()), 404, NOT_FOUND)


def test_the_old_name_of_a_renamed_picture_is_free(album: Album) -> None:
    item, new = album.picture(picture()), album.name("new.png")
    assert_status(album.client.put_json(f"/files/{item['FileId']}", {"file_name": new}), 200)
    other = album.picture(picture("JPEG"))
    assert other["FileId"] != item["FileId"]
    assert assert_status(album.client.get(f"/files/{item['FileId']}"), 200).body == picture()


# --- looked up and deleted -----------------------------------------------------------------------


def test_a_deleted_picture_is_gone_from_both_doors(album: Album) -> None:
    item = album.picture(picture())
    answer = assert_status(album.remove(album.name()), 200)
    assert answer.json() == {
        "message": "Image and metadata deleted successfully",
        "deletedFile": album.name(),
    }
    assert "no-store" in answer.headers["Cache-Control"]
    assert_gone(album, item)
    assert album.drop.leftovers() == []
    assert_says(album.remove(album.name()), 404, NOT_FOUND)


@pytest.mark.parametrize("label", NAMES)
def test_the_name_may_stand_in_the_query(album: Album, label: str) -> None:
    name = album.name(NAMES[label])
    item = album.picture(picture(), name)
    for query in (urlencode({"FileName": name}), f"FileName={quote(name, safe='')}"):
        path = f"/delete?{query}"
        assert assert_status(album.client.delete(path), 200).json()["deletedFile"] == name
        assert_gone(album, item)
        item = album.picture(picture(), name)


def test_a_bucket_in_the_query_narrows_too(album: Album) -> None:
    item = album.picture(picture())
    query = urlencode({"FileName": album.name(), "Bucket": ELSEWHERE})
    assert_says(album.client.delete(f"/delete?{query}"), 404, NOT_FOUND)
    query = urlencode({"FileName": album.name(), "Bucket": item["Bucket"]})
    assert_status(album.client.delete(f"/delete?{query}"), 200)
    assert_gone(album, item)


def test_a_picture_deleted_as_a_file_is_no_item(album: Album) -> None:
    item = album.picture(picture())
    assert_status(album.client.delete(f"/files/{item['FileId']}"), 200)
    assert_gone(album, item)
    assert album.picture(picture())["FileId"] != item["FileId"]


UNKNOWN = ["", "x", ".PNG", "%", "*", ".*", "_", "/", " "]


@pytest.mark.parametrize("end", UNKNOWN)
def test_only_the_very_name_is_found(album: Album, end: str) -> None:
    item = album.picture(picture(), album.name("a.png"))
    for name in (album.name("a") + end, f"{end}{album.name('a.png')}"):
        if name != item["FileName"]:
            assert_says(album.find(name), 404, NOT_FOUND)
            assert_says(album.remove(name), 404, NOT_FOUND)
    assert_says(album.find(item["FileId"]), 404, NOT_FOUND)
    assert album.items() == [item]


def test_a_picture_is_not_found_by_its_key(album: Album) -> None:
    item = album.picture(picture())
    path = f"/files/{item['FileId']}/metadata"
    key = assert_status(album.client.get(path), 200).json()["object_key"]
    assert_error(album.find(key), 400, 404)
    assert_error(album.remove(key), 400, 404)
    assert_holds(album, item, picture())


# --- GET /getall ---------------------------------------------------------------------------------


def test_the_listing_has_the_seeds_shape(client: Client) -> None:
    answer = assert_status(client.get("/getall"), 200)
    assert list(answer.json()) == ["images"]
    assert isinstance(answer.json()["images"], list)
    assert "no-store" in answer.headers["Cache-Control"]


def test_pictures_of_all_doors_are_listed(album: Album) -> None:
    tag = album.drop.tag
    by_type = album.drop.file(picture(), f"{tag}.txt")
    by_name = album.drop.file(b"text", f"{tag}.png")
    album.drop.file(b"text", f"{tag}.txt")
    album.drop.file(noise(100), tag)
    uploaded, recorded = album.picture(picture()), album.recorded(album.name("recorded"))
    ids = {by_type["file_id"], by_name["file_id"], uploaded["FileId"], recorded["FileId"]}
    assert {item["FileId"] for item in album.items()} == ids


def test_a_picture_of_the_file_door_is_an_item(album: Album) -> None:
    document = album.drop.file(picture(), album.name())
    item = album.item(album.name())
    assert_item(item, UPLOADED)
    assert item["FileId"] == document["file_id"]
    assert item["FileName"] == album.name()
    assert (item["FileSize"], item["FileType"]) == (document["file_size"], "image/png")
    assert (item["Width"], item["Height"]) == (7, 5)
    assert document["image"] == {"width": 7, "height": 5, "format": "PNG"}
    assert album.items() == [item]
    assert_status(album.remove(album.name()), 200)
    assert_gone(album, item)


def test_a_file_that_is_no_image_is_no_item(album: Album) -> None:
    document = album.drop.file(b"text", f"{album.drop.tag}.txt")
    assert_says(album.find(f"{album.drop.tag}.txt"), 404, NOT_FOUND)
    assert_says(album.remove(f"{album.drop.tag}.txt"), 404, NOT_FOUND)
    assert album.items() == []
    assert album.drop.content(document) == b"text"


@pytest.mark.parametrize("limit", [2, 5, 1000])
def test_all_pages_together_are_the_listing(album: Album, limit: int) -> None:
    names = [album.name(f"{number}.png") for number in range(7)]
    made = [album.recorded(name, Bucket=ELSEWHERE) for name in names]
    found = list(pages_of(album.client, f"/getall?limit={limit}", "images"))
    assert all(len(page) <= limit for page in found)
    mine = [item for page in found for item in page if item in made]
    assert mine == made[::-1], "newest first, as GET /files"


def test_items_that_stay_appear_once_while_others_come_and_go(album: Album) -> None:
    made = [album.recorded(album.name(f"{number}.png"), Bucket=ELSEWHERE) for number in range(10)]
    leaving, staying = made[::2], made[1::2]
    seen: Counter[str] = Counter()
    for page in pages_of(album.client, "/getall?limit=2", "images"):
        seen.update(item["FileId"] for item in page)
        if leaving:
            gone = next((item for item in page if item in leaving), leaving[0])
            leaving.remove(gone)
            assert_status(album.remove(gone["FileName"]), 200)
            album.recorded(album.name(f"new-{len(leaving)}.png"), Bucket=ELSEWHERE)
    assert {seen[item["FileId"]] for item in staying} == {1}
    assert max(seen.values()) == 1


def test_the_link_is_relative_and_keeps_the_limit(album: Album) -> None:
    for number in range(2):
        album.recorded(album.name(f"{number}.png"), Bucket=ELSEWHERE)
    answer = assert_status(album.client.get("/getall?limit=1"), 200)
    following = next_page(answer, f"{album.client.base_url}/getall?limit=1")
    assert following and following.startswith(f"{album.client.base_url}/getall?")
    assert parse_qs(urlsplit(following).query)["limit"] == ["1"]
    cursor = quote(parse_qs(urlsplit(following).query)["cursor"][0])
    for path in ("/files?", "/Students?", "/todos?userId=a&"):
        assert_status(album.client.get(f"{path}cursor={cursor}"), 400)


BAD_QUERIES = [
    "limit=0", "limit=1001", "limit=", "limit=a", "limit=-1", "limit=1&limit=1", "cursor=",
    "cursor=x", "cursor=AAAA", "cursor=W10", "cursor=e30", "cursor=" + "A" * 5000,
    "cursor=x&cursor=x", "file_name=a", "sort=file_name", "offset=1", "Limit=1", "a", "%FF=1",
    "limit=%FF", "FileName=a",
]  # fmt: skip


@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda query: query[:30])
def test_a_bad_query_of_the_listing_is_400(client: Client, query: str) -> None:
    assert_error(client.get(f"/getall?{query}"), 400)


# --- the service's own keys ----------------------------------------------------------------------


def test_names_under_the_services_prefix_are_reserved(album: Album) -> None:
    document = album.drop.file()
    prefix = document["object_key"].rsplit("/", 2)[0]
    for key in (document["object_key"], f"{prefix}/a.png", f"{prefix}/xx/{album.name()}"):
        for more in ({}, {"Bucket": document["bucket"]}):
            error = album.refused_beside(document, album.record(key, **more), 400)
            assert error["code"] == "reserved_key"
        for slashes in ("/", "//", "///"):
            answer = album.record(slashes + key)
            assert 400 <= answer.status < 500
            album.refused_beside(document, answer, answer.status)


def test_a_name_beside_the_prefix_is_free(album: Album) -> None:
    prefix = album.drop.file()["object_key"].rsplit("/", 2)[0]
    for key in (
        f"{prefix}-2/{album.name()}",
        f"{prefix}{album.name()}",
        f"a/{prefix}/{album.name()}",
    ):
        assert album.recorded(key)["FileName"] == key


def test_another_buckets_key_is_reserved_too_or_recorded_as_it_is(album: Album) -> None:
    """The contract speaks of the service's own bucket."""
    document = album.drop.file()
    prefix = document["object_key"].rsplit("/", 2)[0]
    key = f"{prefix}/xx/{album.name()}"
    answer = album.record(key, Bucket=ELSEWHERE)
    if assert_status(answer, 200, 400).status == 400:
        error = album.refused_beside(document, answer, 400)
        assert error["code"] == "reserved_key"
        return
    item = album.item(key, Bucket=ELSEWHERE)
    assert item["FileName"] == key
    assert_error(album.client.get(f"/files/{item['FileId']}"), 409)


LONG = {"Source": "x" * 64 * KIB, "Bucket": "b" * 64 * KIB}


@pytest.mark.parametrize("member", LONG)
def test_a_long_text_is_refused(album: Album, member: str) -> None:
    album.refused(album.record(album.name(), **{member: LONG[member]}), 400)
