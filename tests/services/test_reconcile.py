"""The reconciler: what it finds, what it mends, and above all what it leaves alone."""

import tracemalloc
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.collections import ALL, FILES, JOBS
from services.documents import DELETED, LIVE, new_document, new_file_id, place_of
from services.files import Files
from services.observer import Observer
from services.principals import ANYONE
from services.reconcile import PAGE, PROGRESS_EVERY, SAFE, Reconciler, Summary
from services.sweep import KEY_AGE, Sweep
from storage.interfaces import (
    Collection,
    Conflict,
    Document,
    Listed,
    NotFound,
    ObjectStat,
    Order,
    Page,
    Unavailable,
    Upload,
    Where,
)
from storage.sqlite import SqliteDatabase
from tests.services.world import HORIZON, PREFIX, Between

Run = Literal["look", "mend", "prune"]
RUNS: tuple[Run, ...] = ("look", "mend", "prune")
SECOND = timedelta(seconds=1)
OURS, THEIRS = "ours", "theirs"


def by_utf16(key: str) -> bytes:
    """The order of a server that is written in Java."""
    return key.encode("utf-16-be")


class Bucket:
    """Objects by key as the reconciler sees them: how long, and which content."""

    bucket = OURS

    def __init__(self) -> None:
        self.objects: dict[str, tuple[int, str]] = {}
        self.sort_key: Callable[[str], bytes] = str.encode

    def put(self, key: str, content: str = "A", size: int = 7) -> None:
        self.objects[key] = (size, content)

    def remove(self, key: str) -> None:
        self.objects.pop(key, None)

    def stat(self, key: str) -> ObjectStat:
        assert "\0" not in key
        if key not in self.objects:
            raise NotFound(key)
        return ObjectStat(*self.objects[key], "text/plain")

    def delete(self, key: str) -> None:
        """Whatever else happens: what others put there is never the service's to delete."""
        assert key.startswith(f"{PREFIX}/"), key
        self.remove(key)

    def list(self, prefix: str, after: str) -> Iterator[Listed]:
        """As they were when the listing began."""
        there = dict(self.objects)
        for key in sorted(there, key=self.sort_key):
            if key.startswith(prefix) and self.sort_key(key) > self.sort_key(after):
                yield Listed(key, *there[key])

    def abandoned(self, older_than: datetime) -> Iterator[Upload]:
        return iter(())


class Sorted:
    """A collection whose server sorts keys as `sort_key` does."""

    def __init__(self, real: Collection, bucket: Bucket) -> None:
        self._real = real
        self._bucket = bucket

    def page(
        self,
        equals: Mapping[str, str],
        where: Sequence[Where],
        order: Order,
        after: tuple[Any, ...] | None,
        limit: int,
        scan: int,
    ) -> Page:
        whole = self._real.page(equals, where, order, None, 10**6, 10**6).documents
        sort_key = self._bucket.sort_key
        whole.sort(key=lambda one: sort_key(one["object_key"]))
        rest = [
            one
            for one in whole
            if after is None or sort_key(one["object_key"]) > sort_key(after[0])
        ]
        documents = rest[:limit]
        last = (documents[-1]["object_key"],) if len(documents) == limit else None
        return Page(documents, last)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@dataclass
class Scene:
    """A bucket in memory, a catalog in SQLite, and a clock."""

    database: SqliteDatabase
    bucket: Bucket = field(default_factory=Bucket)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.collection = self.database.collection(FILES)
        self.objects: Any = Between(self.bucket)
        self.documents: Any = Between(self.collection)
        self.files = Files(self.objects, self.documents, PREFIX, HORIZON, lambda: self.now)
        #: The same of another process, whose calls are not counted and do not fail.
        somebodys: Any = self.bucket
        self.somebody = Files(somebodys, self.collection, PREFIX, HORIZON, lambda: self.now)

    @property
    def reconciler(self) -> Reconciler:
        return Reconciler(Observer(self.files), self.files)

    def run(self, how: Run, progress: Callable[[Summary], None] = lambda _: None) -> Summary:
        work = {
            "look": self.reconciler.look,
            "mend": self.reconciler.mend,
            "prune": self.reconciler.prune,
        }
        summary = work[how](progress)
        assert summary.left >= 0
        return summary

    # --- what there is ---------------------------------------------------------------------

    def document(self, key: str, content: str | None = "A", size: int = 7, **more: Any) -> Document:
        """A live document that says this of the object."""
        fields: dict[str, Any] = {
            "bucket": OURS,
            "object_key": key,
            "etag": content,
            "file_name": "name",
            "file_size": None if content is None else size,
            "file_type": "text/plain",
            "source": "s3",
        }
        return self.somebody.insert(self.somebody.new(**{**fields, **more}))

    def recorded(self, key: str) -> Document:
        """An image recorded by its name, whose object nobody has seen."""
        return self.document(key, None, source="api", item_name=key, item_source="API")

    def tombstone(self, key: str) -> Document:
        return self.somebody.replace(self.somebody.absent(self.document(key)))

    def both(self, key: str) -> None:
        self.bucket.put(key)
        self.document(key)

    def own_key(self, age: timedelta = timedelta(days=30)) -> str:
        return own_key(self.now - age)

    def at(self, key: str, bucket: str = OURS) -> Document | None:
        return self.collection.get(bucket=bucket, object_key=key)

    def live(self, key: str) -> tuple[int | None, str | None] | None:
        """What the catalog says of an object, None if that there is none."""
        document = self.at(key)
        if document is None or document["state"] != LIVE:
            return None
        return document["file_size"], document["etag"]

    def all_documents(self) -> list[Document]:
        order = Order(("bucket", "object_key"), False)
        return self.collection.page({}, [], order, None, 10**6, 10**6).documents

    def everything(self) -> "tuple[dict[str, tuple[int, str]], list[Document]]":
        """To see that nothing was changed: documents have their version."""
        return dict(self.bucket.objects), self.all_documents()

    def clear(self) -> None:
        self.bucket.objects.clear()
        for document in self.all_documents():
            self.collection.delete(document)


