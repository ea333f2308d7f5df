"""The two-store commit: what is there after each ending, good and bad."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import IMAGE_FORMATS
from errors import ApiError
from services.catalog import Catalog, Stale
from services.clock import timestamp
from services.description import Describer
from services.documents import LIVE, public
from services.files import Files
from services.observer import Observer
from services.principals import ANYONE
from storage.interfaces import Document, NoSpace, StorageError, Unavailable
from tests.services.world import DAY, HORIZON, PREFIX, When, World, make_world, submission

PUBLIC = [
    *("file_id", "owner", "file_name", "file_size", "file_type", "sha256", "created_at"),
    *("updated_at", "bucket", "object_key", "etag", "source", "event_name", "event_time"),
    *("sequencer", "metadata", "revision"),
]


def code_of(raised: pytest.ExceptionInfo[ApiError]) -> str:
    return raised.value.code


# --- create --------------------------------------------------------------------------------


def test_a_new_file(world: World) -> None:
    made = world.create(b"a,b\n", suggested_name="A.csv", metadata={"k": "v"})
    assert list(public(made)) == PUBLIC
    assert made == world.catalog.get(ANYONE, made["file_id"])
    now = timestamp(world.now)
    expected = {
        "owner": "",
        "file_name": "A.csv",
        "file_size": 4,
        "file_type": "text/csv",
        "sha256": hashlib.sha256(b"a,b\n").hexdigest(),
        "created_at": now,
        "updated_at": now,
        "bucket": "local",
        "source": "api",
        "event_name": None,
        "event_time": None,
        "sequencer": None,
        "metadata": {"k": "v"},
        "revision": 1,
    }
    assert {k: v for k, v in made.items() if k in expected} == expected
    assert world.stored() == [made["object_key"]]
    prefix, shard, unique = made["object_key"].split("/")
    assert (prefix, shard) == (PREFIX, unique[-2:])
    assert world.content(made["file_id"]) == b"a,b\n"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "untitled"),
        ({"suggested_name": "s"}, "s"),
        ({"file_name": "f"}, "f"),
        ({"file_name": "f", "suggested_name": "s"}, "f"),
    ],
)
def test_the_name_of_a_new_file(world: World, fields: dict[str, str], name: str) -> None:
    assert world.create(b"", **fields)["file_name"] == name


def test_keys_of_two_files_differ(world: World) -> None:
    assert world.create(b"same")["object_key"] != world.create(b"same")["object_key"]


def test_nothing_comes_of_no_content(world: World) -> None:
    with pytest.raises(ApiError) as raised:
        world.catalog.create(ANYONE, submission(None))
    assert code_of(raised) == "missing_file"
    assert (world.stored(), world.documents()) == ([], [])


def test_a_lost_answer_to_an_insert_is_read_back(world: World) -> None:
    world.files.fail("insert", "after")
    made = world.create(b"content")
    assert world.content(made["file_id"]) == b"content"
    assert made == world.catalog.get(ANYONE, made["file_id"])


def test_an_insert_that_was_lost_is_not_acknowledged_and_deletes_nothing(world: World) -> None:
    world.files.fail("insert", "before")
    with pytest.raises(Unavailable):
        world.create(b"content")
    assert world.documents() == []
    assert len(world.stored()) == 1  # it is not known whether a document speaks of it
    world.age(2 * DAY)
    assert world.sweep().run()
    assert world.stored() == []


def test_an_insert_of_which_nothing_is_known(world: World) -> None:
    world.files.fail("insert", "after")
    world.files.fail("get", "before")
    with pytest.raises(Unavailable):
        world.create(b"content")
    assert len(world.documents()) == len(world.stored()) == 1


def test_the_tombstone_of_the_sweep_beats_a_late_create(world: World) -> None:
    world.files.plan("insert", "before", lambda: world.somebodys_files.bury(world.stored()[0]))
    with pytest.raises(Unavailable):
        world.create(b"content")
    assert [document["state"] for document in world.documents()] == ["deleted"]
    assert world.stored() == []


# --- get and open --------------------------------------------------------------------------


@pytest.mark.parametrize(("owner", "absent"), [("", "no-such-id"), ("somebody", None)])
def test_a_file_that_is_not_there(world: World, owner: str, absent: str | None) -> None:
    file_id = absent or world.create()["file_id"]
    principal = replace(ANYONE, owner=owner)
    for use in (
        lambda: world.catalog.get(principal, file_id),
        lambda: world.catalog.delete(principal, file_id),
        lambda: world.catalog.update(principal, file_id, lambda: submission(b"x")),
    ):
        with pytest.raises(ApiError) as raised:
            use()
        assert code_of(raised) == "file_not_found"


def test_bytes_that_are_gone_are_stale(world: World) -> None:
    made = world.create(b"content")
    world.store.delete(made["object_key"])
    with pytest.raises(Stale):
        world.catalog.open(made, 0, 1)
    with pytest.raises(Stale):
        world.catalog.open({**world.create(b"content"), "etag": "other"}, 0, 1)


def test_bytes_of_another_bucket_are_not_ours(world: World) -> None:
    made = world.files.replace({**world.create(), "bucket": "theirs"})
    with pytest.raises(ApiError) as raised:
        world.catalog.get_readable(ANYONE, made["file_id"])
    assert code_of(raised) == "not_in_our_bucket"


# --- update --------------------------------------------------------------------------------


def test_new_content(world: World) -> None:
    made = world.create(b"old", file_name="a.csv", metadata={"k": "v"})
    world.age(timedelta(seconds=5))
    changed = world.update(made["file_id"], b"new, new", declared_type="text/html")
    differing = {field for field in PUBLIC if changed[field] != made[field]}
    assert differing == {"file_size", "sha256", "updated_at", "object_key", "etag", "revision"}
    assert changed["revision"] == 2
    assert world.content(made["file_id"]) == b"new, new"
    assert world.stored() == [changed["object_key"]]


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"file_name": "new.csv"}, {"file_name"}),
        ({"metadata": {"new": "v"}}, {"metadata"}),
        ({"metadata": {}}, {"metadata"}),
        ({"file_name": "b", "metadata": {}}, {"file_name", "metadata"}),
    ],
)
def test_a_new_name_or_new_metadata(
    world: World, change: dict[str, Any], differing: set[str]
) -> None:
    made = world.create(b"old", file_name="a.csv", metadata={"k": "v"})
    world.age(timedelta(seconds=5))
    changed = world.update(made["file_id"], **change)
    found = {field for field in PUBLIC if changed[field] != made[field]}
    assert found == differing | {"updated_at", "revision"}
    assert changed["revision"] == 2
    assert world.stored() == [made["object_key"]]


def test_the_name_that_content_comes_with_changes_nothing(world: World) -> None:
    made = world.create(b"old", file_name="a.txt")
    changed = world.update(made["file_id"], b"new", suggested_name="b.txt")
    assert changed["file_name"] == "a.txt"


def test_no_difference_is_no_change(world: World) -> None:
    made = world.create(b"old", file_name="a", metadata={"k": "v"})
    assert world.update(made["file_id"], file_name="a", metadata={"k": "v"}) == made


def test_a_change_that_names_nothing(world: World) -> None:
    made = world.create()
    with pytest.raises(ApiError) as raised:
        world.update(made["file_id"])
    assert code_of(raised) == "nothing_to_change"


def test_content_that_came_by_the_bucket_is_the_bucket_s(world: World) -> None:
    """For a service with another prefix, this one's objects are objects of somebody else."""
    made = world.files.replace({**world.create(b"theirs"), "source": "s3"})
    files = Files(world.objects, world.files, "another-prefix", HORIZON, world.clock)
    catalog = Catalog(files, Observer(files), Describer(world.objects, IMAGE_FORMATS))

    def update(*content: bytes, **fields: Any) -> Document:
        return catalog.update(ANYONE, made["file_id"], lambda: submission(*content, **fields))

    with pytest.raises(ApiError) as raised:
        update(b"ours")
    assert code_of(raised) == "file_belongs_to_bucket"
    assert update(metadata={"k": "v"})["metadata"] == {"k": "v"}
    assert update(file_name="ours")["file_name"] == "ours"
    assert world.content(made["file_id"]) == b"theirs"
    assert len(world.stored()) == 1


