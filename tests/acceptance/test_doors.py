"""By a client's word nothing outside the bucket and nothing under the service's own prefix can be
read or deleted (SPEC 4: "Bytes only from our bucket"): POST /upload, POST /getitem, DELETE /delete
and GET /metadata with every spelling of the key of somebody's file."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import pytest

from .checks import assert_status
from .client import Answer, Client, Document
from .doors import Album, listed
from .drop import Drop
from .forms import file, form, text
from .pictures import picture

SECRET = b"the content of a file that nobody may reach by its key"
ELSEWHERE = "image-upload-demo-komal"

SPELLINGS: dict[str, Callable[[str], str]] = {
    "the key": lambda key: key,
    "slash": lambda key: f"/{key}",
    "slashes": lambda key: f"///{key}",
    "dot": lambda key: f"./{key}",
    "slash and dot": lambda key: f"/./{key}",
    "dot within": lambda key: key.replace("/", "/./", 1),
    "dot before the name": lambda key: "/./".join(key.rsplit("/", 1)),
    "dots before": lambda key: f"../{key}",
    "away and back": lambda key: f"a/../{key}",
    "slash, away and back": lambda key: f"/a/../{key}",
    "away and back within": lambda key: key.replace("/", "/a/../", 1),
    "out of the prefix and back": lambda key: f"{key.split('/')[0]}/../{key}",
    "doubled slash": lambda key: key.replace("/", "//", 1),
    "doubled slash before the name": lambda key: "//".join(key.rsplit("/", 1)),
    "doubled slashes": lambda key: key.replace("/", "//"),
    "slash behind": lambda key: f"{key}/",
    "dot behind": lambda key: f"{key}/.",
    "dots behind": lambda key: f"{key}/a/..",
    "backslashes": lambda key: key.replace("/", "\\"),
    "backslash before": lambda key: f"\\{key}",
    "percent-encoded": lambda key: quote(key, safe=""),
    "percent-encoded twice": lambda key: quote(quote(key, safe=""), safe=""),
    "every character percent-encoded": lambda key: "".join(f"%{ord(c):02X}" for c in key),
    "a letter percent-encoded": lambda key: f"%{ord(key[0]):02x}{key[1:]}",
    "percent-encoded slash before": lambda key: f"%2F{key}",
    "percent-encoded dots": lambda key: f"a/%2e%2e/{key}",
    "upper case": str.upper,
    "capital": lambda key: key.capitalize(),
    "full width": lambda key: chr(ord(key[0]) + 0xFEE0) + key[1:],
    "full width slash": lambda key: key.replace("/", "\uff0f"),
    "combining character": lambda key: f"{key}\u0308",
    "no width": lambda key: f"\ufeff{key}",
    "space before": lambda key: f" {key}",
    "space behind": lambda key: f"{key} ",
    "line end before": lambda key: f"\n{key}",
    "line end behind": lambda key: f"{key}\r\n",
    "NUL behind": lambda key: f"{key}\0",
    "NUL and more behind": lambda key: f"{key}\0.png",
    "query behind": lambda key: f"{key}?versionId=null",
    "fragment behind": lambda key: f"{key}#a",
    "wildcard": lambda key: f"{key[:-1]}*",
    "the prefix": lambda key: key.split("/")[0],
    "the prefix and a slash": lambda key: f"{key.split('/')[0]}/",
    "the shard": lambda key: key.rsplit("/", 1)[0] + "/",
}
# The same with the bucket in it: for who takes a key for a path or a URL.
PLACES: dict[str, Callable[[str, str], str]] = {
    "bucket and key": lambda bucket, key: f"{bucket}/{key}",
    "slash, bucket and key": lambda bucket, key: f"/{bucket}/{key}",
    "out of the bucket and back": lambda bucket, key: f"../{bucket}/{key}",
    "URL of S3": lambda bucket, key: f"s3://{bucket}/{key}",
    "URL of a file": lambda bucket, key: f"file:///{bucket}/{key}",
    "copy source": lambda bucket, key: f"/{bucket}/{quote(key)}?versionId=null",
}
BUCKETS: dict[str, Callable[[str], str | None]] = {
    "no bucket": lambda bucket: None,
    "ours": lambda bucket: bucket,
    "upper case": str.upper,
    "space": lambda bucket: f"{bucket} ",
    "slash": lambda bucket: f"{bucket}/",
    "slash before": lambda bucket: f"/{bucket}",
    "dot": lambda bucket: f"./{bucket}",
    "away and back": lambda bucket: f"a/../{bucket}",
    "percent-encoded": lambda bucket: f"%{ord(bucket[0]):02x}{bucket[1:]}",
    "ARN": lambda bucket: f"arn:aws:s3:::{bucket}",
    "another": lambda bucket: ELSEWHERE,
}


@dataclass(frozen=True)
class Target:
    """Somebody's file, which must stay as it is, and the album of who is after it."""

    album: Album
    document: Document
    content: bytes

    @property
    def client(self) -> Client:
        return self.album.client

    @property
    def key(self) -> str:
        return str(self.document["object_key"])

    @property
    def bucket(self) -> str:
        return str(self.document["bucket"])

    def check(self) -> None:
        """It is as it was, in every detail."""
        assert self.album.drop.current(self.document) == self.document
        assert self.album.drop.content(self.document) == self.content
        query = urlencode({"bucket": self.bucket, "key": self.key})
        item = assert_status(self.client.get(f"/metadata?{query}"), 200).json()
        assert item["file_id"] == self.document["file_id"]

    def check_answer(self, answer: Answer, *statuses: int) -> None:
        """One of these, or a 4xx; and it gives away neither the content nor the file's id."""
        assert answer.status in statuses or 400 <= answer.status < 500, (answer.status, answer.body)
        assert self.content[:40] not in answer.body
        assert self.document["file_id"].encode() not in answer.body
        assert str(self.document["sha256"]).encode() not in answer.body