def own_key(moment: datetime, shard: str = "ab") -> str:
    """A key as the service makes it for an upload that began then."""
    number = int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0x8 << 60 | uuid.uuid4().int >> 72
    return f"{PREFIX}/{shard}/{str(uuid.UUID(int=number))[:-2]}{shard}"


@contextmanager
def scene_in(folder: Path) -> Iterator[Scene]:
    database = SqliteDatabase(folder / "catalog.sqlite")
    database.prepare(ALL)
    try:
        yield Scene(database)
    finally:
        database.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as made:
        yield made


# --- every kind of difference --------------------------------------------------------------


def unknown_object(scene: Scene) -> str:
    scene.bucket.put("unknown.txt")
    return "unknown.txt"


def unknown_again(scene: Scene) -> str:
    """An object that came back."""
    scene.tombstone("unknown.txt")
    scene.bucket.put("unknown.txt")
    return "unknown.txt"


def changed_content(scene: Scene) -> str:
    scene.document("changed.txt", "A")
    scene.bucket.put("changed.txt", "B")
    return "changed.txt"


def changed_size(scene: Scene) -> str:
    scene.document("changed.txt", size=7)
    scene.bucket.put("changed.txt", size=8)
    return "changed.txt"


def seen_at_last(scene: Scene) -> str:
    """An image recorded by name, and now the object is there."""
    scene.recorded("cat.png")
    scene.bucket.put("cat.png")
    return "cat.png"


def changed_own(scene: Scene) -> str:
    """Somebody wrote over what is the service's own."""
    key = scene.own_key()
    scene.document(key, "A", source="api")
    scene.bucket.put(key, "B")
    return key


def missing_object(scene: Scene) -> str:
    scene.document("missing.txt")
    return "missing.txt"


def only_a_folder(scene: Scene) -> str:
    scene.document("folder/")
    scene.bucket.put("folder/", size=0)
    return "folder/"


def stray_bytes(scene: Scene) -> str:
    key = scene.own_key(KEY_AGE + SECOND)
    scene.bucket.put(key)
    return key


def lost_bytes(scene: Scene) -> str:
    key = scene.own_key(timedelta(minutes=1))
    scene.document(key, source="api")
    return key


CASES = (
    unknown_object,
    unknown_again,
    changed_content,
    changed_size,
    seen_at_last,
    changed_own,
    missing_object,
    only_a_folder,
    stray_bytes,
    lost_bytes,
)
KINDS = {
    "unknown_again": "unknown_object",
    "changed_content": "changed_object",
    "changed_size": "changed_object",
    "seen_at_last": "changed_object",
    "changed_own": "changed_object",
    "only_a_folder": "missing_object",
}
Case = Callable[[Scene], str]


def kind_of(case: Case) -> str:
    return KINDS.get(case.__name__, case.__name__)


cases = pytest.mark.parametrize("case", CASES)


@cases
def test_a_look_finds_it_and_changes_nothing(scene: Scene, case: Case) -> None:
    case(scene)
    before = scene.everything()
    for _ in range(2):
        summary = scene.run("look")
        assert summary.found == Counter({kind_of(case): 1})
        assert (summary.mended.total(), summary.left) == (0, 1)
    assert scene.everything() == before
    writing = {"insert", "replace", "delete"}
    assert not writing & {*scene.documents.calls, *scene.objects.calls}


