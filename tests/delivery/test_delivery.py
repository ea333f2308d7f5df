"""What is written straight into the bucket appears in the catalog; what is removed, goes.

Objects come by boto3 and by MinIO's own client, in one piece and as multipart.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

from tests.delivery.conftest import House

MIB = 2**20
SEGMENT = "k" * 199
# Names that say image, so that each must be in all three listings.
NAMES = {
    "plain": "plain.png",
    "space": "a folder/two  spaces.png",
    "plus": "a+b/c+d.png",
    "percent": "100%/%41%2f.png",
    "umlaut": "ü/Übergröße.png",
    "cjk": "文/文件.png",
    "thousand": f"{'/'.join([SEGMENT] * 4)}/{'k' * 196}.png",
    "query": "what?/a&b=c#d;e.png",
}
Put = Callable[[House, str, Path], None]


def by_boto3(house: House, key: str, _: Path) -> None:
    house.put(key)


def by_boto3_in_parts(house: House, key: str, folder: Path) -> None:
    path = of_size(folder, 6 * MIB)
    parts = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    house.s3.upload_file(str(path), house.bucket, key, Config=parts)


def by_mc(house: House, key: str, folder: Path) -> None:
    house.mc.put(of_size(folder, 7), house.bucket, key)


def by_mc_in_parts(house: House, key: str, folder: Path) -> None:
    house.mc.put(of_size(folder, 17 * MIB), house.bucket, key)


def of_size(folder: Path, size: int) -> Path:
    path = folder / f"{size}.bin"
    if not path.exists():
        path.write_bytes(b"\x01\x02" * (size // 2) + b"\x03" * (size % 2))
    return path


def removed_alone(house: House, keys: list[str]) -> None:
    for key in keys:
        house.s3.delete_object(Bucket=house.bucket, Key=key)


def removed_in_bulk(house: House, keys: list[str]) -> None:
    objects: list[dict[str, Any]] = [{"Key": key} for key in keys]
    house.s3.delete_objects(Bucket=house.bucket, Delete={"Objects": objects})


def removed_by_mc(house: House, keys: list[str]) -> None:
    house.mc.remove_many(house.bucket, keys)


@pytest.mark.parametrize(
    ("put", "remove", "in_parts"),
    [
        (by_boto3, removed_alone, False),
        (by_boto3_in_parts, removed_in_bulk, True),
        (by_mc, removed_by_mc, False),
        (by_mc_in_parts, removed_in_bulk, True),
    ],
)
def test_objects_appear_and_disappear(
    served: House,
    tmp_path: Path,
    put: Put,
    remove: Callable[[House, list[str]], None],
    in_parts: bool,
) -> None:
    keys = [f"{put.__name__}/{name}" for name in NAMES.values()]
    assert all(len(key) <= 1024 for key in keys)
    for key in keys:
        put(served, key, tmp_path)
    served.wait_known(*keys)
    for listing in ("/files?limit=3", "/getall?limit=3", "/Students?limit=3"):
        assert set(keys) <= served.keys(listing)
    for key in keys:
        head = served.s3.head_object(Bucket=served.bucket, Key=key)
        etag = head["ETag"].strip('"')
        assert ("-" in etag) == in_parts
        known = served.metadata(key)
        assert known is not None
        assert (known["size"], known["etag"]) == (head["ContentLength"], etag)
        assert known["event_name"].startswith("ObjectCreated:")
        assert known["sequencer"] and known["event_time"].endswith("Z")
    remove(served, keys)
    served.wait_unknown(*keys)
    for listing in ("/files", "/getall", "/Students"):
        assert not set(keys) & served.keys(listing)


def test_replaced_by_another_content(served: House) -> None:
    served.put("report.txt", b"first")
    served.wait_known("report.txt")
    before = served.document("report.txt")
    served.put("report.txt", b"the second")
    served.wait(lambda: served.document("report.txt")["file_size"] == 10, "no second content")
    after = served.document("report.txt")
    assert (after["file_id"], after["revision"]) == (before["file_id"], before["revision"] + 1)
    assert served.get(f"/files/{after['file_id']}").content == b"the second"


def test_a_key_that_comes_back_is_another_file(served: House) -> None:
    served.put("again.txt", b"first")
    served.wait_known("again.txt")
    first = served.document("again.txt")["file_id"]
    served.s3.delete_object(Bucket=served.bucket, Key="again.txt")
    served.wait_unknown("again.txt")
    served.put("again.txt", b"first")
    served.wait_known("again.txt")
    assert served.document("again.txt")["file_id"] != first
    assert served.get(f"/files/{first}").status_code == 404


STRANGE = {
    "control characters": "\x01\x1f\x7f\n\t\r.bin",
    "C1 and noncharacters": "\x80\ufffe\uffff.bin",
    "1,024 bytes": "/".join(["b" * 204] * 5),
    "1,024 bytes of CJK": "/".join(["文" * 68] * 5)[:341] + "x",
    "a slash at the end": "with content/",
    "astral": "😀.bin",
    "bidirectional": "\u202egpj.exe",
    "backslash": "a\\b.bin",
    "dots": "....",
}


def test_strange_keys_do_not_stop_the_queue(served: House) -> None:
    for key in STRANGE.values():
        assert len(key.encode()) <= 1024
        served.put(key, b"content")
    served.put("a folder without bytes/", b"")
    for key in STRANGE.values():
        tags = {"TagSet": [{"Key": "colour", "Value": "blue"}]}
        served.s3.put_object_tagging(Bucket=served.bucket, Key=key, Tagging=tags)
        copy = {"Bucket": served.bucket, "Key": key}
        metadata = {"MetadataDirective": "REPLACE", "Metadata": {"m": "n"}}
        served.s3.copy_object(Bucket=served.bucket, Key=key, CopySource=copy, **metadata)
    served.s3.delete_object(Bucket=served.bucket, Key="was never there")
    served.settled()
    known = served.keys("/Students")
    assert set(STRANGE.values()) <= known
    assert "a folder without bytes/" not in known
    assert served.document(STRANGE["bidirectional"])["file_name"] == "_gpj.exe"
    removed_alone(served, [*STRANGE.values(), "a folder without bytes/"])
    served.wait_unknown(*STRANGE.values())


def test_what_the_service_stores_is_not_reported_twice(served: House) -> None:
    answer = served.ask("POST", "/files/upload?file_name=own.txt", data=b"own")
    assert answer.status_code == 201
    served.settled()
    document = answer.json()
    assert served.get(f"/files/{document['file_id']}/metadata").json() == document
    assert served.ask("DELETE", f"/files/{document['file_id']}").status_code == 200
    served.settled()
    assert served.get(f"/files/{document['file_id']}").status_code == 404
