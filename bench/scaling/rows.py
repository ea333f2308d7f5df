"""How much of SQLite a page of a listing looks at: rows and steps, counted and never timed."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bench.listing import ORDERS, TARGET, Cost, Counted
from bench.pairings import Verdict
from bench.scaling.tables import Table, documents, number
from services.collections import FILES
from services.documents import LIVE
from services.listing import list_files, parse_query
from services.pages import Query
from services.principals import ADMIN, ANYONE, Principal
from storage.interfaces import Collection
from storage.sqlite import SqliteDatabase
from storage.sqlite_connections import connect

LIMIT = 100
WHOSE = {"owner": ANYONE, "admin": Principal("admin", "", frozenset((ADMIN,)))}
PAGE_SIZE = 4096


@dataclass(frozen=True)
class Listing:
    """One order for one principal, pages 1, 2 and a late one: what each costs, and the pages of
    the database that each reads where SQLite's own cache is empty."""

    whose: str
    order: str
    late: int
    costs: Sequence[Cost]
    read: Sequence[int]

    @property
    def is_by_index(self) -> bool:
        return all(cost.uses_an_index for cost in self.costs)


def listings(data: Path, total: int) -> Iterator[Listing]:
    """All orders, of an owner and of an admin; the late page is the last full one of an owner."""
    path = data / "catalog.sqlite"
    for whose in WHOSE:
        for order in ORDERS:
            yield _listing(path, total // LIMIT, whose, order)


def _listing(path: Path, late: int, whose: str, order: str) -> Listing:
    principal = WHOSE[whose]
    query = parse_query([("sort", order), ("limit", str(LIMIT))])
    costs, read = [], []
    for page in (1, 2, late):
        at = query._replace(after=after(path, principal, query, page))
        costs.append(_counted(path, principal, at))
        read.append(_read(path, principal, at))
    return Listing(whose, order, late, costs, read)


def after(path: Path, principal: Principal, query: Query, page: int) -> tuple[Any, ...] | None:
    """What the cursor of a page holds, found without walking there: the sort values of the last
    row before it."""
    if page == 1:
        return None
    equals = {**principal.whose, "state": LIVE}
    fields = ", ".join(query.order.fields)
    way = " DESC" if query.order.descending else ""
    statement = (
        f"SELECT {fields} FROM {FILES.name} WHERE {' AND '.join(f'{one} = ?' for one in equals)} "
        f"ORDER BY {', '.join(field + way for field in query.order.fields)} LIMIT 1 OFFSET ?"
    )
    offset = (page - 1) * query.limit - 1
    with closing(connect(path, "rw")) as connection:
        found: tuple[Any, ...]
        found = connection.execute(statement, (*equals.values(), offset)).fetchone()
        return found


def _counted(path: Path, principal: Principal, query: Query) -> Cost:
    with (
        closing(SqliteDatabase(path)) as database,
        closing(connect(path, "rw")) as connection,
    ):
        counted = Counted(database.collection(FILES), connection)
        found, _ = list_files(cast(Collection, counted), principal, query)
        assert len(found) == LIMIT
        return counted.cost


def _read(path: Path, principal: Principal, query: Query) -> int:
    """Pages of the file that a fresh connection reads, the schema left out."""
    with closing(SqliteDatabase(path)) as database:
        files = database.collection(FILES)
        files.get(file_id="of no file")
        before = bytes_read()
        list_files(files, principal, query)
        return round((bytes_read() - before) / PAGE_SIZE)


def bytes_read() -> int:
    """By read(2) and its like, by this process, from files or from what is cached of them."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(lines[0].removeprefix("rchar: "))


# --- what is said of it ----------------------------------------------------------------------


def judge(verdict: Verdict, found: dict[int, list[Listing]]) -> None:
    """The targets, over all sizes of the catalog."""
    every = [one for several in found.values() for one in several]
    for total, several in found.items():
        what = f"{documents(total)}: page {several[0].late} in {len(several)} listings"
        rows = max(one.costs[2].rows / one.costs[0].rows for one in several)
        verdict.target(f"{what}: rows, of page 1's", rows <= TARGET, f"{rows:.3f}")
        steps = _ratio(several)
        verdict.target(f"{what}: steps, of page 2's", steps <= TARGET, f"{steps:.3f}")
    first = {one.costs[0].rows for one in every}
    told = ", ".join(map(str, sorted(first)))
    verdict.target("rows of page 1 are the same at every size", len(first) == 1, told)
    scanning = [f"{one.whose} {one.order}" for one in every if not one.is_by_index]
    verdict.target("by an index, no sorting", not scanning, ", ".join(scanning) or "all")


def _ratio(several: Sequence[Listing]) -> float:
    """Steps of the costliest late page to those of the costliest page 2: of which page rows have
    the cursor's own sort value, and so cost one comparison more, is chance."""
    second, late = (max(one.costs[page].steps for one in several) for page in (1, 2))
    return late / second


def table(found: dict[int, list[Listing]]) -> Table:
    """Each order at the largest size, and what page 1 costs at the smallest."""
    heading = ["listing", "index", "rows 1", "rows late", "steps 1", "steps 2", "steps late"]
    rows = []
    for one in found[max(found)]:
        first, second, late = one.costs
        index = late.plan.partition(f"{FILES.name}_by_")[2].partition(" ")[0]
        counts = (first.rows, late.rows, first.steps, second.steps, late.steps)
        rows.append([f"{one.order}, {one.whose}", index, *map(number, counts)])
    return Table("rows", heading, rows)


def growth(found: dict[int, list[Listing]]) -> Table:
    """Over all orders: the most that a page costs, for each size of the catalog."""
    heading = ["documents", "late page", "rows of page 1", "rows late", "steps 1", "steps late"]
    heading += ["late / page 2", "pages read, 1", "pages read, late"]
    rows = []
    for total, several in found.items():
        most = [max(one.costs[page].rows for one in several) for page in (0, 2)]
        most += [max(one.costs[page].steps for one in several) for page in (0, 2)]
        read = [max(one.read[page] for one in several) for page in (0, 2)]
        late = number(several[0].late)
        figures = [*map(number, most), f"{_ratio(several):.3f}", *map(number, read)]
        rows.append([documents(total), late, *figures])
    return Table("growth", heading, rows)
