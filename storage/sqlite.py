"""Documents in one SQLite file: WAL, synced at every commit, shared by several processes.

A collection is a table of JSON texts. What a query may name is a virtual generated column
over the JSON, so that plain indexes and row-value comparisons serve it.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storage.interfaces import (
    Collection,
    CollectionSpec,
    Conflict,
    Document,
    Order,
    Page,
    Unavailable,
    Where,
)
from storage.paging import divide
from storage.sqlite_connections import Pool, connect, translated
from storage.sqlite_writer import Writer

READERS = 8
_OPERATORS = {"eq": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class SqliteDatabase:
    """`storage.interfaces.Database` in the file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = Pool(path, READERS)
        self._writer = Writer(path)

    def collection(self, spec: CollectionSpec) -> Collection:
        return SqliteCollection(spec, self._readers, self._writer)

    def prepare(self, specs: Sequence[CollectionSpec]) -> Mapping[str, str]:
        existed = self._path.exists()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"SQLite: {error}") from error
        with translated():
            connection = connect(self._path, "rwc")
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                for spec in specs:
                    _make(connection, spec)
            finally:
                connection.close()
        return {str(self._path): "was there" if existed else "made"}

    def check(self) -> None:
        with self._readers.connection() as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def close(self) -> None:
        self._readers.close()
        self._writer.close()


def _make(connection: sqlite3.Connection, spec: CollectionSpec) -> None:
    """Table, columns and indexes of a collection, as far as they are missing."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {spec.name} ({spec.key} TEXT PRIMARY KEY NOT NULL, "
        "version INTEGER NOT NULL, document TEXT NOT NULL)"
    )
    there = {row[1] for row in connection.execute(f"PRAGMA table_xinfo({spec.name})")}
    for field in spec.fields:
        if field not in there and not field.endswith(".*"):
            connection.execute(
                f"ALTER TABLE {spec.name} ADD COLUMN {field} "
                f"GENERATED ALWAYS AS (json_extract(document, '$.{field}')) VIRTUAL"
            )
    for fields in (*spec.unique, *spec.indexes):
        _make_index(connection, spec.name, fields, unique=fields in spec.unique)


def _make_index(
    connection: sqlite3.Connection, table: str, fields: tuple[str, ...], *, unique: bool
) -> None:
    """Two documents for one object would be worse than a service that does not start."""
    name = f"{table}_by_{'_'.join(fields)}"
    kind = "UNIQUE INDEX" if unique else "INDEX"
    try:
        connection.execute(f"CREATE {kind} IF NOT EXISTS {name} ON {table} ({', '.join(fields)})")
    except sqlite3.IntegrityError as error:
        raise Unavailable(f"SQLite: {name} cannot be unique: {error}") from error
    made = {row[1]: row[2] for row in connection.execute(f"PRAGMA index_list({table})")}
    if unique and not made[name]:
        raise Unavailable(f"SQLite: the index {name} is not unique")


class SqliteCollection:
    """`storage.interfaces.Collection` as a table."""

    def __init__(self, spec: CollectionSpec, readers: Pool, writer: Writer) -> None:
        self._spec = spec
        self._readers = readers
        self._writer = writer

    def insert(self, document: Document) -> Document:
        self._writer.write(
            f"INSERT INTO {self._spec.name} ({self._spec.key}, version, document) VALUES (?, 1, ?)",
            (document[self._spec.key], _dump(document)),
        )
        return {**document, "version": 1}

    def get(self, **equals: str) -> Document | None:
        condition = " AND ".join(f"{field} = ?" for field in equals)
        with self._readers.connection() as connection:
            row = connection.execute(
                f"SELECT document, version FROM {self._spec.name} WHERE {condition}",
                tuple(equals.values()),
            ).fetchone()
        return None if row is None else _load(*row)

    def replace(self, document: Document) -> Document:
        replaced = self._writer.write(
            f"UPDATE {self._spec.name} SET version = version + 1, document = ? "
            f"WHERE {self._spec.key} = ? AND version = ?",
            (_dump(document), document[self._spec.key], document["version"]),
        )
        if not replaced:
            raise Conflict("the document is no longer in this version")
        return {**document, "version": document["version"] + 1}

    def delete(self, document: Document) -> None:
        deleted = self._writer.write(
            f"DELETE FROM {self._spec.name} WHERE {self._spec.key} = ? AND version = ?",
            (document[self._spec.key], document["version"]),
        )
        if not deleted:
            raise Conflict("the document is no longer in this version")

    def page(
        self,
        equals: Mapping[str, str],
        where: Sequence[Where],
        order: Order,
        after: tuple[Any, ...] | None,
        limit: int,
        scan: int,
    ) -> Page:
        statement, values = page_statement(self._spec.name, equals, where, order, after, scan)
        documents: list[Document] = []
        last: tuple[Any, ...] | None = None
        examined = 0
        with self._readers.connection() as connection:
            cursor = connection.execute(statement, values)
            for document, version, *last_values in cursor:
                examined += 1
                last = tuple(last_values)
                if document is not None:
                    documents.append(_load(document, version))
                    if len(documents) == limit:
                        break
            cursor.close()
        ended = len(documents) < limit and examined < scan
        return Page(documents, None if ended else last)


def page_statement(
    table: str,
    equals: Mapping[str, str],
    where: Sequence[Where],
    order: Order,
    after: tuple[Any, ...] | None,
    scan: int,
) -> tuple[str, list[Any]]:
    """The query of a page: a run of rows in index order, the document only where it matches."""
    bounds, filters = divide(where, order, after)
    matches, match_values = _conditions(filters)
    bounded, bound_values = _conditions([*(Where(f, "eq", v) for f, v in equals.items()), *bounds])
    fields = ", ".join(order.fields)
    if after is not None:
        bounded += f" AND ({fields}) {'<' if order.descending else '>'} ({_marks(after)})"
        bound_values += after
    direction = " DESC" if order.descending else ""
    ordering = ", ".join(field + direction for field in order.fields)
    statement = (
        f"SELECT CASE WHEN {matches} THEN document END, version, {fields} FROM {table} "
        f"WHERE {bounded} ORDER BY {ordering} LIMIT ?"
    )
    return statement, [*match_values, *bound_values, scan]


def _conditions(where: Sequence[Where]) -> tuple[str, list[Any]]:
    texts: list[str] = ["1"]
    values: list[Any] = []
    for field, op, value in where:
        column = field
        if "." in field:
            parent, _, key = field.partition(".")
            column = "json_extract(document, ?)"
            values.append(f'$.{parent}."{key}"')
        texts.append(f"instr({column}, ?)" if op == "contains" else f"{column} {_OPERATORS[op]} ?")
        values.append(value)
    return " AND ".join(texts), values


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _dump(document: Document) -> str:
    stored = {name: value for name, value in document.items() if name != "version"}
    return json.dumps(stored, ensure_ascii=False, separators=(",", ":"))


def _load(document: str, version: int) -> Document:
    return {**json.loads(document), "version": version}
