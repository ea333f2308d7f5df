"""Notifications: what of them is applied, what is ignored, and what no S3 sends is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errors import ApiError
from services.documents import DELETED, LIVE
from services.events import Counts, Events
from storage.interfaces import Document
from tests.events.bodies import (
    PUT,
    RECORDED,
    REMOVED,
    TEST_EVENT,
    TIME,
    notification,
    of_aws,
    record,
)
from tests.events.bucket import OURS, THEIRS, MemoryBucket
from tests.services.world import PREFIX, World


def events_of(world: World) -> Events:
    return Events(world.observer, world.file_documents)


def apply(world: World, *records: Any) -> Counts:
    return events_of(world).apply(notification(*records))


def at(world: World, key: str, bucket: str = THEIRS) -> Document | None:
    return world.file_documents.at(bucket, key)


def live(world: World, key: str, bucket: str = THEIRS) -> Document:
    document = at(world, key, bucket)
    assert document is not None and document["state"] == LIVE, document
    return document


# --- recorded at a real MinIO --------------------------------------------------------------


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_notification_of_a_bucket_that_is_not_ours(world: World, path: Path) -> None:
    """The key is the one that MinIO says a second time, plainly, beside the records."""
    body = json.loads(path.read_text())
    bucket, _, key = body["Key"].partition("/")
    thing = body["Records"][0]["s3"]["object"]
    folder = key.endswith("/") and "size" not in thing and "eTag" in thing
    assert events_of(world).apply(body) == (Counts(0, 1) if folder else Counts(1, 0))
    document = at(world, key, bucket)
    if folder:
        assert document is None
        return
    assert document is not None
    noted = (document["event_name"], document["event_time"], document["sequencer"])
    event = body["Records"][0]
    assert noted == (
        event["eventName"].removeprefix("s3:"),
        event["eventTime"],
        thing["sequencer"],
    )
    if "ObjectRemoved" in body["EventName"]:
        assert document["state"] == DELETED
        return
    assert document["state"] == LIVE
    assert (document["file_size"], document["etag"]) == (thing.get("size", 0), thing["eTag"])
    assert (document["source"], document["owner"]) == ("s3", "")


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
@pytest.mark.parametrize("there", [True, False])
def test_a_recorded_notification_of_our_bucket(
    world: World, bucket: MemoryBucket, path: Path, there: bool
) -> None:
    """Whatever it says, the document is what the bucket holds: here something else, or nothing."""
    body = json.loads(path.read_text())
    key = body["Key"].partition("/")[2]
    body["Records"][0]["s3"]["bucket"]["name"] = OURS
    etag = bucket.put(key, b"what it is now") if there else None
    applied = events_of(world).apply(body).applied
    document = at(world, key, OURS)
    thing = body["Records"][0]["s3"]["object"]
    if key.endswith("/") and "size" not in thing and "eTag" in thing:
        assert applied == 0  # a folder
        return
    assert applied == 1
    assert document is not None
    if there:
        assert (document["state"], document["etag"]) == (LIVE, etag)
        assert document["file_size"] == len(b"what it is now")
    else:
        assert document["state"] == DELETED


def test_there_are_recorded_notifications() -> None:
    names = {json.loads(path.read_text())["EventName"] for path in RECORDED}
    assert len(RECORDED) >= 30 and len(names) >= 8


# --- AWS -----------------------------------------------------------------------------------


def test_the_message_that_aws_documents(world: World) -> None:
    assert events_of(world).apply(of_aws("HappyFace.jpg")) == Counts(1, 0)
    document = live(world, "HappyFace.jpg", "amzn-s3-demo-bucket")
    expected = {
        "file_name": "HappyFace.jpg",
        "file_size": 1024,
        "file_type": "image/jpeg",
        "etag": "d41d8cd98f00b204e9800998ecf8427e",
        "event_name": "ObjectCreated:Put",
        "event_time": "1970-01-01T00:00:00.000Z",
        "sequencer": "0055AED6DCD90281E5",
        "source": "s3",
        "sha256": None,
        "revision": 1,
    }
    assert {field: document[field] for field in expected} == expected


def test_the_test_event_of_aws_is_ignored(world: World) -> None:
    assert events_of(world).apply(TEST_EVENT) == Counts(0, 1)
    assert world.documents() == []


def test_no_records_are_no_error(world: World) -> None:
    assert apply(world) == Counts(0, 0)


# --- which events --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "ObjectCreated:Put",
        "ObjectCreated:Post",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectCreated:SomethingNew",
        "s3:ObjectCreated:Put",
        "s3:ObjectCreated:PutTagging",
    ],
)
def test_events_of_creation(world: World, name: str) -> None:
    assert apply(world, record("a", name, size=3, eTag="e", sequencer="1")) == Counts(1, 0)
    assert live(world, "a")["event_name"] == name.removeprefix("s3:")


@pytest.mark.parametrize(
    "name",
    [
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectRemoved:NoOP",
        "s3:ObjectRemoved:DeleteAllVersions",
        "LifecycleExpiration:Delete",
        "s3:LifecycleExpiration:DeleteMarkerCreated",
    ],
)
def test_events_of_removal(world: World, name: str) -> None:
    apply(world, record("a", size=3, eTag="e", sequencer="1"))
    assert apply(world, record("a", name, sequencer="2")) == Counts(1, 0)
    document = at(world, "a")
    assert document is not None
    assert (document["state"], document["event_name"]) == (DELETED, name.removeprefix("s3:"))


ODD_MEMBERS: list[dict[str, Any]] = [
    {},
    {"s3": None},
    {"s3": []},
    {"s3": {"bucket": None, "object": {"key": "%ff", "size": -1, "sequencer": "xyz"}}},
    {"s3": {"object": 1}, "eventTime": "yesterday"},
]


@pytest.mark.parametrize("members", ODD_MEMBERS)
@pytest.mark.parametrize(
    "name",
    [
        "s3:ObjectAccessed:Get",
        "s3:ObjectAccessed:Head",
        "ObjectRestore:Completed",
        "ObjectTagging:Put",
        "ObjectAcl:Put",
        "Replication:OperationFailedReplication",
        "ReducedRedundancyLostObject",
        "LifecycleTransition",
        "IntelligentTiering",
        "s3:Scanner:ManyVersions",
        "s3:BucketCreated:*",
        "objectcreated:put",
        "ObjectCreated",
        "",
        "no S3 has \0 this \ud800",
    ],
)
def test_other_events_are_ignored_whatever_else_they_say(
    world: World, name: str, members: dict[str, Any]
) -> None:
    good = record("a", size=1, eTag="e", sequencer="1")
    assert apply(world, {"eventName": name, **members}, good) == Counts(1, 1)
    assert [document["object_key"] for document in world.documents()] == ["a"]


# --- which keys ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("a%2520b", "a%20b"),
        ("a%2fb", "a/b"),
        ("a/b", "a/b"),
        ("%C3%BC", "ü"),
        ("ü", "ü"),
        ("u%CC%88", "u\u0308"),
        ("%F0%9F%98%80", "😀"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("%01%1f%7f%C2%80%0d%0a", "\x01\x1f\x7f\x80\r\n"),
        ("%EF%BF%BF", "\uffff"),
        ("..%2F..%2Fetc%2Fpasswd", "../../etc/passwd"),
        ("%2F", "/"),
        ("%2Fa", "/a"),
        ("a%2F%2Fb", "a//b"),
        ("+", " "),
        ("$where", "$where"),
        ("a.b.c", "a.b.c"),
        ("k" * 1024, "k" * 1024),
        ("%C3%BC" * 512, "ü" * 512),
        ("%F0%9F%98%80" * 256, "😀" * 256),
    ],
)
@pytest.mark.parametrize("ours", [True, False])
def test_any_legal_key(
    world: World, bucket: MemoryBucket, encoded: str, key: str, ours: bool
) -> None:
    where = OURS if ours else THEIRS
    bucket.put(key)
    thing = {"key": encoded, "size": 7, "eTag": "9a0364b9e99bb480dd25e1f0284c8555"}
    event = {"eventName": PUT, "s3": {"bucket": {"name": where}, "object": thing}}
    assert apply(world, event) == Counts(1, 0)
    assert live(world, key, where)["file_size"] == 7
    apply(world, {**event, "eventName": REMOVED, "eventTime": TIME})
    assert (at(world, key, where) or {})["state"] == (LIVE if ours else DELETED)


@pytest.mark.parametrize("encoded", ["%00", "a%00b", "a\0", "%00" * 1024])
@pytest.mark.parametrize("where", [OURS, THEIRS])
@pytest.mark.parametrize("name", [PUT, REMOVED])
def test_a_nul_is_ignored(world: World, encoded: str, where: str, name: str) -> None:
    thing = {"key": encoded, "size": 1, "eTag": "e", "sequencer": "1"}
    event = {"eventName": name, "s3": {"bucket": {"name": where}, "object": thing}}
    assert apply(world, event) == Counts(0, 1)
    assert world.documents() == []


@pytest.mark.parametrize("slashes", ["", "/", "//", "////"])
@pytest.mark.parametrize("name", [PUT, REMOVED])
def test_the_service_s_own_keys_are_ignored(
    world: World, bucket: MemoryBucket, slashes: str, name: str
) -> None:
    made = world.create(b"content", file_name="a.txt")
    bucket.remove(made["object_key"])  # an event is not what would tell of it
    for key in (made["object_key"], f"{PREFIX}/other", f"{PREFIX}/"):
        event = record(slashes + key, name, OURS, size=1, eTag="e", sequencer="ff")
        assert apply(world, event) == Counts(0, 1)
    assert world.documents() == [made]


@pytest.mark.parametrize("key", [f"{PREFIX}x", f"x/{PREFIX}/a", f"{PREFIX}", PREFIX.upper() + "/a"])
def test_keys_that_only_look_like_the_service_s_own(
    world: World, bucket: MemoryBucket, key: str
) -> None:
    bucket.put(key)
    assert apply(world, record(key, PUT, OURS, size=7)) == Counts(1, 0)
    assert live(world, key, OURS)["source"] == "s3"


@pytest.mark.parametrize("where", [OURS, THEIRS])
@pytest.mark.parametrize("key", ["x/", "/", "a/b/", "a//"])
@pytest.mark.parametrize("size", [{}, {"size": 0}, {"size": None}])
def test_a_folder_is_no_file(
    world: World, bucket: MemoryBucket, where: str, key: str, size: dict[str, Any]
) -> None:
    bucket.put(key, b"")
    event = record(key, PUT, where, eTag="e", sequencer="1", **size)
    assert apply(world, event) == Counts(0, 1)
    assert world.documents() == []


@pytest.mark.parametrize("where", [OURS, THEIRS])
def test_a_file_whose_key_ends_in_a_slash(world: World, bucket: MemoryBucket, where: str) -> None:
    bucket.put("y/", b"1")
    assert apply(world, record("y/", PUT, where, size=1, eTag="e", sequencer="1")) == Counts(1, 0)
    document = live(world, "y/", where)
    assert (document["file_name"], document["file_size"]) == ("y", 1)


@pytest.mark.parametrize("where", [OURS, THEIRS])
def test_a_file_that_becomes_a_folder(world: World, bucket: MemoryBucket, where: str) -> None:
    """An object of bytes is replaced by one of none: no file is left, whoever may look."""
    bucket.put("y/", b"1")
    apply(world, record("y/", PUT, where, size=1, eTag="e", sequencer="1"))
    live(world, "y/", where)
    bucket.put("y/", b"")
    apply(world, record("y/", PUT, where, eTag="d41d8cd9", sequencer="2"))
    assert (at(world, "y/", where) or {"state": DELETED})["state"] == DELETED


@pytest.mark.parametrize("size", [{}, {"size": 0}, {"size": None}])
def test_a_size_of_zero_may_be_left_out(world: World, size: dict[str, Any]) -> None:
    assert apply(world, record("empty", eTag="e", sequencer="1", **size)) == Counts(1, 0)
    assert live(world, "empty")["file_size"] == 0


@pytest.mark.parametrize("size", [1, 5 * 2**40, 2**63 - 1])
def test_sizes(world: World, size: int) -> None:
    apply(world, record("a", size=size, eTag="e", sequencer="1"))
    assert live(world, "a")["file_size"] == size


@pytest.mark.parametrize(
    "name", ["a", "My_Bucket", "x.y-z", "b" * 255, "..", "bucket--use1-az4--x-s3"]
)
def test_buckets_that_nobody_knows(world: World, name: str) -> None:
    assert apply(world, record("a", PUT, name, size=1, eTag="e", sequencer="1")) == Counts(1, 0)
    assert live(world, "a", name)["bucket"] == name


@pytest.mark.parametrize(
    ("given", "noted"),
    [
        ("2026-03-09T18:00:00Z", "2026-03-09T18:00:00.000Z"),
        ("2026-03-09T18:00:00.1234567Z", "2026-03-09T18:00:00.123Z"),
        ("2026-03-09T19:00:00.5+01:00", "2026-03-09T18:00:00.500Z"),
        ("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z"),
        (None, None),
    ],
)
def test_times(world: World, given: str | None, noted: str | None) -> None:
    apply(world, record("a", time=given, size=1, eTag="e", sequencer="1"))
    assert live(world, "a")["event_time"] == noted


@pytest.mark.parametrize(
    ("given", "noted"), [("abc-2", "abc-2"), ('"abc"', "abc"), (None, None), ("", "")]
)
def test_etags(world: World, given: str | None, noted: str | None) -> None:
    apply(world, record("a", size=1, eTag=given, sequencer="1"))
    assert live(world, "a")["etag"] == noted


def test_members_that_s3_has_and_nobody_needs(world: World) -> None:
    event = record("a", size=1, eTag="e", sequencer="1", versionId=None, userMetadata={"a": [1]})
    assert apply(world, event | {"source": {"port": ""}, "more": [{}]}) == Counts(1, 0)


# --- the order of events -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noted", "next_one", "newer"),
    [
        ("1", "2", True),
        ("2", "1", False),
        ("2", "2", False),
        ("9", "A", True),
        ("9", "a", True),
        ("a", "9", False),
        ("AF", "af", False),
        ("ae", "AF", True),
        ("af", "AE", False),
        ("1", "10", False),  # the shorter one is padded with zeros on the right: they are equal
        ("10", "1", False),
        ("1", "1000", False),
        ("1", "11", True),
        ("2", "11", False),
        ("11", "2", True),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6", True),
        ("0055AED6DCD90281E5", "0055AED6DCD90281", False),
        ("0055AED6DCD90281", "0055AED6DCD90281E5", True),
        ("18E9F4CEA15F9CEE", "18E9F4CED68FD7F5", True),
        ("0", "00", False),
        ("f" * 128, "e" * 128, False),
        ("e" * 128, "f", True),
        (None, "0", True),  # one without a sequencer says nothing about its place
        ("0", None, False),
        ("1", "", False),
    ],
)
@pytest.mark.parametrize("names", [(PUT, PUT), (PUT, REMOVED), (REMOVED, PUT), (REMOVED, REMOVED)])
def test_sequencers(
    world: World, noted: str | None, next_one: str | None, newer: bool, names: tuple[str, str]
) -> None:
    for number, (name, sequencer) in enumerate(zip(names, (noted, next_one), strict=True)):
        size: dict[str, Any] = {"size": number + 1} if name == PUT else {}
        event = record("a", name, eTag=f"e{number}", sequencer=sequencer, **size)
        assert apply(world, event).applied == (newer if number else True)
    document = at(world, "a")
    assert document is not None
    last = 1 if newer else 0
    assert document["state"] == (LIVE if names[last] == PUT else DELETED)
    assert document["sequencer"] == ((noted, next_one)[last] or None)
    if document["state"] == LIVE:
        assert (document["file_size"], document["etag"]) == (last + 1, f"e{last}")


@pytest.mark.parametrize(
    ("noted", "next_one", "newer"),
    [
        ("2026-03-09T18:00:00Z", "2026-03-09T18:00:00.001Z", True),
        ("2026-03-09T18:00:00Z", "2026-03-09T18:00:00.000Z", False),
        ("2026-03-09T18:00:00Z", "2026-03-09T19:00:00.001+01:00", True),
        ("2026-03-09T18:00:00Z", "2026-03-09T17:59:59Z", False),
        (None, "2026-03-09T17:59:59Z", True),
        ("2026-03-09T17:59:59Z", None, False),
    ],
)
def test_without_sequencers_the_time_decides(
    world: World, noted: str | None, next_one: str | None, newer: bool
) -> None:
    apply(world, record("a", time=noted, size=1, eTag="e"))
    assert apply(world, record("a", REMOVED, time=next_one)) == (
        Counts(1, 0) if newer else Counts(0, 1)
    )
    assert (at(world, "a") or {})["state"] == (DELETED if newer else LIVE)


def test_records_of_one_notification_come_one_after_the_other(world: World) -> None:
    """MinIO and AWS send one record each time, but may send several."""
    things = [
        record("a", size=1, eTag="e", sequencer="1"),
        record("a", REMOVED, sequencer="3"),
        record("a", size=2, eTag="f", sequencer="2"),
        record("b", size=3, eTag="g", sequencer="1"),
    ]
    assert apply(world, *things) == Counts(3, 1)
    assert (at(world, "a") or {})["state"] == DELETED
    assert live(world, "b")["file_size"] == 3


# --- what no S3 sends ----------------------------------------------------------------------

GOOD = record("good", size=1, eTag="e", sequencer="1")


def with_thing(**members: Any) -> dict[str, Any]:
    return record("a", **{"size": 1, "eTag": "e", "sequencer": "1", **members})


def with_key(encoded: Any) -> dict[str, Any]:
    return with_thing(key=encoded)


WRONG_RECORDS: dict[str, Any] = {
    "null": None,
    "text": "ObjectCreated:Put",
    "number": 1,
    "array": [],
    "empty": {},
    "no event name": {"s3": GOOD["s3"]},
    "event name a number": GOOD | {"eventName": 1},
    "event name null": GOOD | {"eventName": None},
    "event name with a control character": GOOD | {"eventName": PUT + "\n"},
    "event name not ASCII": GOOD | {"eventName": PUT + "ü"},
    "event name with a surrogate": GOOD | {"eventName": PUT + "\ud800"},
    "event name endless": GOOD | {"eventName": PUT * 100},
    "no s3": {"eventName": PUT},
    "s3 null": GOOD | {"s3": None},
    "s3 an array": GOOD | {"s3": []},
    "no bucket": GOOD | {"s3": {"object": GOOD["s3"]["object"]}},
    "bucket a text": GOOD | {"s3": {"bucket": "b", "object": GOOD["s3"]["object"]}},
    "bucket without name": GOOD | {"s3": {"bucket": {}, "object": GOOD["s3"]["object"]}},
    "bucket name empty": record("a", PUT, "", size=1),
    "bucket name endless": record("a", PUT, "b" * 256, size=1),
    "bucket name with a slash": record("a", PUT, "a/b", size=1),
    "bucket name with NUL": record("a", PUT, "a\0b", size=1),
    "bucket name with a newline": record("a", PUT, "a\n", size=1),
    "bucket name not ASCII": record("a", PUT, "ü", size=1),
    "bucket name an operator": GOOD
    | {"s3": {"bucket": {"name": {"$ne": ""}}, "object": GOOD["s3"]["object"]}},
    "no object": GOOD | {"s3": {"bucket": {"name": "b"}}},
    "object null": GOOD | {"s3": {"bucket": {"name": "b"}, "object": None}},
    "no key": GOOD | {"s3": {"bucket": {"name": "b"}, "object": {"size": 1}}},
    "key null": with_key(None),
    "key a number": with_key(1),
    "key empty": with_key(""),
    "key not UTF-8": with_key("%ff"),
    "key cut in a character": with_key("%F0%9F%98"),
    "key with an encoded surrogate": with_key("%ED%A0%80"),
    "key with a lone surrogate": with_key("\ud800"),
    "key with half a pair encoded and half not": with_key("\udc00%20"),
    "key too long": with_key("k" * 1025),
    "key too long in bytes": with_key("%C3%BC" * 512 + "k"),
    "key too long with a NUL": with_key("%00" + "k" * 1024),
    "size a text": with_thing(size="1"),
    "size a float": with_thing(size=1.0),
    "size true": with_thing(size=True),
    "size false": with_thing(size=False),
    "size negative": with_thing(size=-1),
    "size too large": with_thing(size=2**63),
    "size an array": with_thing(size=[]),
    "size not a number": with_thing(size=float("nan")),
    "etag a number": with_thing(eTag=1),
    "etag with a control character": with_thing(eTag="a\n"),
    "etag not ASCII": with_thing(eTag="ü"),
    "etag endless": with_thing(eTag="e" * 1025),
    "sequencer a number": with_thing(sequencer=1),
    "sequencer not hexadecimal": with_thing(sequencer="xyz"),
    "sequencer with a sign": with_thing(sequencer="-1"),
    "sequencer with a newline": with_thing(sequencer="1\n"),
    "sequencer of other digits": with_thing(sequencer="١"),
    "sequencer endless": with_thing(sequencer="1" * 129),
    "time a number": GOOD | {"eventTime": 1},
    "time empty": GOOD | {"eventTime": ""},
    "time nonsense": GOOD | {"eventTime": "yesterday"},
    "time without end": GOOD | {"eventTime": "9999-12-31T23:59:59-23:59"},
    "time before the beginning": GOOD | {"eventTime": "0001-01-01T00:00:00+23:59"},
    "time with a surrogate": GOOD | {"eventTime": "2026-03-09T18:00:00\ud800"},
    "removal with a wrong size": with_thing(size="x") | {"eventName": REMOVED},
}


@pytest.mark.parametrize("wrong", WRONG_RECORDS.values(), ids=WRONG_RECORDS)
@pytest.mark.parametrize("before", [0, 50])
def test_a_wrong_record_is_refused_and_nothing_applied(
    world: World, bucket: MemoryBucket, wrong: Any, before: int
) -> None:
    bucket.put("k1")
    good = [record(f"k{n}", PUT, (OURS, THEIRS)[n % 2], size=1, eTag="e") for n in range(before)]
    with pytest.raises(ApiError) as raised:
        apply(world, *good, wrong)
    assert (raised.value.code, raised.value.status) == ("invalid_event", 400)
    raised.value.sentence.encode()
    assert world.documents() == []
    assert (world.files.calls, world.objects.calls) == ([], [])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Records": None},
        {"Records": {}},
        {"Records": "[]"},
        {"Records": 1},
        {"records": []},
        {"Event": "s3:OtherEvent"},
        {"Event": "s3:TestEvent", "Records": None},
        {"EventName": "s3:ObjectCreated:Put", "Key": "b/k"},
        {"Type": "Notification", "Message": '{"Records": []}'},
    ],
)
def test_what_is_no_notification(world: World, body: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as raised:
        events_of(world).apply(body)
    assert raised.value.code == "invalid_event"
    assert world.files.calls == []


# --- anything ------------------------------------------------------------------------------

texts = st.text(st.characters(), max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def or_anything(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly as S3 has it, now and then any JSON value in its place."""
    return st.integers(0, 12).flatmap(lambda n: json_values if n == 0 else good)


