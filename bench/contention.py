"""Changes and slow readers of the same files at once (issue 3, point 6).

One file is replaced by several writers all the time; another is deleted and made again, and
replaced in between. Each content is one block over and over that no other content has, so a
reader sees at once whether it got a mixture; readers take 1 MiB/s.
"""

import argparse
import base64
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.pairings import KIB, MIB, Pairing, Verdict, arguments, on_each, size
from bench.wire import BLOCK, Content, Wire, send

WRITERS, READERS = 3, 4  # of each of the two files
READ_RATE = MIB  # bytes a second
RECEIVE_BUFFER = 64 * KIB  # small, so that it is the service that waits
LONGEST_WAIT = 10.0
PATIENCE = 60.0  # seconds until a reader that still reads is given up, beyond what it needs


@dataclass
class File:
    """What the clients know of a file that they all use."""

    path: str
    sometimes_gone: bool


@dataclass
class Tally:
    """What happened, counted by all threads."""

    statuses: Counter[str] = field(default_factory=Counter)
    waits: dict[str, list[float]] = field(default_factory=dict)
    torn: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    read: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, what: str, status: int, seconds: float) -> None:
        with self._lock:
            self.statuses[f"{what} {status}"] += 1
            self.waits.setdefault(what, []).append(seconds)

    def was_read(self, fault: str | None) -> None:
        with self._lock:
            self.read += 1
            if fault is not None:
                self.torn.append(fault)

    def failed(self, text: str) -> None:
        with self._lock:
            self.broken.append(text)


class Contest:
    """The threads of one run; they go on until `stop` is set."""

    def __init__(self, running: Pairing, length: int) -> None:
        self.tally = Tally()
        self.stop = threading.Event()
        self._address = running.address
        self._length = length
        self.files = [File(self._create(), False), File(self._create(), True)]

    def _create(self) -> str:
        status, answer = self._send("POST", "/files/upload", Content(self._length))
        if status != 201:
            raise RuntimeError(f"no file to begin with: {status} {answer!r}")
        return f"/files/{json.loads(answer)['file_id']}"

    def _send(self, method: str, path: str, content: Content | None = None) -> tuple[int, bytes]:
        begun = time.perf_counter()
        status, answer = send(self._address, method, path, content, "raw")
        self.tally.answered(method, status, time.perf_counter() - begun)
        return status, answer

    def write(self, file: File) -> None:
        self._send("PUT", file.path, Content(self._length))

    def make_again(self, file: File) -> None:
        self._send("DELETE", file.path)
        file.path = self._create()
        self.stop.wait(1)

    def read(self, file: File) -> None:
        """Take one content at `READ_RATE` and compare each block with the first."""
        with contextlib.closing(Wire(self._address, RECEIVE_BUFFER)) as wire:
            begun = time.perf_counter()
            wire.begin("GET", file.path)
            status, headers, rest = wire.head()
            self.tally.answered("GET", status, time.perf_counter() - begun)
            if status != 200:
                self.stop.wait(0.2)
                return
            etag, first = headers["etag"], b""
            taken, block = 0, bytearray(rest)
            while piece := wire.socket.recv(64 * KIB):
                block += piece
                while len(block) >= BLOCK:
                    first = first or bytes(block[:BLOCK])
                    if block[:BLOCK] != first:
                        self.tally.was_read(f"{etag}: another content after {taken} bytes")
                        return
                    del block[:BLOCK]
                    taken += BLOCK
                due = begun + (taken + len(block)) / READ_RATE
                time.sleep(max(0.0, due - time.perf_counter()))
            taken += len(block)
            first = first or bytes(block)
            good = taken == self._length and bytes(block) == first[: len(block)]
            good = good and headers["repr-digest"] == self._repr_digest(first)
            self.tally.was_read(None if good else f"{etag}: not as announced, {taken} bytes")

    def _repr_digest(self, block: bytes) -> str:
        digest = bytes.fromhex(Content(self._length, block).sha256())
        return f"sha-256=:{base64.b64encode(digest).decode()}:"

    def forever(self, work: Callable[[File], None], file: File) -> None:
        while not self.stop.is_set():
            try:
                work(file)
            except OSError as error:
                self.tally.failed(f"{work.__name__} {file.path}: {error!r}")

    def threads(self) -> list[threading.Thread]:
        works: list[tuple[Callable[[File], None], File]] = []
        for file in self.files:
            works += [(self.read, file)] * READERS
            works += [(self.write, file)] * (1 if file.sometimes_gone else WRITERS)
        works.append((self.make_again, self.files[1]))
        return [threading.Thread(target=self.forever, args=work, daemon=True) for work in works]

    def at_the_end(self, file: File) -> tuple[bool, str]:
        """Whether the document describes the bytes."""
        _, answer = send(self._address, "GET", f"{file.path}/metadata")
        document = json.loads(answer)
        status, content = send(self._address, "GET", file.path)
        whole = Content(self._length, content[:BLOCK] if content else b"\0")
        good = (
            status == 200
            and len(content) == document["file_size"] == self._length
            and whole.sha256() == document["sha256"]
            and all(
                content[at : at + BLOCK] == piece
                for at, piece in zip(range(0, self._length, BLOCK), whole.pieces(), strict=True)
            )
        )
        return good, f"{document['file_size']} bytes, revision {document['revision']}"


def measure(running: Pairing, verdict: Verdict, options: argparse.Namespace) -> None:
    contest = Contest(running, options.size)
    threads = contest.threads()
    for thread in threads:
        thread.start()
    time.sleep(options.seconds)
    contest.stop.set()
    for thread in threads:
        thread.join(options.size / READ_RATE + PATIENCE)
    hung = sum(thread.is_alive() for thread in threads)
    tally = contest.tally
    counts = ", ".join(f"{count} x {what}" for what, count in sorted(tally.statuses.items()))
    verdict.line(f"  {counts}; {tally.read} contents read at {READ_RATE // KIB} KiB/s")
    for what, waits in sorted(tally.waits.items()):
        waits.sort()
        verdict.line(
            f"  {what:6} median {waits[len(waits) // 2]:6.2f} s, longest {waits[-1]:6.2f} s"
        )
    for text in (tally.torn + tally.broken)[:5]:
        verdict.line(f"        {text}")
    expected = {"GET 200", "GET 404", "PUT 200", "PUT 404", "POST 201", "DELETE 200"}
    verdict.target("no torn read", not tally.torn, f"{len(tally.torn)} of {tally.read}")
    verdict.target("no broken connection", not tally.broken, str(len(tally.broken)))
    verdict.target("no client that hangs", not hung, str(hung))
    server_errors = sum(count for what, count in tally.statuses.items() if " 5" in what)
    verdict.target("no 5xx", not server_errors, str(server_errors))
    strange = sorted(tally.statuses.keys() - expected)
    verdict.target("no unexpected answer", not strange, ", ".join(strange) or "none")
    longest = max(max(tally.waits[what]) for what in ("PUT", "DELETE"))
    verdict.target(
        f"no change takes {LONGEST_WAIT:.0f} s", longest < LONGEST_WAIT, f"{longest:.2f} s"
    )
    for file in contest.files:
        good, described = contest.at_the_end(file)
        verdict.target("document and bytes agree", good, described)
        send(running.address, "DELETE", file.path)
    verdict.line(f"  left to the sweep: {running.settled(5)}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--size", type=size, default=64 * MIB, help="of the contents (64MiB)")
    parser.add_argument("--seconds", type=float, default=120, help="until the clients stop (120)")
    options = parser.parse_args()
    on_each(options, lambda running, verdict: measure(running, verdict, options))


if __name__ == "__main__":
    main()
