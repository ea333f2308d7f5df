"""What `storage.interfaces.ObjectStore` promises, on every store of objects."""

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from storage.interfaces import (
    Changed,
    FileBody,
    Listed,
    NotFound,
    ObjectStore,
    Unavailable,
    Upload,
)
from tests.contracts.readers import MIB, Pieces, Uneven, pattern
from tests.contracts.stores import ObjectsUnderTest, new_key

SIZES = {"0": 0, "1": 1, "8M-1": 8 * MIB - 1, "8M": 8 * MIB, "8M+1": 8 * MIB + 1, "24M": 24 * MIB}
TYPE = "text/plain"


class Bad(Exception):
    """What is wrong with the content."""


def put(store: ObjectStore, content: bytes, key: str | None = None) -> tuple[str, str]:
    """A new object's key and ETag."""
    key = key or new_key()
    return key, store.write(key, Pieces(content), TYPE).etag


def got(store: ObjectStore, key: str, start: int, stop: int, etag: str) -> bytes:
    body = store.open(key, start, stop, etag)
    try:
        pieces = list(body)
    finally:
        body.close()
    assert all(len(piece) <= MIB for piece in pieces)
    return b"".join(pieces)


def keys(store: ObjectStore, prefix: str, after: str = "") -> list[str]:
    """The keys that are listed."""
    return [listed.key for listed in store.list(prefix, after)]


def assert_absent(objects: ObjectsUnderTest, key: str) -> None:
    with pytest.raises(NotFound):
        objects.store.stat(key)
    assert list(objects.store.list(key, "")) == []
    assert objects.left_over(key) == []
    assert objects.whole_budget()


# --- write ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_what_was_written_is_there(objects: ObjectsUnderTest, size: int) -> None:
    content, key = pattern(size), new_key()
    written = objects.store.write(key, Pieces(content), TYPE)
    stat = objects.store.stat(key)
    assert (written.size, stat.size) == (size, size)
    assert written.etag == stat.etag and written.etag and '"' not in written.etag
    assert list(objects.store.list(key, "")) == [Listed(key, stat.size, stat.etag)]
    if size:  # an empty object is never opened
        assert got(objects.store, key, 0, size, written.etag) == content
    assert objects.whole_budget()


@pytest.mark.parametrize("sizes", [(1, 7, 65_537), (MIB - 1,), (MIB, 1), (700_001, MIB, 3)])
@pytest.mark.parametrize("size", [3_000, 8 * MIB + 5, 17 * MIB + 11])
def test_pieces_may_have_any_size(
    objects: ObjectsUnderTest, sizes: tuple[int, ...], size: int
) -> None:
    content, key = pattern(size, seed=1), new_key()
    written = objects.store.write(key, Uneven(content, sizes), TYPE)
    assert got(objects.store, key, 0, size, written.etag) == content


@pytest.mark.parametrize("size", [5, 9 * MIB])
def test_nothing_is_visible_before_the_reader_has_ended(
    objects: ObjectsUnderTest, size: int
) -> None:
    key, looked = new_key(), []

    def not_yet() -> None:
        with pytest.raises(NotFound):
            objects.store.stat(key)
        looked.append(list(objects.store.list(key, "")))

    objects.store.write(key, Pieces(pattern(size), end=not_yet), TYPE)
    assert looked == [[]]
    assert objects.store.stat(key).size == size


@pytest.mark.parametrize(
    "size",
    [0, 1, MIB, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 9 * MIB, 16 * MIB, 24 * MIB + 1],
)
def test_a_reader_that_raises_leaves_nothing(objects: ObjectsUnderTest, size: int) -> None:
    key = new_key()

    def fail() -> None:
        raise Bad(size)

    with pytest.raises(Bad) as raised:
        objects.store.write(key, Pieces(pattern(size), end=fail), TYPE)
    assert raised.value.args == (size,)
    assert_absent(objects, key)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "the reader's"), NotFound("the reader's"), SystemExit(3)]
)
@pytest.mark.parametrize("size", [1, 9 * MIB])
def test_the_reader_s_error_goes_on_as_it_is(
    objects: ObjectsUnderTest, error: BaseException, size: int
) -> None:
    key = new_key()

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        objects.store.write(key, Pieces(pattern(size), end=fail), TYPE)
    assert raised.value is error
    assert_absent(objects, key)


def test_what_is_left_of_a_write_would_be_seen(objects: ObjectsUnderTest) -> None:
    """The other tests rely on `left_over`: while a write is under way it must find something."""
    key, seen = new_key(), []
    look = lambda: seen.extend(objects.left_over(key))  # noqa: E731
    objects.store.write(key, Pieces(pattern(9 * MIB), end=look), TYPE)
    assert seen


