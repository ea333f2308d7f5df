"""Works of many small requests: files of 4 KiB, pieces of 64 KiB, pages, bucket events."""

import contextlib
import json
import math
import random
import uuid
from collections.abc import Callable, Iterator, Sequence

from bench.pairings import KIB
from bench.speed.boto import Boto3
from bench.speed.contender import Contender, Measured, Target, Work
from bench.speed.content import check, whole
from bench.speed.ground import (
    BOTO3,
    COPYPARTY,
    EVENTS_TOKEN,
    MINIO,
    OURS,
    Ground,
)
from bench.speed.load import Answer, Request
from bench.speed.peers import Peer, remove_keys
from bench.speed.works_bulk import names, stored, there, timed
from tests.events.bodies import notification, record

SMALL = 4 * KIB
PIECE = 64 * KIB
READ_FILES = 200
PIECES = 1000
FIRST_READS = 300
MOST_READS = 200_000
RANGE_CLIENTS = 8
PAGE_CLIENTS = 8
PAGE_ROWS = 100
PAGE_FILES = 200
EVENT_CLIENTS = 4
EVENT_BATCH = 100
EVENT_POSTS = 20
OTHER_BUCKET = "bench-elsewhere"

Works = contextlib.AbstractContextManager[Work]


# --- what can be repeated at will --------------------------------------------------------


class Repeated:
    """The requests again and again, for about `seconds`. The first go finds out how many."""

    def __init__(
        self, peer: Peer, requests: Sequence[Request], clients: int, seconds: float
    ) -> None:
        self._peer = peer
        self._requests = requests
        self._clients = clients
        self._seconds = seconds
        self._total = FIRST_READS

    def __call__(self) -> Measured:
        peer, total = self._peer, self._total
        found = timed(peer, total, lambda: peer.load(self._requests, self._clients, total).seconds)
        if total == FIRST_READS:
            wanted = math.ceil(found.rate * self._seconds)
            self._total = min(max(wanted, FIRST_READS + 1), MOST_READS)
        return found


@contextlib.contextmanager
def small_files(ground: Ground, peer: Peer, count: int) -> Iterator[list[str]]:
    """So many files of 4 KiB, until the end of the block; one is read back."""
    digest = ground.content.sha256_of(0, SMALL)
    places = peer.store(names(count), SMALL, digest)
    try:
        peer.check(places[0], SMALL, digest)
        yield places
    finally:
        peer.remove(places)


@contextlib.contextmanager
def _reads(
    ground: Ground, name: str, clients: int, peers: list[Peer], targets: list[Target]
) -> Iterator[Work]:
    with contextlib.ExitStack() as stack:
        contenders = []
        for peer in peers:
            places = stack.enter_context(small_files(ground, peer, READ_FILES))
            requests = [peer.get(place, SMALL) for place in places]
            seconds = ground.effort.seconds
            contenders.append(Contender(peer.name, Repeated(peer, requests, clients, seconds)))
        title = f"Reading files of 4 KiB, {clients} at a time"
        yield Work(name, title, "requests", contenders, targets)


@contextlib.contextmanager
def _ranges(ground: Ground, name: str, peers: list[Peer], targets: list[Target]) -> Iterator[Work]:
    source = random.Random(name)
    last = ground.content.size - PIECE
    firsts = [source.randint(0, last) for _ in range(PIECES)]
    digest = ground.content.sha256_of(firsts[0], PIECE)
    with contextlib.ExitStack() as stack:
        contenders = []
        for peer in peers:
            place = stack.enter_context(stored(peer))
            requests = [peer.get(place, PIECE, first) for first in firsts]
            check(peer.address, requests[0], digest)
            again = Repeated(peer, requests, RANGE_CLIENTS, ground.effort.seconds)
            contenders.append(Contender(peer.name, again))
        title = f"Random pieces of 64 KiB of one large file, {RANGE_CLIENTS} at a time"
        yield Work(name, title, "requests", contenders, targets)


@contextlib.contextmanager
def page(ground: Ground) -> Iterator[Work]:
    """As many rows as are asked for, of twice as many files."""
    service, request = ground.service(), Request("GET", f"/files?limit={PAGE_ROWS}")
    with small_files(ground, service, PAGE_FILES):
        assert len(json.loads(whole(service.address, request))) == PAGE_ROWS
        again = Repeated(service, [request], PAGE_CLIENTS, ground.effort.seconds)
        title = f"Pages of {PAGE_ROWS} of {PAGE_FILES} files, {PAGE_CLIENTS} at a time"
        yield Work("page", title, "pages", [Contender(service.name, again)], [])


# --- what leaves something behind --------------------------------------------------------


class Writes:
    """Files of 4 KiB, each new. Off the clock, one of the first go is read back, and all go."""

    def __init__(self, ground: Ground, peer: Peer, clients: int) -> None:
        self._peer = peer
        self._clients = clients
        self._count = ground.effort.writes
        self._digest = ground.content.sha256_of(0, SMALL)
        self._looked = False

    def __call__(self) -> Measured:
        peer, given, answers = self._peer, names(self._count), list[Answer]()
        requests = [peer.put(name, SMALL) for name in given]

        def act() -> float:
            done = peer.load(requests, self._clients)
            answers.extend(done.answers)
            return done.seconds

        found = timed(peer, len(requests), act)
        places = [
            peer.placed(name, SMALL, self._digest, answer)
            for name, answer in zip(given, answers, strict=True)
        ]
        if not self._looked:
            peer.check(places[0], SMALL, self._digest)
            self._looked = True
        peer.remove(places)
        return found