@cases
def test_mend_makes_right_what_can_be_looked_at(scene: Scene, case: Case) -> None:
    key, kind = case(scene), kind_of(case)
    before = scene.everything()
    summary = scene.run("mend")
    assert summary.found == Counter({kind: 1})
    if kind in SAFE:
        assert (summary.mended, summary.left) == (Counter({kind: 1}), 0)
        assert_agree(scene, key)
        assert scene.run("mend").found.total() == 0
    else:
        assert (summary.mended.total(), summary.left) == (0, 1)
        assert scene.everything() == before


@cases
def test_prune_makes_everything_right(scene: Scene, case: Case) -> None:
    key, kind = case(scene), kind_of(case)
    summary = scene.run("prune")
    assert (summary.found, summary.mended) == (Counter({kind: 1}), Counter({kind: 1}))
    assert summary.left == 0
    assert_agree(scene, key)
    for run in RUNS:
        again = scene.run(run)
        assert (again.found.total(), again.mended.total()) == (0, 0)


def assert_agree(scene: Scene, key: str) -> None:
    """The catalog says of the key what the bucket says."""
    there = scene.bucket.objects.get(key)
    if there == (0, "A") and key.endswith("/"):
        there = None
    assert scene.live(key) == there


def test_what_was_mended_is_written_down_as_an_event_would_be(scene: Scene) -> None:
    scene.bucket.put("folder/new.png", "B", 9)
    file_id = scene.document("old.txt", "A")["file_id"]
    scene.bucket.put("old.txt", "B", 9)
    scene.run("mend")
    new, old = scene.at("folder/new.png"), scene.at("old.txt")
    assert new is not None and old is not None
    assert (new["file_name"], new["source"], new["item_name"]) == (
        "new.png",
        "s3",
        "folder/new.png",
    )
    assert (new["owner"], new["revision"], new["file_type"]) == (ANYONE.owner, 1, "text/plain")
    assert (old["file_id"], old["revision"], old["sha256"]) == (file_id, 2, None)


def test_an_object_that_came_back_has_a_new_id(scene: Scene) -> None:
    """An id is never used again (SPEC section 2)."""
    old = scene.tombstone("again.txt")
    scene.bucket.put("again.txt")
    scene.run("mend")
    document = scene.at("again.txt")
    assert document is not None and document["state"] == LIVE
    assert document["file_id"] != old["file_id"]


def test_many_of_each_kind_at_once(scene: Scene) -> None:
    for number in range(20):
        scene.bucket.put(f"unknown/{number}")
        scene.document(f"changed/{number}", "A")
        scene.bucket.put(f"changed/{number}", "B")
        scene.document(f"missing/{number}")
        stray_bytes(scene)
        lost_bytes(scene)
        scene.both(f"same/{number}")
    summary = scene.run("mend")
    each = Counter(dict.fromkeys((*SAFE, "stray_bytes", "lost_bytes"), 20))
    safe = Counter(dict.fromkeys(SAFE, 20))
    assert (summary.found, summary.mended, summary.left) == (each, safe, 40)
    assert (summary.objects, summary.documents) == (80, 80)
    summary = scene.run("prune")
    assert summary.found == summary.mended == each - safe
    assert scene.run("look").found.total() == 0


# --- stray bytes ---------------------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("age", [timedelta(0), KEY_AGE - SECOND, -timedelta(days=365)])
def test_bytes_of_an_upload_that_may_be_under_way_are_left_alone(
    scene: Scene, run: Run, age: timedelta
) -> None:
    scene.bucket.put(scene.own_key(age))
    assert_untouched(scene, run)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "key",
    [
        f"{PREFIX}/readme.txt",
        f"{PREFIX}/ab/readme.txt",
        f"{PREFIX}/ab/",
        f"{PREFIX}/ab/{uuid.UUID(int=0x11112222333344448555666677778888)}",  # version 4
        f"{PREFIX}/ab/{uuid.UUID(int=0)}",
    ],
)
def test_what_the_service_did_not_make_is_left_alone_under_its_prefix(
    scene: Scene, run: Run, key: str
) -> None:
    scene.bucket.put(key)
    assert_untouched(scene, run)


OLD_UUID = "019b76da-a800-7000-80e1-f7c3a59e91ab"  # of 2026-01-01


def test_a_key_of_the_service_s_own_shape_is_one(scene: Scene) -> None:
    """For what comes next: it is the shape alone that makes the difference."""
    scene.bucket.put(f"{PREFIX}/ab/{OLD_UUID}")
    assert scene.run("prune").mended == Counter(stray_bytes=1)


