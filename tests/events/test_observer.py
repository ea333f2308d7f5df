"""One look at an object: what its document says afterwards, whoever else is at it meanwhile."""

import hashlib
import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from errors import ApiError
from services.catalog import Stale
from services.clock import timestamp
from services.collections import FILES
from services.documents import DELETED, EVENT_FIELDS, LIVE
from services.events import Counts, Events
from services.files import Files
from services.observer import Event, Observer
from services.principals import ANYONE
from storage.interfaces import Document, StorageError, Unavailable
from tests.events.bodies import PUT, REMOVED, TIME, notification, record
from tests.events.bucket import OURS, PIECE, THEIRS, MemoryBucket, start_over
from tests.services.world import DAY, HORIZON, PREFIX, When, World, submission

KEY = "docs/a.txt"
UNNOTED = dict.fromkeys(EVENT_FIELDS)
CHANGED = {"file_size", "etag", "sha256", "updated_at", "revision", "version"}


def event(sequencer: str | None = "1", bucket: str = OURS, key: str = KEY, **fields: Any) -> Event:
    """A creation, unless `fields` say otherwise."""
    usual = {"removed": False, "name": PUT, "time": TIME, "size": 7, "etag": "told"}
    return Event(bucket=bucket, key=key, sequencer=sequencer, **{**usual, **fields})


def removal(sequencer: str | None = "1", bucket: str = OURS, key: str = KEY) -> Event:
    fields = {"removed": True, "name": REMOVED, "size": 0, "etag": None}
    return event(sequencer, bucket, key, **fields)


def observe(world: World, told: Event | None = None, bucket: str = OURS, key: str = KEY) -> bool:
    """Look, and say what was foreseen: without an event both must agree."""
    if told is not None:
        return world.observer.observe(told.bucket, told.key, told)
    before = world.documents()
    foreseen = world.observer.foresee(bucket, key)
    assert world.documents() == before
    changed = world.observer.observe(bucket, key)
    assert changed == foreseen
    assert not world.observer.foresee(bucket, key)
    return changed


def somebody(world: World) -> Observer:
    """Another process, which no planned error reaches."""
    collection = world.database.collection(FILES)
    return Observer(Files(world.store, collection, PREFIX, HORIZON, world.clock))


def at(world: World, bucket: str = OURS, key: str = KEY) -> Document | None:
    return world.database.collection(FILES).get(bucket=bucket, object_key=key)


def live(world: World, bucket: str = OURS, key: str = KEY) -> Document:
    document = at(world, bucket, key)
    assert document is not None and document["state"] == LIVE, document
    return document


def buried(world: World, bucket: str = OURS, key: str = KEY) -> Document:
    document = at(world, bucket, key)
    assert document is not None and document["state"] == DELETED, document
    return document


def noted(document: Document) -> tuple[Any, ...]:
    return tuple(document[field] for field in EVENT_FIELDS)


def differing(one: Document, other: Document) -> set[str]:
    return {field for field in one.keys() | other.keys() if one.get(field) != other.get(field)}


def full(world: World, document: Document) -> bytes:
    """Read a file to its end through the catalog."""
    return partly(world, document, document["file_size"])


def partly(world: World, document: Document, stop: int) -> bytes:
    body = world.catalog.open(document, 0, stop)
    try:
        return b"".join(body)
    finally:
        body.close()


def picture(width: int = 3, height: int = 2, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, kind)
    return file.getvalue()


PNG = {"width": 3, "height": 2, "format": "PNG"}
GIF = {"width": 5, "height": 4, "format": "GIF"}


# --- newcomers -----------------------------------------------------------------------------


@pytest.mark.parametrize("told", [None, event("5")])
def test_an_object_that_nobody_knew(world: World, bucket: MemoryBucket, told: Event | None) -> None:
    """The bucket says what it is; of the event only that it was is noted."""
    etag = bucket.put(KEY, b"content!")
    assert observe(world, told)
    document = live(world)
    now = timestamp(world.now)
    expected = {
        "owner": ANYONE.owner,
        "file_name": "a.txt",
        "file_size": 8,
        "file_type": "text/plain",
        "sha256": None,
        "created_at": now,
        "updated_at": now,
        "bucket": OURS,
        "object_key": KEY,
        "etag": etag,
        "source": "s3",
        "metadata": {},
        "revision": 1,
        "image": None,
        "item_name": KEY,
        "item_source": None,
        "garbage": [],
        "sweep_at": None,
    }
    assert {field: document[field] for field in expected} == expected
    assert noted(document) == ((PUT, TIME, "5") if told else (None, None, None))


def test_an_object_that_only_an_event_tells_of(world: World) -> None:
    assert observe(world, event("5", THEIRS, "x/b.png", size=9, etag="e"))
    document = live(world, THEIRS, "x/b.png")
    assert (document["file_size"], document["etag"], document["revision"]) == (9, "e", 1)
    assert (document["file_name"], document["file_type"]) == ("b.png", "image/png")
    assert (document["kind"], document["item_name"]) == ("image", "x/b.png")
    assert noted(document) == (PUT, TIME, "5")
    assert world.objects.calls == []