def members(**good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object of these members, of which each may be missing or odd, and of others."""
    return or_anything(
        st.fixed_dictionaries({}, optional={name: or_anything(one) for name, one in good.items()})
    )


keys = st.sampled_from(["a", "b", "a%2Fb/", "x/", f"{PREFIX}/x", "%00", "k" * 1024]) | texts
objects = members(
    key=keys,
    size=st.integers(0, 9),
    eTag=st.sampled_from(["e", "f", ""]) | texts,
    sequencer=st.text("0123456789abcdefABCDEF", max_size=5),
)
near_records = members(
    eventName=st.sampled_from([PUT, REMOVED, "s3:" + PUT, "LifecycleExpiration:Delete"]) | texts,
    eventTime=st.sampled_from([TIME, "2026-03-09T18:00:01Z"]) | texts,
    s3=members(bucket=members(name=st.sampled_from([OURS, THEIRS]) | texts), object=objects),
)
good_records = st.builds(
    record,
    st.sampled_from(["a", "b", "c/"]),
    event_name=st.sampled_from([PUT, REMOVED]),
    bucket=st.sampled_from([OURS, THEIRS]),
    size=st.integers(0, 9),
    eTag=st.sampled_from(["e", "f"]),
    sequencer=st.text("0123456789abcdefABCDEF", max_size=5),
)
bodies = st.dictionaries(texts, json_values, max_size=3) | st.fixed_dictionaries(
    {"Records": or_anything(st.lists(near_records | good_records, max_size=4))}
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=bodies)
def test_anything_is_counted_or_refused(
    shared_world: tuple[World, MemoryBucket], body: dict[str, Any]
) -> None:
    """And what is refused was not begun. What comes as JSON is what JSON can bring."""
    received = json.loads(json.dumps(body))
    world, bucket = shared_world
    bucket.put("a")
    before = list(world.files.calls)
    try:
        counts = events_of(world).apply(received)
    except ApiError as error:
        said = (error.code, error.status, error.sentence.isprintable(), world.files.calls)
        assert said == ("invalid_event", 400, True, before)
        return
    assert min(counts) >= 0
    assert sum(counts) == len(received.get("Records", ["the test event"]))
    document = at(world, "a", OURS)
    assert document is None or document["state"] == LIVE