class Refused(Exception):
    pass


def test_a_refusal_comes_before_anything_is_read(world: World) -> None:
    made = world.create(b"old")

    def refuse(_: Document) -> None:
        raise Refused

    with pytest.raises(Refused):
        world.catalog.update(ANYONE, made["file_id"], lambda: pytest.fail("read"), refuse)
    with pytest.raises(Refused):
        world.catalog.delete(ANYONE, made["file_id"], refuse)
    assert world.catalog.get(ANYONE, made["file_id"]) == made


def rename(world: World, file_id: str, name: str) -> None:
    world.somebody.update(ANYONE, file_id, lambda: submission(file_name=name))


def test_who_is_slower_decides_again(world: World) -> None:
    """Five renames come between: nobody's change is lost, and each time the check is asked."""
    made = world.create(b"old", file_name="name-0")
    names = [f"name-{n}" for n in range(1, 6)]
    world.files.plan(
        "replace",
        "before",
        *[lambda name=name: rename(world, made["file_id"], name) for name in names],
    )
    asked: list[str] = []
    changed = world.catalog.update(
        ANYONE,
        made["file_id"],
        lambda: submission(b"new"),
        lambda document: asked.append(document["file_name"]),
    )
    assert asked == ["name-0", *names]
    assert (changed["file_name"], changed["revision"]) == ("name-5", 7)
    assert world.content(made["file_id"]) == b"new"
    assert world.stored() == [changed["object_key"]]


