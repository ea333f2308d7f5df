"""The embedded stores in trouble: locked, full, or gone (SPEC sections 7 to 9)."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import House, house_of
from tests.faults.routes import ALWAYS, ENV, READS, assert_only_these_work, routes, works_again
from tests.faults.traffic import (
    KIB,
    LARGE,
    MIB,
    arrived,
    ask,
    assert_downloads,
    assert_error,
    connected,
    content,
    form_bytes,
    framed,
    listed,
    read_answer,
    upload,
    uploaded,
)
from tests.servers.drop import Drop
from tests.servers.processes import wait_until

RESUME_SECONDS = 10.0


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[House]:
    with house_of("embedded", tmp_path, {}, None) as house:
        yield house


def test_the_catalog_is_locked_by_another_process(embedded: House) -> None:
    with embedded.service(**ENV) as service:
        asked = routes(service.url)
        with closing(sqlite3.connect(embedded.data / "catalog.sqlite")) as other:
            other.execute("BEGIN IMMEDIATE")
            assert_only_these_work(asked, READS)
            other.execute("ROLLBACK")
        assert_resumes(embedded, service)


def assert_resumes(house: House, service: Drop) -> None:
    wait_until(lambda: works_again(service.url), "service does not resume", RESUME_SECONDS)
    house.stock.assert_clean_after_sweep()
    for document in listed(service.url):
        if document["etag"] is not None:  # else nobody ever stored it
            assert_downloads(service.url, document)


def test_the_data_folder_is_away(embedded: House) -> None:
    away = embedded.folder / "away"
    with embedded.service(**ENV) as service:
        asked = routes(service.url)
        embedded.data.rename(away)
        before = contents(away)
        assert_only_these_work(asked, ALWAYS)
        assert not embedded.data.exists()
        assert contents(away) == before
        away.rename(embedded.data)
        assert_resumes(embedded, service)


def contents(folder: Path) -> "dict[str, tuple[int, int]]":
    """Size and time of change of everything in a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_the_data_folder_goes_away_in_an_upload(embedded: House) -> None:
    away = embedded.folder / "away"
    sent = framed("raw", content(LARGE), "moved")
    with embedded.service() as service:
        with connected(service.url) as connection:
            sent.send(connection, stop=10 * MIB)
            arrived(connection)
            embedded.data.rename(away)
            sent.send(connection, start=10 * MIB)
            answer = read_answer(connection)
        assert answer is not None and answer[0] == 503, answer
        assert not embedded.data.exists()
        away.rename(embedded.data)
        assert listed(service.url) == []
        assert_resumes(embedded, service)


@contextmanager
def longest_file(service: Drop, size: int) -> Iterator[None]:
    """As on a full disk: no file of the workers can grow beyond this.

    Of those that there are: with several, the last may still be on its way.
    """
    workers = [psutil.Process(pid) for pid in service.workers()]
    unlimited = (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY)
    for worker in workers:
        worker.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
    try:
        yield
    finally:
        for worker in workers:
            worker.rlimit(psutil.RLIMIT_FSIZE, unlimited)


def test_no_room_for_large_uploads(house: House) -> None:
    """With servers, what finds no room in memory goes through files as well."""
    with house.service(BUFFER_BUDGET="1MiB", WEB_CONCURRENCY="1") as service:
        kept = uploaded(service.url, content(KIB), "kept")
        with longest_file(service, 4 * MIB):
            for framing in ("form", "raw", "chunked"):
                with connected(service.url) as connection:
                    framed(framing, content(LARGE), "too-long").send(connection)
                    answer = read_answer(connection)
                assert answer is not None and answer[0] == 507, answer
            assert listed(service.url) == [kept]
            house.stock.assert_clean()
            assert_downloads(service.url, uploaded(service.url, content(KIB), "small"))
        assert_resumes(house, service)


def test_no_room_for_a_document(embedded: House) -> None:
    with embedded.service(WEB_CONCURRENCY="1") as service:
        kept = uploaded(service.url, content(KIB), "kept")
        size = max(path.stat().st_size for path in embedded.data.glob("catalog.sqlite*"))
        with longest_file(service, size):
            assert_error(upload(service.url, content(KIB), "no-room"), 503, 507)
        assert listed(service.url) == [kept]
        assert_resumes(embedded, service)


@pytest.mark.parametrize("change", ["create", "replace"])
def test_a_full_database(embedded: House, change: str) -> None:
    """It is known that nothing was written; so nothing is left behind, not even for a sweep."""
    with embedded.service("tests.faults.full_app:create_app()") as service:
        url = f"{service.url}/files/upload"
        first = uploaded(service.url, content(KIB), "first")
        body, headers = form_bytes(content(KIB, 2), "x" * 2000)
        for _ in range(100):
            answer = ask("POST", url, body, headers)
            if answer.status_code != 201:
                break
        if change == "replace":
            embedded.stock.assert_clean_after_sweep()
            answer = ask("PUT", f"{service.url}/files/{first['file_id']}", body, headers)
        assert_error(answer, 507)
        embedded.stock.assert_clean()
