"""A real tree of files through the whole service, eight at a time (issue 3, point 3).

Every regular file under a folder is uploaded (by turns as a form and as a raw body), listed,
downloaded, compared by SHA-256, renamed and deleted; in the end the stores must be empty.
"""

import argparse
import hashlib
import http.client
import json
import re
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.pairings import MIB, Pairing, Verdict, arguments, on_each, shown

CLIENTS = 8
PIECE = MIB
BOUNDARY = "bench-tree-7f3a9c"
SHOWN_DIFFERENCES = 10


@dataclass
class Entry:
    """A file of the tree, what was sent of it, and what the service calls it."""

    path: Path
    size: int
    name: str
    by_form: bool
    sha256: str = ""
    file_id: str = ""


@dataclass
class Differences:
    """All that is not as it should be, counted by threads."""

    count: int = 0
    texts: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, text: str) -> None:
        with self._lock:
            self.count += 1
            if len(self.texts) < SHOWN_DIFFERENCES:
                self.texts.append(text)


class Client:
    """One connection, kept open: answers come as status, headers, body."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._connection = http.client.HTTPConnection(*address, timeout=120, blocksize=PIECE)

    def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
        sink: Callable[[bytes], object] | None = None,
    ) -> tuple[int, http.client.HTTPResponse, bytes]:
        """One request; the body of a good answer goes to `sink` if there is one."""
        try:
            self._connection.request(method, path, body=body, headers=headers or {})
            response = self._connection.getresponse()
            if sink is None or response.status != 200:
                return response.status, response, response.read()
            while piece := response.read(PIECE):
                sink(piece)
            return response.status, response, b""
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()


@dataclass
class Moved:
    """What a phase did in all batches."""

    files: int = 0
    pages: int = 0
    size: int = 0
    seconds: float = 0.0

    def described(self) -> str:
        of_pages = f"{self.pages} pages" if self.pages else ""
        rates = f"{self.files / self.seconds:8.0f} files/s {self.size / self.seconds / 1e6:8.1f}"
        return (
            f"{self.files:6} files {of_pages:>9} {shown(self.size):>10} "
            f"{self.seconds:8.1f} s {rates} MB/s"
        )


class Run:
    """The phases on one pairing, in one batch of files after the other."""

    def __init__(self, running: Pairing) -> None:
        self.differences = Differences()
        self.phases: dict[str, Moved] = {}
        self._running = running
        self._entries: list[Entry] = []
        self._local = threading.local()

    def all_phases(self, entries: list[Entry]) -> None:
        self._entries = entries
        self.phase("upload", self.upload)
        self.list_all("-created_at", new_names=False)
        self.phase("download, compare", self.download)
        self.phase("rename", self.rename)
        self.list_all("file_name", new_names=True)
        self.phase("delete", self.delete)

    def phase(self, what: str, work: Callable[[Entry], int]) -> None:
        """`work` on every entry, eight at a time; it returns the bytes that it moved."""
        begun = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS, initializer=self._connect) as pool:
            moved = sum(pool.map(lambda entry: self._safely(what, work, entry), self._entries))
        self._add(what, Moved(len(self._entries), 0, moved, time.perf_counter() - begun))

    def _add(self, what: str, new: Moved) -> None:
        old = self.phases.get(what, Moved())
        self.phases[what] = Moved(
            old.files + new.files,
            old.pages + new.pages,
            old.size + new.size,
            old.seconds + new.seconds,
        )

    def _connect(self) -> None:
        self._local.client = Client(self._running.address)

    @property
    def _client(self) -> Client:
        client: Client = self._local.client
        return client

    def _safely(self, what: str, work: Callable[[Entry], int], entry: Entry) -> int:
        try:
            return work(entry)
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self.differences.note(f"{what} {entry.path}: {error!r}")
            return 0

    def _expect(self, entry: Entry, what: str, found: object, expected: object) -> None:
        if found != expected:
            self.differences.note(f"{entry.path}: {what} is {found!r}, not {expected!r}")

    def upload(self, entry: Entry) -> int:
        running = hashlib.sha256()
        headers, body = as_form(entry, running) if entry.by_form else as_raw(entry, running)
        status, response, answer = self._client.send("POST", "/files/upload", headers, body)
        self._expect(entry, "the status of the upload", status, 201)
        document = json.loads(answer)
        entry.sha256, entry.file_id = running.hexdigest(), document["file_id"]
        self._expect(entry, "Location", response.headers["Location"], f"/files/{entry.file_id}")
        self._compare(entry, document, entry.name)
        return entry.size

    def _compare(self, entry: Entry, document: dict[str, Any], name: str) -> None:
        expected = {"file_name": name, "file_size": entry.size, "sha256": entry.sha256}
        self._expect(entry, "document", {key: document[key] for key in expected}, expected)

    def list_all(self, sort: str, new_names: bool) -> None:
        """All pages in one order: every file exactly once, as it was sent."""
        begun = time.perf_counter()
        by_id = {entry.file_id: entry for entry in self._entries}
        client = Client(self._running.address)
        seen: set[str] = set()
        bytes_read = pages = 0
        next_page: str | None = f"/files?limit=1000&sort={sort}"
        while next_page is not None:
            status, response, answer = client.send("GET", next_page)
            if status != 200:
                self.differences.note(f"page {pages} of {sort}: {status} {answer[:200]!r}")
                break
            pages += 1
            bytes_read += len(answer)
            for document in json.loads(answer):
                entry = by_id.get(document["file_id"])
                if entry is None or document["file_id"] in seen:
                    self.differences.note(f"{sort}: {document['file_id']} is not ours, or twice")
                    continue
                seen.add(document["file_id"])
                self._compare(entry, document, new_name(entry) if new_names else entry.name)
            next_page = next_link(response.headers.get("Link"))
        client.close()
        for missing in by_id.keys() - seen:
            self.differences.note(f"{sort}: {by_id[missing].path} is not listed")
        seconds = time.perf_counter() - begun
        self._add(f"list by {sort}", Moved(len(seen), pages, bytes_read, seconds))

    def download(self, entry: Entry) -> int:
        running = hashlib.sha256()
        path = f"/files/{entry.file_id}"
        status, response, _ = self._client.send("GET", path, sink=running.update)
        self._expect(entry, "the status of the download", status, 200)
        self._expect(entry, "Content-Length", response.headers["Content-Length"], str(entry.size))
        self._expect(entry, "the content", running.hexdigest(), entry.sha256)
        return entry.size

    def rename(self, entry: Entry) -> int:
        body = json.dumps({"file_name": new_name(entry)}).encode()
        headers = {"Content-Type": "application/json"}
        path = f"/files/{entry.file_id}"
        status, _, answer = self._client.send("PUT", path, headers, body)
        self._expect(entry, "the status of the change", status, 200)
        document = json.loads(answer)["file"]
        self._expect(entry, "the revision", document["revision"], 2)
        self._compare(entry, document, new_name(entry))
        return 0

    def delete(self, entry: Entry) -> int:
        status, _, _ = self._client.send("DELETE", f"/files/{entry.file_id}")
        self._expect(entry, "the status of the deletion", status, 200)
        return 0


def new_name(entry: Entry) -> str:
    return f"renamed {entry.name}"[:255]


def pieces(entry: Entry, running: "hashlib._Hash") -> Iterator[bytes]:
    with entry.path.open("rb") as content:
        while piece := content.read(PIECE):
            running.update(piece)
            yield piece


def as_raw(entry: Entry, running: "hashlib._Hash") -> tuple[dict[str, str], Iterator[bytes]]:
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(entry.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(entry.name, safe='')}",
    }
    return headers, pieces(entry, running)


def as_form(entry: Entry, running: "hashlib._Hash") -> tuple[dict[str, str], Iterator[bytes]]:
    name = entry.name.replace('"', "%22")
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()

    def whole() -> Iterator[bytes]:
        yield head
        yield from pieces(entry, running)
        yield tail

    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(head) + entry.size + len(tail)),
    }
    return headers, whole()


def next_link(header: str | None) -> str | None:
    match = re.fullmatch(r'<([^>]*)>; rel="next"', header or "")
    return match[1] if match else None


def tree(root: Path, limit: int | None) -> list[Entry]:
    """The regular files under `root`, evenly thinned out to `limit`; no symbolic links."""
    found: list[Entry] = []
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            name = path.name.encode("utf-8", "replace").decode()
            found.append(Entry(path, status.st_size, name, by_form=len(found) % 2 == 0))
    if limit is None or limit >= len(found):
        return found
    return [found[i * len(found) // limit] for i in range(limit)]


def measure(running: Pairing, verdict: Verdict, options: argparse.Namespace) -> None:
    entries = tree(options.root, options.limit)
    verdict.line(f"  {len(entries)} files, {shown(sum(e.size for e in entries))}: {options.root}")
    run = Run(running)
    batch = options.batch or max(1, len(entries))
    for begin in range(0, len(entries), batch):
        run.all_phases(entries[begin : begin + batch])
    for what, moved in run.phases.items():
        verdict.line(f"  {what:20} {moved.described()}")
    for text in run.differences.texts:
        verdict.line(f"        {text}")
    verdict.target("no difference", run.differences.count == 0, str(run.differences.count))
    verdict.nothing_left(running.settled())


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--root", type=Path, default=Path(sys.base_prefix))
    parser.add_argument("--limit", type=int, help="at most so many files, spread over the tree")
    parser.add_argument("--batch", type=int, help="files in the stores at a time (all)")
    options = parser.parse_args()
    on_each(options, lambda running, verdict: measure(running, verdict, options))


if __name__ == "__main__":
    main()
