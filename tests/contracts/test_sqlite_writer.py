"""What SQLite's writer adds to the contract of collections: writes are committed together."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.interfaces import Conflict, Unavailable
from storage.sqlite_connections import connect
from storage.sqlite_writer import Writer

INSERT = "INSERT INTO things VALUES (?)"
Statement = tuple[str, tuple[Any, ...]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "things.sqlite"
    connection = connect(found, "rwc")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE things (name TEXT PRIMARY KEY)")
    connection.close()
    return found


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    made = Writer(path)
    yield made
    made.close()


def names(path: Path) -> set[str]:
    connection = connect(path, "rw")
    try:
        return {name for (name,) in connection.execute("SELECT name FROM things")}
    finally:
        connection.close()


@contextmanager
def commits(writer: Writer) -> Iterator[list[str]]:
    """The commits on the writer's connection during the block."""
    seen: list[str] = []
    with writer._pool.connection() as connection:
        connection.set_trace_callback(lambda text: seen.append(text) if text == "COMMIT" else None)
    yield seen
    with writer._pool.connection() as connection:
        connection.set_trace_callback(None)


def together(writer: Writer, *statements: Statement) -> list[Future[int]]:
    """All of them wait while another write is under way; then how each ended."""
    with ThreadPoolExecutor(len(statements)) as pool, writer._turn:
        futures = []
        for number, (statement, values) in enumerate(statements, start=1):
            futures.append(pool.submit(writer.write, statement, values))
            until = time.monotonic() + 10
            while len(writer._waiting) < number:
                assert time.monotonic() < until
                time.sleep(0.001)
    return futures


def test_those_that_wait_are_committed_together(writer: Writer, path: Path) -> None:
    with commits(writer) as seen:
        done = together(writer, *((INSERT, (name,)) for name in "abcdef"))
    assert [one.result() for one in done] == [1] * 6
    assert names(path) == set("abcdef")
    assert seen == ["COMMIT"]


def test_one_that_does_not_wait_is_committed_at_once(writer: Writer, path: Path) -> None:
    with commits(writer) as seen:
        for name in "abc":
            assert writer.write(INSERT, (name,)) == 1
            assert name in names(path)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ((INSERT, ("a",)), Conflict),
        ((INSERT, (object(),)), sqlite3.ProgrammingError),
        ((INSERT, (2**64,)), OverflowError),
        (("INSERT INTO nowhere VALUES (1)", ()), Unavailable),
    ],
)
def test_one_that_fails_fails_alone(
    writer: Writer, path: Path, wrong: Statement, error: type[Exception]
) -> None:
    done = together(writer, (INSERT, ("a",)), wrong, (INSERT, ("b",)))
    assert [one.exception() is None for one in done] == [True, False, True]
    assert isinstance(done[1].exception(), error)
    assert names(path) == {"a", "b"}


def test_what_ends_the_transaction_fails_all(writer: Writer, path: Path) -> None:
    """As SQLite does it where it cannot go on, and this statement as often as one likes."""
    ending = ("INSERT OR ROLLBACK INTO things VALUES (?)", ("a",))
    done = together(writer, (INSERT, ("a",)), ending, (INSERT, ("b",)))
    assert [one.exception() is None for one in done] == [False] * 3
    assert names(path) == set()
    assert writer.write(INSERT, ("c",)) == 1


def test_a_file_that_is_gone_fails_all(writer: Writer, path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    done = together(writer, (INSERT, ("a",)), (INSERT, ("b",)))
    assert all(isinstance(one.exception(), Unavailable) for one in done)
    path.with_suffix(".elsewhere").rename(path)
    assert writer.write(INSERT, ("c",)) == 1
    assert names(path) == {"c"}


def test_many_threads_lose_nothing(writer: Writer, path: Path) -> None:
    """Half of the writes are of names that are taken."""

    def work(thread: int) -> int:
        return sum(insert(f"{number}-{thread // 2}") for number in range(50))

    def insert(name: str) -> int:
        try:
            return writer.write(INSERT, (name,))
        except Conflict:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 4 * 50
    assert len(names(path)) == 4 * 50


def test_two_writers_of_one_file_take_turns(path: Path) -> None:
    """As two processes do: neither starves, and neither is told that the file is busy."""
    finished: list[float] = []

    def work(writer: Writer, who: str) -> None:
        for number in range(150):
            writer.write(INSERT, (f"{who}{number}",))
        finished.append(time.monotonic())

    writers = [Writer(path), Writer(path)]
    threads = [
        threading.Thread(target=work, args=(writer, f"{which}-{thread}-"))
        for which, writer in enumerate(writers)
        for thread in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(finished) == 6
    assert len(names(path)) == 6 * 150
    for writer in writers:
        writer.close()
