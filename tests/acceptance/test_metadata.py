"""The catalog read by bucket and key: GET /metadata and GET /Students (SPEC 4; seeds 0, 2)."""

from collections import Counter
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from .checks import assert_error, assert_status, etag, next_page
from .client import Answer, Client, Document, noise
from .doors import listed, pages_of
from .drop import Drop

FIELDS = ["bucket", "object_key", "size", "etag", "event_time", "event_name", "sequencer"]
MISSING, NOT_FOUND = "Missing required query parameters: bucket and key", "Metadata not found"
ELSEWHERE = "my-upload-bucket"


def read(client: Client, bucket: str, key: str) -> Answer:
    return client.get(f"/metadata?{urlencode({'bucket': bucket, 'key': key})}")


def item_of(drop: Drop, document: Document) -> Document:
    """The item of an uploaded file."""
    answer = assert_status(read(drop.client, document["bucket"], document["object_key"]), 200)
    item: Document = answer.json()
    return item


def record(drop: Drop, key: str, bucket: str = ELSEWHERE) -> None:
    """A document by the image door: the tag in its name lets the corner remove it."""
    body = {"FileName": key, "Bucket": bucket}
    assert_status(drop.client.send_json("POST", "/upload", body), 200)
    drop.leftovers()


def assert_says(answer: Answer, status: int, sentence: str) -> None:
    """The error, word for word."""
    assert assert_error(answer, status)["error"] == sentence


# --- GET /metadata -------------------------------------------------------------------------------


def test_an_uploaded_file_is_found(drop: Drop) -> None:
    document = drop.file(b"x" * 42)
    answer = read(drop.client, document["bucket"], document["object_key"])
    item = assert_status(answer, 200).json()
    assert list(item)[: len(FIELDS)] == FIELDS, "as seed 2 prints them"
    assert {name: item[name] for name in ("bucket", "object_key", "etag")} == {
        name: document[name] for name in ("bucket", "object_key", "etag")
    }
    assert item["size"] == 42
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]


def test_the_order_of_the_parameters_does_not_matter(drop: Drop) -> None:
    document = drop.file()
    query = urlencode({"key": document["object_key"], "bucket": document["bucket"]})
    assert drop.client.get(f"/metadata?{query}").json() == item_of(drop, document)


def test_slashes_may_be_written_either_way(drop: Drop) -> None:
    document = drop.file()
    start = f"/metadata?bucket={document['bucket']}&key="
    for key in (document["object_key"], quote(document["object_key"], safe="")):
        assert drop.client.get(start + key).json() == item_of(drop, document)


def test_it_follows_the_file(drop: Drop, client: Client) -> None:
    document = drop.file(b"old")
    path = f"/files/{document['file_id']}"
    changed = assert_status(client.put(path, b"newer"), 200).json()["file"]
    assert item_of(drop, changed)["size"] == 5
    assert_says(read(client, document["bucket"], document["object_key"]), 404, NOT_FOUND)
    assert_status(client.delete(path, {"If-Match": etag(changed)}), 200)
    assert_says(read(client, changed["bucket"], changed["object_key"]), 404, NOT_FOUND)


def test_it_has_nothing_but_catalog_data(drop: Drop) -> None:
    """No bytes, no client's pairs, nothing that only the service needs."""
    content, secret = b"the-content-" + noise(100).hex().encode(), "a-secret-of-the-client"
    document = drop.file(content, metadata={"secret": secret})
    answer = read(drop.client, document["bucket"], document["object_key"])
    assert content[:20] not in answer.body and secret.encode() not in answer.body
    assert set(answer.json()) - set(FIELDS) <= set(document)
    listing = drop.client.get("/Students").body
    assert content[:20] not in listing and secret.encode() not in listing
    assert not any(word in listing for word in (b"garbage", b"item_name", b"version", b"state"))