@pytest.mark.parametrize(
    ("key", "declared", "file_type", "kind"),
    [
        ("a", "text/csv; charset=utf-8", "text/csv", "other"),
        ("a", "IMAGE/PNG", "image/png", "image"),
        ("a.txt", "image/png", "image/png", "image"),
        ("a.png", "text/plain", "text/plain", "image"),  # the name says so
        ("a.png", "application/octet-stream", "image/png", "image"),
        ("a.png", "binary/octet-stream", "image/png", "image"),
        ("a.png", "nonsense", "image/png", "image"),
        ("a.csv", "", "text/csv", "other"),
        ("a.csv", "multipart/form-data", "text/csv", "other"),
        ("a", "application/x-www-form-urlencoded", "application/octet-stream", "other"),
        ("a", "a/b\0c", "application/octet-stream", "other"),
        ("a", "", "application/octet-stream", "other"),
        ("a.png/", "", "image/png", "image"),
    ],
)
def test_the_type_of_a_newcomer(
    world: World, bucket: MemoryBucket, key: str, declared: str, file_type: str, kind: str
) -> None:
    bucket.put(key, content_type=declared)
    observe(world, key=key)
    document = live(world, key=key)
    assert (document["file_type"], document["kind"]) == (file_type, kind)


def test_a_newcomer_leaves_an_uploaded_picture_its_name(world: World, bucket: MemoryBucket) -> None:
    pictured = world.catalog.put(ANYONE, submission(picture(), file_name="a.png"))
    bucket.put("a.png", b"another")
    observe(world, key="a.png")
    document = live(world, key="a.png")
    assert document["file_id"] != pictured["file_id"]
    assert document["item_name"] != "a.png"
    assert world.file_documents.item(ANYONE.owner, OURS, "a.png") == pictured


@pytest.mark.parametrize("key", ["x/", "/", "a//"])
def test_a_folder_is_no_newcomer(world: World, bucket: MemoryBucket, key: str) -> None:
    bucket.put(key, b"")
    world.observer.observe(OURS, key)
    assert (at(world, key=key) or {"state": DELETED})["state"] == DELETED


def test_what_becomes_a_folder_is_no_file_any_more(world: World, bucket: MemoryBucket) -> None:
    bucket.put("x/", b"content")
    observe(world, key="x/")
    live(world, key="x/")
    bucket.put("x/", b"")
    assert observe(world, key="x/")
    buried(world, key="x/")


# --- the same object again -----------------------------------------------------------------


def test_a_look_at_what_is_known_changes_nothing(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY)
    observe(world)
    document = live(world)
    world.age(DAY)
    bucket.put(KEY, content_type="text/html")  # same size and ETag
    assert not observe(world)
    assert live(world) == document


@pytest.mark.parametrize("where", [OURS, THEIRS])
def test_the_same_object_only_notes_the_event(
    world: World, bucket: MemoryBucket, where: str
) -> None:
    etag = bucket.put(KEY)
    observe(world, event("1", where, etag=etag))
    before = live(world, where)
    world.age(DAY)
    later = event("2", where, etag=etag, name="ObjectCreated:Copy", time="2027-01-01T00:00:00.000Z")
    assert observe(world, later)
    assert differing(live(world, where), before) == {*EVENT_FIELDS, "version"}
    assert noted(live(world, where)) == ("ObjectCreated:Copy", later.time, "2")
    assert live(world, where)["revision"] == 1


@pytest.mark.parametrize("where", [OURS, THEIRS])
@pytest.mark.parametrize("sequencer", ["5", "50", "4", "05", None])
def test_an_older_event_is_not_noted(
    world: World, bucket: MemoryBucket, where: str, sequencer: str | None
) -> None:
    etag = bucket.put(KEY)
    observe(world, event("5", where, etag=etag))
    before = live(world, where)
    assert not observe(world, event(sequencer, where, etag=etag, name="other"))
    assert live(world, where) == before


def test_what_a_reading_told_outlives_a_look(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY)
    observe(world)
    full(world, live(world))
    told = live(world)
    assert told["sha256"] is not None
    assert not observe(world)
    assert observe(world, event("1"))
    assert live(world)["sha256"] == told["sha256"]


# --- other content -------------------------------------------------------------------------


@pytest.mark.parametrize("told", [None, event("2"), removal("2"), event("0")])
def test_other_content(world: World, bucket: MemoryBucket, told: Event | None) -> None:
    """Of our bucket the bucket is believed, whatever the event says and whenever it comes."""
    bucket.put(KEY, picture(), "image/png")
    observe(world, event("1"))
    full(world, live(world))
    before = live(world)
    assert before["image"] == PNG
    world.age(DAY)
    etag = bucket.put(KEY, b"a,b", "text/csv")
    assert observe(world, told)
    after = live(world)
    news = set(EVENT_FIELDS) if told and told.sequencer == "2" else set()
    changed = CHANGED | {"image", "file_type", "size_rank", "kind"} | news
    assert differing(after, before) <= changed
    assert CHANGED | {"image", "file_type"} <= differing(after, before)
    assert (after["sha256"], after["image"], after["file_type"]) == (None, None, "text/csv")
    assert (after["file_size"], after["etag"], after["revision"]) == (3, etag, 2)
    assert after["updated_at"] == timestamp(world.now)
    assert after["sequencer"] == ("2" if news else "1")


