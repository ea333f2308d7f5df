"""Writes to one SQLite file, committed together.

A commit takes as long as the disk needs to sync it, whatever is in it. So those that wait for
their turn while one is synced go into the next one together, and each is answered when its
commit is durable: nobody gets less than with a commit of his own.
"""

import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.interfaces import Unavailable
from storage.sqlite_connections import BUSY_SECONDS, Pool, translated

# SQLite's own waiting for another process sleeps longer and longer, and then has bad luck.
POLL_SECONDS = 0.0005


class _Write:
    """One statement, and what became of it once `done`."""

    def __init__(self, statement: str, values: Sequence[Any]) -> None:
        self._statement = statement
        self._values = values
        self._rows = 0
        self._error: BaseException | None = None
        self.done = False

    def run(self, connection: sqlite3.Connection) -> None:
        """An error of this statement alone is kept; one that ended the transaction is raised.

        SQLite undoes what a failed statement has done, and some errors undo all of the
        transaction (sqlite.org/lang_transaction.html, "Response To Errors").
        """
        try:
            self._rows = connection.execute(self._statement, self._values).rowcount
        except Exception as error:
            if not connection.in_transaction:
                raise
            self._error = error

    def failed(self, error: BaseException) -> None:
        """It was not applied, whatever its own statement had said."""
        self._error = error

    def result(self) -> int:
        """How many rows it changed. Raises `Conflict`, `NoSpace`, `Unavailable`."""
        if self._error is not None:
            with translated():
                raise self._error
        return self._rows


class Writer:
    """The one that writes, of all threads of this process."""

    def __init__(self, path: Path) -> None:
        self._pool = Pool(path, 1, busy_seconds=0)  # `_begin` waits itself
        self._turn = threading.Lock()
        self._waiting: deque[_Write] = deque()

    def write(self, statement: str, values: Sequence[Any]) -> int:
        """Run one statement, durably; says how many rows it changed.

        Raises `Conflict`, `NoSpace`, `Unavailable`.
        """
        write = _Write(statement, values)
        self._waiting.append(write)
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            self._withdraw(write)
            raise Unavailable("SQLite: another write takes too long")
        try:
            if not write.done:
                self._commit(self._all_waiting())
        finally:
            self._turn.release()
        return write.result()

    def _withdraw(self, write: _Write) -> None:
        try:
            self._waiting.remove(write)
        except ValueError:  # it is being written now: the caller has to read back
            return

    def _all_waiting(self) -> list[_Write]:
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def _commit(self, writes: list[_Write]) -> None:
        try:
            with self._pool.connection() as connection:
                _begin(connection)
                for write in writes:
                    write.run(connection)
                connection.execute("COMMIT")
        except BaseException as error:
            for write in writes:
                write.failed(error)
            if not isinstance(error, Exception):
                raise
        finally:
            for write in writes:
                write.done = True

    def close(self) -> None:
        self._pool.close()


def _begin(connection: sqlite3.Connection) -> None:
    """Begin to write as soon as no other process does."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(random.uniform(0.5, 1.5) * POLL_SECONDS)