KINDS = {"text": (SECRET, ".txt"), "picture": (picture(), ".png")}


@pytest.fixture(params=["picture"])
def target(drop: Drop, request: pytest.FixtureRequest) -> Iterator[Target]:
    """A file of the file door that is an item of the image door too, or one of another kind."""
    content, suffix = KINDS[request.param]
    album = Album(drop)
    target = Target(album, drop.file(content, drop.tag + suffix), content)
    yield target
    target.check()
    album.close()


def spelled(target: Target, label: str) -> str:
    if label in PLACES:
        return PLACES[label](target.bucket, target.key)
    return SPELLINGS[label](target.key)


both_kinds = pytest.mark.parametrize("target", KINDS, indirect=True)
every_spelling = pytest.mark.parametrize("label", [*SPELLINGS, *PLACES])
# Every spelling of the key, and for some of them every spelling of the bucket.
every_place = pytest.mark.parametrize(
    ("label", "where"),
    [
        *((label, "no bucket") for label in (*SPELLINGS, *PLACES)),
        *((label, where) for label in ("the key", "slash", "away and back")
          for where in BUCKETS if where != "no bucket"),
    ],
)  # fmt: skip


def body_of(target: Target, label: str, where: str) -> dict[str, str]:
    bucket = BUCKETS[where](target.bucket)
    return {"FileName": spelled(target, label), **({} if bucket is None else {"Bucket": bucket})}


# --- by a name that is recorded ------------------------------------------------------------------


@every_place
def test_upload_makes_nothing_readable(target: Target, label: str, where: str) -> None:
    """Whether the name is refused or recorded, it leads to no bytes, and its removal to none."""
    body = body_of(target, label, where)
    known = ids(target)
    answer = target.client.send_json("POST", "/upload", body)
    try:
        target.check_answer(answer, 200)
    finally:
        made = ids(target) - known
        found = [try_to_read(target, file_id) for file_id in made]
        gone = [target.client.delete(f"/files/{file_id}") for file_id in made]
    assert found == [[]] * len(made)
    assert [one.status for one in gone] == [200] * len(made)
    assert len(made) == (answer.status == 200), "what is refused is not recorded"


def ids(target: Target) -> set[str]:
    return {item["FileId"] for item in target.album.everything()}