def test_other_content_of_the_same_size(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY, b"one")
    observe(world)
    bucket.put(KEY, b"two")
    assert observe(world)
    assert live(world)["revision"] == 2


def test_other_content_elsewhere(world: World) -> None:
    observe(world, event("1", THEIRS))
    before = live(world, THEIRS)
    assert observe(world, event("2", THEIRS, size=8))
    after = live(world, THEIRS)
    assert (after["file_id"], after["file_size"], after["revision"]) == (before["file_id"], 8, 2)
    assert observe(world, event("3", THEIRS, size=8, etag="other"))
    assert live(world, THEIRS)["revision"] == 3


def test_what_clients_said_outlives_other_content(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY)
    observe(world)
    file_id = live(world)["file_id"]
    world.update(file_id, file_name="b.csv", metadata={"k": "v"})
    bucket.put(KEY, b"other")
    assert observe(world)
    after = live(world)
    assert (after["file_id"], after["file_name"], after["metadata"]) == (
        file_id,
        "b.csv",
        {"k": "v"},
    )
    assert (after["revision"], after["file_type"]) == (3, "text/csv")


# --- gone ----------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [None, removal("2"), event("2"), removal("0")])
def test_an_object_that_is_gone(world: World, bucket: MemoryBucket, told: Event | None) -> None:
    bucket.put(KEY)
    observe(world, event("1"))
    before = live(world)
    bucket.remove(KEY)
    world.age(DAY)
    assert observe(world, told)
    tombstone = buried(world)
    assert tombstone["file_id"] == before["file_id"]
    assert tombstone["keep_until"] == timestamp(world.now + HORIZON) == tombstone["sweep_at"]
    assert tombstone["garbage"] == []
    assert set(tombstone) & {"file_name", "metadata", "sha256", "etag"} == set()
    assert noted(tombstone) == (
        noted(before) if told is None or told.sequencer == "0" else (told.name, TIME, "2")
    )
    with pytest.raises(ApiError):
        world.catalog.get(ANYONE, before["file_id"])


def test_nothing_where_nothing_was(world: World) -> None:
    """An event leaves a tombstone all the same: who looked earlier and comes later gets a
    conflict. A look without one leaves nothing."""
    assert observe(world, removal("3"))
    assert noted(buried(world)) == (REMOVED, TIME, "3")
    assert not observe(world, key="other")
    assert world.file_documents.at(OURS, "other") is None


def test_a_removal_elsewhere(world: World) -> None:
    observe(world, event("1", THEIRS))
    before = live(world, THEIRS)
    assert not observe(world, removal("1", THEIRS))
    assert observe(world, removal("2", THEIRS))
    tombstone = buried(world, THEIRS)
    assert (tombstone["file_id"], noted(tombstone)) == (before["file_id"], (REMOVED, TIME, "2"))
    for late in (event("1", THEIRS), event("2", THEIRS), removal("2", THEIRS), event("15", THEIRS)):
        assert not observe(world, late)
    assert buried(world, THEIRS) == tombstone


def test_a_tombstone_elsewhere_where_nothing_was(world: World) -> None:
    assert observe(world, removal("2", THEIRS))
    assert not observe(world, event("1", THEIRS))
    assert noted(buried(world, THEIRS)) == (REMOVED, TIME, "2")


@pytest.mark.parametrize("where", [OURS, THEIRS])
def test_a_later_removal_is_noted_and_prolongs_the_tombstone(world: World, where: str) -> None:
    observe(world, removal("1", where))
    before = buried(world, where)
    world.age(DAY)
    assert observe(world, removal("2", where))
    after = buried(world, where)
    assert differing(after, before) == {"sequencer", "version", "keep_until", "sweep_at"}
    assert after["keep_until"] == timestamp(world.now + HORIZON)
    assert not observe(world, removal("1", where))
    assert buried(world, where) == after


def test_the_event_horizon(world: World) -> None:
    observe(world, event("1", THEIRS))
    observe(world, removal("2", THEIRS))
    world.age(HORIZON - timedelta(minutes=1))
    assert world.sweep().run()
    assert not observe(world, event("1", THEIRS))
    world.age(timedelta(minutes=2))
    assert world.sweep().run()
    assert at(world, THEIRS) is None


@pytest.mark.parametrize("told", [None, event("5"), removal("5"), event("0")])
def test_an_object_that_comes_again(world: World, bucket: MemoryBucket, told: Event | None) -> None:
    bucket.put(KEY)
    observe(world, event("1"))
    before = live(world)
    bucket.remove(KEY)
    observe(world, removal("2"))
    bucket.put(KEY)
    assert observe(world, told)
    after = live(world)
    assert after["file_id"] != before["file_id"]  # an id is never used again
    assert (after["revision"], after["item_name"]) == (1, KEY)
    with pytest.raises(ApiError):
        world.catalog.get(ANYONE, before["file_id"])
    assert len(world.documents()) == 1


