"""How cost grows with the catalog and with the workers (docs/scaling.md).

Catalogs of each size are put in past the service. On the embedded stores what can be counted is
counted, then the real server is timed, sizes and workers by turns; of the servers only what is
asked of them is counted. `--write` puts the tables into docs/scaling.md.
"""

import argparse
import contextlib
import os
import platform
import shutil
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.pairings import PAIRINGS, Verdict, pairing
from bench.scaling import cache, counted, rows, servers, timed
from bench.scaling.stock import Stock
from bench.scaling.tables import Table, documents, number, write
from tests.reconcile.command import Done
from tests.servers.processes import ROOT

PAGE = ROOT / "docs" / "scaling.md"
SIZES, WORKERS = (1000, 10_000, 100_000, 1_000_000), (1, 2)
# Documents in the servers, which only are asked.
FEW = 1000


class Run:
    """The measurements of one run, and the tables that come of them."""

    def __init__(self, options: argparse.Namespace, verdict: Verdict, folder: Path) -> None:
        self._options = options
        self._verdict = verdict
        self._stocks = {total: Stock(total) for total in sorted(set(options.documents))}
        self._folder = folder
        self.tables: list[Table] = []

    def embedded(self) -> None:
        for total, stock in self._stocks.items():
            begun = time.monotonic()
            self._data(total).mkdir(parents=True)
            stock.fill(self._data(total))
            seconds = time.monotonic() - begun
            self._say(f"{documents(total)}: {stock.documents_in_all} documents in {seconds:.0f} s")
        self._rows()
        self._disk()
        self._sqlite()
        self._reconcile()
        self._timed()

    def _rows(self) -> None:
        found = {total: list(rows.listings(self._data(total), total)) for total in self._stocks}
        rows.judge(self._verdict, found)
        self._show(rows.growth(found), rows.table(found))

    def _disk(self) -> None:
        found = {total: counted.on_disk(self._data(total)) for total in self._stocks}
        in_all = {total: stock.documents_in_all for total, stock in self._stocks.items()}
        self._show(counted.disk_table(found, in_all))
        cached = {
            total: cache.look_ups(self._data(total), stock) for total, stock in self._stocks.items()
        }
        self._show(cache.table(cached))

    def _sqlite(self) -> None:
        found = {}
        for total in self._stocks:
            deep = timed.cursor(self._data(total), total // rows.LIMIT)
            found[total] = counted.sqlite_counts(self._data(total), deep)
        self._show(counted.sqlite_table(found))
        smallest = self._data(min(self._stocks))
        self._show(counted.index_table(counted.index_counts(smallest, self._folder / "copy")))
        self._show(counted.syncs_table(counted.syncs(smallest)))

    def _reconcile(self) -> None:
        found: dict[int, Done] = {}
        for total, stock in self._stocks.items():
            try:
                found[total] = timed.reconciled(self._data(total), stock)
            except TimeoutError as error:
                self._say(f"{documents(total)}: {error}")
                continue
            differences = found[total].found.total()
            what = f"{documents(total)}: reconcile finds no difference"
            self._verdict.target(what, differences == 0, number(differences))
        self._show(timed.reconcile_table(found))

    def _timed(self) -> None:
        found = defaultdict(list)
        for turn in range(self._options.rounds):
            for workers in self._options.workers:
                for total, stock in self._stocks.items():
                    seconds = self._options.seconds / self._options.rounds
                    figures = timed.measure(self._data(total), stock, workers, seconds)
                    found[total, workers].append(figures)
                    self._say(f"round {turn + 1}, {documents(total)}, {workers} workers: measured")
        self._show(timed.table(found))

    def servers(self) -> None:
        options = argparse.Namespace(folder=self._folder, workers=1)
        with pairing("servers", options) as running:
            found = servers.servers_counts(running, Stock(FEW))
        servers.judge(self._verdict, found)
        self._show(servers.table(found))

    def _data(self, total: int) -> Path:
        return self._folder / str(total) / "data"

    def _say(self, text: str) -> None:
        self._verdict.line(f"  {text}")

    def _show(self, *tables: Table) -> None:
        for table in tables:
            self._verdict.line(f"\n{table.text()}\n")
            self.tables.append(table)


def machine() -> Table:
    """What the figures come from, without any name of it."""
    memory = psutil.virtual_memory().total / 2**30
    rows = [
        ["processors", str(os.cpu_count())],
        ["memory", f"{memory:.0f} GiB"],
        ["Python", platform.python_version()],
        ["SQLite", sqlite3.sqlite_version],
    ]
    return Table("machine", ["measured with", ""], rows)


@contextlib.contextmanager
def removed(given: Path | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="file-drop-bench-scaling-", dir=given))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scaling", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--documents", type=int, nargs="+", default=SIZES)
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--pairing", choices=(*PAIRINGS, "both"), default="both")
    parser.add_argument("--seconds", type=float, default=5, help="for each rate (default 5)")
    parser.add_argument("--rounds", type=int, default=2, help="that share them (default 2)")
    parser.add_argument("--folder", type=Path, help="an existing one, for the data of the run")
    parser.add_argument("--write", action="store_true", help="the tables into docs/scaling.md")
    options = parser.parse_args()
    verdict = Verdict()
    with removed(options.folder) as folder:
        run = Run(options, verdict, folder)
        if options.pairing != "servers":
            run.embedded()
        if options.pairing != "embedded":
            run.servers()
    if options.write:
        write(PAGE, [machine(), *run.tables])
    verdict.end()


if __name__ == "__main__":
    main()