def test_eight_threads_write_at_once(objects: ObjectsUnderTest) -> None:
    sizes = [0, 1, MIB + 1, 8 * MIB, 8 * MIB + 1, 12 * MIB, 17 * MIB, 3]
    contents = {new_key(): pattern(size, seed=n) for n, size in enumerate(sizes)}
    begin = threading.Barrier(len(contents))

    def write(key: str) -> str:
        begin.wait(10)
        return objects.store.write(key, Uneven(contents[key], (65_537, MIB)), TYPE).etag

    with ThreadPoolExecutor(len(contents)) as pool:
        etags = dict(zip(contents, pool.map(write, contents), strict=True))
    for key, content in contents.items():
        if content:
            assert got(objects.store, key, 0, len(content), etags[key]) == content
        assert objects.store.stat(key).size == len(content)
    assert objects.whole_budget()


# --- open and stat -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ten_mib(objects: ObjectsUnderTest) -> tuple[bytes, str, str]:
    content = pattern(10 * MIB + 7)
    return content, *put(objects.store, content)


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, 1),
        (0, 10 * MIB + 7),
        (10 * MIB + 6, 10 * MIB + 7),
        (5, 11),
        (MIB - 1, MIB + 1),
        (8 * MIB - 1, 8 * MIB + 1),
        (1, 3 * MIB),
    ],
)
def test_a_range(
    objects: ObjectsUnderTest, ten_mib: tuple[bytes, str, str], start: int, stop: int
) -> None:
    content, key, etag = ten_mib
    assert got(objects.store, key, start, stop, etag) == content[start:stop]


def test_a_body_that_is_a_file_stands_at_its_first_byte(
    objects: ObjectsUnderTest, ten_mib: tuple[bytes, str, str]
) -> None:
    content, key, etag = ten_mib
    body = objects.store.open(key, 11, 2 * MIB, etag)
    try:
        if isinstance(body, FileBody):
            assert (
                os.pread(body.fileno(), 9, os.lseek(body.fileno(), 0, os.SEEK_CUR))
                == (content[11:20])
            )
            pieces = iter(lambda: body.read(700_001), b"")
        else:
            pieces = iter(body)
        assert b"".join(pieces) == content[11 : 2 * MIB]
    finally:
        body.close()


def test_a_body_may_be_closed_early(
    objects: ObjectsUnderTest, ten_mib: tuple[bytes, str, str]
) -> None:
    content, key, etag = ten_mib
    body = objects.store.open(key, 0, len(content), etag)
    assert next(iter(body)) == content[:MIB]
    body.close()
    assert got(objects.store, key, 0, 5, etag) == content[:5]


def test_an_object_that_is_not_there(objects: ObjectsUnderTest) -> None:
    with pytest.raises(NotFound):
        objects.store.stat(new_key())
    with pytest.raises(NotFound):
        objects.store.open(new_key(), 0, 1, "e")


@pytest.mark.parametrize("size", [3, 9 * MIB])
def test_an_object_with_another_etag(objects: ObjectsUnderTest, size: int) -> None:
    key, etag = put(objects.store, pattern(size))
    _, other = put(objects.store, pattern(size + 1))
    for wrong in (other, etag + "0", "x"):
        with pytest.raises(Changed):
            objects.store.open(key, 0, 1, wrong)
    assert got(objects.store, key, 0, 1, etag) == pattern(1)


# --- delete and list -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 9 * MIB])
def test_delete(objects: ObjectsUnderTest, size: int) -> None:
    key, etag = put(objects.store, pattern(size))
    objects.store.delete(key)
    assert_absent(objects, key)
    with pytest.raises(NotFound):
        objects.store.open(key, 0, 1, etag)


def test_delete_what_is_not_there(objects: ObjectsUnderTest) -> None:
    key, _ = put(objects.store, b"x")
    objects.store.delete(new_key())
    objects.store.delete(key)
    objects.store.delete(key)