@pytest.mark.parametrize(
    "key",
    [
        f"{PREFIX}/{OLD_UUID}",
        f"{PREFIX}/backup/{OLD_UUID}",
        f"{PREFIX}/ab/backup/{OLD_UUID}",
        f"{PREFIX}/cd/{OLD_UUID}",
        f"{PREFIX}/ab/{OLD_UUID.upper()}",
        f"{PREFIX}/ab/{OLD_UUID.replace('-', '')}",
        f"{PREFIX}/ab/{{{OLD_UUID}}}",
        f"{PREFIX}/ab/urn:uuid:{OLD_UUID}",
        f"/{PREFIX}/ab/{OLD_UUID}",
    ],
)
def test_a_uuid_at_the_end_does_not_make_a_key_the_service_s_own(scene: Scene, key: str) -> None:
    """SPEC section 8: `<prefix>/<xx>/<UUIDv7>`, `xx` being its last two hex digits; whatever
    has another shape was not made by the service, and `--prune` would delete it for good."""
    scene.bucket.put(key)
    assert_untouched(scene, "prune")


def assert_untouched(scene: Scene, run: Run) -> None:
    before = scene.everything()
    summary = scene.run(run)
    assert (summary.found.total(), summary.mended.total(), summary.left) == (0, 0, 0)
    assert scene.everything() == before


def test_pruned_bytes_leave_a_tombstone_that_keeps_a_late_commit_out(scene: Scene) -> None:
    key = stray_bytes(scene)
    scene.run("prune")
    tombstone = scene.at(key)
    assert tombstone is not None and tombstone["state"] == DELETED
    assert (key in scene.bucket.objects, tombstone["garbage"]) == (False, [])
    with pytest.raises(Conflict):
        scene.document(key, source="api")


def test_bytes_whose_deletion_does_not_work_are_left_to_the_sweep(scene: Scene) -> None:
    key = stray_bytes(scene)
    scene.objects.fail("delete", "before")
    assert scene.run("prune").mended == Counter(stray_bytes=1)
    assert key in scene.bucket.objects
    assert scene.run("prune").found.total() == 0
    scene.now += timedelta(minutes=2)
    assert Sweep(scene.files, scene.database.collection(JOBS)).run()
    assert key not in scene.bucket.objects


# --- what is no difference -----------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS)
def test_what_agrees_is_not_even_looked_at(scene: Scene, run: Run) -> None:
    scene.both("a.txt")
    scene.both("folder/b.txt")
    scene.both(scene.own_key())
    scene.both(scene.own_key(timedelta(0)))
    assert_untouched(scene, run)
    assert "stat" not in scene.objects.calls


@pytest.mark.parametrize("run", RUNS)
def test_an_image_recorded_by_name_waits_for_its_object(scene: Scene, run: Run) -> None:
    scene.recorded("cat.png")
    assert_untouched(scene, run)


@pytest.mark.parametrize("run", RUNS)
def test_tombstones_of_what_is_gone_are_right(scene: Scene, run: Run) -> None:
    scene.tombstone("gone.txt")
    scene.tombstone(scene.own_key())
    assert_untouched(scene, run)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=30)])
def test_bytes_that_a_tombstone_speaks_of_are_the_sweep_s(
    scene: Scene, run: Run, age: timedelta
) -> None:
    key = scene.own_key(age)
    scene.somebody.replace(scene.somebody.gone(scene.document(key, source="api")))
    scene.bucket.put(key)
    assert_untouched(scene, run)


@pytest.mark.parametrize("run", RUNS)
def test_folders_are_no_files(scene: Scene, run: Run) -> None:
    scene.bucket.put("folder/", size=0)
    scene.bucket.put("folder/deep/", size=0)
    scene.both("folder/file")
    assert_untouched(scene, run)


def test_what_only_ends_as_a_folder_does_is_a_file(scene: Scene) -> None:
    scene.bucket.put("no-folder/", size=1)
    scene.bucket.put("empty", size=0)
    assert scene.run("mend").mended == Counter(unknown_object=2)
    assert scene.live("no-folder/") == (1, "A")
    assert scene.live("empty") == (0, "A")


@pytest.mark.parametrize("run", RUNS)
def test_keys_with_nul_are_passed_over(scene: Scene, run: Run) -> None:
    """S3 takes them, the stores of documents do not."""
    for key in ("\0", "a\0", "a\0b", "b\0/", f"{PREFIX}/ab/\0{OLD_UUID}"):
        scene.bucket.put(key)
    scene.both("a")
    scene.both("b")
    assert_untouched(scene, run)


@pytest.mark.parametrize("run", RUNS)
def test_documents_about_other_buckets_are_not_the_bucket_s(scene: Scene, run: Run) -> None:
    scene.document("a.txt", bucket=THEIRS)
    scene.document("b.txt", bucket=THEIRS)
    scene.document(scene.own_key(), bucket=THEIRS)
    scene.document("a.txt")
    scene.bucket.put("a.txt")
    assert_untouched(scene, run)


def test_a_document_about_another_bucket_does_not_stand_for_an_object(scene: Scene) -> None:
    theirs = scene.document("a.txt", bucket=THEIRS)
    scene.bucket.put("a.txt")
    assert scene.run("prune").mended == Counter(unknown_object=1)
    assert scene.live("a.txt") == (7, "A")
    assert scene.at("a.txt", THEIRS) == theirs


