"""What `bench.scaling` fills its catalogs with is what the service would have written itself."""

from contextlib import closing
from pathlib import Path

import pytest

from bench.pairings import Verdict
from bench.scaling import counted, operations, rows, servers, timed
from bench.scaling.asked import application
from bench.scaling.stock import NOTIFIED, Stock
from bench.scaling.tables import NoMarkers, Table, number, replaced
from services.collections import FILES
from services.documents import LIVE, derived
from services.listing import parse_query
from storage.local import LocalStore
from storage.sqlite import SqliteDatabase

STOCK = Stock(1000)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scaling") / "data"
    folder.mkdir()
    STOCK.fill(folder)
    return folder


def test_keys_come_in_their_order_and_each_once() -> None:
    keys = [one.key for one in STOCK.listed()]
    assert keys == sorted(set(keys))
    assert len(keys) == 1050


def test_documents_are_whole_and_of_their_objects() -> None:
    documents = list(STOCK.documents())
    assert len(documents) == STOCK.documents_in_all == 1000 + 50 + 20 + NOTIFIED
    assert len({one["file_id"] for one in documents}) == len(documents)
    live = [one for one in documents if one["state"] == LIVE]
    assert live == [derived(one) for one in live]
    described = {
        one["object_key"]: (one["file_size"], one["etag"])
        for one in live
        if one["bucket"] == LocalStore.bucket
    }
    assert described == {one.key: (one.size, one.etag) for one in STOCK.listed()}


def test_a_large_stock_has_about_as_many_real_objects() -> None:
    assert len(list(Stock(1_000_000).real())) == 2000


def test_the_service_serves_what_has_bytes(data: Path) -> None:
    with application({"DATA_DIR": str(data)}) as (client, _):
        for file_id in [STOCK.file_id(one) for one in STOCK.real()][:5]:
            request = operations.read(file_id)
            with client.open(request.path, method=request.method) as answer:
                assert (answer.status_code, len(answer.data)) == (request.status, request.size)


def test_a_page_far_in_visits_as_many_rows_as_the_first(data: Path) -> None:
    verdict = Verdict()
    rows.judge(verdict, {1000: list(rows.listings(data, 1000))})
    assert verdict.failed == []


def test_what_is_counted_leaves_the_catalog_as_it_was(data: Path) -> None:
    found = counted.sqlite_counts(data, timed.cursor(data, 10))
    assert found["upload"]["statements"] == 1
    assert found["page N/100"]["statements"] == 1
    with closing(SqliteDatabase(data / "catalog.sqlite")) as database:
        listing = database.collection(FILES).page({}, [], parse_query([]).order, None, 2000, 2000)
    assert len(listing.documents) == STOCK.documents_in_all


def test_a_dry_run_finds_stock_and_stand_in_alike(data: Path) -> None:
    done = timed.reconciled(data, STOCK)
    assert (done.code, done.summary["objects"], done.found.total()) == (0, 1050, 0)


@pytest.mark.parametrize(
    ("equal", "order", "index"),
    [
        ({"_id", "owner"}, [], "_id"),
        ({"place"}, [], "(place)"),
        ({"owner", "state"}, ["created_at", "file_id"], "(owner, state, created_at, file_id)"),
        ({"state"}, ["size_rank", "file_id"], "(state, size_rank, file_id)"),
        ({"owner"}, ["file_type"], servers.NO_INDEX),
        ({"owner"}, [], servers.NO_INDEX),
    ],
)
def test_an_index_serves_or_none(equal: set[str], order: list[str], index: str) -> None:
    assert servers.served_by(FILES, equal, order) == index


def test_a_table_goes_between_its_markers() -> None:
    table = Table("growth", ["what", "how much"], [["rows", number(1234567)]])
    page = "before\n<!-- growth -->\nold\n<!-- /growth -->\nafter\n"
    written = replaced(page, table.name, table.text())
    assert written == (
        "before\n<!-- growth -->\n| what | how much |\n| --- | ---: |\n| rows | 1,234,567 |\n"
        "<!-- /growth -->\nafter\n"
    )
    assert replaced(written, table.name, table.text()) == written
    with pytest.raises(NoMarkers):
        replaced(page, "another", "")