KEYS = {
    "seed": "incoming/TAG-notes.txt",
    "space": "a b TAG .png",
    "plus": "a+TAG.png",
    "percent": "100%25-TAG%2F.png",
    "ampersand": "a&b=c;TAG#d?e.png",
    "unicode": "ü-мир-牛-\U0001f600-TAG.png",
    "decomposed": "u\u0308-TAG.png",
    "double slash": "a//TAG.png",
    "dots": "a/../TAG.png",
    "line end": "a\n-TAG.png",
    "long": "ab/" * 320 + "TAG",
    "operator": "$ne-TAG",
}


@pytest.mark.parametrize("label", KEYS)
def test_any_key_of_another_bucket_is_found_as_it_is(drop: Drop, label: str) -> None:
    key = KEYS[label].replace("TAG", drop.tag)
    record(drop, key)
    item = assert_status(read(drop.client, ELSEWHERE, key), 200).json()
    assert (item["bucket"], item["object_key"]) == (ELSEWHERE, key)
    assert item["size"] is None
    assert item in listed(drop.client, "/Students")


def test_a_plus_is_a_space_and_a_space_is_no_plus(drop: Drop) -> None:
    record(drop, f"a b{drop.tag}")
    for written in ("a+b", "a%20b"):
        answer = drop.client.get(f"/metadata?bucket={ELSEWHERE}&key={written}{drop.tag}")
        assert_status(answer, 200)
    answer = drop.client.get(f"/metadata?bucket={ELSEWHERE}&key=a%2Bb{drop.tag}")
    assert_says(answer, 404, NOT_FOUND)


NO_PARAMETERS = [
    "", "?", "?bucket=a", "?key=a", "?bucket=&key=a", "?bucket=a&key=", "?bucket=&key=",
    "?bucket&key",
]  # fmt: skip


@pytest.mark.parametrize("query", NO_PARAMETERS)
def test_bucket_and_key_are_required(client: Client, query: str) -> None:
    assert_says(client.get(f"/metadata{query}"), 400, MISSING)


BAD_QUERIES = [
    "bucket=a&bucket=a&key=b", "bucket=a&key=b&key=b", "bucket=a&key=b&colour=c", "Bucket=a&Key=b",
    "bucket=a&key=%FF", "bucket=%C3&key=a", "bucket=a&key=%ED%A0%80", "bucket=a&object_key=b",
    "bucket[$ne]=a&key[$ne]=b", "bucket=a&key=b&limit=1", "bucket=a&key=%4",
]  # fmt: skip


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_bad_query_is_400(client: Client, query: str) -> None:
    with client.wire() as wire:
        wire.request("GET", f"/metadata?{query}")
        assert_error(wire.answer(), 400)


ODD = {
    "NUL": "%00",
    "not a character": "%EF%BF%BF",
    "long": "a" * 3000,
    "operator": "%7B%22$ne%22:null%7D",
    "wildcard": "*",
    "expression": ".*",
    "percent": "%25",
}


@pytest.mark.parametrize("label", ODD)
def test_what_is_not_there_is_404(drop: Drop, label: str) -> None:
    document, value = drop.file(), ODD[label]
    for query in (
        f"bucket={document['bucket']}&key={value}",
        f"bucket={value}&key={document['object_key']}",
        f"bucket={value}&key={value}",
    ):
        assert_error(drop.client.get(f"/metadata?{query}"), 404, 400)
    if label in ("wildcard", "expression", "operator"):
        assert_says(drop.client.get(f"/metadata?{query}"), 404, NOT_FOUND)


def test_the_very_bucket_is_meant(drop: Drop) -> None:
    document = drop.file()
    bucket, key = document["bucket"], document["object_key"]
    for other in (
        bucket.upper(),
        f"{bucket} ",
        f"{bucket}/",
        f"/{bucket}",
        bucket[:-1],
        f"{bucket}x",
    ):
        assert_says(read(drop.client, other, key), 404, NOT_FOUND)


def test_conditions_of_a_listing_do_not_apply(drop: Drop) -> None:
    document = drop.file()
    query = urlencode({"bucket": document["bucket"], "key": document["object_key"]})
    for headers in ({"If-None-Match": "*"}, {"Range": "bytes=0-0"}, {"If-Match": '"nope"'}):
        assert_status(drop.client.get(f"/metadata?{query}", headers), 200)


