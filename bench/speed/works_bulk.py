"""Works on whole files: up, one or four at once, and down again."""

import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial

from bench.pairings import MIB
from bench.speed.boto import Boto3
from bench.speed.contender import Contender, Measured, Target, Work
from bench.speed.content import check_file
from bench.speed.ground import (
    BOTO3,
    COPYPARTY,
    DUFS,
    MINIO,
    NGINX,
    OURS,
    OURS_BY_FORM,
    PROXY,
    STRAIGHTFORWARD,
    TUSD,
    Ground,
)
from bench.speed.peers import Peer, remove_keys

DD = "dd conv=fsync"


def names(count: int) -> list[str]:
    return [f"{uuid.uuid4().hex}.bin" for _ in range(count)]


def timed(peer: Peer, amount: float, act: Callable[[], float]) -> Measured:
    """What `act`, which returns the seconds it took, cost the peer and the stores behind it."""
    own, behind = peer.own.seconds(), peer.behind.seconds()
    seconds = act()
    cpu = peer.own.seconds() - own
    return Measured(seconds, amount, cpu, cpu + peer.behind.seconds() - behind)


class Upload:
    """`clients` uploads of the whole content at the same time. The first go is looked at closely:
    one of the files is read back and hashed."""

    def __init__(self, peer: Peer, clients: int) -> None:
        self._peer = peer
        self._clients = clients
        self._looked = False

    def __call__(self) -> Measured:
        peer, content = self._peer, self._peer.content
        given = names(self._clients)
        requests = [peer.put(name, content.size) for name in given]
        answers = []

        def act() -> float:
            done = peer.load(requests, self._clients)
            answers.extend(done.answers)
            return done.seconds

        found = timed(peer, content.size * self._clients, act)
        places = [
            peer.placed(name, content.size, content.sha256, answer)
            for name, answer in zip(given, answers, strict=True)
        ]
        if not self._looked:
            peer.check(places[0], content.size, content.sha256)
            self._looked = True
        peer.remove(places)
        return found


def upload_by_boto3(ground: Ground, child: Boto3, clients: int) -> Measured:
    """`upload_file` by our own concurrency. boto3 is the client: its time is on no server."""
    store, content, given = ground.presigned(), ground.content, names(clients)
    found = timed(store, content.size * clients, lambda: child.upload_file(content.path, given))
    for name in given:
        head = ground.client.head_object(Bucket=ground.bucket, Key=name)
        assert head["ContentLength"] == content.size
    remove_keys(ground.client, ground.bucket, given)
    return found


def copy_by_dd(ground: Ground) -> Measured:
    """What the disk takes: a copy of the content that is on the disk when it ends."""
    made = ground.folder / names(1)[0]
    command = ["dd", f"if={ground.content.path}", f"of={made}", f"bs={MIB}", "conv=fsync"]
    begun = time.perf_counter()
    process = subprocess.Popen([*command, "status=none"])
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    check_file(made, ground.content.size, ground.content.sha256)
    made.unlink()
    cpu = used.ru_utime + used.ru_stime
    return Measured(seconds, ground.content.size, cpu, cpu)


def there(*peers: Peer | None) -> list[Peer]:
    return [peer for peer in peers if peer is not None]


@contextlib.contextmanager
def upload_raw(ground: Ground) -> Iterator[Work]:
    targets = [
        Target(MINIO, 0.9, aim=1.0),
        Target(BOTO3, 0.9),
        Target(TUSD, 1.4),
        Target(STRAIGHTFORWARD, 2.0),
        Target(STRAIGHTFORWARD, 5.0, of="cpu"),
    ]
    yield Work("upload-raw", "Upload of one file", "bytes", _to_servers(ground, 1), targets)


@contextlib.contextmanager
def upload_raw_4(ground: Ground) -> Iterator[Work]:
    yield Work("upload-raw-4", "Upload of four files at once", "bytes", _to_servers(ground, 4), [])


def _to_servers(ground: Ground, clients: int) -> list[Contender]:
    peers = there(
        *(ground.service(), ground.presigned(), *ground.proxies()),
        *(ground.tusd(), ground.straightforward()),
    )
    contenders = [Contender(peer.name, Upload(peer, clients)) for peer in peers]
    child = ground.boto3
    boto3 = Contender(BOTO3, lambda: upload_by_boto3(ground, child, clients))
    return [*contenders[:2], boto3, *contenders[2:]]