@pytest.mark.parametrize("run", RUNS)
def test_nothing_at_all(scene: Scene, run: Run) -> None:
    summary = scene.run(run)
    assert (summary.objects, summary.documents, summary.left) == (0, 0, 0)


# --- looked at again -----------------------------------------------------------------------


@dataclass(frozen=True)
class Meanwhile:
    """A difference that is gone by the time of the second look: `call` is what sees to that
    just before the store's method `at` is asked."""

    case: Case
    at: str
    call: Callable[[Scene, str], object]


def _commit(scene: Scene, key: str) -> None:
    scene.document(key, source="api")


def _known(scene: Scene, key: str) -> None:
    scene.document(key)


def _removed(scene: Scene, key: str) -> None:
    scene.bucket.remove(key)


def _put(scene: Scene, key: str) -> None:
    scene.bucket.put(key)


def _observed(scene: Scene, key: str) -> None:
    Observer(scene.somebody).observe(OURS, key)


def _buried(scene: Scene, key: str) -> None:
    assert scene.somebody.bury(key)


def _replaced(scene: Scene, key: str) -> None:
    """By new content under another key, as a client's PUT does it."""
    document, other = scene.at(key), scene.own_key(timedelta(0))
    assert document is not None
    scene.bucket.put(other, "new")
    moved = {"place": place_of(OURS, other), "object_key": other, "etag": "new"}
    scene.somebody.replace({**document, **moved})


def _deleted(scene: Scene, key: str) -> None:
    document = scene.at(key)
    assert document is not None
    scene.somebody.replace(scene.somebody.gone(document))


MEANWHILE = {
    "unknown object: an event was faster": Meanwhile(unknown_object, "get", _known),
    "unknown object: an event was faster at the last moment": Meanwhile(
        unknown_object, "stat", _known
    ),
    "unknown object: it is gone again": Meanwhile(unknown_object, "stat", _removed),
    "changed object: put back": Meanwhile(changed_content, "stat", _put),
    "changed object: an event was faster": Meanwhile(changed_content, "get", _observed),
    "changed object: an event was faster at the last moment": Meanwhile(
        changed_content, "stat", _observed
    ),
    "missing object: put again": Meanwhile(missing_object, "stat", _put),
    "missing object: an event was faster": Meanwhile(missing_object, "get", _observed),
    "stray bytes: committed": Meanwhile(stray_bytes, "get", _commit),
    "stray bytes: committed at the last moment": Meanwhile(stray_bytes, "stat", _commit),
    "stray bytes: the sweep was faster": Meanwhile(stray_bytes, "get", _buried),
    "stray bytes: gone": Meanwhile(stray_bytes, "get", _removed),
    "lost bytes: there after all": Meanwhile(lost_bytes, "stat", _put),
    "lost bytes: replaced": Meanwhile(lost_bytes, "get", _replaced),
    "lost bytes: replaced at the last moment": Meanwhile(lost_bytes, "stat", _replaced),
    "lost bytes: deleted": Meanwhile(lost_bytes, "get", _deleted),
    "lost bytes: deleted at the last moment": Meanwhile(lost_bytes, "stat", _deleted),
}


@pytest.mark.parametrize("run", ["look", "prune"])
@pytest.mark.parametrize("what", MEANWHILE)
def test_a_difference_that_is_gone_is_none(scene: Scene, what: str, run: Run) -> None:
    """`a finding that it does not confirm is none`, whoever was faster."""
    meanwhile = MEANWHILE[what]
    key = meanwhile.case(scene)
    between = scene.objects if meanwhile.at == "stat" else scene.documents
    after: list[Any] = []

    def interfere() -> None:
        meanwhile.call(scene, key)
        after.append(scene.everything())

    between.plan(meanwhile.at, "before", interfere)
    summary = scene.run(run)
    assert len(after) == 1
    assert (summary.found.total(), summary.mended.total(), summary.left) == (0, 0, 0)
    assert scene.everything() == after[0]


def test_a_commit_at_the_last_moment_keeps_its_bytes(scene: Scene) -> None:
    """The unique index decides, not a clock (SPEC section 8)."""
    key = stray_bytes(scene)
    scene.documents.plan("insert", "before", partial(_commit, scene, key))
    summary = scene.run("prune")
    assert (summary.found.total(), summary.mended.total()) == (0, 0)
    assert scene.bucket.objects[key] == scene.live(key)


