"""Two who use every door at once, and neither ever sees a trace of the other."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from services import pages
from tests.access.conftest import NewHouse
from tests.access.histories import (
    STEPS,
    TURNS,
    Person,
    Step,
    documents_of,
    follow,
    look_around,
    opened,
)
from tests.access.house import ADMIN, Ask, House, as_json, form, picture, unique
from tests.servers.stores import Stores

DATABASES = ("sqlite", "mongo-wire")
EXAMPLES = settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _env(request: pytest.FixtureRequest, database: str) -> dict[str, str]:
    if database == "sqlite":
        return {}
    real: Stores = request.getfixturevalue("real_stores")
    return {"MONGO_URI": real.uri_of(f"t{uuid.uuid4().hex[:12]}")}


@pytest.fixture(scope="module", params=DATABASES)
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp(request.param), _env(request, request.param))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that pages come back short: what was looked at must not depend on others' files."""
    monkeypatch.setattr(pages, "SCAN", 4)


def person(house: House, name: str) -> Person:
    owner = unique(name)
    return Person(house, owner, house.key(owner), unique("tag"))


def assert_no_trace(who: Person, of: Person) -> None:
    """Neither id nor name nor tag, in cursors either."""
    told = "\n".join(who.raw)
    assert of.owner not in told
    assert of.tag not in told
    asked_for = {*of.files, *of.tasks}  # a task's id is repeated to who asks for it
    found = [secret for secret in of.secrets - asked_for if secret in told]
    assert found == []
    listed = "\n".join(one for one in who.raw if one.startswith(("GET 200", "POST 200")))
    assert [secret for secret in of.secrets if secret in listed] == []


@EXAMPLES
@given(turns=TURNS)
def test_what_one_sees_is_the_same_with_and_without_the_other(
    house: House, turns: list[tuple[bool, Step]]
) -> None:
    alone, alice, bob = person(house, "alone"), person(house, "alice"), person(house, "bob")
    for is_alice, step in turns:
        if is_alice:
            step.do(alice, bob)
        else:
            step.do(bob, alice)
    look_around(alice)
    look_around(bob)
    for is_alice, step in turns:
        if is_alice:
            step.do(alone)
    look_around(alone)
    assert alice.shown == alone.shown
    assert_no_trace(alice, bob)
    assert_no_trace(bob, alice)


@EXAMPLES
@given(turns=TURNS)
def test_what_one_does_changes_nothing_of_the_other(
    house: House, turns: list[tuple[bool, Step]]
) -> None:
    alice, bob = person(house, "alice"), person(house, "bob")
    for is_alice, step in turns:
        who, other = (alice, bob) if is_alice else (bob, alice)
        before = documents_of(house, other.owner)
        step.do(who, other)
        assert documents_of(house, other.owner) == before


@settings(EXAMPLES, max_examples=6)
@given(turns=TURNS)
def test_an_admin_sees_what_both_see(house: House, turns: list[tuple[bool, Step]]) -> None:
    admin = Person(house, unique("admin"), "", "tag-of-admin")
    admin.key = house.key(admin.owner, ADMIN)
    alice, bob = person(house, "alice"), person(house, "bob")
    for is_alice, step in turns:
        step.do(*((alice, bob) if is_alice else (bob, alice)))
    for path in ("/files?limit=1000", "/Students?limit=1000", "/getall?limit=1000"):
        of_all = [json.dumps(one, sort_keys=True) for one in follow(admin, path)]
        for who in (alice, bob):
            own = [json.dumps(one, sort_keys=True) for one in follow(who, path)]
            assert [one for one in of_all if one in own] == own
    for who in (alice, bob):
        path = f"/todos?userId={who.owner}"
        assert follow(admin, path) == follow(who, path)
        for document in follow(who, "/files"):
            path = f"/files/{document['file_id']}"
            assert admin.ask("GET", f"{path}/metadata").get_json() == document


