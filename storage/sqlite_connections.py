"""Connections to one SQLite file, for one thread at a time each, and its errors as ours."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.interfaces import Conflict, NoSpace, Unavailable

BUSY_SECONDS = 3.0


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as ours; a misuse of the driver stays the bug that it is."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Conflict(str(error)) from error
    except (sqlite3.ProgrammingError, sqlite3.NotSupportedError):
        raise
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise NoSpace(str(error)) from error
        raise Unavailable(f"SQLite: {error}") from error


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection as `storage/` wants it; `mode` is SQLite's `rw` or, to create, `rwc`."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA synchronous = FULL")
    return connection


# Device and inode of the file that a connection has open, and the connection.
_Idle = tuple[tuple[int, int], sqlite3.Connection]


class Pool:
    """At most `size` connections at a time, in which SQLite waits for other processes' locks for
    `busy_seconds` at most.

    Before one is used, the path must still be the file that it has open: writes into a folder
    that was renamed away would be lost to everyone else.
    """

    def __init__(self, path: Path, size: int, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path
        self._busy_milliseconds = round(busy_seconds * 1000)
        self._idle: list[_Idle] = []
        self._free = threading.BoundedSemaphore(size)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """One for the block; it is closed if the block raises. Raises `Unavailable` if all
        are in use for too long, and SQLite's errors as ours."""
        if not self._free.acquire(timeout=BUSY_SECONDS):
            raise Unavailable("SQLite: every connection is busy")
        try:
            with translated():
                yield from self._lent()
        finally:
            self._free.release()

    def _lent(self) -> Iterator[sqlite3.Connection]:
        identity, connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append((identity, connection))

    def _take(self) -> _Idle:
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise Unavailable(f"SQLite: {error}") from error
        identity = (status.st_dev, status.st_ino)
        while (idle := self._pop()) is not None:
            opened_as, connection = idle
            if opened_as == identity:
                return idle
            connection.close()
        return identity, self._open()

    def _open(self) -> sqlite3.Connection:
        connection = connect(self._path, "rw")
        connection.execute(f"PRAGMA busy_timeout = {self._busy_milliseconds}")
        return connection

    def _pop(self) -> _Idle | None:
        try:
            return self._idle.pop()
        except IndexError:  # asking first would leave another thread time to be faster
            return None

    def close(self) -> None:
        while (idle := self._pop()) is not None:
            idle[1].close()