def test_an_object_that_comes_again_elsewhere(world: World) -> None:
    observe(world, event("1", THEIRS))
    before = live(world, THEIRS)
    observe(world, removal("2", THEIRS))
    assert observe(world, event("3", THEIRS, etag="other"))
    after = live(world, THEIRS)
    assert after["file_id"] != before["file_id"]
    assert (after["etag"], after["sequencer"]) == ("other", "3")
    assert not observe(world, removal("2", THEIRS))


def test_without_an_event_another_bucket_is_not_looked_at(world: World) -> None:
    assert not observe(world, bucket=THEIRS)
    observe(world, event("1", THEIRS))
    before = live(world, THEIRS)
    assert not observe(world, bucket=THEIRS)
    assert live(world, THEIRS) == before
    assert world.objects.calls == []


def test_what_a_client_deleted_elsewhere_is_not_brought_back_by_an_event_sent_twice(
    world: World,
) -> None:
    observe(world, event("1", THEIRS))
    world.catalog.delete(ANYONE, live(world, THEIRS)["file_id"])
    assert not observe(world, event("1", THEIRS))
    assert noted(buried(world, THEIRS)) == (PUT, TIME, "1")
    assert observe(world, event("2", THEIRS))
    live(world, THEIRS)


# --- recorded by name ----------------------------------------------------------------------


@pytest.mark.parametrize("told", [None, removal("1"), event("1")])
def test_what_is_recorded_by_name_outlives_absence(world: World, told: Event | None) -> None:
    world.catalog.record(ANYONE, OURS, KEY, "camera")
    before = live(world)
    assert (before["etag"], before["file_size"], before["source"]) == (None, None, "api")
    assert not observe(world, told)
    assert live(world) == before


def test_what_is_recorded_by_name_is_a_file_once_its_object_comes(
    world: World, bucket: MemoryBucket
) -> None:
    world.catalog.record(ANYONE, OURS, KEY, "camera")
    before = live(world)
    etag = bucket.put(KEY, b"content")
    assert observe(world, event("1"))
    after = live(world)
    assert (after["file_id"], after["item_source"]) == (before["file_id"], "camera")
    assert (after["file_size"], after["etag"], after["revision"]) == (7, etag, 2)
    bucket.remove(KEY)
    assert observe(world, removal("2"))
    assert buried(world)["file_id"] == before["file_id"]


def test_recording_looks_at_once(world: World, bucket: MemoryBucket) -> None:
    etag = bucket.put(KEY)
    assert world.catalog.record(ANYONE, OURS, KEY, "camera")["etag"] == etag


def test_recorded_by_name_elsewhere(world: World) -> None:
    world.catalog.record(ANYONE, THEIRS, KEY, "camera")
    before = live(world, THEIRS)
    assert not observe(world, bucket=THEIRS)
    assert observe(world, event("1", THEIRS, etag="e"))
    after = live(world, THEIRS)
    assert (after["file_id"], after["etag"], after["item_source"]) == (
        before["file_id"],
        "e",
        "camera",
    )
    assert observe(world, removal("2", THEIRS))
    buried(world, THEIRS)


def test_recorded_over_a_tombstone_the_horizon_stays(world: World) -> None:
    observe(world, removal("5", THEIRS))
    document = world.catalog.record(ANYONE, THEIRS, KEY, "camera")
    assert noted(document) == (REMOVED, TIME, "5")
    assert not observe(world, event("4", THEIRS))
    assert live(world, THEIRS) == document


class TooOften(Exception):
    """What ends a loop that would never end."""


def bounded(world: World, times: int = 30) -> None:
    """Whatever works goes through in far fewer attempts than these."""

    def stop() -> None:
        raise TooOften(world.files.calls[-6:])

    for method in ("insert", "replace"):
        world.files.plan(method, "before", *[lambda: None] * times, *[stop] * times)


def test_recorded_where_a_newcomer_had_to_do_without_the_name(
    world: World, bucket: MemoryBucket
) -> None:
    """The uploaded picture that had the name is gone, so the object can have it."""
    pictured = world.catalog.put(ANYONE, submission(picture(), file_name="a.png"))
    bucket.put("a.png", b"another")
    observe(world, key="a.png")
    world.catalog.delete(ANYONE, pictured["file_id"])
    bounded(world)
    document = world.catalog.record(ANYONE, OURS, "a.png", "camera")
    assert (document["object_key"], document["item_name"]) == ("a.png", "a.png")
    assert document["item_source"] == "camera"


def entombed_elsewhere(world: World) -> str:
    """A key that is what the tombstone of a removed file elsewhere is called by."""
    observe(world, event("1", THEIRS))
    file_id = live(world, THEIRS)["file_id"]
    observe(world, removal("2", THEIRS))
    bounded(world)
    return f"{PREFIX}/{file_id}"


def test_recorded_under_the_name_that_a_tombstone_has(world: World) -> None:
    """Recorded or refused, but not tried for ever."""
    key = entombed_elsewhere(world)
    try:
        assert world.catalog.record(ANYONE, THEIRS, key, "camera")["object_key"] == key
    except ApiError as refused:
        assert refused.code == "reserved_key"  # noqa: PT017


