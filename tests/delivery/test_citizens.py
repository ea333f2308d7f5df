"""A file that came by the bucket is read, changed and deleted as any other (SPEC sections 3, 4)."""

import hashlib
import io

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from tests.delivery.conftest import House

CONTENT = bytes(range(256)) * 64


def known(served: House, key: str, content: bytes = CONTENT) -> str:
    """The id of an object that was put and has been noticed."""
    served.put(key, content)
    served.wait_known(key)
    return str(served.document(key)["file_id"])


def exists(served: House, key: str) -> bool:
    try:
        served.s3.head_object(Bucket=served.bucket, Key=key)
    except ClientError:
        return False
    return True


def without_notification(served: House) -> None:
    """From now on MinIO says nothing."""
    served.s3.put_bucket_notification_configuration(
        Bucket=served.bucket, NotificationConfiguration={}
    )


def test_read_in_ranges(served: House) -> None:
    file_id = known(served, "citizens/ranges.bin")
    part = served.get(f"/files/{file_id}", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, CONTENT[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(CONTENT)}"
    assert served.document("citizens/ranges.bin")["sha256"] is None


def test_the_first_full_read_fills_in_the_hash(served: House) -> None:
    file_id = known(served, "citizens/hash.bin")
    before = served.document("citizens/hash.bin")
    assert "Repr-Digest" not in served.ask("HEAD", f"/files/{file_id}").headers
    assert served.get(f"/files/{file_id}").content == CONTENT
    served.wait(lambda: served.document("citizens/hash.bin")["sha256"] is not None, "no hash")
    after = served.document("citizens/hash.bin")
    assert after["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert {**after, "sha256": None} == before
    assert "Repr-Digest" in served.ask("HEAD", f"/files/{file_id}").headers


def test_the_first_full_read_fills_in_what_a_picture_is(served: House) -> None:
    picture = io.BytesIO()
    image = Image.new("RGB", (60, 40), "red")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(picture, "JPEG", exif=exif)
    file_id = known(served, "citizens/no extension", picture.getvalue())
    assert served.document("citizens/no extension")["file_type"] == "application/octet-stream"
    assert served.get(f"/files/{file_id}").content == picture.getvalue()
    served.wait(lambda: "image" in served.document("citizens/no extension"), "no dimensions")
    document = served.document("citizens/no extension")
    assert document["image"] == {"width": 40, "height": 60, "format": "JPEG"}
    assert document["file_type"] == "image/jpeg"
    found = served.ask("POST", "/getitem", json={"FileName": "citizens/no extension"})
    assert (found.json()["data"]["Width"], found.json()["data"]["Height"]) == (40, 60)


def test_its_metadata_may_change_and_its_content_not(served: House) -> None:
    file_id = known(served, "citizens/mine.bin")
    changed = served.ask("PUT", f"/files/{file_id}", json={"metadata": {"colour": "blue"}})
    assert changed.json()["file"]["metadata"] == {"colour": "blue"}
    refused = served.ask("PUT", f"/files/{file_id}", data=b"new content")
    assert (refused.status_code, refused.json()["code"]) == (409, "file_belongs_to_bucket")
    served.put("citizens/mine.bin", b"replaced")
    served.wait(lambda: served.document("citizens/mine.bin")["file_size"] == 8, "not replaced")
    assert served.document("citizens/mine.bin")["metadata"] == {"colour": "blue"}


@pytest.mark.parametrize("door", ["files", "images"])
def test_deleted_here_and_there(served: House, door: str) -> None:
    key = f"citizens/deleted by {door}.png"
    file_id = known(served, key)
    if door == "files":
        answer = served.ask("DELETE", f"/files/{file_id}")
    else:
        answer = served.ask("DELETE", "/delete", json={"FileName": key})
    assert answer.status_code == 200
    assert not exists(served, key)
    assert served.metadata(key) is None
    served.settled()
    assert served.metadata(key) is None


def test_a_replacement_that_nobody_told_of(served: House) -> None:
    """Reading and deleting look for themselves."""
    file_id = known(served, "citizens/untold.bin")
    without_notification(served)
    try:
        served.put("citizens/untold.bin", b"other content")
        answer = served.get(f"/files/{file_id}")
        assert (answer.status_code, answer.content) == (200, b"other content")
        assert answer.headers["ETag"] == '"2"'
        served.put("citizens/untold.bin", b"a third content")
        refused = served.ask("DELETE", f"/files/{file_id}", headers={"If-Match": '"2"'})
        assert refused.status_code == 412
        assert exists(served, "citizens/untold.bin")
        assert served.ask("DELETE", f"/files/{file_id}").status_code == 200
        assert not exists(served, "citizens/untold.bin")
    finally:
        restart_notification(served)


def test_a_removal_that_nobody_told_of(served: House) -> None:
    file_id = known(served, "citizens/gone.bin")
    without_notification(served)
    try:
        served.s3.delete_object(Bucket=served.bucket, Key="citizens/gone.bin")
        assert served.get(f"/files/{file_id}").status_code == 404
        assert served.metadata("citizens/gone.bin") is None
    finally:
        restart_notification(served)


def test_recorded_by_name_it_is_looked_at(served: House) -> None:
    without_notification(served)
    try:
        served.put("citizens/by name.png", b"not really a picture")
        answer = served.ask("POST", "/upload", json={"FileName": "citizens/by name.png"})
        assert answer.status_code == 200
        found = served.metadata("citizens/by name.png")
        assert found is not None
        assert found["size"] == 20
        content = served.get(f"/files/{found['file_id']}").content
        assert content == b"not really a picture"
    finally:
        restart_notification(served)


def restart_notification(served: House) -> None:
    arn = served.env["EVENTS_ARN"]
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    served.s3.put_bucket_notification_configuration(
        Bucket=served.bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"Id": "file-drop", "QueueArn": arn, "Events": events}]
        },
    )