def test_a_mend_that_somebody_disturbs_begins_again(scene: Scene) -> None:
    key = changed_content(scene)
    scene.documents.plan("replace", "before", partial(scene.bucket.put, key, "C"))
    scene.run("mend")
    # The object changed after the look: what was written is looked at once more.
    assert scene.live(key) == (7, "C")

    def somebody_first() -> None:
        scene.bucket.put(key, "D")
        _observed(scene, key)
        scene.bucket.put(key, "E")

    scene.bucket.put(key, "changed again")
    scene.documents.plan("replace", "before", somebody_first)
    assert scene.run("mend").mended == Counter(changed_object=1)
    assert scene.live(key) == (7, "E")


def test_each_finding_is_looked_at_alone_and_again_when_mended(scene: Scene) -> None:
    for number in range(3):
        scene.bucket.put(f"unknown/{number}")
        scene.both(f"same/{number}")
    scene.run("mend")
    assert scene.objects.calls.count("stat") == 3 * 2


# --- the order of keys ---------------------------------------------------------------------

# In the order of UTF-8 bytes; the two last are the other way round in UTF-16.
WAYWARD = ("A", "Z", "a", "a b", "a+b", "a/b", "ab", "é", "写", "～", "😀")
assert list(WAYWARD) == sorted(WAYWARD, key=str.encode)
assert list(WAYWARD) != sorted(WAYWARD, key=by_utf16)


@pytest.mark.parametrize("run", RUNS)
def test_keys_are_compared_by_their_utf8_bytes(scene: Scene, run: Run) -> None:
    for key in WAYWARD:
        scene.both(key)
    assert_untouched(scene, run)
    assert "stat" not in scene.objects.calls


@pytest.mark.parametrize("at", range(len(WAYWARD)))
def test_a_difference_at_any_place_in_the_order(scene: Scene, at: int) -> None:
    """One key is missing on a side, the one after it on the other."""
    for number, key in enumerate(WAYWARD):
        if number == at:
            scene.bucket.put(key)
        elif number == (at + 1) % len(WAYWARD):
            scene.document(key)
        else:
            scene.both(key)
    assert scene.run("mend").mended == Counter(unknown_object=1, missing_object=1)
    assert scene.objects.calls.count("stat") == 2 * 2


@pytest.mark.parametrize("side", ["bucket", "catalog", "both"])
def test_a_store_that_sorts_otherwise_misses_nothing(scene: Scene, side: str) -> None:
    """Keys may then be looked at in vain, and no more than that."""
    for key in WAYWARD:
        scene.both(f"same/{key}")
        scene.bucket.put(f"{key}/unknown")
        scene.document(f"{key}/changed", "A")
        scene.bucket.put(f"{key}/changed", "B")
        scene.document(f"{key}/missing")
    otherwise(scene, side)
    scene.run("prune")
    for key in WAYWARD:
        assert scene.live(f"same/{key}") == scene.live(f"{key}/unknown") == (7, "A")
        assert scene.live(f"{key}/changed") == (7, "B")
        assert scene.live(f"{key}/missing") is None
    for run in RUNS:
        assert_untouched(scene, run)


def otherwise(scene: Scene, side: str) -> None:
    """Let a side sort by UTF-16 from now on."""
    by_java = Bucket()
    by_java.sort_key = by_utf16
    if side != "catalog":
        scene.bucket.sort_key = by_utf16
    if side != "bucket":
        files: Any = Sorted(scene.collection, by_java)
        scene.documents = scene.files.collection = files


# --- any bucket and any catalog ------------------------------------------------------------

Thing = Literal["", "A", "B", "folder"]
Said = Literal["", "A", "B", "recorded", "deleted"]
names = st.sampled_from([*WAYWARD, "a/", "写/", "😀/"])
own_names = st.sampled_from(["old-1", "old-2", "young-1", "young-2", "readme"])
things: "st.SearchStrategy[Thing]" = st.sampled_from(["", "A", "B", "folder"])
said: "st.SearchStrategy[Said]" = st.sampled_from(["", "A", "B", "recorded", "deleted"])
worlds = st.dictionaries(names | own_names, st.tuples(things, said), max_size=12)
orders = st.sampled_from(["", "bucket", "catalog", "both"])
World = dict[str, tuple[Thing, Said]]


def build(scene: Scene, world: World) -> dict[str, tuple[Thing, Said]]:
    """The world in the stores, by its real keys."""
    built: dict[str, tuple[Thing, Said]] = {}
    for name, (thing, told) in world.items():
        key, own = _key_of(scene, name)
        if own and told == "recorded":
            told = "A"  # names are recorded only of what is not the service's
        built[key] = (thing, told)
        if thing:
            scene.bucket.put(key, *(("A", 0) if thing == "folder" else (thing, 7)))
        if told == "deleted":
            scene.tombstone(key)
        elif told == "recorded":
            scene.recorded(key)
        elif told:
            scene.document(key, told, source="api" if own else "s3")
    return built


