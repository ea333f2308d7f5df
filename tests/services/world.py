"""Real stores behind the services, with places where a test can put an error between.

Only what a real store cannot be made to show is put there: an answer that is lost, before or
after the write was applied, and somebody else who is faster at exactly that moment.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from config import IMAGE_FORMATS
from services.catalog import Catalog
from services.collections import ALL, FILES, JOBS
from services.description import Describer
from services.files import Files
from services.intake import Intake, Submission
from services.observer import Observer
from services.principals import ANYONE
from services.sweep import Sweep
from storage.interfaces import Collection, Document, Order, Unavailable
from storage.local import LocalStore
from storage.sqlite import SqliteDatabase
from tests.services.readers import Chunks

PREFIX = "file-drop"
HORIZON = timedelta(days=7)
DAY = timedelta(days=1)
When = Literal["before", "after"]


class Between:
    """A store whose methods fail, or are preceded by something, as often as was asked for."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._planned: dict[str, list[tuple[When, Callable[[], None]]]] = {}
        self.calls: list[str] = []

    def fail(self, method: str, when: When, times: int = 1) -> None:
        """The next calls raise `Unavailable`, without the effect or after it."""

        def lost() -> None:
            raise Unavailable(f"{method}: lost {when} it was applied")

        self.plan(method, when, *[lost] * times)

    def plan(self, method: str, when: When, *works: Callable[[], None]) -> None:
        self._planned.setdefault(method, []).extend((when, work) for work in works)

    def forget_plans(self) -> None:
        self._planned.clear()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if not callable(real):
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            planned = self._planned.get(name)
            when, work = planned.pop(0) if planned else ("before", _nothing)
            if when == "before":
                work()
            result = real(*arguments, **named)
            if when == "after":
                work()
            return result

        return call


def _nothing() -> None:
    pass


@dataclass
class World:
    """The services on their stores; `objects` and `files` are what the catalog goes through."""

    folder: Path
    database: SqliteDatabase
    store: LocalStore
    objects: Any
    files: Any
    jobs: Collection
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    deferred: list[Callable[[], None]] = field(default_factory=list)
    deferring: bool = False

    def clock(self) -> datetime:
        return self.now

    def defer(self, work: Callable[[], None]) -> None:
        if self.deferring:
            self.deferred.append(work)
        else:
            work()

    @property
    def file_documents(self) -> Files:
        return Files(self.objects, self.files, PREFIX, HORIZON, self.clock)

    @property
    def observer(self) -> Observer:
        return Observer(self.file_documents)

    @property
    def catalog(self) -> Catalog:
        describer = Describer(self.objects, IMAGE_FORMATS)
        return Catalog(self.file_documents, self.observer, describer, self.defer)

    @property
    def somebody(self) -> Catalog:
        """The catalog of another process, which no planned error reaches."""
        files = self.somebodys_files
        return Catalog(files, Observer(files), Describer(self.store, IMAGE_FORMATS))

    @property
    def somebodys_files(self) -> Files:
        """What the catalog of another process writes through."""
        return Files(self.store, self.database.collection(FILES), PREFIX, HORIZON, self.clock)

    def sweep(self) -> Sweep:
        return Sweep(self.file_documents, self.jobs)

    def create(self, content: bytes = b"content", **fields: Any) -> Document:
        return self.catalog.create(ANYONE, submission(content, **fields))

    def update(self, file_id: str, content: bytes | None = None, **fields: Any) -> Document:
        return self.catalog.update(ANYONE, file_id, lambda: submission(content, **fields))

    def content(self, file_id: str) -> bytes:
        """The bytes that the file's document describes, checked against it."""
        document = self.somebody.get(ANYONE, file_id)
        if not document["file_size"]:
            return b""
        body = self.somebody.open(document, 0, document["file_size"])
        try:
            return b"".join(body)
        finally:
            body.close()

    def stored(self) -> list[str]:
        return [listed.key for listed in self.store.list(f"{PREFIX}/", "")]

    def documents(self) -> list[Document]:
        """All, tombstones too."""
        order = Order(("bucket", "object_key"), False)
        return self.database.collection(FILES).page({}, [], order, None, 10_000, 10_000).documents

    def forget_plans(self) -> None:
        for store in (self.objects, self.files):
            store.forget_plans()

    def age(self, by: timedelta) -> None:
        self.now += by


def submission(content: bytes | None = None, **fields: Any) -> Submission:
    intake = None if content is None else Intake(Chunks(content), 2**40)
    return Submission(intake, **fields)


def make_world(folder: Path) -> World:
    database = SqliteDatabase(folder / "catalog.sqlite")
    database.prepare(ALL)
    store = LocalStore(folder, PREFIX)
    store.prepare()
    files = Between(database.collection(FILES))
    return World(folder, database, store, Between(store), files, database.collection(JOBS))