def test_who_is_slower_may_be_refused(world: World) -> None:
    made = world.create(b"old", file_name="a")
    world.files.plan("replace", "before", lambda: rename(world, made["file_id"], "b"))

    def only_the_first(document: Document) -> None:
        if document["revision"] != 1:
            raise ApiError("precondition_failed")

    with pytest.raises(ApiError) as raised:
        world.catalog.update(ANYONE, made["file_id"], lambda: submission(b"new"), only_the_first)
    assert code_of(raised) == "precondition_failed"
    assert world.content(made["file_id"]) == b"old"
    assert len(world.stored()) == 1  # the new bytes are gone at once


def test_a_file_that_is_deleted_meanwhile(world: World) -> None:
    made = world.create(b"old")
    world.files.plan("replace", "before", lambda: world.somebody.delete(ANYONE, made["file_id"]))
    with pytest.raises(ApiError) as raised:
        world.update(made["file_id"], b"new")
    assert code_of(raised) == "file_not_found"
    assert (world.stored(), world.documents()) == ([], [])


def test_a_delete_that_is_slower_decides_again(world: World) -> None:
    made = world.create(b"old")
    for name in "abc":
        world.files.plan(
            "replace", "before", lambda name=name: rename(world, made["file_id"], name)
        )
    asked: list[int] = []
    world.catalog.delete(ANYONE, made["file_id"], lambda d: asked.append(d["revision"]))
    assert asked == [1, 2, 3, 4]
    assert (world.stored(), world.documents()) == ([], [])


def test_the_tombstone_of_the_sweep_beats_a_late_update(world: World) -> None:
    made = world.create(b"old")

    def bury_the_new() -> None:
        (new,) = [key for key in world.stored() if key != made["object_key"]]
        world.somebodys_files.bury(new)

    world.files.plan("replace", "before", bury_the_new)
    with pytest.raises(Unavailable):
        world.update(made["file_id"], b"new")
    assert world.content(made["file_id"]) == b"old"
    assert world.catalog.get(ANYONE, made["file_id"]) == made


def test_a_lost_answer_to_a_replace_is_read_back(world: World) -> None:
    made = world.create(b"old")
    world.files.fail("replace", "after")
    changed = world.update(made["file_id"], b"new")
    assert world.content(made["file_id"]) == b"new"
    assert changed["revision"] == 2
    assert world.stored() == [changed["object_key"]]