def try_to_read(target: Target, file_id: str) -> list[Answer]:
    """What a recorded name gives away, which must be nothing."""
    path = f"/files/{file_id}"
    answers = [
        target.client.get(path),
        target.client.get(f"{path}?inline=1"),
        target.client.get(f"{path}?redirect=1"),
        target.client.get(path, {"Range": "bytes=0-9"}),
        target.client.head(path),
        target.client.put(path, b"other content", {"Content-Type": "text/plain"}),
    ]
    return [one for one in answers if one.status not in (404, 409)]


@pytest.mark.parametrize("where", ["no bucket", "ours"])
@pytest.mark.parametrize("label", ["the key", "the prefix and a slash", "the shard"])
def test_the_services_own_keys_are_reserved(target: Target, label: str, where: str) -> None:
    answer = target.client.send_json("POST", "/upload", body_of(target, label, where))
    assert assert_status(answer, 400).json()["code"] == "reserved_key"


@every_spelling
def test_a_recorded_name_is_removed_alone(target: Target, label: str) -> None:
    """DELETE /delete of a name that could be recorded removes the record and no object."""
    body = body_of(target, label, "no bucket")
    answer = target.client.send_json("POST", "/upload", body)
    target.check_answer(answer, 200)
    if answer.status == 200:
        assert_status(target.client.send_json("DELETE", "/delete", body), 200)
        assert_status(target.client.send_json("POST", "/getitem", body), 404)


# --- by a name that is not recorded --------------------------------------------------------------


@both_kinds
@every_place
def test_getitem_does_not_find_it_by_its_key(target: Target, label: str, where: str) -> None:
    answer = target.client.send_json("POST", "/getitem", body_of(target, label, where))
    target.check_answer(answer)


@both_kinds
@every_place
def test_delete_does_not_delete_it_by_its_key(target: Target, label: str, where: str) -> None:
    body = body_of(target, label, where)
    target.check_answer(target.client.send_json("DELETE", "/delete", body))
    for query in (urlencode(body), "&".join(f"{name}={quote(body[name])}" for name in body)):
        target.check_answer(target.client.delete(f"/delete?{query}"))


@pytest.mark.parametrize("written", ["FileName={key}", "FileName=%2F{key}", "FileName={key}%00"])
def test_delete_does_not_delete_it_by_an_unescaped_query(target: Target, written: str) -> None:
    with target.client.wire() as wire:
        wire.request("DELETE", f"/delete?{written.format(key=target.key)}", {"Content-Length": "0"})
        target.check_answer(wire.answer())


NAMES_OF_IDS = ["{id}", "{prefix}/{id}", "/{prefix}/{id}", "{prefix}/{shard}/{id}", "files/{id}"]


@both_kinds
@pytest.mark.parametrize("name", NAMES_OF_IDS)
def test_its_id_is_no_name(target: Target, name: str) -> None:
    prefix, shard, _ = target.key.rsplit("/", 2)
    filled = name.format(id=target.document["file_id"], prefix=prefix, shard=shard)
    for method, path in (("POST", "/getitem"), ("DELETE", "/delete")):
        for more in ({}, {"Bucket": target.bucket}):
            answer = target.client.send_json(method, path, {"FileName": filled, **more})
            assert_status(answer, 400, 404)


# --- GET /metadata -------------------------------------------------------------------------------


@every_spelling
def test_metadata_knows_the_very_key_and_no_bytes(target: Target, label: str) -> None:
    """What the catalog says of the file; under any other spelling of its key there is nothing."""
    query = urlencode({"bucket": target.bucket, "key": spelled(target, label)})
    answer = target.client.get(f"/metadata?{query}")
    if label == "the key":
        assert assert_status(answer, 200).json()["object_key"] == target.key
        assert target.content[:40] not in answer.body
    else:
        target.check_answer(answer)


@pytest.mark.parametrize(
    "where", [where for where in BUCKETS if where not in ("no bucket", "ours")]
)
def test_metadata_knows_the_very_bucket(target: Target, where: str) -> None:
    bucket = BUCKETS[where](target.bucket) or ""
    query = urlencode({"bucket": bucket, "key": target.key})
    target.check_answer(target.client.get(f"/metadata?{query}"))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_metadata_changes_nothing(target: Target, method: str) -> None:
    query = urlencode({"bucket": target.bucket, "key": target.key})
    for path in ("/metadata", "/Students"):
        target.check_answer(target.client.send(method, f"{path}?{query}"))


# --- with the picture itself ---------------------------------------------------------------------