def _key_of(scene: Scene, name: str) -> tuple[str, bool]:
    begin, _, number = name.partition("-")
    if begin not in ("old", "young", "readme"):
        return name, False
    if begin == "readme":
        return f"{PREFIX}/readme", True
    age = timedelta(days=2) if begin == "old" else timedelta(hours=1)
    return own_key(scene.now - age, f"0{number}"), True


def difference(scene: Scene, key: str, thing: Thing, told: Said) -> str | None:
    """What SPEC and DESIGN call a difference, said once more in other words."""
    there = _there(key, thing)
    live = {"A": (7, "A"), "B": (7, "B"), "recorded": (None, None)}.get(told)
    if scene.files.is_own_key(key):
        old = key.rpartition("/")[2] < own_key(scene.now - KEY_AGE).rpartition("/")[2]
        if there is not None and not told:
            return "stray_bytes" if old and not key.endswith("readme") else None
        if live is not None and there is None:
            return "lost_bytes"
        return "changed_object" if live and there != live else None
    if there is not None and live is None:
        return "unknown_object"
    if there is None and live is not None:
        return None if told == "recorded" else "missing_object"
    return "changed_object" if there != live else None


def _there(key: str, thing: Thing) -> tuple[int, str] | None:
    if not thing or (thing == "folder" and key.endswith("/")):
        return None
    return (0, "A") if thing == "folder" else (7, thing)


def right_at_last(scene: Scene, key: str, thing: Thing, told: Said) -> None:
    """After a prune."""
    there, kind = _there(key, thing), difference(scene, key, thing, told)
    if kind == "stray_bytes":
        assert key not in scene.bucket.objects
        assert scene.live(key) is None
        return
    assert (key in scene.bucket.objects) == bool(thing)  # and nothing else is ever deleted
    if kind is None and told == "recorded":
        assert scene.live(key) == (None, None)
    elif kind is None and scene.files.is_own_key(key) and told in ("", "deleted"):
        assert scene.live(key) is None
    else:
        assert scene.live(key) == there


every = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@every
@given(world=worlds, order=orders)
def test_any_bucket_and_any_catalog_agree_after_a_prune(
    scene: Scene, world: World, order: str
) -> None:
    scene.clear()
    scene = Scene(scene.database)
    built = build(scene, world)
    differences = [difference(scene, key, *both) for key, both in built.items()]
    expected = Counter(kind for kind in differences if kind is not None)
    if order:
        otherwise(scene, order)
    before = scene.everything()
    looked = scene.run("look")
    assert scene.everything() == before
    pruned = scene.run("prune")
    assert (pruned.mended, pruned.left) == (pruned.found, 0)
    if not order:
        assert looked.found == pruned.found == expected
    assert bool(looked.found.total()) == bool(pruned.found.total()) == bool(expected)
    for key, both in built.items():
        right_at_last(scene, key, *both)
    for run in RUNS:
        assert_untouched(scene, run)


@every
@given(world=worlds)
def test_any_bucket_and_any_catalog_lose_nothing_in_a_mend(scene: Scene, world: World) -> None:
    scene.clear()
    scene = Scene(scene.database)
    built = build(scene, world)
    kinds = {key: difference(scene, key, *both) for key, both in built.items()}
    objects, before = scene.everything()
    unsafe = [key for key, kind in kinds.items() if kind in ("stray_bytes", "lost_bytes")]
    summary = scene.run("mend")
    assert summary.found == Counter(kind for kind in kinds.values() if kind is not None)
    assert summary.left == len(unsafe)
    assert scene.bucket.objects == objects
    was = {document["object_key"]: document for document in before}
    for key, kind in kinds.items():
        if kind not in SAFE:
            assert scene.at(key) == was.get(key)
    assert scene.run("mend").found.total() == len(unsafe)


@every
@given(
    world=worlds,
    acts=st.lists(
        st.tuples(
            st.sampled_from(["get", "stat", "insert", "replace", "page", "delete"]),
            names,
            st.sampled_from(["put A", "put B", "remove", "observe", "nothing"]),
        ),
        max_size=12,
    ),
)
def test_whatever_goes_on_meanwhile_the_next_run_makes_right(
    scene: Scene, world: World, acts: list[tuple[str, str, str]]
) -> None:
    scene.clear()
    scene = Scene(scene.database)
    built = build(scene, world)

    def act(key: str, what: str) -> None:
        if what.startswith("put"):
            scene.bucket.put(key, what[-1])
        elif what == "remove":
            scene.bucket.remove(key)
        elif what == "observe":
            Observer(scene.somebody).observe(OURS, key)

    for method, key, what in acts:
        between = scene.objects if method == "stat" else scene.documents
        between.plan(method, "before", partial(act, key, what))
    scene.run("prune")
    for between in (scene.objects, scene.documents):
        between.forget_plans()
    scene.run("prune")
    recorded = {key for key, (_, told) in built.items() if told == "recorded"}
    for key in {*built, *(key for _, key, _ in acts)}:
        if not scene.files.is_own_key(key):
            there = scene.bucket.objects.get(key)
            if there is not None and key.endswith("/") and there[0] == 0:
                there = None
            waits = key in recorded and scene.live(key) == (None, None)
            assert scene.live(key) == there or (waits and there is None)
    for run in RUNS:
        assert_untouched(scene, run)