def test_a_replace_that_was_lost_is_not_acknowledged_and_deletes_nothing(world: World) -> None:
    made = world.create(b"old")
    world.files.fail("replace", "before")
    with pytest.raises(Unavailable):
        world.update(made["file_id"], b"new")
    assert world.content(made["file_id"]) == b"old"
    assert len(world.stored()) == 2
    world.age(2 * DAY)
    assert world.sweep().run()
    assert world.stored() == [made["object_key"]]
    assert world.content(made["file_id"]) == b"old"


def test_a_lost_answer_after_which_somebody_else_was_faster(world: World) -> None:
    """It was applied, but that cannot be seen any more: better an error than a guess."""
    made = world.create(b"old")

    def lost() -> None:
        rename(world, made["file_id"], "theirs")
        raise Unavailable("lost")

    world.files.plan("replace", "after", lost)
    with pytest.raises(Unavailable):
        world.update(made["file_id"], b"new")
    assert world.content(made["file_id"]) == b"new"
    assert world.catalog.get(ANYONE, made["file_id"])["file_name"] == "theirs"


@pytest.mark.parametrize("when", ["before", "after"])
def test_old_bytes_whose_deletion_fails_are_swept(world: World, when: str) -> None:
    made = world.create(b"old")
    world.objects.fail("delete", when)
    changed = world.update(made["file_id"], b"new")
    assert changed["garbage"] == [made["object_key"]]
    world.age(timedelta(minutes=2))
    assert world.sweep().run()
    assert world.stored() == [changed["object_key"]]
    assert world.catalog.get(ANYONE, made["file_id"])["garbage"] == []
    assert world.catalog.get(ANYONE, made["file_id"])["revision"] == 2


def test_cleaning_up_comes_after_the_answer_and_in_any_order(world: World) -> None:
    made = world.create(b"0")
    world.deferring = True
    for content in (b"1", b"2", b"3"):
        world.update(made["file_id"], content)
    assert len(world.stored()) == 4
    for work in reversed(world.deferred):
        work()
    assert world.content(made["file_id"]) == b"3"
    world.age(timedelta(minutes=2))
    assert world.sweep().run()
    newest = world.catalog.get(ANYONE, made["file_id"])
    assert world.stored() == [newest["object_key"]]
    assert newest["garbage"] == []


def test_a_change_remembers_the_garbage_of_those_before(world: World) -> None:
    """Each process died before it cleaned up: the next sweep, minutes later, knows it all."""
    kept, gone = world.create(b"0"), world.create(b"0")
    world.deferring = True
    for content in (b"1", b"2", b"3"):
        for made in (kept, gone):
            world.update(made["file_id"], content)
    world.update(kept["file_id"], file_name="renamed")
    world.catalog.delete(ANYONE, gone["file_id"])
    world.deferred.clear()
    assert len(world.stored()) == 8
    world.age(timedelta(minutes=2))
    assert world.sweep().run()
    assert world.stored() == [world.catalog.get(ANYONE, kept["file_id"])["object_key"]]


# --- a store without room, or that errs ----------------------------------------------------


def no_room() -> None:
    raise NoSpace("the disk is full")


def test_no_room_for_a_document_leaves_no_bytes(world: World) -> None:
    made = world.create(b"old")
    world.files.plan("insert", "before", no_room)
    with pytest.raises(NoSpace):
        world.create(b"new")
    world.files.plan("replace", "before", no_room)
    with pytest.raises(NoSpace):
        world.update(made["file_id"], b"new")
    assert world.stored() == [made["object_key"]]
    assert world.documents() == [made]


def test_a_store_that_took_less_is_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = world.store.write
    monkeypatch.setattr(world.store, "write", lambda *_: write(*_)._replace(size=3))
    with pytest.raises(Unavailable):
        world.create(b"content")
    assert world.documents() == []


# --- delete --------------------------------------------------------------------------------


def test_a_deleted_file_leaves_nothing(world: World) -> None:
    made = world.create(b"content")
    other = world.create(b"other")
    world.catalog.delete(ANYONE, made["file_id"])
    assert world.documents() == [other]
    assert world.stored() == [other["object_key"]]
    with pytest.raises(ApiError):
        world.catalog.delete(ANYONE, made["file_id"])


