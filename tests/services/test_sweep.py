"""The sweep: what it takes, what it leaves, and that there is one at a time."""

import os
import threading
import uuid
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from services import sweep as sweeping
from services.clock import timestamp
from services.collections import FILES
from services.documents import derived
from services.principals import ANYONE
from services.sweep import BATCH, KEY_AGE, KEYS_EVERY, LEASE, UPLOAD_AGE, Sweep
from storage.interfaces import Document, Unavailable
from tests.services.world import DAY, HORIZON, PREFIX, Between, World, submission

SECOND = timedelta(seconds=1)


def key_of(moment: datetime, shard: str = "ab") -> str:
    """A key as the service makes it for an upload that began then."""
    number = int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0x8 << 60 | uuid.uuid4().int >> 72
    unique = str(uuid.UUID(int=number))[:-2] + shard
    return f"{PREFIX}/{shard}/{unique}"


def orphan(world: World, age: timedelta, shard: str = "ab") -> str:
    """The key of bytes without a document."""
    key = key_of(world.now - age, shard)
    content = submission(b"orphan").content
    assert content is not None
    world.store.write(key, content, "text/plain")
    return key


# --- one at a time -------------------------------------------------------------------------


def test_one_sweep_at_a_time(world: World) -> None:
    first, second = world.sweep(), world.sweep()
    during: list[bool] = []
    world.files.plan("page", "before", lambda: during.append(second.run()))
    assert first.run()
    assert during == [False]
    assert second.run()
    assert first.run()


def test_a_sweep_that_died_holds_up_the_others_for_the_time_of_its_lease(world: World) -> None:
    def die() -> None:
        raise SystemExit

    world.files.plan("page", "before", die)
    with pytest.raises(SystemExit):
        world.sweep().run()
    world.age(LEASE - SECOND)
    assert not world.sweep().run()
    world.age(2 * SECOND)
    assert world.sweep().run()


def test_a_sweep_that_is_too_slow_gives_way(world: World, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        orphan(world, 2 * DAY)
    other = world.sweep()

    def take_over() -> None:
        world.age(LEASE + SECOND)
        assert other.run()

    world.files.plan("page", "before", take_over)
    assert world.sweep().run()
    assert "lost its lease" in caplog.text
    assert world.stored() == []
    assert world.sweep().run()


@pytest.mark.parametrize("taking", ["insert", "replace"], ids=["first lease", "later lease"])
def test_of_two_that_come_at_once_one_sweeps(world: World, taking: str) -> None:
    """Between the look at the lease and the taking of it the other is faster."""
    if taking == "replace":
        assert world.sweep().run()
    taken: list[Document | None] = []
    jobs = Between(world.jobs)
    jobs.plan(taking, "before", lambda: taken.append(world.sweep()._take_lease()))
    assert not Sweep(world.file_documents, jobs).run()
    assert len(taken) == 1 and taken[0] is not None


# --- keys without a document ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "left"), [(KEY_AGE - SECOND, 1), (KEY_AGE + SECOND, 0), (timedelta(0), 1)]
)
def test_bytes_without_a_document_go_after_a_day(world: World, age: timedelta, left: int) -> None:
    orphan(world, age)
    assert world.sweep().run()
    assert len(world.stored()) == left


def test_bytes_with_a_document_stay(world: World) -> None:
    made = [world.create(b"content") for _ in range(3)]
    world.age(30 * DAY)
    assert world.sweep().run()
    assert [world.content(document["file_id"]) for document in made] == [b"content"] * 3
    assert sorted(world.documents(), key=lambda d: d["file_id"]) == made


def test_a_tombstone_keeps_the_key_taken_until_the_horizon(world: World) -> None:
    key = orphan(world, 2 * DAY)
    assert world.sweep().run()
    (tombstone,) = world.documents()
    assert (tombstone["object_key"], tombstone["state"]) == (key, "deleted")
    assert tombstone["keep_until"] == timestamp(world.now + HORIZON)
    world.age(HORIZON - SECOND)
    assert world.sweep().run()
    assert len(world.documents()) == 1
    world.age(2 * SECOND)
    assert world.sweep().run()
    assert world.documents() == []


def looked_at(world: World) -> int:
    """How many keys the catalog was asked for since the last time."""
    count: int = world.files.calls.count("get")
    world.files.calls.clear()
    return count


def test_each_key_is_looked_at_once(world: World) -> None:
    for shard in ("00", "ab", "ff"):
        for age in (5, 4, 3):
            orphan(world, age * DAY, shard)
    made = world.create(b"content")
    world.age(2 * DAY)
    for expected in (10, 0, 0):
        assert world.sweep().run()
        assert looked_at(world) == expected
        world.age(KEYS_EVERY + SECOND)
    orphan(world, 25 * timedelta(hours=1), "00")
    assert world.sweep().run()
    assert looked_at(world) == 1
    assert world.stored() == [made["object_key"]]