def test_an_event_of_the_name_that_a_tombstone_has(world: World) -> None:
    """Applied or ignored, but not tried for ever."""
    key = entombed_elsewhere(world)
    events = Events(world.observer, world.file_documents)
    assert sum(events.apply(notification(record(key, size=1, eTag="e", sequencer="3")))) == 1


# --- own objects ---------------------------------------------------------------------------


def test_an_own_object_without_a_document_is_left_to_the_sweep(
    world: World, bucket: MemoryBucket
) -> None:
    for key in (f"{PREFIX}/ab/x", f"/{PREFIX}/ab/x", f"{PREFIX}/"):
        bucket.put(key)
        assert not observe(world, key=key)
        assert not observe(world, event("1", key=key))
    assert world.documents() == []


def test_an_own_object_that_is_as_it_was(world: World) -> None:
    made = world.create(b"content")
    assert not observe(world, key=made["object_key"])
    assert not observe(world, event("1", key=made["object_key"]))
    assert world.documents() == [made]


def test_an_own_object_that_is_lost(world: World, bucket: MemoryBucket) -> None:
    made = world.create(b"content")
    bucket.remove(made["object_key"])
    assert observe(world, key=made["object_key"])
    assert buried(world, key=made["object_key"])["garbage"] == [made["object_key"]]


def test_the_tombstone_of_an_own_object_stays_one(world: World, bucket: MemoryBucket) -> None:
    """Its bytes may come late; the sweep takes them."""
    made = world.create(b"content")
    world.objects.fail("delete", "before")
    world.catalog.delete(ANYONE, made["file_id"])
    assert bucket.keys() == [made["object_key"]]
    assert not observe(world, key=made["object_key"])
    buried(world, key=made["object_key"])


def test_an_own_object_that_was_tampered_with(world: World, bucket: MemoryBucket) -> None:
    made = world.create(b"content")
    etag = bucket.put(made["object_key"], b"other!")
    assert observe(world, key=made["object_key"])
    document = live(world, key=made["object_key"])
    assert (document["etag"], document["sha256"], document["revision"]) == (etag, None, 2)


# --- somebody else was faster --------------------------------------------------------------

Situation = Callable[[World, MemoryBucket], None]


def unknown(_: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY, b"new")


def known(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY, b"old")
    somebody(world).observe(OURS, KEY, event("1"))
    bucket.put(KEY, b"new")


def gone(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY, b"old")
    somebody(world).observe(OURS, KEY, event("1"))
    bucket.remove(KEY)


def entombed(world: World, bucket: MemoryBucket) -> None:
    somebody(world).observe(OURS, KEY, removal("1"))
    bucket.put(KEY, b"new")


def still_entombed(world: World, _: MemoryBucket) -> None:
    somebody(world).observe(OURS, KEY, removal("1"))


def same(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY, b"old")
    somebody(world).observe(OURS, KEY, event("1"))


def by_name(world: World, bucket: MemoryBucket) -> None:
    world.somebody.record(ANYONE, OURS, KEY, "camera")
    bucket.put(KEY, b"new")


SITUATIONS = (unknown, known, gone, entombed, still_entombed, same, by_name)


def replaced(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY, b"by somebody else")
    somebody(world).observe(OURS, KEY, event("8"))


def taken_away(world: World, bucket: MemoryBucket) -> None:
    bucket.remove(KEY)
    somebody(world).observe(OURS, KEY, removal("8"))


def replaced_without_event(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY, b"by somebody else")
    somebody(world).observe(OURS, KEY)


def taken_away_without_event(world: World, bucket: MemoryBucket) -> None:
    bucket.remove(KEY)
    somebody(world).observe(OURS, KEY)


def back_and_forth(world: World, bucket: MemoryBucket) -> None:
    """The tombstone is another one, or the document of another file."""
    taken_away(world, bucket)
    replaced(world, bucket)
    taken_away_without_event(world, bucket)


def as_it_was(world: World, bucket: MemoryBucket) -> None:
    """The object is what the document says already, so this look has nothing to write."""
    document = at(world)
    if document is None or document["state"] != LIVE or not document["etag"]:
        bucket.remove(KEY)
    else:
        bucket.put(KEY, b"old")
    somebody(world).observe(OURS, KEY)


MEANWHILE = (
    replaced,
    taken_away,
    replaced_without_event,
    taken_away_without_event,
    back_and_forth,
    as_it_was,
)


def is_right(world: World, bucket: MemoryBucket) -> bool:
    """Whether the document of the key says what the bucket says."""
    document = at(world) or {"state": DELETED}
    if not bucket.has(KEY):
        return bool(document["state"] == DELETED or document["etag"] is None)
    found = bucket.stat(KEY)
    said = (document["state"], document.get("file_size"), document.get("etag"))
    return said == (LIVE, found.size, found.etag)


def assert_right(world: World, bucket: MemoryBucket) -> None:
    assert is_right(world, bucket), (at(world), bucket.has(KEY) and bucket.stat(KEY))