def test_list_in_order(objects: ObjectsUnderTest) -> None:
    shards = ("0e", "e0", "ee")
    before = set(keys(objects.store, "file-drop/"))
    made = sorted(new_key(shard) for shard in shards * 4)
    for key in reversed(made):
        put(objects.store, b"x", key)
    listed = keys(objects.store, "file-drop/")
    assert [key for key in listed if key not in before] == made
    assert listed == sorted(listed)
    for shard in shards:
        prefix = f"file-drop/{shard}/"
        of_shard = [key for key in listed if key.startswith(prefix)]
        assert keys(objects.store, prefix) == of_shard
        for n, key in enumerate(of_shard):
            assert keys(objects.store, prefix, key) == of_shard[n + 1 :]
            assert keys(objects.store, prefix, key[:-1]) == of_shard[n:]
            assert keys(objects.store, key[:-3]) == [key]
    assert keys(objects.store, "file-drop/", made[5]) == [k for k in listed if k > made[5]]
    assert keys(objects.store, "file-drop/", "file-drop/ff/z") == []
    assert keys(objects.store, "file-drop/zz/") == []


def test_a_listing_says_of_each_object_what_stat_says(objects: ObjectsUnderTest) -> None:
    sizes = [0, 1, 8 * MIB, 8 * MIB + 1, 24 * MIB]  # the last two in parts on S3
    made = {put(objects.store, pattern(size), new_key("5c"))[0]: size for size in sizes}
    listed = {each.key: each for each in objects.store.list("file-drop/5c/", "")}
    assert {key: listed[key].size for key in made} == made
    for each in listed.values():  # those of other tests, too
        stat = objects.store.stat(each.key)
        assert (each.size, each.etag) == (stat.size, stat.etag)
        assert '"' not in each.etag
    for key in made:
        if made[key]:
            assert got(objects.store, key, 0, 1, listed[key].etag) == pattern(1)


# --- writes that nobody finishes -----------------------------------------------------------


class Stalled:
    """A write in a thread of its own that has sent 9 MiB and waits to be told how to end."""

    def __init__(self, store: ObjectStore) -> None:
        self.key = new_key()
        self._stalls, self._ends = threading.Event(), threading.Event()
        reader = Pieces(pattern(9 * MIB), end=self._wait)
        self._pool = ThreadPoolExecutor(1)
        self._write = self._pool.submit(store.write, self.key, reader, TYPE)
        assert self._stalls.wait(20)

    def _wait(self) -> None:
        self._stalls.set()
        assert self._ends.wait(60)

    def end(self) -> BaseException | None:
        self._ends.set()
        self._pool.shutdown()
        return self._write.exception()


def abandoned(objects: ObjectsUnderTest, older_than: datetime) -> list[Upload]:
    return list(objects.store.abandoned(older_than))


def test_an_abandoned_write_is_found_and_thrown_away(objects: ObjectsUnderTest) -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    stalled = Stalled(objects.store)
    try:
        found = abandoned(objects, now + hour)
        assert len(found) == 1
        assert found[0].key in (stalled.key, "")
        assert abandoned(objects, now - hour) == []
        objects.store.abandon(found[0])
        objects.store.abandon(found[0])
        assert abandoned(objects, now + hour) == []
    finally:
        error = stalled.end()
    assert isinstance(error, Unavailable)
    assert_absent(objects, stalled.key)


def test_a_part_that_is_sent_to_an_abandoned_write(objects: ObjectsUnderTest) -> None:
    key = new_key()

    class Reader(Pieces):
        """Throws the write away after 20 MiB of 40."""

        taken = 0

        def readinto(self, buffer: memoryview, /) -> int:
            before, count = self.taken, super().readinto(buffer)
            self.taken += count
            if before < 20 * MIB <= self.taken:
                for upload in abandoned(objects, datetime.now(UTC) + timedelta(hours=1)):
                    objects.store.abandon(upload)
            return count

    with pytest.raises(Unavailable):
        objects.store.write(key, Reader(pattern(40 * MIB)), TYPE)
    assert_absent(objects, key)


def test_a_finished_write_is_not_abandoned(objects: ObjectsUnderTest) -> None:
    put(objects.store, pattern(9 * MIB))
    assert abandoned(objects, datetime.now(UTC) + timedelta(hours=1)) == []


# --- a store that answers, and one that does not -------------------------------------------


def test_check(objects: ObjectsUnderTest) -> None:
    objects.store.check()


USES: dict[str, Callable[[ObjectStore], object]] = {
    "write": lambda store: put(store, b"x"),
    "write parts": lambda store: put(store, pattern(9 * MIB)),
    "open": lambda store: store.open(new_key(), 0, 1, "e"),
    "stat": lambda store: store.stat(new_key()),
    "delete": lambda store: store.delete(new_key()),
    "list": lambda store: list(store.list("file-drop/", "")),
    "abandoned": lambda store: list(store.abandoned(datetime.now(UTC))),
    "check": lambda store: store.check(),
}
