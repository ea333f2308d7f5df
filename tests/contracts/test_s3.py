"""What only a store behind a network can be asked: on a real MinIO, and on none."""

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.interfaces import ObjectStat, Presigns, Unavailable, Written
from storage.s3 import S3Store
from storage.s3_client import Clients
from storage.s3_multipart import Senders
from storage.s3_setup import make_bucket
from tests.contracts.proxy import cutting, silent
from tests.contracts.readers import MIB, Pieces, pattern
from tests.contracts.stores import AMPLE, S3UnderTest, new_key, s3_clients
from tests.contracts.test_objects import USES, got, keys, put
from tests.servers.processes import free_port
from tests.servers.stores import Stores


@contextmanager
def elsewhere(
    real: Stores, folder: Path, endpoint: str, bucket: str = "no-such-bucket"
) -> Iterator[S3Store]:
    """A store at this address."""
    with s3_clients(real, endpoint) as made:
        store = S3Store(made, bucket, folder / "tmp", AMPLE)
        store.prepare()
        yield store


@pytest.fixture(scope="module", params=["closed port", "no bucket"])
def absent(
    request: pytest.FixtureRequest,
    real_stores: Stores,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[S3Store]:
    closed = f"http://127.0.0.1:{free_port()}"
    endpoint = closed if request.param == "closed port" else real_stores.s3_endpoint_url
    with elsewhere(real_stores, tmp_path_factory.mktemp("absent"), endpoint) as store:
        yield store


@pytest.mark.parametrize("use", USES)
def test_a_store_that_is_not_there_is_unavailable(absent: S3Store, use: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        USES[use](absent)
    assert time.monotonic() - begun < 10
    assert list(absent._spill.iterdir()) == []


def test_a_silent_store_is_unavailable_in_time(real_stores: Stores, tmp_path: Path) -> None:
    bounds = {"write": 10, "open": 10, "stat": 10, "list": 10, "delete": 3, "check": 10}

    def seconds(use: str) -> float:
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            USES[use](store)
        return time.monotonic() - begun

    with (
        silent() as url,
        elsewhere(real_stores, tmp_path, url) as store,
        ThreadPoolExecutor() as pool,
    ):
        took = dict(zip(bounds, pool.map(seconds, bounds), strict=True))
    assert {use: s for use, s in took.items() if s > bounds[use]} == {}


def test_the_media_type_is_the_one_that_was_written(s3: S3UnderTest) -> None:
    for size in (1, 9 * MIB):
        key = new_key()
        written = s3.store.write(key, Pieces(pattern(size)), "image/png")
        assert s3.store.stat(key) == ObjectStat(size, written.etag, "image/png")


def test_longer_content_goes_in_parts_and_a_part_s_length_at_once(s3: S3UnderTest) -> None:
    etags = {size: put(s3.store, pattern(size))[1] for size in (8 * MIB, 8 * MIB + 1, 24 * MIB + 1)}
    parts = {size: etag.partition("-")[2] for size, etag in etags.items()}
    assert parts == {8 * MIB: "", 8 * MIB + 1: "2", 24 * MIB + 1: "4"}


def test_keys_of_any_kind_are_listed_in_the_order_of_their_bytes(s3: S3UnderTest) -> None:
    """More than a page of 1,000, and names that sort otherwise by UTF-16 or by locale."""
    odd = ["a b", "a+b", "b/c", "a%2Fb", "Z", "a", "é", "\ud7ff", "\uffee", "😀"]
    written = [f"odd/{name}" for name in odd] + [f"many/{n:04}" for n in range(1002)]

    def write(key: str) -> None:
        s3.client.put_object(Bucket=s3.store.bucket, Key=key, Body=b"")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, written))
    in_order = sorted(written, key=str.encode)
    assert keys(s3.store, "") == in_order
    assert keys(s3.store, "odd/", "odd/é") == ["odd/\ud7ff", "odd/\uffee", "odd/😀"]
    assert keys(s3.store, "many/", "many/0999") == ["many/1000", "many/1001"]


