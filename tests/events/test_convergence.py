"""Eight who deliver at once: whatever comes late, twice or never, the catalog ends up right.

What is delivered to whom is drawn beforehand and printed when it fails; only how the threads
interleave is left to the machine.
"""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import md5
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import IMAGE_FORMATS
from errors import ApiError
from services.catalog import Catalog
from services.collections import ALL, FILES
from services.description import Describer
from services.documents import DELETED, LIVE
from services.events import Events
from services.files import Files
from services.observer import Observer
from services.principals import ANYONE
from services.reconcile import Reconciler, Summary
from storage.interfaces import Collection, Database, Document, Order, Unavailable
from storage.mongo import MongoDatabase, connect
from storage.s3 import S3Store
from storage.s3_client import Clients
from storage.sqlite import SqliteDatabase
from tests.contracts.stores import s3_clients
from tests.events.bodies import PUT, REMOVED, notification, record
from tests.events.bucket import MemoryBucket
from tests.servers.stores import Stores
from tests.services.world import submission

DELIVERERS = 8
PREFIX = "file-drop"
HORIZON = timedelta(days=7)
PATIENCE = 60.0
DAWDLING = (0.0, 0.0, 0.001, 0.003)  # seconds
MiB = 2**20


@pytest.fixture(scope="module", params=["sqlite", "mongo-wire"])
def collection(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collection]:
    """One that the examples share; each keeps to keys or to a bucket of its own."""
    database: Database
    if request.param == "sqlite":
        database = SqliteDatabase(tmp_path_factory.mktemp("sqlite") / "catalog.sqlite")
    else:
        real: Stores = request.getfixturevalue("real_stores")
        database = MongoDatabase(connect(real.uri_of(f"t{uuid.uuid4().hex[:12]}")))
    with closing(database):
        database.prepare(ALL)
        yield database.collection(FILES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(DELIVERERS + 3) as pool:
        yield pool


def all_at_once(pool: ThreadPoolExecutor, works: Sequence[Callable[[], None]]) -> None:
    """Begin together; the first error, if there was one."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        start.wait(PATIENCE)
        work()

    for done in [pool.submit(run, work) for work in works]:
        done.result(PATIENCE)


class Flaky:
    """A collection that now and then does not answer a write, before or after doing it.

    `errors` says it for one write after the other; when they are used up, all goes well. It
    answers at different speeds, so that others come between.
    """

    def __init__(self, real: Collection, errors: Sequence[str]) -> None:
        self._real = real
        self._errors = iter(errors)

    def get(self, **equals: str) -> Document | None:
        found = self._real.get(**equals)
        time.sleep(random.choice(DAWDLING))
        return found

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in ("insert", "replace", "delete"):
            return real

        def write(document: Document) -> Any:
            error = next(self._errors, "")
            if error == "before":
                raise Unavailable("lost before it was applied")
            result = real(document)
            time.sleep(random.choice(DAWDLING))
            if error == "after":
                raise Unavailable("lost after it was applied")
            return result

        return write


def until_acknowledged(events: Events, body: dict[str, Any]) -> None:
    """As a sender does: again and again until it is told that all is well."""
    for _ in range(100):
        try:
            events.apply(body)
        except Unavailable:
            continue
        return
    raise AssertionError("never acknowledged")


lost_answers = st.lists(st.sampled_from(["", "", "before", "after"]), max_size=6)


def dealt(cards: st.SearchStrategy[list[int]]) -> st.SearchStrategy[list[list[int]]]:
    """What each deliverer gets, in its order."""

    def deal(drawn: tuple[list[int], random.Random]) -> list[list[int]]:
        numbers, chance = drawn
        chance.shuffle(numbers)
        hands: list[list[int]] = [[] for _ in range(DELIVERERS)]
        for number in numbers:
            chance.choice(hands).append(number)
        return hands

    return st.tuples(cards, st.randoms(use_true_random=False)).map(deal)


# --- a bucket that the service cannot read -------------------------------------------------


@dataclass(frozen=True)
class Told:
    """An event of a bucket that is not ours; the lengths of sequencers differ."""

    key: int
    removed: bool
    sequencer: str
    size: int

    def record(self, prefix: str) -> dict[str, Any]:
        created: dict[str, Any] = {}
        if not self.removed:
            created = {"size": self.size, "eTag": f"etag-{self.sequencer}"}
        name = REMOVED if self.removed else PUT
        key = f"{prefix}/{self.key}"
        return record(key, name, "theirs", sequencer=self.sequencer, **created)

    def place(self) -> str:
        return self.sequencer.lower().ljust(8, "0")


@dataclass(frozen=True)
class Elsewhere:
    """Events, who delivers which of them in what order, and the answers that get lost."""

    events: list[Told]
    hands: list[list[int]]
    lost: list[list[str]]


@st.composite
def elsewhere(draw: st.DrawFn) -> Elsewhere:
    told = st.builds(
        Told,
        key=st.integers(0, 1),
        removed=st.booleans(),
        sequencer=st.text("0123456789abcdefABCDEF", min_size=1, max_size=5),
        size=st.integers(0, 3),
    )
    events = draw(st.lists(told, min_size=2, max_size=8, unique_by=lambda e: (e.key, e.place())))
    numbers = st.integers(0, len(events) - 1)
    again = st.lists(numbers, min_size=8, max_size=24).map(
        lambda more: [*range(len(events)), *more]
    )
    hands = draw(dealt(again))
    lost = draw(st.lists(lost_answers, min_size=DELIVERERS, max_size=DELIVERERS))
    return Elsewhere(events, hands, lost)


@settings(
    max_examples=150,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(case=elsewhere())
def test_elsewhere_the_highest_sequencer_wins(
    collection: Collection, pool: ThreadPoolExecutor, case: Elsewhere
) -> None:
    prefix = uuid.uuid4().hex

    def deliverer(hand: list[int], lost: list[str]) -> Callable[[], None]:
        files = Files(MemoryBucket(), Flaky(collection, lost), PREFIX, HORIZON)
        events = Events(Observer(files), files)

        def deliver() -> None:
            for number in hand:
                until_acknowledged(events, notification(case.events[number].record(prefix)))

        return deliver

    all_at_once(pool, [deliverer(*both) for both in zip(case.hands, case.lost, strict=True)])
    for key in {event.key for event in case.events}:
        last = max((event for event in case.events if event.key == key), key=Told.place)
        document = collection.get(bucket="theirs", object_key=f"{prefix}/{key}")
        assert document is not None
        assert document["sequencer"] == last.sequencer
        assert document["state"] == (DELETED if last.removed else LIVE)
        if not last.removed:
            said = (document["file_size"], document["etag"])
            assert said == (last.size, f"etag-{last.sequencer}")


# --- the service's own bucket --------------------------------------------------------------

KEYS = ("a.txt", "b/ü +%25.png", "c/", "d\n")
CONTENTS = (b"", b"one", b"two", b"three" * 1000)
Kind = Literal["put", "remove", "bulk remove", "client removes", "client describes"]


@dataclass(frozen=True)
class Step:
    """Something that is done with an object: past the service, or by a client of it."""

    kind: Kind
    key: int
    content: int

    def record(self, bucket: str, number: int) -> dict[str, Any]:
        """What the store would tell of it, in sequencers that are not always in order.

        Of what a client describes it tells nothing: then this is a removal that never was.
        """
        sequencer = f"{number * 7 % 5:X}{number:04X}"
        key = KEYS[self.key]
        if self.kind == "put":
            content = CONTENTS[self.content]
            etag = md5(content, usedforsecurity=False).hexdigest()
            size: dict[str, Any] = {"size": len(content)} if content else {}
            return record(key, PUT, bucket, eTag=etag, sequencer=sequencer, **size)
        return record(key, REMOVED, bucket, sequencer=sequencer)


@dataclass(frozen=True)
class Ours:
    """What two writers do, which of its events arrive and at whom, and the answers lost.

    Event `n` belongs to step `n`, first the one writer's, then the other's.
    """

    writers: list[list[Step]]
    hands: list[list[int]]
    lost: list[list[str]]
    mends_meanwhile: bool

    @property
    def steps(self) -> list[Step]:
        return [step for steps in self.writers for step in steps]


@st.composite
def ours(draw: st.DrawFn) -> Ours:
    step = st.builds(
        Step,
        kind=st.sampled_from(
            ["put", "put", "put", "remove", "bulk remove", "client removes", "client describes"]
        ),
        key=st.integers(0, len(KEYS) - 1),
        content=st.integers(0, len(CONTENTS) - 1),
    )
    steps = st.lists(step, min_size=2, max_size=8)
    writers = draw(st.lists(steps, min_size=2, max_size=2))
    arrived = [n for n in range(sum(map(len, writers))) if draw(st.sampled_from([1, 1, 0]))]
    again = st.lists(st.sampled_from(arrived), max_size=16) if arrived else st.just([])
    hands = draw(dealt(again.map(lambda more: [*arrived, *more])))
    lost = draw(st.lists(lost_answers, min_size=DELIVERERS, max_size=DELIVERERS))
    return Ours(writers, hands, lost, draw(st.booleans()))


@pytest.fixture(scope="module")
def minio(real_stores: Stores) -> Iterator[Clients]:
    with s3_clients(real_stores, real_stores.s3_endpoint_url) as made:
        yield made


class OurBucket:
    """A bucket of an example's own, seen by the service and by those who go past it."""

    def __init__(self, minio: Clients, collection: Collection, folder: Path) -> None:
        self.name = f"t{uuid.uuid4().hex[:16]}"
        self._s3 = minio.usual
        self._s3.create_bucket(Bucket=self.name)
        self._collection = collection
        self._store = S3Store(minio, self.name, folder, 8 * MiB)

    def files(self, lost: Sequence[str] = ()) -> Files:
        return Files(self._store, Flaky(self._collection, lost), PREFIX, HORIZON)

    def events(self, lost: Sequence[str]) -> Events:
        files = self.files(lost)
        return Events(Observer(files), files)

    def reconciler(self) -> Reconciler:
        files = self.files()
        return Reconciler(Observer(files), files)

    def do(self, step: Step) -> None:
        key = KEYS[step.key]
        if step.kind == "put":
            self._s3.put_object(Bucket=self.name, Key=key, Body=CONTENTS[step.content])
        elif step.kind == "remove":
            self._s3.delete_object(Bucket=self.name, Key=key)
        elif step.kind == "bulk remove":
            self._s3.delete_objects(Bucket=self.name, Delete={"Objects": [{"Key": key}]})
        else:
            self._as_client(step, key)

    def _as_client(self, step: Step, key: str) -> None:
        files = self.files()
        catalog = Catalog(files, Observer(files), Describer(self._store, IMAGE_FORMATS))
        metadata = {"step": str(step.content)}
        with suppress(ApiError):  # there is no such file, or no longer
            file_id = catalog.get_by_key(ANYONE, self.name, key)["file_id"]
            if step.kind == "client removes":
                catalog.delete(ANYONE, file_id)
            else:
                catalog.update(ANYONE, file_id, lambda: submission(metadata=metadata))

    def files_there(self) -> list[tuple[str, int, str]]:
        """Key, size and ETag of every object that is no folder."""
        found = self._s3.list_objects_v2(Bucket=self.name).get("Contents", [])
        return sorted(
            (one["Key"], one["Size"], one["ETag"].strip('"'))
            for one in found
            if one["Size"] or not one["Key"].endswith("/")
        )

    def documents(self) -> list[Document]:
        order = Order(("object_key",), descending=False)
        page = self._collection.page({"bucket": self.name}, [], order, None, 1000, 1000)
        return page.documents

    def close(self) -> None:
        found = self._s3.list_objects_v2(Bucket=self.name).get("Contents", [])
        for one in found:
            self._s3.delete_object(Bucket=self.name, Key=one["Key"])
        self._s3.delete_bucket(Bucket=self.name)


def nothing_shown(_: Summary) -> None:
    pass


@settings(
    max_examples=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(case=ours())
def test_one_reconcile_makes_catalog_and_bucket_equal(
    collection: Collection,
    minio: Clients,
    pool: ThreadPoolExecutor,
    folder: Path,
    case: Ours,
) -> None:
    with closing(OurBucket(minio, collection, folder)) as bucket:
        records = [step.record(bucket.name, n) for n, step in enumerate(case.steps)]

        def writer(steps: list[Step]) -> Callable[[], None]:
            def write() -> None:
                for step in steps:
                    bucket.do(step)

            return write

        def deliverer(hand: list[int], lost: list[str]) -> Callable[[], None]:
            events = bucket.events(lost)

            def deliver() -> None:
                for number in hand:
                    until_acknowledged(events, notification(records[number]))

            return deliver

        def mender() -> None:
            bucket.reconciler().mend(nothing_shown)

        works = [writer(steps) for steps in case.writers]
        works += [deliverer(*both) for both in zip(case.hands, case.lost, strict=True)]
        all_at_once(pool, [*works, *([mender] if case.mends_meanwhile else [])])

        bucket.reconciler().mend(nothing_shown)
        live = [document for document in bucket.documents() if document["state"] == LIVE]
        said = [(one["object_key"], one["file_size"], one["etag"]) for one in live]
        assert sorted(said) == bucket.files_there()
        for find in (bucket.reconciler().look, bucket.reconciler().mend):
            again = find(nothing_shown)
            assert (again.found, again.mended) == (Counter(), Counter())
            assert (again.objects, again.left) == (len(live), 0)