def test_a_deleted_file_is_gone_before_its_bytes_are(world: World) -> None:
    made = world.create(b"content")
    world.deferring = True
    world.catalog.delete(ANYONE, made["file_id"])
    assert world.stored() == [made["object_key"]]
    with pytest.raises(ApiError):
        world.catalog.get(ANYONE, made["file_id"])
    (tombstone,) = world.documents()
    assert tombstone["state"] != LIVE
    assert set(tombstone) & {"file_name", "metadata", "sha256"} == set()


def test_a_lost_answer_to_a_delete_is_read_back(world: World) -> None:
    made = world.create(b"content")
    world.files.fail("replace", "after")
    world.catalog.delete(ANYONE, made["file_id"])
    assert (world.stored(), world.documents()) == ([], [])


def test_a_delete_that_was_lost_is_not_acknowledged(world: World) -> None:
    made = world.create(b"content")
    world.files.fail("replace", "before")
    with pytest.raises(Unavailable):
        world.catalog.delete(ANYONE, made["file_id"])
    assert world.content(made["file_id"]) == b"content"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["objects.delete", "files.delete"])
def test_a_deletion_that_gets_stuck_is_swept(world: World, method: str, when: str) -> None:
    made = world.create(b"content")
    getattr(world, method.partition(".")[0]).fail("delete", when)
    world.catalog.delete(ANYONE, made["file_id"])
    world.age(timedelta(minutes=2))
    assert world.sweep().run()
    assert (world.stored(), world.documents()) == ([], [])


# --- any sequence, any failures ------------------------------------------------------------

failures = st.lists(
    st.tuples(
        st.sampled_from(
            [
                ("files", "insert"),
                ("files", "replace"),
                ("files", "get"),
                ("files", "delete"),
                ("objects", "write"),
                ("objects", "delete"),
            ]
        ),
        st.sampled_from(["before", "after"]),
    ),
    max_size=3,
)
steps = st.lists(
    st.tuples(st.sampled_from(["create", "update", "rename", "delete"]), st.booleans(), failures),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("world"))
    yield made
    made.database.close()


class Lives:
    """What each acknowledged file may hold: several contents after an error, None if gone."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.possible: dict[str, set[bytes | None]] = {}

    def live(self, step: str, number: int) -> None:
        """Take a step with the newest file."""
        content = b"content %d" % number
        file_id = next(reversed(self.possible), "")
        before = self.possible.get(file_id, {None})
        changes: dict[str, set[bytes | None]] = {"update": {content}, "delete": {None}}
        after = changes.get(step, before)
        try:
            if step == "create":
                self.possible[self.world.create(content)["file_id"]] = {content}
                return
            if step == "update":
                self.world.update(file_id, content)
            elif step == "rename":
                self.world.update(file_id, file_name=f"name {number}")
            else:
                self.world.catalog.delete(ANYONE, file_id)
            self.possible[file_id] = after
        except ApiError:
            assert None in before
        except StorageError:
            if file_id and step != "create":
                self.possible[file_id] = before | after


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps)
def test_whatever_fails_the_catalog_is_whole(
    shared: World, steps: list[tuple[str, bool, list[tuple[tuple[str, str], When]]]]
) -> None:
    """Files live through lost answers, and processes that die before they clean up.

    After the sweep each has a content that it may have, and there are no other bytes.
    """
    world, lives = shared, Lives(shared)
    for number, (step, dies, planned) in enumerate(steps):
        world.deferring = dies
        for (store, method), when in planned:
            getattr(world, store).fail(method, when)
        lives.live(step, number)
        world.forget_plans()
    world.deferred.clear()
    for passing in (2 * DAY, HORIZON + DAY):
        world.age(passing)
        assert world.sweep().run()
    documents = {document["file_id"]: document for document in world.documents()}
    assert all(d["state"] == LIVE and not d["garbage"] for d in documents.values())
    assert sorted(world.stored()) == sorted(d["object_key"] for d in documents.values())
    for file_id, possible in lives.possible.items():
        assert (world.content(file_id) if file_id in documents else None) in possible
    for file_id in documents:
        world.somebody.delete(ANYONE, file_id)