# Between any two steps of a look.
STEPS: list[tuple[str, str, When]] = [
    ("files", "get", "after"),
    ("objects", "stat", "after"),
    ("files", "insert", "before"),
    ("files", "replace", "before"),
    ("files", "delete", "before"),
    ("files", "delete", "after"),
]


@pytest.mark.parametrize("meanwhile", MEANWHILE, ids=lambda one: one.__name__)
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.__name__)
def test_the_last_one_to_look_is_right(
    world: World, bucket: MemoryBucket, situation: Situation, meanwhile: Situation
) -> None:
    """Somebody changes the object and looks at it, between any two steps of ours."""
    wrong = []
    for store, method, when in STEPS:
        for told in (None, event("5"), removal("5"), event("0")):
            start_over(world, bucket)
            situation(world, bucket)
            getattr(world, store).plan(method, when, lambda: meanwhile(world, bucket))
            world.observer.observe(OURS, KEY, told)
            if not is_right(world, bucket):
                document = at(world) or {}
                wrong.append(
                    (f"{when} {method}", told, document.get("state"), document.get("etag"))
                )
    assert wrong == []


def test_recorded_by_name_it_comes_and_goes(world: World, bucket: MemoryBucket) -> None:
    """Both events are told, and none is late; only the first one is slowly written down."""
    world.somebody.record(ANYONE, OURS, KEY, "camera")
    bucket.put(KEY)

    def gone_again() -> None:
        bucket.remove(KEY)
        somebody(world).observe(OURS, KEY, removal("2"))

    world.objects.plan("stat", "after", gone_again)
    world.observer.observe(OURS, KEY, event("1"))
    assert_right(world, bucket)


def test_faster_again_and_again(world: World, bucket: MemoryBucket) -> None:
    """Each time it is looked at again; who comes last is right."""
    known(world, bucket)
    contents = [b"%d" % number for number in range(5)]
    for content in contents:

        def change(content: bytes = content) -> None:
            bucket.put(KEY, content)
            somebody(world).observe(OURS, KEY)

        world.files.plan("replace", "before", change)
    assert world.observer.observe(OURS, KEY, event("9"))
    assert world.files.calls.count("replace") == 6
    assert_right(world, bucket)
    assert live(world)["sequencer"] == "9"


REMOVED_OR_NOT = list(itertools.product([False, True], repeat=3))
ORDERS = ["123", "132", "213", "231", "312", "321"]


def told_elsewhere(number: str, removed: bool) -> Event:
    return removal(number, THEIRS) if removed else event(number, THEIRS, etag=f"e{number}")


def assert_third(world: World, removed: bool) -> None:
    (document,) = world.documents()
    assert document["sequencer"] == "3"
    assert document["state"] == (DELETED if removed else LIVE)
    assert removed or document["etag"] == "e3"


@pytest.mark.parametrize("removed", REMOVED_OR_NOT, ids=str)
@pytest.mark.parametrize("order", ORDERS)
def test_elsewhere_the_highest_sequencer_wins_whoever_is_faster(
    world: World, bucket: MemoryBucket, order: str, removed: tuple[bool, bool, bool]
) -> None:
    """The first of the order has been applied; the third comes in the midst of the second."""
    for store, method, when in STEPS:
        if store == "objects":
            continue
        start_over(world, bucket)
        told = {number: told_elsewhere(number, removed[int(number) - 1]) for number in order}
        before, ours, faster = (told[number] for number in order)
        somebody(world).observe(THEIRS, KEY, before)
        come: list[bool] = []

        def comes(told: Event = faster, come: list[bool] = come) -> None:
            come.append(somebody(world).observe(THEIRS, KEY, told))

        world.files.plan(method, when, comes)
        world.observer.observe(THEIRS, KEY, ours)
        if not come:
            comes()
        assert_third(world, removed[2])


# --- a store that does not answer ----------------------------------------------------------


