"""Clients that upload, replace and delete files of their own, and know what must be there."""

import hashlib
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import requests

TIMEOUT = 60.0
LARGEST = 32 * 2**10
# More than one part of an S3 upload: it takes long enough to be seen half-way.
LONG = 9 * 2**20
PROBLEMS_SHOWN = 10


@dataclass
class Known:
    """One file of a client: the contents that it may have, none once it is deleted."""

    file_id: str
    contents: set[str] = field(default_factory=set)
    may_be_gone: bool = False


class Client:
    """One client in a thread; nobody else touches its files.

    `refused` are answers by which nothing is acknowledged: the change may have happened or not.
    """

    def __init__(self, url: str, seed: int, refused: "frozenset[int]") -> None:
        self.files: list[Known] = []
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._url = url
        self._chance = random.Random(seed)
        self._refused = refused
        self._session = requests.Session()
        self._session.trust_env = False

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._act()
            except requests.RequestException as error:
                self.problems.append(repr(error))

    def _act(self) -> None:
        live = [known for known in self.files if known.contents]
        chance = self._chance.random()
        if chance < 0.35 or not live:
            self._upload()
            return
        known = self._chance.choice(live)
        if chance < 0.65:
            self._replace(known)
        elif chance < 0.8:
            self._delete(known)
        else:
            self.check(known)

    def _content(self) -> bytes:
        size = LONG if self._chance.random() < 0.02 else self._chance.randrange(1, LARGEST)
        return self._chance.randbytes(size)

    def _ask(
        self, what: str, method: str, path: str, data: bytes | None, good: int
    ) -> requests.Response | None:
        """The answer if it is a success, None if it is a refusal that may be."""
        answer = self._session.request(
            method, self._url + path, data=data, timeout=TIMEOUT, allow_redirects=False
        )
        self.counts[f"{what} {answer.status_code}"] += 1
        if answer.status_code == good:
            return answer
        if answer.status_code not in self._refused:
            self.problems.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return None

    def _upload(self) -> None:
        content = self._content()
        answer = self._ask("upload", "POST", "/files/upload?file_name=traffic", content, 201)
        if answer is not None:
            self.files.append(Known(answer.json()["file_id"], {sha256(content)}))

    def _replace(self, known: Known) -> None:
        content = self._content()
        answer = self._ask("replace", "PUT", f"/files/{known.file_id}", content, 200)
        known.contents = {sha256(content)} if answer else known.contents | {sha256(content)}

    def _delete(self, known: Known) -> None:
        if self._ask("delete", "DELETE", f"/files/{known.file_id}", None, 200) is None:
            known.may_be_gone = True
        else:
            known.contents = set()

    def check(self, known: Known) -> None:
        """Read the file: its bytes are right, or it is gone as it should be."""
        answer = self._session.get(f"{self._url}/files/{known.file_id}", timeout=TIMEOUT)
        self.counts[f"read {answer.status_code}"] += 1
        if answer.status_code == 404:
            if known.contents and not known.may_be_gone:
                self.problems.append(f"lost: {known}")
            return
        if answer.status_code != 200:
            self.problems.append(f"not readable: {known}: {answer.status_code} {answer.text[:300]}")
        elif not known.contents:
            self.problems.append(f"came back: {known}")
        elif sha256(answer.content) not in known.contents:
            self.problems.append(f"another content: {known}")

    def close(self) -> None:
        self._session.close()


class Traffic:
    """Clients at work during a `with` block; afterwards `verify` says what is wrong."""

    def __init__(self, url: str, clients: int = 4, refused: "frozenset[int]" = frozenset()) -> None:
        self._clients = [Client(url, seed, refused) for seed in range(clients)]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=client.run, args=(self._stop,)) for client in self._clients
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        until = time.monotonic() + TIMEOUT
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"

    @property
    def counts(self) -> "Counter[str]":
        """Answers so far, by what was asked for."""
        return sum((client.counts for client in self._clients), Counter())

    def changes(self) -> dict[str, int]:
        """How many changes were acknowledged."""
        good = {"upload": 201, "replace": 200, "delete": 200}
        counts = self.counts
        return {what: counts[f"{what} {status}"] for what, status in good.items()}

    def verify(self) -> list[str]:
        """Every file that was ever acknowledged is what it should be; what is wrong, shortened."""
        for client in self._clients:
            for known in client.files:
                client.check(known)
            client.close()
        problems = [problem for client in self._clients for problem in client.problems]
        more = [f"and {len(problems) - PROBLEMS_SHOWN} more"] * (len(problems) > PROBLEMS_SHOWN)
        return problems[:PROBLEMS_SHOWN] + more


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