def put_by_boto3(ground: Ground, child: Boto3, threads: int) -> Measured:
    """`put_object` by as many threads. boto3 is the client: its time is on no server."""
    store, given = ground.presigned(), names(ground.effort.writes)
    path = ground.content.path
    found = timed(store, len(given), lambda: child.put_object(path, SMALL, given, threads))
    head = ground.client.head_object(Bucket=ground.bucket, Key=given[-1])
    assert head["ContentLength"] == SMALL
    remove_keys(ground.client, ground.bucket, given)
    return found


@contextlib.contextmanager
def _writes(ground: Ground, clients: int) -> Iterator[Work]:
    peers = there(ground.service(), ground.straightforward())
    contenders = [Contender(peer.name, Writes(ground, peer, clients)) for peer in peers]
    child = ground.boto3
    contenders.insert(1, Contender(BOTO3, lambda: put_by_boto3(ground, child, clients)))
    title = f"Uploading files of 4 KiB, {clients} at a time"
    yield Work(f"write-4k-{clients}", title, "requests", contenders, [Target(BOTO3, 0.6)])


@contextlib.contextmanager
def _embedded_writes(ground: Ground, clients: int, targets: list[Target]) -> Iterator[Work]:
    peers = there(ground.service(), ground.copyparty(), ground.dufs())
    contenders = [Contender(peer.name, Writes(ground, peer, clients)) for peer in peers]
    title = f"Uploading files of 4 KiB, {clients} at a time"
    yield Work(f"embedded-write-4k-{clients}", title, "requests", contenders, targets)


class Events:
    """Notifications of objects in another bucket, all of them new; their documents are removed
    afterwards."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._service = ground.service()

    def __call__(self) -> Measured:
        records = EVENT_POSTS * EVENT_BATCH
        requests = [_notification() for _ in range(EVENT_POSTS)]
        answers: list[Answer] = []

        def act() -> float:
            done = self._service.load(requests, EVENT_CLIENTS)
            answers.extend(done.answers)
            return done.seconds

        found = timed(self._service, records, act)
        assert all(json.loads(one.head)["applied"] == EVENT_BATCH for one in answers)
        self._ground.forget_bucket(OTHER_BUCKET)
        return found


def _notification() -> Request:
    """EVENT_BATCH records of new objects, as S3 sends them."""
    records = [
        record(
            f"photos/{uuid.uuid4().hex}.jpg",
            bucket=OTHER_BUCKET,
            size=number,
            eTag=uuid.uuid4().hex,
            sequencer=f"{number:016X}",
        )
        for number in range(1, EVENT_BATCH + 1)
    ]
    headers = {
        "Authorization": f"Bearer {EVENTS_TOKEN}",
        "Content-Type": "application/json",
    }
    return Request("POST", "/events/s3", headers, json.dumps(notification(*records)).encode())


@contextlib.contextmanager
def _events(ground: Ground, name: str) -> Iterator[Work]:
    title = (
        f"Bucket events (`POST /events/s3`), {EVENT_BATCH} records each, {EVENT_CLIENTS} at a time"
    )
    yield Work(name, title, "records", [Contender(OURS, Events(ground))], [])


# --- all of them -------------------------------------------------------------------------


def _read_servers(ground: Ground, clients: int) -> Works:
    peers = there(ground.service(), ground.presigned(), *ground.proxies(), ground.straightforward())
    return _reads(ground, f"read-4k-{clients}", clients, peers, [])


def _range_servers(ground: Ground) -> Works:
    peers = there(ground.service(), ground.presigned(), *ground.proxies())
    return _ranges(ground, "range-64k", peers, [Target(MINIO, 0.5)])


def _from_folders(ground: Ground) -> list[Peer]:
    return there(ground.service(), ground.nginx_files(), ground.copyparty(), ground.dufs())


def _read_folders(ground: Ground, clients: int, targets: list[Target]) -> Works:
    return _reads(ground, f"embedded-read-4k-{clients}", clients, _from_folders(ground), targets)


def _range_folders(ground: Ground) -> Works:
    return _ranges(ground, "embedded-range-64k", _from_folders(ground), [])


SERVERS: dict[str, Callable[[Ground], Works]] = {
    "write-4k-8": lambda ground: _writes(ground, 8),
    "write-4k-64": lambda ground: _writes(ground, 64),
    "read-4k-8": lambda ground: _read_servers(ground, 8),
    "read-4k-64": lambda ground: _read_servers(ground, 64),
    "range-64k": _range_servers,
    "events": lambda ground: _events(ground, "events"),
}
EMBEDDED: dict[str, Callable[[Ground], Works]] = {
    "embedded-write-4k-8": lambda ground: _embedded_writes(ground, 8, [Target(COPYPARTY, 0.5)]),
    "embedded-write-4k-64": lambda ground: _embedded_writes(ground, 64, []),
    "embedded-read-4k-8": lambda ground: _read_folders(ground, 8, [Target(COPYPARTY, 1.0)]),
    "embedded-read-4k-64": lambda ground: _read_folders(ground, 64, []),
    "embedded-range-64k": _range_folders,
    "embedded-events": lambda ground: _events(ground, "embedded-events"),
    "page": page,
}
