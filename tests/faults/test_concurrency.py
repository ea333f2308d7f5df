"""Readers and writers of the same files at once see one version whole, and do not wait long.

Scaled down: `FAULTS_FULL=1` runs it with 64 MiB of content and readers at 1 MiB/s.
"""

import base64
import hashlib
import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

import requests

from tests.faults.conftest import House
from tests.faults.traffic import (
    KIB,
    MIB,
    ask,
    assert_downloads,
    content,
    listed,
    sha256,
    uploaded,
)

FULL = os.environ.get("FAULTS_FULL") == "1"
SIZE = (64 if FULL else 16) * MIB
READER_RATE = (1 if FULL else 4) * MIB  # bytes a second
SECONDS = 120.0 if FULL else 10.0
READERS, CHANGERS, FILES = 6, 3, 3
WAIT = 10.0
PIECE = 256 * KIB


class Shelf:
    """File ids in use; a file that is deleted makes room for another."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.until = time.monotonic() + SECONDS
        self.versions = {sha256(version(number)) for number in range(4)}
        self.places = [self._new(place) for place in range(FILES)]
        self.longest_change = 0.0
        self.counts = {"read": 0, "replaced": 0, "deleted": 0, "gone": 0}
        self._lock = threading.Lock()

    def _new(self, place: int) -> str:
        file_id: str = uploaded(self.url, version(place % 4), f"place-{place}")["file_id"]
        return file_id

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def read(self) -> None:
        while time.monotonic() < self.until:
            self._read(random.choice(self.places))

    def _read(self, file_id: str) -> None:
        """One slow download: whole, and of one version."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request("GET", f"/files/{file_id}")
            answer = connection.getresponse()
            if answer.status == 404:
                self.count("gone")
                return
            assert answer.status == 200, answer.read(500)
            digest, begun, size = hashlib.sha256(), time.monotonic(), 0
            while piece := answer.read(PIECE):
                digest.update(piece)
                size += len(piece)
                time.sleep(max(0.0, begun + size / READER_RATE - time.monotonic()))
            assert size == SIZE
            expected = base64.b64encode(digest.digest()).decode()
            assert answer.headers["Repr-Digest"] == f"sha-256=:{expected}:"
            assert digest.hexdigest() in self.versions
            self.count("read")
        finally:
            connection.close()

    def change(self) -> None:
        while time.monotonic() < self.until:
            place = random.randrange(FILES)
            if random.random() < 0.7:
                self._replace(self.places[place])
            else:
                self._delete(place)

    def _replace(self, file_id: str) -> None:
        data = version(random.randrange(4))
        answer = self._timed(lambda: ask("PUT", f"{self.url}/files/{file_id}", data, timeout=60))
        self.count("replaced" if answer == 200 else "gone")

    def _delete(self, place: int) -> None:
        file_id = self.places[place]
        answer = self._timed(lambda: ask("DELETE", f"{self.url}/files/{file_id}", timeout=60))
        if answer == 200:
            self.places[place] = self._new(place)
        self.count("deleted" if answer == 200 else "gone")

    def _timed(self, act: Callable[[], requests.Response]) -> int:
        begun = time.monotonic()
        answer = act()
        self.longest_change = max(self.longest_change, time.monotonic() - begun)
        assert answer.status_code in (200, 404), answer.text
        return answer.status_code


def version(number: int) -> bytes:
    return content(SIZE, 100 + number)


def test_readers_and_writers_of_the_same_files(house: House) -> None:
    with house.service() as service:
        shelf = Shelf(service.url)
        with ThreadPoolExecutor(READERS + CHANGERS) as pool:
            work = [pool.submit(shelf.read) for _ in range(READERS)]
            work += [pool.submit(shelf.change) for _ in range(CHANGERS)]
            for one in work:
                one.result()
        print(house.pairing, shelf.counts, f"longest change {shelf.longest_change:.1f} s")
        assert shelf.longest_change < WAIT
        assert shelf.counts["read"] and shelf.counts["replaced"] and shelf.counts["deleted"]
        files = listed(service.url)
        assert {file["file_id"] for file in files} == set(shelf.places)
        for document in files:
            assert_downloads(service.url, document)
        # A store may hold a delete while a slow reader reads: that one is left to the sweep.
        house.stock.assert_clean_after_sweep()
        for document in files:
            assert_downloads(service.url, document)