def test_keys_are_not_listed_with_every_round(world: World) -> None:
    for _ in range(3):
        assert world.sweep().run()
        world.age(KEYS_EVERY / 4)
    assert world.objects.calls.count("list") == 256


def test_a_tombstone_that_could_not_be_inserted_is_tried_again(world: World) -> None:
    """The store of documents hiccups once: the bytes must not be forgotten for ever."""
    key = orphan(world, 2 * DAY)
    world.files.fail("insert", "before")
    try:
        world.sweep().run()
    except Unavailable:
        world.age(LEASE + SECOND)
    world.age(KEYS_EVERY + SECOND)
    assert world.sweep().run()
    assert key not in world.stored()


def test_a_sweep_that_a_store_stopped_goes_on_later(world: World) -> None:
    keys = [orphan(world, 2 * DAY, shard) for shard in ("10", "20", "30")]
    world.files.plan("get", "before", lambda: None)  # the first goes well
    world.files.fail("get", "before")
    with pytest.raises(Unavailable):
        world.sweep().run()
    assert set(keys) & set(world.stored()) == set(keys[1:])
    world.age(LEASE + SECOND)
    assert world.sweep().run()
    assert world.stored() == []


@pytest.mark.parametrize(
    "unique",
    [
        "00000000-0000-4000-8000-0000000000ab",
        "ffffffff-ffff-7fff-bfff-ffffffffffab",
        "ffffffff-ffff-4fff-bfff-ffffffffffab",
    ],
)
def test_keys_of_others_under_the_prefix_stop_nothing(world: World, unique: str) -> None:
    """Whoever may write into the bucket may write such a key; it is not ours to judge."""
    stranger, key = f"{PREFIX}/ab/{unique}", orphan(world, 2 * DAY)
    content = submission(b"x").content
    assert content is not None
    world.store.write(stranger, content, "text/plain")
    assert world.sweep().run()
    assert world.stored() == [stranger]
    assert key != stranger


def test_a_commit_that_was_faster_wins(world: World) -> None:
    key = orphan(world, 2 * DAY)
    made, stat = world.create(), world.store.stat(key)
    place = {
        "file_id": "faster",
        "place": f"local/{key}",
        "object_key": key,
        "item_name": f"{PREFIX}/faster",
    }
    faster = derived({**made, **place, "etag": stat.etag, "file_size": stat.size})
    commit = partial(world.database.collection(FILES).insert, faster)
    world.files.plan("insert", "before", commit)
    assert world.sweep().run()
    assert world.content("faster") == b"orphan"


# --- documents that are due ----------------------------------------------------------------


def test_more_documents_are_due_than_fit_into_a_batch(world: World) -> None:
    world.deferring = True
    for _ in range(BATCH + 5):
        world.catalog.delete(ANYONE, world.create(b"")["file_id"])
    assert len(world.documents()) == BATCH + 5
    assert world.sweep().run()
    assert len(world.documents()) == BATCH + 5  # whoever deleted them still has a minute
    world.age(timedelta(minutes=1))
    assert world.sweep().run()
    assert (world.documents(), world.stored()) == ([], [])


def test_what_stays_stuck_holds_up_nothing_else(world: World) -> None:
    world.deferring = True
    for _ in range(3):
        world.catalog.delete(ANYONE, world.create(b"x")["file_id"])
    world.age(timedelta(minutes=2))
    world.objects.fail("delete", "before")
    assert world.sweep().run()
    assert len(world.documents()) == len(world.stored()) == 1
    assert world.sweep().run()
    assert (world.documents(), world.stored()) == ([], [])


# --- writes that nobody finishes -----------------------------------------------------------


@pytest.mark.parametrize(("age", "stays"), [(UPLOAD_AGE - DAY, True), (UPLOAD_AGE + DAY, False)])
def test_temporary_files_go_after_a_week(world: World, age: timedelta, stays: bool) -> None:
    left = Path(world.folder, "tmp", "left.part")
    left.write_bytes(b"half")
    began = (world.now - age).timestamp()
    os.utime(left, (began, began))
    assert world.sweep().run()
    assert left.exists() is stays


# --- the thread ----------------------------------------------------------------------------


def test_the_thread_sweeps_until_it_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of a store ends a round, not the thread."""
    monkeypatch.setattr(sweeping, "ROUND_SECONDS", 0.01)
    rounds, three = [0], threading.Event()

    def count() -> None:
        rounds[0] += 1
        if rounds[0] == 3:
            three.set()
        raise Unavailable("down")

    sweep = world.sweep()
    sweep.run = count  # type: ignore[method-assign, assignment]
    stop = sweeping.start(sweep)
    assert three.wait(10)
    stop()
    for thread in threading.enumerate():
        if thread.name == "sweep":
            thread.join(10)
            assert not thread.is_alive()
