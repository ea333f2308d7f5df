"""The service on a database that cannot grow, as on a full disk."""

import sqlite3
from pathlib import Path

from flask import Flask

import app
from storage import sqlite_connections

_connect = sqlite_connections.connect


def create_app() -> Flask:
    """Called in each worker: the schema is there already."""
    sqlite_connections.connect = connect
    return app.create_app()


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection that takes no page more than there are."""
    connection = _connect(path, mode)
    connection.execute("PRAGMA max_page_count = 1")
    return connection
