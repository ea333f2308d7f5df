"""The application in this process, asked for one operation after another, each of them counted."""

import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from bench.scaling import operations
from bench.scaling.stock import NOTIFIED
from bench.speed.load import Request
from blueprints.context import EXTENSION, Services
from config import load_settings

TIMES = 20
# What is done with files that were uploaded, in this order.
CHANGES = {
    "read": operations.read,
    "document": operations.metadata,
    "rename": operations.rename,
    "delete": operations.delete,
}


@dataclass
class Count:
    """What one operation asked of the stores: amounts by name, and in words what was asked."""

    amounts: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)


Counting = Callable[[], AbstractContextManager[Count]]


class Asked:
    """Operations on the application; `during` counts what happens in its block."""

    def __init__(self, client: FlaskClient, during: Counting) -> None:
        self._client = client
        self._during = during

    def every(self, deep: str | None = None, bucket: str = "") -> Iterator[tuple[str, Count]]:
        """Each operation, some of them often; what was uploaded is deleted again. `deep` is the
        cursor of a page far in, `bucket` one of ours into which somebody else has written."""
        made: list[str] = []
        for number in range(TIMES):
            with self._during() as count:
                location = self._answer(operations.upload(number)).headers["Location"]
            made.append(location.rpartition("/")[2])
            yield "upload", count
        for name, make in CHANGES.items():
            for one in made:
                yield name, self._ask(make(one))
        yield from self._events(bucket)
        yield "page 1", self._ask(operations.page())
        if deep:
            yield "page N/100", self._ask(operations.page(deep))
        yield "filter, no match", self._ask(operations.no_match())
        yield "images, page 1", self._ask(operations.images())
        yield "image of no name", self._ask(operations.item())

    def _events(self, bucket: str) -> Iterator[tuple[str, Count]]:
        newest = time.time_ns() // NOTIFIED * NOTIFIED
        for number in range(TIMES):
            yield "event elsewhere", self._ask(operations.event(newest + number))
        for name, later in (("event, new object", 0), ("event, known object", NOTIFIED)):
            for number in range(TIMES if bucket else 0):
                yield name, self._ask(operations.event(newest + later + number, bucket))

    def _ask(self, request: Request) -> Count:
        with self._during() as count:
            self._answer(request)
        return count

    def _answer(self, request: Request) -> TestResponse:
        response = self._client.open(
            request.path,
            method=request.method,
            headers=dict(request.headers),
            data=request.prefix,
        )
        response.get_data()
        response.close()  # now what was put off until the answer is out
        if response.status_code != request.status:
            raise AssertionError(f"{request.path}: {response.get_data(as_text=True)}")
        return response


@contextmanager
def application(env: Mapping[str, str]) -> Iterator[tuple[FlaskClient, Services]]:
    """The application with these settings, and what it is made of."""
    settings = load_settings({**env, "EVENTS_TOKEN": operations.TOKEN}, Path(os.devnull))
    app = create_app(settings)
    services: Services = app.extensions[EXTENSION]
    try:
        with app.test_client() as client:
            yield client, services
    finally:
        services.documents.close()


def gathered(counts: Iterable[tuple[str, Count]]) -> dict[str, list[Count]]:
    """All that was counted for each operation."""
    found: dict[str, list[Count]] = {}
    for name, count in counts:
        found.setdefault(name, []).append(count)
    return found


def mean(several: Sequence[Count]) -> dict[str, float]:
    """Of each amount."""
    names = {name for one in several for name in one.amounts}
    return {name: statistics.mean(one.amounts[name] for one in several) for name in names}
