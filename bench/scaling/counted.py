"""What an operation costs the embedded stores, counted: alike on every machine, however busy.

Statements, steps of SQLite's virtual machine and pages that go into its write-ahead log are
counted within the application, which is asked in this process; calls that sync a disk are counted
by strace at a real server.
"""

import contextlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from unittest import mock

from bench.scaling import operations
from bench.scaling.asked import Asked, Count, application, gathered, mean
from bench.scaling.service import serving
from bench.scaling.tables import Table, documents, number
from bench.speed.load import Load, Request, load
from services.collections import FILES
from storage.sqlite_connections import connect
from tests.servers.processes import wait_until

FRAME, LOG_HEAD = 4096 + 24, 32
SYNCED = 100
Counts = dict[str, dict[str, float]]


class Sqlite:
    """Counts what the connections of this process do to one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = Count()

    def connect(self, path: Path, mode: str) -> sqlite3.Connection:
        """In place of the store's own `connect`."""
        connection = connect(path, mode)
        connection.set_trace_callback(self._statement)
        connection.set_progress_handler(self._step, 1)
        return connection

    def _statement(self, text: str) -> None:
        if text.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            self._count.amounts["statements"] += 1

    def _step(self) -> None:
        self._count.amounts["steps"] += 1

    @contextmanager
    def during(self) -> Iterator[Count]:
        """Each page that a transaction changes is a frame of the log, which begins empty."""
        with closing(connect(self._path, "rw")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._count = Count()
        yield self._count
        size = Path(f"{self._path}-wal").stat().st_size
        self._count.amounts["pages"] = max(0, size - LOG_HEAD) // FRAME


def sqlite_counts(data: Path, deep: str | None) -> Counts:
    """Statements, steps and pages written, for each operation."""
    counting = Sqlite(data / "catalog.sqlite")
    with (
        mock.patch("storage.sqlite_connections.connect", counting.connect),
        application({"DATA_DIR": str(data)}) as (client, _),
    ):
        found = gathered(Asked(client, counting.during).every(deep))
    return {name: mean(several) for name, several in found.items()}


def sqlite_table(found: Mapping[int, Counts]) -> Table:
    """Steps and pages at each size; the statements are the same."""
    sizes = sorted(found)
    heading = ["operation", "statements", *(f"steps, {documents(size)}" for size in sizes)]
    heading += [f"pages written, {documents(size)}" for size in sizes]
    rows = []
    for name, largest in found[sizes[-1]].items():
        figures = [largest["statements"]]
        for what in ("steps", "pages"):
            figures += [found[size].get(name, {}).get(what, float("nan")) for size in sizes]
        rows.append([name, *map(number, figures)])
    return Table("sqlite", heading, rows)


def index_counts(data: Path, copy: Path) -> dict[str, Counts]:
    """The same on copies of a catalog that lack some of its indexes."""
    everything = (*FILES.unique, *FILES.indexes)
    kept = {
        "all": everything,
        "without those of admins": [one for one in everything if one[0] != "state"],
        "without any of a listing": [one for one in everything if "state" not in one],
        "unique ones only": FILES.unique,
    }
    found = {}
    for name, those in kept.items():
        shutil.copytree(data, copy)
        dropped = [one for one in everything if one not in those]
        with closing(connect(copy / "catalog.sqlite", "rw")) as connection:
            for index in dropped:
                connection.execute(f"DROP INDEX {FILES.name}_by_{'_'.join(index)}")
        # The key has one as well.
        found[f"{1 + len(those)}: {name}"] = sqlite_counts(copy, None)
        shutil.rmtree(copy)
    return found


def index_table(found: Mapping[str, Counts]) -> Table:
    """What the changes cost with these indexes."""
    changes = ("upload", "rename", "delete")
    heading = ["indexes on files", *(f"steps, {name}" for name in changes)]
    heading += [f"pages written, {name}" for name in changes]
    rows = []
    for name, counts in found.items():
        figures = [counts[one][what] for what in ("steps", "pages") for one in changes]
        rows.append([name, *map(number, figures)])
    return Table("indexes", heading, rows)


def disk_table(found: Mapping[int, Mapping[str, int]], in_all: Mapping[int, int]) -> Table:
    """Bytes a document of each part of the catalog."""
    sizes = sorted(found)
    heading = ["bytes a document", *(documents(size) for size in sizes)]
    rows = []
    for part in found[sizes[-1]]:
        rows.append([part, *(number(round(found[size][part] / in_all[size])) for size in sizes)])
    totals = (sum(found[size].values()) / in_all[size] for size in sizes)
    rows.append(["all", *(number(round(total)) for total in totals)])
    return Table("disk", heading, rows)


def on_disk(data: Path) -> dict[str, int]:
    """Bytes of the table and of each of its indexes, as SQLite counts them."""
    statement = "SELECT name, sum(pgsize) FROM dbstat WHERE name LIKE '%files%' GROUP BY name"
    with closing(connect(data / "catalog.sqlite", "rw")) as connection:
        found = dict(connection.execute(f"{statement} ORDER BY 2 DESC").fetchall())
    names = {"files": "the documents themselves", "sqlite_autoindex_files_1": "file_id (key)"}
    return {names.get(one, one.removeprefix("files_by_")): size for one, size in found.items()}


# --- syncs -----------------------------------------------------------------------------------


def syncs(data: Path) -> dict[str, float]:
    """Calls of fsync(2) and fdatasync(2) that each change makes; nothing without strace."""
    if shutil.which("strace") is None:
        return {}
    found = {}
    with serving(data, 1) as server:

        def measured(name: str, requests: list[Request]) -> Load:
            with _traced(server.drop.workers()[0], data.parent / "strace.txt") as calls:
                done = load(server.address, requests, 1)
            found[name] = sum(calls) / len(requests)
            return done

        done = measured("upload", [operations.upload(n) for n in range(SYNCED)])
        made = operations.ids(done.answers)
        measured("rename", [operations.rename(one) for one in made])
        now = time.time_ns()
        measured("event", [operations.event(now + n) for n in range(SYNCED)])
        measured("delete", [operations.delete(one) for one in made])
    return found


@contextmanager
def _traced(pid: int, told: Path) -> Iterator[list[int]]:
    """The calls made during the block, in a list that is filled at its end."""
    calls: list[int] = []
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(told), "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        try:
            wait_until(lambda: _is_traced(pid), "strace does not attach")
            yield calls
        finally:
            tracer.send_signal(signal.SIGINT)
    calls.append(len(re.findall(r"^\d+ +f(?:data)?sync\(", told.read_text(), re.MULTILINE)))


def _is_traced(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()
    return False


def syncs_table(found: Mapping[str, float]) -> Table:
    rows = [[name, number(calls)] for name, calls in found.items()]
    return Table("syncs", ["change", "fsync and fdatasync"], rows)
