"""What is measured without rivals: memory under large transfers, and how fast the service starts.

MB are 10^6 bytes. Peaks are `VmHWM` of each worker, which begins anew before each row.
"""

import argparse
import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.memory import forget_peaks, memory
from bench.pairings import Pairing, pairing
from bench.speed.content import ContentFile
from bench.speed.load import Request, load
from bench.speed.peers import BINARY
from tests.servers.processes import ROOT, free_port, start, stop
from tests.servers.stores import stores

TRANSFERS = 8
MOST_MEMORY = 200.0
MOST_SECONDS = 1.0
STARTS = 5
WORKERS = (1, 2)
HEALTHY_SECONDS = 60.0


@dataclass(frozen=True)
class Row:
    """Values of which the median (or the only one) must stay under `below`, where that is given."""

    what: str
    unit: str
    values: Sequence[float]
    below: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def word(self) -> str:
        if self.below is None:
            return ""
        return "PASS" if self.median < self.below else "OVER"


# --- memory ------------------------------------------------------------------------------


def memory_rows(name: str, options: argparse.Namespace, content: ContentFile) -> Iterator[Row]:
    """TRANSFERS at once, up and then down, on this pairing."""
    for workers in WORKERS:
        few = argparse.Namespace(folder=options.folder, workers=workers)
        with pairing(name, few) as running:
            yield from _transfers(running, workers, content)


def _transfers(running: Pairing, workers: int, content: ContentFile) -> Iterator[Row]:
    path, size = "/files/upload?file_name=large.bin", content.size
    up = Request("POST", path, BINARY, length=size, status=201)

    def peaks(what: str) -> Row:
        each = [memory(pid)["VmHWM"] / 1e6 for pid in running.drop.workers()]
        text = f"{running.name}, {_several(workers, 'worker')}: {TRANSFERS} {what} at once"
        return Row(f"{text}, peak of a worker", "MB", [max(each)], MOST_MEMORY)

    if not forget_peaks(running):
        raise RuntimeError("the kernel does not let peaks of memory begin anew")
    answers = load(running.address, [up] * TRANSFERS, TRANSFERS, content.path).answers
    yield peaks("uploads")
    forget_peaks(running)
    down = [Request("GET", answer.location or "", size=size) for answer in answers]
    load(running.address, down, TRANSFERS)
    yield peaks("downloads")


def _several(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count > 1 else "")


# --- start -------------------------------------------------------------------------------


def start_rows(name: str, options: argparse.Namespace, _: ContentFile) -> Iterator[Row]:
    """From exec to the first 200 of `/healthz`; schema and bucket are there before."""
    yield Row("import of `app`", "s", [_import() for _ in range(STARTS)], MOST_SECONDS)
    with _folder_and_settings(name, options) as (folder, settings):
        values = [_started(folder, settings) for _ in range(STARTS)]
        yield Row(f"{name}: gunicorn to the first answer of `/healthz`", "s", values, MOST_SECONDS)


def _import() -> float:
    """Of a Python that runs already."""
    code = "import time; t = time.perf_counter(); import app; print(time.perf_counter() - t)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


@contextlib.contextmanager
def _folder_and_settings(
    name: str, options: argparse.Namespace
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Stores that are prepared, without a service."""
    with (
        tempfile.TemporaryDirectory(prefix="file-drop-start-", dir=options.folder) as made,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(made)
        settings = {"DATA_DIR": str(folder / "data"), "WEB_CONCURRENCY": str(options.workers)}
        if name == "servers":
            unique = f"b{uuid.uuid4().hex[:12]}"
            settings |= stack.enter_context(stores(folder)).settings(unique, unique)
        subprocess.run(
            [sys.executable, "create_bucket.py"],
            cwd=ROOT,
            env={**os.environ, **settings},
            check=True,
            capture_output=True,
        )
        yield folder, settings


def _started(folder: Path, settings: Mapping[str, str]) -> float:
    """Seconds of one start."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"]
    begun = time.perf_counter()
    process = start(command, folder / "start.log", {**settings, "PORT": str(port)})
    try:
        while not _healthy(port):
            if process.poll() is not None or time.perf_counter() - begun > HEALTHY_SECONDS:
                raise RuntimeError((folder / "start.log").read_text()[-2000:])
            time.sleep(0.005)
        return time.perf_counter() - begun
    finally:
        stop(process)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    return False


# Each is given the name of the pairing.
ROWS: dict[str, Callable[[str, argparse.Namespace, ContentFile], Iterator[Row]]] = {
    "memory": memory_rows,
    "start": start_rows,
}
