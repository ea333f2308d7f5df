"""What SQLite's own cache of pages saves, beside the system's: its size in one connection."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bench.scaling.rows import PAGE_SIZE, bytes_read
from bench.scaling.stock import Stock
from bench.scaling.tables import Table, documents, number
from services.collections import FILES
from storage.sqlite_connections import connect

# KiB; None is what the service has, SQLite's default of 2 MB a connection.
CACHES = (None, 64 * 1024)
LOOK_UP = f"SELECT document, version FROM {FILES.name} WHERE {FILES.key} = ?"


class Cached(NamedTuple):
    """A look-up of one of a few thousand files, looked up in turn: pages read, microseconds."""

    pages: float
    micros: float


def look_ups(data: Path, stock: Stock) -> list[Cached]:
    """With each size of the cache; the second time round is measured."""
    ids = [stock.file_id(one) for one in stock.real()]
    return [_look_up(data / "catalog.sqlite", ids, cache) for cache in CACHES]


def _look_up(path: Path, ids: Sequence[str], cache: int | None) -> Cached:
    with closing(connect(path, "rw")) as connection:
        if cache is not None:
            connection.execute(f"PRAGMA cache_size = -{cache}")
        for _ in range(2):
            read, begun = bytes_read(), time.perf_counter()
            for one in ids:
                assert connection.execute(LOOK_UP, (one,)).fetchone()
            seconds = time.perf_counter() - begun
            pages = (bytes_read() - read) / PAGE_SIZE
    return Cached(pages / len(ids), 1e6 * seconds / len(ids))


def table(found: Mapping[int, Sequence[Cached]]) -> Table:
    heading = ["documents", "pages read, 2 MB", "µs, 2 MB", "pages read, 64 MB", "µs, 64 MB"]
    rows = [
        [documents(total), *(number(figure) for one in several for figure in one)]
        for total, several in found.items()
    ]
    return Table("cache", heading, rows)