@settings(EXAMPLES, max_examples=3)
@given(step=STEPS)
def test_a_cursor_of_one_shows_another_only_their_own(house: House, step: Step) -> None:
    alice, bob = person(house, "alice"), person(house, "bob")
    for who in (alice, bob, alice, bob, alice, bob):
        for act in ("upload", "upload_tagged", "record", "put_picture", "add_task"):
            Step(act, step.n + len(who.files), step.m, step.k).do(who)
    everywhere = [
        "/files?limit=2",
        "/files?limit=1&sort=file_name",
        "/files?limit=1&sort=-file_size",
        "/files?limit=1&file_name=a",
        "/Students?limit=2",
        "/getall?limit=1",
    ]
    for path in everywhere:
        assert_own_pages(alice, bob, path)
    follow(alice, f"/todos?limit=1&userId={alice.owner}")
    for path in (f"/todos?userId={bob.owner}", f"/todos?userId={alice.owner}"):
        answer = bob.ask("GET", f"{path}&cursor={alice.cursors[-1]}")
        assert answer.status_code in (400, 403)
    assert_no_trace(bob, alice)


def assert_own_pages(alice: Person, bob: Person, path: str) -> None:
    """From where each of her cursors points on, he is shown his own."""
    del alice.cursors[:]
    follow(alice, path)
    own = [json.dumps(one, sort_keys=True) for one in follow(bob, path)]
    assert alice.cursors
    for cursor in alice.cursors:
        assert alice.owner not in opened(cursor)
        after = [json.dumps(one, sort_keys=True) for one in follow(bob, f"{path}&cursor={cursor}")]
        assert after == own[len(own) - len(after) :]


# --- what comes by the bucket ------------------------------------------------------------------


def everything(house: House, key: str, owner: str) -> str:
    """All that the listings show a key."""
    who = Person(house, owner, key, "-")
    look_around(who)
    return "\n".join(who.raw)


def metadata_status(house: House, key: str, bucket: str, name: str) -> int:
    return house.ask("GET", f"/metadata?bucket={bucket}&key={name}", key).status_code


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("bucket_owner", ["", "carol"])
def test_what_comes_by_the_bucket_belongs_to_its_owner_or_to_admins(
    request: pytest.FixtureRequest, new_house: NewHouse, database: str, bucket_owner: str
) -> None:
    house = new_house(BUCKET_OWNER=bucket_owner, **_env(request, database))
    alice, carol, admin = house.key("alice"), house.key("carol"), house.key("admin", ADMIN)
    house.event("elsewhere", "by-the-bucket.png", 12345)
    may_see = {alice: False, carol: bucket_owner == "carol", admin: True}
    names = {alice: "alice", carol: "carol", admin: "admin"}
    document = house.good("GET", "/files", admin)[0]
    assert document["owner"] == bucket_owner
    for key, may in may_see.items():
        assert ("by-the-bucket" in everything(house, key, names[key])) == may
        status = 200 if may else 404
        assert metadata_status(house, key, "elsewhere", "by-the-bucket.png") == status
        named = as_json("/getitem", {"FileName": "by-the-bucket.png", "Bucket": "elsewhere"})
        assert house.ask("POST", named, key).status_code == status
        path = f"/files/{document['file_id']}"
        assert house.ask("GET", path, key).status_code == (409 if may else 404)
        assert house.ask("GET", f"{path}/metadata", key).status_code == status
    for key, may in may_see.items():
        if not may:
            change = as_json(f"/files/{document['file_id']}", {"metadata": {"a": "b"}})
            assert house.ask("PUT", change, key).status_code == 404
            assert house.ask("DELETE", f"/files/{document['file_id']}", key).status_code == 404
            query = "FileName=by-the-bucket.png&Bucket=elsewhere"
            assert house.ask("DELETE", f"/delete?{query}", key).status_code == 404
    assert house.good("GET", "/files", admin) == [document]


@pytest.mark.parametrize("database", DATABASES)
def test_a_note_of_a_name_is_apart_from_the_object_that_comes_by_the_bucket(
    request: pytest.FixtureRequest, new_house: NewHouse, database: str
) -> None:
    """One who notes a name neither learns that there is such an object nor takes it over."""
    house = new_house(BUCKET_OWNER="carol", **_env(request, database))
    alice, bob, carol = (house.key(name) for name in ("alice", "bob", "carol"))
    note = as_json("/upload", {"FileName": "one.png", "Bucket": "elsewhere", "Source": "noted"})
    house.good("POST", note, alice)
    house.event("elsewhere", "one.png", 777)
    house.good("POST", note, bob)
    named = as_json("/getitem", {"FileName": "one.png", "Bucket": "elsewhere"})
    items = {key: house.good("POST", named, key)["data"] for key in (alice, bob, carol)}
    assert len({item["FileId"] for item in items.values()}) == 3
    assert "FileSize" not in items[alice] and "FileSize" not in items[bob]
    assert items[carol]["FileSize"] == 777
    for key in (alice, bob):
        house.good("DELETE", "/delete?FileName=one.png&Bucket=elsewhere", key)
        assert house.ask("POST", named, key).status_code == 404
    assert house.good("POST", named, carol)["data"] == items[carol]