CALLS = [
    ("files", "get"),
    ("objects", "stat"),
    ("files", "insert"),
    ("files", "replace"),
    ("files", "delete"),
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("told", [None, event("5"), removal("5")])
@pytest.mark.parametrize("times", [1, 2])
def test_whatever_does_not_answer_the_next_look_is_right(
    world: World, bucket: MemoryBucket, situation: Situation, told: Event | None, times: int
) -> None:
    """An error that was not survived is told; the one who looks again sets it right."""
    whens: tuple[When, ...] = ("before", "after")
    for (store, method), when in itertools.product(CALLS, whens):
        start_over(world, bucket)
        situation(world, bucket)
        before = world.documents()
        getattr(world, store).fail(method, when, times)
        try:
            world.observer.observe(OURS, KEY, told)
        except Unavailable:
            assert method not in ("get", "stat") or world.documents() == before
            world.forget_plans()
            world.observer.observe(OURS, KEY, told)
        assert_right(world, bucket)
        assert not world.observer.foresee(OURS, KEY)


@pytest.mark.parametrize("method", ["insert", "replace"])
def test_a_lost_answer_is_read_back(world: World, bucket: MemoryBucket, method: str) -> None:
    if method == "replace":
        known(world, bucket)
    else:
        unknown(world, bucket)
    world.files.fail(method, "after")
    assert world.observer.observe(OURS, KEY, event("5"))
    assert_right(world, bucket)


@pytest.mark.parametrize("method", ["get", "insert", "replace", "delete"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("sequencers", ORDERS)
def test_elsewhere_a_sender_tries_again(
    world: World, method: str, when: When, sequencers: str
) -> None:
    """Creation 1, removal 2, creation 3 in any order; each write fails once."""
    for number in sequencers:
        told = removal(number, THEIRS) if number == "2" else event(number, THEIRS, etag=number)
        world.files.fail(method, when)
        for _ in range(5):
            try:
                world.observer.observe(THEIRS, KEY, told)
                break
            except Unavailable:
                continue
        world.forget_plans()
    document = live(world, THEIRS)
    assert (document["sequencer"], document["etag"]) == ("3", "3")


def test_a_record_that_fails_says_so_and_the_ones_before_it_stay(
    world: World, bucket: MemoryBucket
) -> None:
    """The sender gets no answer and sends them all again."""
    bucket.put("a")
    bucket.put("b")
    events = Events(world.observer, world.file_documents)
    body = notification(record("a", PUT, OURS, size=7), record("b", PUT, OURS, size=7))
    world.objects.plan("stat", "before", lambda: None)
    world.objects.fail("stat", "before")
    with pytest.raises(Unavailable):
        events.apply(body)
    assert [document["object_key"] for document in world.documents()] == ["a"]
    assert events.apply(body) == Counts(2, 0)
    assert [document["object_key"] for document in world.documents()] == ["a", "b"]


# --- the first reading ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "declared", "content", "file_type", "image"),
    [
        ("a", "", b"a,b", "text/plain", None),
        ("a.csv", "", b"a,b", "text/csv", None),
        ("a", "text/csv", b"a,b", "text/csv", None),
        ("a", "", picture(), "image/png", PNG),
        ("a.txt", "text/plain", picture(5, 4, "GIF"), "image/gif", GIF),
        ("a.png", "image/png", b"no picture", "text/plain", None),
        ("a.png", "", picture()[:20], "image/png", None),
        ("a", "", b"\x01" * (3 * PIECE + 1), "application/octet-stream", None),
    ],
)  # fmt: skip
def test_a_first_full_reading_tells_what_it_is(
    world: World,
    bucket: MemoryBucket,
    key: str,
    declared: str,
    content: bytes,
    file_type: str,
    image: dict[str, Any] | None,
) -> None:
    bucket.put(key, content, declared)
    observe(world, key=key)
    before = live(world, key=key)
    world.age(DAY)
    assert full(world, before) == content
    after = live(world, key=key)
    assert after["sha256"] == hashlib.sha256(content).hexdigest()
    assert (after["file_type"], after["image"]) == (file_type, image)
    assert differing(after, before) <= {"sha256", "file_type", "image", "kind", "version"}
    assert after["revision"] == 1


def test_only_the_first_reading_writes(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY)
    observe(world)
    full(world, live(world))
    before = live(world)
    full(world, before)
    assert live(world) == before


def test_a_partial_reading_tells_nothing(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY, b"\x01" * (3 * PIECE))
    observe(world)
    before = live(world)
    partly(world, before, 3 * PIECE - 1)
    assert live(world) == before
    for start, stop in ((1, 3 * PIECE), (PIECE, 2 * PIECE)):
        list(world.catalog.open(before, start, stop))
        assert live(world) == before


def test_a_reading_that_is_broken_off_tells_nothing(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY, b"\x01" * (3 * PIECE))
    observe(world)
    before = live(world)
    body = world.catalog.open(before, 0, 3 * PIECE)
    pieces = iter(body)
    next(pieces)
    next(pieces)
    body.close()
    assert live(world) == before


def reading_begun(world: World, bucket: MemoryBucket) -> tuple[Document, Iterator[bytes]]:
    """A document, and the second of the two pieces of its object, which is still to be read."""
    bucket.put(KEY, b"\x01" * (2 * PIECE))
    observe(world)
    document = live(world)
    pieces = iter(world.catalog.open(document, 0, 2 * PIECE))
    next(pieces)
    return document, pieces


def test_a_reading_of_what_somebody_changes_meanwhile(world: World, bucket: MemoryBucket) -> None:
    """What it tells is of content that is no more: it is not written over the new."""
    _, pieces = reading_begun(world, bucket)
    bucket.put(KEY, b"new")
    somebody(world).observe(OURS, KEY)
    list(pieces)
    after = live(world)
    assert (after["sha256"], after["file_size"], after["revision"]) == (None, 3, 2)


def test_a_reading_does_not_undo_a_rename(world: World, bucket: MemoryBucket) -> None:
    before, pieces = reading_begun(world, bucket)
    world.update(before["file_id"], file_name="renamed")
    list(pieces)
    assert live(world)["file_name"] == "renamed"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["replace", "get"])
def test_a_reading_goes_on_without_the_documents(
    world: World, bucket: MemoryBucket, method: str, when: When
) -> None:
    bucket.put(KEY)
    observe(world)
    before = live(world)
    world.files.fail(method, when, 2)
    assert full(world, before) == b"content"
    world.forget_plans()
    full(world, live(world))
    assert live(world)["sha256"] is not None


@pytest.mark.parametrize("change", [replaced, taken_away], ids=lambda one: one.__name__)
def test_a_stale_reading_looks(world: World, bucket: MemoryBucket, change: Situation) -> None:
    same(world, bucket)
    before = live(world)
    if change is replaced:
        bucket.put(KEY, b"by somebody else")
    else:
        bucket.remove(KEY)
    with pytest.raises(Stale):
        world.catalog.open(before, 0, 1)
    assert_right(world, bucket)


def test_reading_what_was_recorded_by_name_looks(world: World, bucket: MemoryBucket) -> None:
    file_id = world.catalog.record(ANYONE, OURS, KEY, "camera")["file_id"]
    with pytest.raises(ApiError) as raised:
        world.catalog.get_readable(ANYONE, file_id)
    assert raised.value.code == "object_not_seen"
    etag = bucket.put(KEY)
    assert world.catalog.get_readable(ANYONE, file_id)["etag"] == etag


# --- deleting what came by the bucket ------------------------------------------------------


def test_deleting_deletes_the_object(world: World, bucket: MemoryBucket) -> None:
    bucket.put(KEY)
    observe(world, event("1"))
    world.catalog.delete(ANYONE, live(world)["file_id"])
    assert bucket.keys() == []
    assert noted(buried(world)) == (PUT, TIME, "1")


def test_deleting_what_is_gone_already(world: World, bucket: MemoryBucket) -> None:
    same(world, bucket)
    bucket.remove(KEY)
    world.catalog.delete(ANYONE, live(world)["file_id"])
    buried(world)
    assert "delete" not in world.objects.calls


def test_deleting_elsewhere_deletes_the_record(world: World) -> None:
    observe(world, event("1", THEIRS))
    world.catalog.delete(ANYONE, live(world, THEIRS)["file_id"])
    buried(world, THEIRS)
    assert world.objects.calls == []


class Refused(Exception):
    pass


def test_deleting_what_was_replaced_meanwhile_is_decided_again(
    world: World, bucket: MemoryBucket
) -> None:
    """It is not the object that the document described: `If-Match` is asked again, and says no."""
    same(world, bucket)
    before = live(world)
    bucket.put(KEY, b"new")

    def unchanged(document: Document) -> None:
        if document["revision"] != before["revision"]:
            raise Refused

    with pytest.raises(Refused):
        world.catalog.delete(ANYONE, before["file_id"], unchanged)
    assert bucket.keys() == [KEY]
    assert "delete" not in world.objects.calls
    assert_right(world, bucket)
    assert (live(world)["file_id"], live(world)["revision"]) == (before["file_id"], 2)


def test_deleting_what_is_replaced_again_and_again(world: World, bucket: MemoryBucket) -> None:
    """It is deleted when it has been seen twice alike, and not before."""
    same(world, bucket)
    before = live(world)
    seen: list[str] = []
    for number in range(20):

        def change(content: bytes = b"%d" % number) -> None:
            bucket.put(KEY, content)

        world.objects.plan("stat", "before", change)
    world.objects.plan("delete", "before", lambda: seen.append(bucket.stat(KEY).etag))
    world.catalog.delete(ANYONE, before["file_id"])
    assert seen == [hashlib.md5(b"19", usedforsecurity=False).hexdigest()]
    assert bucket.keys() == []
    assert_right(world, bucket)


def test_what_is_put_after_the_deletion_stays(world: World, bucket: MemoryBucket) -> None:
    same(world, bucket)
    before = live(world)
    world.objects.plan("delete", "after", lambda: bucket.put(KEY, b"new"))
    world.catalog.delete(ANYONE, before["file_id"])
    assert bucket.keys() == [KEY]
    assert_right(world, bucket)


def test_deleting_what_was_recorded_by_name_and_just_came(
    world: World, bucket: MemoryBucket
) -> None:
    by_name(world, bucket)
    world.catalog.delete(ANYONE, live(world)["file_id"])
    assert_right(world, bucket)
    assert bucket.keys() == []


def test_deleting_what_was_only_recorded_by_name(world: World) -> None:
    file_id = world.catalog.record(ANYONE, OURS, KEY, "camera")["file_id"]
    world.catalog.delete(ANYONE, file_id)
    buried(world)


@pytest.mark.parametrize(
    ("store", "method"),
    [("files", "get"), ("files", "replace"), ("objects", "stat"), ("objects", "delete")],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deletion_that_fails_is_not_acknowledged_and_can_be_done_again(
    world: World, bucket: MemoryBucket, store: str, method: str, when: When
) -> None:
    same(world, bucket)
    file_id = live(world)["file_id"]
    getattr(world, store).fail(method, when, 1)
    try:
        world.catalog.delete(ANYONE, file_id)
    except StorageError:
        world.forget_plans()
        with suppress(ApiError):  # it was done after all
            world.catalog.delete(ANYONE, file_id)
    assert bucket.keys() == []
    assert_right(world, bucket)