def test_a_listing_says_what_stat_says_of_the_objects_of_others(s3: S3UnderTest) -> None:
    """Put in whole or in parts of a size that the service would not choose."""
    place = {"Bucket": s3.store.bucket, "Key": "theirs/in parts"}
    upload = {**place, "UploadId": s3.client.create_multipart_upload(**place)["UploadId"]}
    parts = [
        {"PartNumber": n, "ETag": s3.client.upload_part(**upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in ((1, pattern(5 * MIB)), (7, pattern(3)))
    ]
    s3.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    s3.client.put_object(Bucket=s3.store.bucket, Key="theirs/whole", Body=b"whole")
    s3.client.put_object(Bucket=s3.store.bucket, Key="theirs/folder/", Body=b"")
    listed = list(s3.store.list("theirs/", ""))
    sizes = {"theirs/folder/": 0, "theirs/in parts": 5 * MIB + 3, "theirs/whole": 5}
    assert {each.key: each.size for each in listed} == sizes
    for each in listed:
        stat = s3.store.stat(each.key)
        assert (each.size, each.etag) == (stat.size, stat.etag)


def test_uploads_of_others_are_found_too(s3: S3UnderTest) -> None:
    hour = timedelta(hours=1)
    begun = s3.client.create_multipart_upload(Bucket=s3.store.bucket, Key="theirs")
    found = list(s3.store.abandoned(datetime.now(UTC) + hour))
    assert [(upload.key, upload.handle) for upload in found] == [("theirs", begun["UploadId"])]
    assert list(s3.store.abandoned(datetime.now(UTC) - hour)) == []
    s3.store.abandon(found[0])
    assert s3.left_over("theirs") == []


def test_a_write_that_was_thrown_away_fails_nobody_else(s3: S3UnderTest) -> None:
    """Both wait for the one sender there is; the store is well, and one upload is gone."""
    store, go, waiting = s3.store, threading.Event(), threading.Semaphore(0)
    store._senders = Senders(1)
    store._senders.submit(lambda: str(go.wait(20)))
    theirs, mine = new_key(), new_key()

    def throw_away() -> None:
        for upload in store.abandoned(datetime.now(UTC) + timedelta(hours=1)):
            if upload.key == theirs:
                store.abandon(upload)
        waiting.release()

    def write(key: str, end: Callable[[], None]) -> Future[Written]:
        reader = Pieces(pattern(9 * MIB), end=end)
        return pool.submit(store.write, key, reader, "text/plain")

    with ThreadPoolExecutor(2) as pool:
        first = write(theirs, throw_away)
        assert waiting.acquire(timeout=20)
        second = write(mine, waiting.release)
        assert waiting.acquire(timeout=20)
        go.set()
    assert isinstance(first.exception(), Unavailable)
    assert second.exception() is None
    assert store.stat(mine).size == 9 * MIB


def test_a_url_that_gives_the_object(s3: S3UnderTest) -> None:
    assert isinstance(s3.store, Presigns)
    key, _ = put(s3.store, b"content")
    disposition = "attachment; filename=\"a.txt\"; filename*=UTF-8''%C3%A4.txt"
    url = s3.store.presign(key, disposition, "text/csv", 60)
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.read() == b"content"
        assert answer.headers["Content-Disposition"] == disposition
        assert answer.headers["Content-Type"] == "text/csv"


def test_make_bucket_twice(s3: S3UnderTest, real_clients: Clients) -> None:
    assert make_bucket(real_clients, f"{s3.store.bucket}-2", "us-east-1")
    assert not make_bucket(real_clients, f"{s3.store.bucket}-2", "us-east-1")


# --- a store that breaks off ---------------------------------------------------------------

SIZE = 6 * MIB
CUTS = {
    "in the first piece": [MIB // 2, None],
    "in the headers": [100, None],
    "later": [3 * MIB, None],
    "at the last byte": [SIZE, None],
}


@pytest.mark.parametrize("limits", CUTS.values(), ids=CUTS)
def test_an_answer_that_breaks_off_is_taken_up_again(
    real_stores: Stores, s3: S3UnderTest, tmp_path: Path, limits: list[int | None]
) -> None:
    key, etag = put(s3.store, pattern(SIZE))
    with (
        cutting(real_stores.s3_endpoint_url, limits) as proxy,
        elsewhere(real_stores, tmp_path, proxy.url, s3.store.bucket) as store,
    ):
        assert got(store, key, 3, SIZE, etag) == pattern(SIZE)[3:]
        assert proxy.connections == 2


def test_an_answer_that_breaks_off_again_is_unavailable(
    real_stores: Stores, s3: S3UnderTest, tmp_path: Path
) -> None:
    key, etag = put(s3.store, pattern(SIZE))
    with (
        cutting(real_stores.s3_endpoint_url, [3 * MIB, MIB, None]) as proxy,
        elsewhere(real_stores, tmp_path, proxy.url, s3.store.bucket) as store,
    ):
        body = store.open(key, 0, SIZE, etag)
        received: list[bytes] = []
        with pytest.raises(Unavailable):
            received.extend(body)
        body.close()
        assert MIB < sum(map(len, received)) < SIZE
        assert proxy.connections == 2


def test_an_object_that_goes_away_while_it_is_read_breaks_off(
    real_stores: Stores, s3: S3UnderTest, tmp_path: Path
) -> None:
    key, etag = put(s3.store, pattern(SIZE))
    with (
        cutting(real_stores.s3_endpoint_url, [MIB + MIB // 2, None]) as proxy,
        elsewhere(real_stores, tmp_path, proxy.url, s3.store.bucket) as store,
    ):
        body = store.open(key, 0, SIZE, etag)
        pieces = iter(body)
        next(pieces)
        assert proxy.cut.wait(5)
        s3.store.delete(key)
        with pytest.raises(Unavailable):
            list(pieces)
        body.close()


def test_a_put_whose_answer_is_lost_is_read_back(
    real_stores: Stores, s3: S3UnderTest, tmp_path: Path
) -> None:
    """The bytes arrive, both answers are cut off, and HEAD says that the object is there."""
    key = new_key()
    with (
        cutting(real_stores.s3_endpoint_url, [0, 0, None]) as proxy,
        elsewhere(real_stores, tmp_path, proxy.url, s3.store.bucket) as store,
    ):
        written = store.write(key, Pieces(pattern(5)), "text/plain")
    assert (written.size, written.etag) == (5, s3.store.stat(key).etag)