# --- memory --------------------------------------------------------------------------------


class Endless:
    """So many objects and documents that agree, made as they are asked for: both sides."""

    bucket = OURS

    def __init__(self, count: int) -> None:
        self._count = count
        self.pages = 0
        self._like = new_document(
            datetime.now(UTC),
            file_id=new_file_id(),
            bucket=OURS,
            object_key="",
            etag="A" * 32,
            file_name="name",
            file_size=7,
            file_type="text/plain",
            source="s3",
            item_name="item",
        )

    def list(self, prefix: str, after: str) -> Iterator[Listed]:
        assert (prefix, after) == ("", "")
        return (Listed(f"{number:08}", 7, "A" * 32) for number in range(self._count))

    def page(
        self,
        equals: Mapping[str, str],
        where: Sequence[Where],
        order: Order,
        after: tuple[Any, ...] | None,
        limit: int,
        scan: int,
    ) -> Page:
        assert (dict(equals), [*where], order.fields) == (
            {"bucket": OURS},
            [],
            ("object_key", "file_id"),
        )
        assert limit == scan == PAGE and not order.descending
        self.pages += 1
        begin = 0 if after is None else int(after[0]) + 1
        end = min(begin + limit, self._count)
        keys = (f"{n:08}" for n in range(begin, end))
        documents = [
            {**self._like, "place": place_of(OURS, key), "object_key": key} for key in keys
        ]
        return Page(documents, (f"{end - 1:08}",) if end - begin == limit else None)


def peak_of_a_run(count: int) -> int:
    """Bytes that a run over so many objects and documents has allocated at most."""
    both: Any = Endless(count)
    files = Files(both, both, PREFIX, HORIZON)
    reconciler = Reconciler(Observer(files), files)
    tracemalloc.start()
    try:
        summary = reconciler.look(lambda _: None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (summary.objects, summary.documents, summary.left) == (count, count, 0)
    assert both.pages == count // PAGE + 1
    return peak


def test_memory_does_not_grow_with_bucket_and_catalog() -> None:
    few, many = peak_of_a_run(3 * PAGE), peak_of_a_run(30 * PAGE)
    assert many < 1.2 * few
    assert many < 20 * 2**20


def test_a_catalog_of_many_pages(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.reconcile.PAGE", 3)
    for number in range(10):
        scene.both(f"same/{number}")
        scene.document(f"missing/{number}")
        scene.bucket.put(f"unknown/{number}")
    summary = scene.run("prune")
    assert summary.mended == Counter(missing_object=10, unknown_object=10)
    # 20 documents; what came while it ran stands behind where it was.
    assert scene.documents.calls.count("page") >= 7
    assert scene.run("look").found.total() == 0


# --- progress and errors -------------------------------------------------------------------


@pytest.mark.parametrize("run", RUNS)
def test_progress_is_told_on_the_way_and_at_the_end(
    scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.reconcile.PROGRESS_EVERY", 5)
    assert PROGRESS_EVERY == 1000
    for number in range(12):
        scene.bucket.put(f"{number:02}")
    told: list[tuple[int, int]] = []
    summary = scene.run(run, lambda so_far: told.append((so_far.objects, so_far.found.total())))
    assert [objects for objects, _ in told] == [1, 6, 11, 12]
    assert told[-1] == (12, 12)
    assert summary.found == Counter(unknown_object=12)


@pytest.mark.parametrize("method", ["list", "stat", "page", "get", "insert"])
def test_a_store_that_fails_ends_the_run_and_the_next_one_goes_on(
    scene: Scene, method: str
) -> None:
    for number in range(3):
        scene.bucket.put(f"unknown/{number}")
    between = scene.objects if method in ("list", "stat") else scene.documents
    between.plan(method, "before", *[lambda: None] * (method in ("stat", "get", "insert")))
    between.fail(method, "before")
    with pytest.raises(Unavailable):
        scene.run("prune")
    scene.run("prune")
    assert [scene.live(f"unknown/{number}") for number in range(3)] == [(7, "A")] * 3
    assert scene.run("look").found.total() == 0


def test_an_answer_that_is_lost_counts_as_what_it_was(scene: Scene) -> None:
    """The write is read back."""
    scene.bucket.put("unknown.txt")
    scene.documents.fail("insert", "after")
    assert scene.run("mend").mended == Counter(unknown_object=1)
    assert scene.run("mend").found.total() == 0
