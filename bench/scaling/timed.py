"""What clients wait for, over HTTP from a server of its own: rates, milliseconds, memory."""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from bench.scaling import operations, rows
from bench.scaling.service import Server, serving
from bench.scaling.standin_app import TOTAL
from bench.scaling.stock import NOTIFIED, Stock
from bench.scaling.tables import Table, documents, number
from bench.speed.load import Load, Request, load
from services.collections import FILES
from services.listing import list_files, parse_query
from services.principals import ANYONE
from storage.sqlite import SqliteDatabase
from tests.reconcile.command import Done, reconcile

CLIENTS = 8
# To guess a rate from, and as many requests as there are at least.
FEW = 64
# Of a page, one after the other.
PAGES = 25
STAND_IN = "bench.scaling.standin_app:create_app"
RECONCILE_SECONDS = 300
Figures = dict[str, float]


class Timed:
    """One server, and what it is asked for. `seconds` is how long each rate is looked at."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self.figures: Figures = {"start to first page, s": server.start_seconds}

    def all(self, stock: Stock, deep: str) -> None:
        """What is written is changed and then deleted, so that the catalog stays as large."""
        evict(self._server.drop.data / "catalog.sqlite")
        self._page("page N/100, nothing cached, ms", operations.page(deep), 1)
        self._page("page 1, ms", operations.page(), PAGES)
        self._page("page N/100, ms", operations.page(deep), PAGES)
        self._page("filter without a match, ms", operations.no_match(), PAGES // 5)
        real = [operations.read(stock.file_id(one)) for one in stock.real()]
        self._rate("4 KiB reads/s", lambda total: _round(real, total))
        made = self._rate("4 KiB writes/s", lambda total: _round([operations.upload(0)], total))
        self._rate("events/s", _events)
        self._once("renames/s", [operations.rename(one) for one in made])
        self._once("deletes/s", [operations.delete(one) for one in made])
        self.figures["resident memory of a worker, MB"] = self._server.resident() / 1e6

    def _page(self, name: str, request: Request, times: int) -> None:
        self.figures[name] = load(self._server.address, [request], 1, total=times).p50

    def _rate(self, name: str, make: Callable[[int], Sequence[Request]]) -> list[str]:
        """As many requests as fill the seconds, by the rate of a few; files that they made."""
        few = self._load(make(FEW))
        done = self._once(name, make(max(FEW, round(few.rate * self._seconds))))
        return operations.ids([*few.answers, *done.answers])

    def _once(self, name: str, requests: Sequence[Request]) -> Load:
        before = self._server.cpu_seconds()
        done = self._load(requests)
        spent = self._server.cpu_seconds() - before
        self.figures[name] = done.rate
        what = name.removesuffix("s/s")
        self.figures[f"processor time of a {what}, ms"] = 1000 * spent / done.requests
        return done

    def _load(self, requests: Sequence[Request]) -> Load:
        return load(self._server.address, requests, CLIENTS)


def _round(requests: Sequence[Request], total: int) -> list[Request]:
    return [requests[number % len(requests)] for number in range(total)]


def _events(total: int) -> list[Request]:
    """Each newer than all before it of the same object."""
    newest = time.time_ns() // NOTIFIED * NOTIFIED
    return [operations.event(newest + number) for number in range(total)]


def evict(path: Path) -> None:
    """What the system has cached of a file goes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def measure(data: Path, stock: Stock, workers: int, seconds: float) -> Figures:
    """A server is started for it, and stopped again."""
    deep = cursor(data, stock.total // rows.LIMIT)
    with serving(data, workers) as server:
        timed = Timed(server, seconds)
        timed.all(stock, deep)
        return timed.figures


def cursor(data: Path, page: int) -> str:
    """The cursor of this page of the newest files, as the page before it hands it out."""
    path = data / "catalog.sqlite"
    query = parse_query([("limit", str(rows.LIMIT))])
    before = rows.after(path, ANYONE, query, page - 1)
    with closing(SqliteDatabase(path)) as database:
        _, found = list_files(database.collection(FILES), ANYONE, query._replace(after=before))
    assert found is not None
    return found


def reconciled(data: Path, stock: Stock) -> Done:
    """A dry run over as many objects as files, which are only said to be there."""
    env = {"DATA_DIR": str(data), TOTAL: str(stock.total)}
    return reconcile(env, "--dry-run", application=STAND_IN, seconds=RECONCILE_SECONDS)


# --- what is said of it ----------------------------------------------------------------------

Found = Mapping[tuple[int, int], Sequence[Figures]]


def table(found: Found) -> Table:
    """Medians over the rounds, for each size and number of workers."""
    columns = sorted(found)
    heading = ["", *(f"{documents(total)}, {workers}w" for total, workers in columns)]
    names = list(found[columns[0]][0])
    lines = [[name, *(number(median(found[column], name)) for column in columns)] for name in names]
    return Table("timed", heading, lines)


def median(rounds: Sequence[Figures], name: str) -> float:
    return statistics.median(one[name] for one in rounds)


def reconcile_table(found: Mapping[int, Done]) -> Table:
    heading = ["documents", "reconcile --dry-run, s", "documents a second", "peak memory, MB"]
    heading += ["objects seen", "differences"]
    lines = []
    for total, done in found.items():
        seen, differ = done.summary["objects"], done.found.total()
        rate = done.summary["documents"] / done.seconds
        figures = (done.seconds, rate, done.peak / 1e6, seen, differ)
        lines.append([documents(total), *map(number, figures)])
    return Table("reconcile", heading, lines)