@every_spelling
def test_a_picture_under_its_key_is_another_file(target: Target, label: str) -> None:
    """A name is never taken for a key, be it that of the part or of the form."""
    name = spelled(target, label)
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").replace("\0", "%00")
    for parts in (
        [file(picture(size=(3, 2)), quoted)],
        [text("file_name", name), file(picture(size=(3, 2)), "a.png")],
    ):
        answer = target.album.form(*parts)
        target.check_answer(answer, 200)
        if answer.status == 200:
            item = answer.json()["data"]
            path = f"/files/{item['FileId']}"
            document = assert_status(target.client.get(f"{path}/metadata"), 200).json()
            assert document["object_key"] != target.key
            assert_status(target.client.delete(path), 200)
        target.check()


def test_a_file_is_not_replaced_by_a_picture_of_its_name(target: Target) -> None:
    """Names of the file door are not unique: the image door replaces its own items only."""
    made = form(file(picture(size=(3, 2)), target.document["file_name"]))
    headers = {"Content-Type": made.content_type}
    answer = assert_status(target.client.post("/upload", made.body, headers), 200)
    item = answer.json()["data"]
    try:
        assert item["FileId"] != target.document["file_id"]
        target.check()
        body = {"FileName": target.document["file_name"]}
        found = assert_status(target.client.send_json("POST", "/getitem", body), 200).json()
        assert found["data"]["FileId"] == item["FileId"]
    finally:
        assert_status(target.client.delete(f"/files/{item['FileId']}"), 200)


# --- outside the bucket --------------------------------------------------------------------------

OUTSIDE = [
    "/etc/passwd", "etc/passwd", "../../../../../../etc/passwd", "../catalog.sqlite", "../tmp",
    "..", ".", "/", "//", "\\", "file:///etc/passwd", "http://127.0.0.1:9000/minio/health/live",
    "/proc/self/environ", ".minio.sys/config/config.json", "../.minio.sys/format.json", "C:\\a.ini",
]  # fmt: skip
PLACES_OUTSIDE = ["", "..", "../..", ".", "/", "/etc", ".minio.sys", "objects", "tmp", ELSEWHERE]


@pytest.mark.parametrize(
    ("key", "bucket"),
    [
        *((key, "") for key in OUTSIDE),
        *((key, bucket) for key in OUTSIDE[:3] for bucket in PLACES_OUTSIDE[1:]),
    ],
)
def test_nothing_outside_the_bucket_is_read(drop: Drop, key: str, bucket: str) -> None:
    """Recorded, it is a name without bytes; refused, nothing is left of it."""
    client, album = drop.client, Album(drop)
    known = {item["FileId"] for item in album.everything()}
    answer = client.send_json("POST", "/upload", {"FileName": key, "Bucket": bucket})
    made = {item["FileId"] for item in album.everything()} - known
    statuses = [client.get(f"/files/{file_id}").status for file_id in made]
    removed = [client.delete(f"/files/{file_id}").status for file_id in made]
    assert answer.status == 200 or 400 <= answer.status < 500, answer.body
    assert set(statuses) <= {404, 409}
    assert removed == [200] * len(made)


@pytest.mark.parametrize("key", OUTSIDE)
def test_nothing_outside_the_bucket_is_found_or_deleted(client: Client, key: str) -> None:
    for bucket in PLACES_OUTSIDE:
        body = {"FileName": key, "Bucket": bucket}
        assert_status(client.send_json("POST", "/getitem", body), 400, 404)
        assert_status(client.send_json("DELETE", "/delete", body), 400, 404)
        query = urlencode({"bucket": bucket, "key": key})
        assert_status(client.get(f"/metadata?{query}"), 400, 404)


def test_no_listing_tells_more_than_the_catalog_has(target: Target) -> None:
    """Neither bytes nor places on the server's disk."""
    target.album.recorded()
    for path, member in (("/getall", "images"), ("/Students", None), ("/files", None)):
        answer = json.dumps(listed(target.client, path, member)).encode()
        assert target.content[:40] not in answer
        for word in (
            b"garbage",
            b"item_name",
            b"item_source",
            b"sweep_at",
            b"data_dir",
            b"/objects/",
        ):
            assert word not in answer