@pytest.mark.parametrize("database", DATABASES)
def test_an_admin_finds_what_others_noted(
    request: pytest.FixtureRequest, new_house: NewHouse, database: str
) -> None:
    """By bucket and key as in the listings: an admin sees all."""
    house = new_house(**_env(request, database))
    alice, admin = house.key("alice"), house.key("admin", ADMIN)
    house.good("POST", as_json("/upload", {"FileName": "n.png", "Bucket": "elsewhere"}), alice)
    listed = house.good("GET", "/Students", admin)
    assert [item["object_key"] for item in listed] == ["n.png"]
    assert metadata_status(house, alice, "elsewhere", "n.png") == 200
    assert metadata_status(house, admin, "elsewhere", "n.png") == 200


def again(house: House, new_house: NewHouse, **env: str) -> House:
    """The same stores under other settings."""
    return new_house(DATA_DIR=str(house.data), **env)


def owners(house: House) -> list[tuple[str, str, int]]:
    listed: list[dict[str, Any]] = house.good("GET", "/files", house.key("admin", ADMIN))
    return sorted((one["owner"], one["object_key"], one["revision"]) for one in listed)


@pytest.mark.parametrize("before", [{"AUTH": "none"}, {"BUCKET_OWNER": "bob"}])
def test_a_new_owner_of_the_bucket_changes_nothing_of_the_former_ones(
    new_house: NewHouse, before: dict[str, str]
) -> None:
    """What the service held when access was open, or when the bucket was another's."""
    first = new_house(**before)
    first.event("elsewhere", "dog.png")
    house = again(first, new_house, BUCKET_OWNER="alice")
    alice, former = house.key("alice"), owners(house)
    recorded = as_json("/upload", {"FileName": "dog.png", "Bucket": "elsewhere", "Source": "me"})
    answer = house.ask("POST", recorded, alice)
    assert set(former) <= set(owners(house))
    if answer.status_code == 200:
        named = as_json("/getitem", {"FileName": "dog.png", "Bucket": "elsewhere"})
        assert house.ask("POST", named, alice).status_code == 200


def test_recording_ends_where_the_name_is_taken_for_a_former_owner(new_house: NewHouse) -> None:
    first = new_house()
    recorded = as_json("/upload", {"FileName": "dog.png", "Bucket": "elsewhere"})
    first.good("POST", recorded, first.key("bob"))
    second = again(first, new_house, BUCKET_OWNER="bob")
    second.event("elsewhere", "dog.png")
    house = again(first, new_house, BUCKET_OWNER="alice")
    alice = house.key("alice")
    house.calls.most = len(house.calls) + 200
    assert house.ask("POST", recorded, alice).status_code < 500


def test_pictures_of_one_name_are_each_their_owners(house: House) -> None:
    alice, bob = person(house, "alice"), person(house, "bob")
    for who, width in ((alice, 11), (bob, 12)):
        who.ask("POST", form("/upload", "same.png", picture(width)))
    for who, width in ((alice, 11), (bob, 12)):
        item = who.ask("POST", as_json("/getitem", {"FileName": "same.png"})).get_json()["data"]
        assert item["Width"] == width
    alice.ask("DELETE", "/delete?FileName=same.png")
    item = bob.ask("POST", as_json("/getitem", {"FileName": "same.png"})).get_json()["data"]
    assert item["Width"] == 12
    assert bob.ask("GET", f"/files/{item['FileId']}").data == picture(12)


def test_an_admins_change_leaves_a_file_to_its_owner(house: House) -> None:
    alice, admin = person(house, "alice"), house.key(unique("admin"), ADMIN)
    document = house.upload(alice.key, "a.txt")
    path = f"/files/{document['file_id']}"
    house.good("PUT", Ask(path, b"by the admin"), admin)
    house.good("PUT", as_json(path, {"file_name": "b.txt"}), admin)
    assert house.ask("GET", path, alice.key).data == b"by the admin"
    found = house.good("GET", f"{path}/metadata", alice.key)
    assert (found["owner"], found["file_name"]) == (alice.owner, "b.txt")