WRONG_METHODS = [(method, path) for path in ("/metadata", "/Students")
                 for method in ("POST", "PUT", "PATCH", "DELETE")]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), WRONG_METHODS)
def test_a_wrong_method_is_405_with_allow(client: Client, method: str, path: str) -> None:
    answer = client.send(method, path)
    assert_error(answer, 405)
    assert "GET" in [name.strip() for name in answer.headers["Allow"].split(",")]


# --- GET /Students -------------------------------------------------------------------------------


def test_the_listing_is_an_array_of_the_same_items(drop: Drop) -> None:
    made = [drop.file(b"x" * size) for size in range(3)]
    answer = assert_status(drop.client.get("/Students"), 200)
    assert isinstance(answer.json(), list)
    assert "no-store" in answer.headers["Cache-Control"]
    listing = listed(drop.client, "/Students")
    for document in made:
        assert listing.count(item_of(drop, document)) == 1


def test_every_listed_item_can_be_read(drop: Drop) -> None:
    drop.file()
    record(drop, f"{drop.tag}.png")
    tagged = [drop.tag in one["object_key"] for one in listed(drop.client, "/Students")]
    assert tagged.count(True) == 1
    for item in assert_status(drop.client.get("/Students?limit=20"), 200).json():
        again = read(drop.client, item["bucket"], item["object_key"])
        assert again.status == 404 or again.json() == item


@pytest.mark.parametrize("limit", [2, 5, 1000])
def test_all_pages_together_are_the_listing(drop: Drop, limit: int) -> None:
    keys = [drop.file()["object_key"] for _ in range(7)]
    found = list(pages_of(drop.client, f"/Students?limit={limit}"))
    assert all(len(page) <= limit for page in found)
    counted = Counter(item["object_key"] for page in found for item in page)
    assert [counted[key] for key in keys] == [1] * len(keys)


def test_files_that_stay_appear_once_while_others_come_and_go(drop: Drop, client: Client) -> None:
    made = [drop.file() for _ in range(8)]
    leaving, staying = made[::2], made[1::2]
    seen: Counter[str] = Counter()
    for page in pages_of(client, "/Students?limit=2"):
        seen.update(item["object_key"] for item in page)
        if leaving:
            assert_status(client.delete(f"/files/{leaving.pop()['file_id']}"), 200)
            drop.file()
    assert {seen[document["object_key"]] for document in staying} == {1}
    assert max(seen.values()) == 1


def test_the_link_is_relative_and_keeps_the_limit(drop: Drop, client: Client) -> None:
    drop.file()
    drop.file()
    answer = assert_status(client.get("/Students?limit=1"), 200)
    following = next_page(answer, f"{client.base_url}/Students?limit=1")
    assert following and following.startswith(f"{client.base_url}/Students?")
    query = parse_qs(urlsplit(following).query)
    assert query["limit"] == ["1"]
    for path in ("/files?", "/getall?", "/todos?userId=a&"):
        assert_status(client.get(f"{path}cursor={quote(query['cursor'][0])}"), 400)


BAD_PAGES = ["limit=0", "limit=1001", "limit=a", "limit=", "limit=1&limit=1", "cursor=", "cursor=x",
             "cursor=AAAA", "bucket=a", "sort=size", "key=a", "a", "cursor=%FF"]  # fmt: skip


@pytest.mark.parametrize("query", BAD_PAGES)
def test_a_bad_query_of_the_listing_is_400(client: Client, query: str) -> None:
    assert_error(client.get(f"/Students?{query}"), 400)


@pytest.mark.parametrize(
    "path", ["/students", "/STUDENTS", "/Students/", "/Metadata", "/metadata/"]
)
def test_addresses_are_exact(client: Client, path: str) -> None:
    assert_error(client.get(path), 404)


def test_head_has_the_headers_alone(drop: Drop, client: Client) -> None:
    document: dict[str, Any] = drop.file()
    query = urlencode({"bucket": document["bucket"], "key": document["object_key"]})
    for path in (f"/metadata?{query}", "/Students?limit=1"):
        answer = assert_status(client.head(path), 200)
        assert answer.body == b""
