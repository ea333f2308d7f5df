"""DELETE /files/{file_id} (SPEC 3)."""

import pytest

from .checks import assert_error, assert_status
from .client import MIB, Client, noise
from .drop import Drop

NOWHERE = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_a_deleted_file_is_named_in_the_answer(drop: Drop, client: Client) -> None:
    file_id = drop.file()["file_id"]
    answer = assert_status(client.delete(f"/files/{file_id}"), 200)
    assert answer.json() == {"message": "File deleted successfully", "file_id": file_id}
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("size", [0, 10, 9 * MIB])
def test_a_deleted_file_is_gone_everywhere(drop: Drop, client: Client, size: int) -> None:
    path = f"/files/{drop.file(noise(size))['file_id']}"
    assert_status(client.delete(path), 200)
    assert_error(client.get(path), 404)
    assert client.head(path).status == 404
    assert_error(client.get(f"{path}/metadata"), 404)
    assert_error(client.put(path, b"x"), 404)
    assert_error(client.put_json(path, {"file_name": "x"}), 404)
    assert drop.leftovers() == []


def test_a_deletion_is_done_once(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file()['file_id']}"
    assert_status(client.delete(path), 200)
    for _ in range(3):
        assert_error(client.delete(path), 404)


def test_a_deletion_leaves_other_files_alone(drop: Drop, client: Client) -> None:
    first, second = drop.file(b"same"), drop.file(b"same")
    assert_status(client.delete(f"/files/{first['file_id']}"), 200)
    assert drop.content(second) == b"same"
    assert drop.listing() == [second]


@pytest.mark.parametrize("tag", ['"1"', "*", '"7", "1"'])
def test_if_match_lets_the_deletion_pass(drop: Drop, client: Client, tag: str) -> None:
    path = f"/files/{drop.file()['file_id']}"
    assert_status(client.delete(path, {"If-Match": tag}), 200)
    assert_error(client.get(path), 404)


@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', '"7", "8"', '""'])
def test_if_match_stops_the_deletion(drop: Drop, client: Client, tag: str) -> None:
    document = drop.file()
    assert_error(client.delete(f"/files/{document['file_id']}", {"If-Match": tag}), 412)
    assert drop.current(document) == document
    assert drop.content(document) == b"0123456789"


def test_if_match_of_an_older_revision_stops_the_deletion(drop: Drop, client: Client) -> None:
    path = f"/files/{drop.file()['file_id']}"
    assert_status(client.put_json(path, {"file_name": "b"}), 200)
    assert_error(client.delete(path, {"If-Match": '"1"'}), 412)
    assert_status(client.delete(path, {"If-Match": '"2"'}), 200)


@pytest.mark.parametrize("tag", ['"1"', "*"])
def test_existence_goes_before_if_match(client: Client, tag: str) -> None:
    assert_error(client.delete(f"/files/{NOWHERE}", {"If-Match": tag}), 404)


def test_a_deleted_id_does_not_come_back(drop: Drop, client: Client) -> None:
    """SPEC 2: an id is never reused."""
    first = drop.file(name=f"{drop.tag} again")
    assert_status(client.delete(f"/files/{first['file_id']}"), 200)
    second = drop.file(name=f"{drop.tag} again")
    assert second["file_id"] != first["file_id"]
    assert second["object_key"] != first["object_key"]
    assert_error(client.get(f"/files/{first['file_id']}"), 404)