@contextlib.contextmanager
def upload_form(ground: Ground) -> Iterator[Work]:
    form, raw = Upload(ground.service_by_form(), 1), Upload(ground.service(), 1)
    contenders = [Contender(OURS_BY_FORM, form), Contender(OURS, raw)]
    title = "Upload of one file as a form, beside the same as a raw body"
    yield Work("upload-form", title, "bytes", contenders, [Target(OURS, 0.95)])


@contextlib.contextmanager
def embedded_upload(ground: Ground) -> Iterator[Work]:
    targets = [Target(DD, 0.9), Target(COPYPARTY, 1.3), Target(DUFS, 2.5)]
    contenders = _to_folders(ground, 1)
    contenders.insert(1, Contender(DD, lambda: copy_by_dd(ground)))
    yield Work("embedded-upload", "Upload of one file", "bytes", contenders, targets)


@contextlib.contextmanager
def embedded_upload_4(ground: Ground) -> Iterator[Work]:
    title = "Upload of four files at once"
    yield Work("embedded-upload-4", title, "bytes", _to_folders(ground, 4), [])


def _to_folders(ground: Ground, clients: int) -> list[Contender]:
    peers = there(ground.service(), ground.copyparty(), ground.dufs())
    return [Contender(peer.name, Upload(peer, clients)) for peer in peers]


# --- down --------------------------------------------------------------------------------


def download_go(peer: Peer, place: str, clients: int) -> Measured:
    requests = [peer.get(place, peer.content.size)] * clients
    amount = peer.content.size * clients
    return timed(peer, amount, lambda: peer.load(requests, clients).seconds)


@contextlib.contextmanager
def stored(peer: Peer) -> Iterator[str]:
    """The whole content, uploaded and read back, until the end of the block."""
    content = peer.content
    places = peer.store(names(1), content.size, content.sha256)
    try:
        peer.check(places[0], content.size, content.sha256)
        yield places[0]
    finally:
        peer.remove(places)


@contextlib.contextmanager
def _down(
    name: str, title: str, clients: int, peers: list[Peer], targets: list[Target]
) -> Iterator[Work]:
    with contextlib.ExitStack() as stack:
        contenders = [
            Contender(
                peer.name, partial(download_go, peer, stack.enter_context(stored(peer)), clients)
            )
            for peer in peers
        ]
        yield Work(name, title, "bytes", contenders, targets)


def download(ground: Ground) -> contextlib.AbstractContextManager[Work]:
    targets = [Target(MINIO, 0.9, aim=1.0), Target(PROXY, 1.2)]
    return _down("download", "Download of one file", 1, _from_servers(ground), targets)


def download_4(ground: Ground) -> contextlib.AbstractContextManager[Work]:
    title = "Download of one file by four clients at once"
    return _down("download-4", title, 4, _from_servers(ground), [])


def _from_servers(ground: Ground) -> list[Peer]:
    return there(
        *(ground.service(), ground.presigned(), *ground.proxies()),
        *(ground.tusd(), ground.straightforward()),
    )


def embedded_download(ground: Ground) -> contextlib.AbstractContextManager[Work]:
    peers, targets = _from_folders(ground), [Target(NGINX, 0.9)]
    return _down("embedded-download", "Download of one file", 1, peers, targets)


def embedded_download_4(ground: Ground) -> contextlib.AbstractContextManager[Work]:
    title = "Download of one file by four clients at once"
    return _down("embedded-download-4", title, 4, _from_folders(ground), [])


def _from_folders(ground: Ground) -> list[Peer]:
    return there(ground.service(), ground.nginx_files(), ground.copyparty(), ground.dufs())


SERVERS = {
    "upload-raw": upload_raw,
    "upload-raw-4": upload_raw_4,
    "upload-form": upload_form,
    "download": download,
    "download-4": download_4,
}
EMBEDDED = {
    "embedded-upload": embedded_upload,
    "embedded-upload-4": embedded_upload_4,
    "embedded-download": embedded_download,
    "embedded-download-4": embedded_download_4,
}
