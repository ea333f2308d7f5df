"""`kill -9` at any moment loses nothing that was acknowledged (SPEC section 8)."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import requests

import faults
from services.documents import LIVE
from tests.conftest import PAIRINGS
from tests.faults.conftest import House
from tests.faults.stopping_app import ORDER, REACHED
from tests.faults.traffic import (
    KIB,
    LARGE,
    Document,
    ask,
    assert_downloads,
    assert_error,
    content,
    listed,
    recorded,
    sha256,
    upload,
    uploaded,
)
from tests.servers.drop import Drop
from tests.servers.processes import ROOT, answers, free_port, kill, running, start

SMALL = 100 * KIB
STOPPING = "tests.faults.stopping_app:create_app()"
# What a client sees of a server that dies, before its answer and in it.
CUT_OFF = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
CLIENTS, KILLING_SECONDS, KILL_EVERY = 8, 6.0, 0.7


@dataclass(frozen=True)
class Case:
    """Where a change is stopped; `size` is that of the content that it brings."""

    change: str
    point: str
    size: int = SMALL

    def __str__(self) -> str:
        return f"{self.change}-{self.size // KIB}KiB-{self.point}"


WRITING = ("object.written", "object.committed")
CREATING = (*WRITING, "create.before_document", "create.after_document")
REPLACING = (*WRITING, "replace.before_document", "replace.after_document", "clean.after_bytes")
CASES = (
    *(Case("create", point, size) for size in (SMALL, LARGE) for point in CREATING),
    Case("create", "object.begun", LARGE),
    Case("create", "object.part_sent", LARGE),
    *(Case("replace", point, LARGE) for point in REPLACING),
    Case("replace", "object.begun", LARGE),
    Case("replace", "object.part_sent", LARGE),
    *(Case("rename", point, 0) for point in ("replace.before_document", "replace.after_document")),
    *(Case("delete", point, 0) for point in ("delete.after_tombstone", "clean.after_bytes")),
)
SWEEPING = ("sweep.after_tombstone", "clean.after_bytes")
# Of an object that came by the bucket.
REMOVING = ("delete.after_object",)
ONLY_SERVERS = {
    "object.part_sent": "local files are written in one piece",
    "delete.after_object": "nobody but the service writes local files",
}


def test_each_fault_point_is_reached_by_a_case() -> None:
    """Each test below fails unless its point was reached; so none can be forgotten."""
    reached = {case.point for case in CASES} | set(SWEEPING) | set(REMOVING)
    assert reached == set(faults.POINTS)


def test_each_fault_point_in_the_code_is_declared() -> None:
    sources = [
        p.read_text() for room in ("services", "storage") for p in (ROOT / room).glob("*.py")
    ]
    used = re.findall(r'faults\.reached\("([^"]+)"\)', "".join(sources))
    assert set(used) == set(faults.POINTS)


class Mortal:
    """A service that is killed and started again on the same stores."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.order = house.folder / "stop_at"
        self._env = {
            **house.env,
            "DATA_DIR": str(house.data),
            ORDER: str(self.order),
            "WEB_CONCURRENCY": "1",
        }
        self._stack = ExitStack()
        with house.service():
            pass  # makes the bucket
        self.start()

    def start(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", STOPPING]
        self.process = self._stack.enter_context(
            running(
                command,
                self._house.log,
                {**self._env, "PORT": str(port)},
                lambda: answers(f"{self.url}/healthz"),
            )
        )

    def dies_at(self, point: str, act: Callable[[], requests.Response]) -> bool:
        """Kill it there while it does that; says whether it acknowledged it before."""
        self.order.write_text(point)
        try:
            acknowledged = act().ok
        except CUT_OFF:
            acknowledged = False
        self.process.wait(30)
        self._assert_reached(self.process)
        self._stack.close()
        return acknowledged

    def sweep_dies_at(self, point: str, ahead: float) -> None:
        """Kill a sweep there."""
        self.order.write_text(point)
        command = [sys.executable, "-m", "tests.faults.stopping_app", str(ahead)]
        process = start(command, self._house.log, self._env)
        try:
            process.wait(30)
        finally:
            kill(process)
        self._assert_reached(process)

    def reconcile(self) -> dict[str, Any]:
        """What `flask reconcile` says that it did; it leaves no difference."""
        command = [sys.executable, "-m", "flask", "reconcile"]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **self._env}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary

    def _assert_reached(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.returncode == -signal.SIGKILL, "the fault point was not reached"
        self.order.with_suffix(REACHED).unlink()

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def mortal(shared_house: House) -> Iterator[Mortal]:
    mortal = Mortal(shared_house)
    yield mortal
    mortal.close()


def by_pairing(shared_house: House, point: str) -> None:
    if shared_house.pairing == PAIRINGS[0] and point in ONLY_SERVERS:
        pytest.skip(ONLY_SERVERS[point])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_there_the_catalog_is_whole(shared_house: House, mortal: Mortal, case: Case) -> None:
    by_pairing(shared_house, case.point)
    name = f"{case}.bin"
    bystander = uploaded(mortal.url, content(SMALL, 7), "bystander")
    before, after, act = change(mortal.url, case, name)

    acknowledged = mortal.dies_at(case.point, act)
    mortal.start()

    found = [(d["file_name"], d["sha256"]) for d in listed(mortal.url) if d != bystander]
    assert found in ([after] if acknowledged else [before, after])
    assert bystander in listed(mortal.url)
    shared_house.stock.assert_clean_after_sweep()
    for document in listed(mortal.url):
        assert_downloads(mortal.url, document)
        assert ask("DELETE", f"{mortal.url}/files/{document['file_id']}").ok
    shared_house.stock.assert_empty()


def change(
    url: str, case: Case, name: str
) -> "tuple[list[tuple[str, str]], list[tuple[str, str]], Callable[[], requests.Response]]":
    """Names and hashes before and after a change, and what makes it."""
    new = content(case.size, 3) if case.size else b""
    if case.change == "create":
        return [], [(name, sha256(new))], lambda: upload(url, new, name)
    old = uploaded(url, content(SMALL, 2), name)
    there = f"{url}/files/{old['file_id']}"
    before = [(name, old["sha256"])]
    if case.change == "replace":
        return before, [(name, sha256(new))], lambda: ask("PUT", there, new)
    if case.change == "rename":
        body = json.dumps({"file_name": "renamed"}).encode()
        headers = {"Content-Type": "application/json"}
        return before, [("renamed", old["sha256"])], lambda: ask("PUT", there, body, headers)
    return before, [], lambda: ask("DELETE", there)


@pytest.mark.parametrize("point", SWEEPING)
def test_a_sweep_killed_there_is_done_by_the_next(
    shared_house: House, mortal: Mortal, point: str
) -> None:
    mortal.dies_at("object.committed", lambda: upload(mortal.url, content(SMALL), "orphan"))
    mortal.start()
    assert len(shared_house.stock.keys()) == 1
    mortal.sweep_dies_at(point, shared_house.stock.ahead().total_seconds())
    shared_house.stock.assert_clean_after_sweep()
    shared_house.stock.assert_empty()


@pytest.mark.parametrize("point", REMOVING)
def test_a_removal_from_the_bucket_killed_there_is_reconciled(
    shared_house: House, mortal: Mortal, point: str
) -> None:
    """The object is gone and the document does not know: the bucket is right."""
    by_pairing(shared_house, point)
    key, data = "theirs/report.bin", content(SMALL, 4)
    shared_house.stock.put("theirs/bystander.bin", data)
    shared_house.stock.put(key, data)
    bystander = recorded(mortal.url, "theirs/bystander.bin")
    document = recorded(mortal.url, key)
    there = f"{mortal.url}/files/{document['file_id']}"
    assert (document["file_size"], document["etag"]) == (SMALL, hashlib.md5(data).hexdigest())

    assert not mortal.dies_at(point, lambda: ask("DELETE", there))
    assert shared_house.stock.keys() == {"theirs/bystander.bin"}
    assert live_keys(shared_house) == {"theirs/bystander.bin", key}

    summary = mortal.reconcile()
    assert summary["found"] == summary["mended"] == {"missing_object": 1}
    assert live_keys(shared_house) == {"theirs/bystander.bin"}
    assert mortal.reconcile()["found"] == {}
    mortal.start()
    assert listed(mortal.url) == [bystander]
    gone = ask("GET", f"{mortal.url}/files/{document['file_id']}")
    assert_error(gone, 404)
    assert ask("DELETE", f"{mortal.url}/files/{bystander['file_id']}").ok
    shared_house.stock.assert_clean_after_sweep()
    shared_house.stock.assert_empty()


def live_keys(house: House) -> set[str]:
    return {one["object_key"] for one in house.stock.documents() if one["state"] == LIVE}


def test_workers_killed_while_clients_upload_lose_nothing(house: House) -> None:
    acknowledged: list[tuple[Document, str]] = []
    over = threading.Event()

    with house.service() as service, ThreadPoolExecutor(CLIENTS) as pool:
        clients = [
            pool.submit(upload_until, over, service.url, number, acknowledged)
            for number in range(CLIENTS)
        ]
        try:
            killed = kill_workers(service, KILLING_SECONDS)
        finally:
            over.set()
        for client in clients:
            client.result()

    assert killed >= 3
    assert len(acknowledged) >= 20
    with house.service() as service, ThreadPoolExecutor(CLIENTS) as pool:
        documents = {document["file_id"]: document for document in listed(service.url)}
        for document, digest in acknowledged:
            assert documents[document["file_id"]] == document
            assert document["sha256"] == digest
        house.stock.assert_clean_after_sweep()
        list(pool.map(partial(assert_downloads, service.url), documents.values()))


def upload_until(
    over: threading.Event, url: str, number: int, acknowledged: list[tuple[Document, str]]
) -> None:
    """Small files, one after another; what happens to a client of a killed worker is its luck."""
    for seed in range(10**6):
        if over.is_set():
            return
        data = content(4 * KIB, 1000 * number + seed)
        try:
            answer = upload(url, data, f"client-{number}-{seed}")
        except CUT_OFF:
            continue
        assert answer.status_code == 201, answer.text
        acknowledged.append((answer.json(), sha256(data)))


def kill_workers(service: Drop, seconds: float) -> int:
    """`kill -9` one worker of the service after another; says how many."""
    killed = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(KILL_EVERY * random.uniform(0.5, 1.5))
        if workers := service.workers():
            os.kill(random.choice(workers), signal.SIGKILL)
            killed += 1
    return killed
