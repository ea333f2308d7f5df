"""The application in process, on files and SQLite, through Flask's test client."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.http.service import Service, serve

Serve = Callable[..., Service]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that the tests of a module share."""
    made = serve(tmp_path_factory.mktemp("service"))
    yield made
    made.close()


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[Serve]:
    """Makes a service of the test's own, with these settings."""
    made: list[Service] = []

    def make(**settings: str) -> Service:
        made.append(serve(tmp_path / str(len(made)), settings))
        return made[-1]

    yield make
    for service in made:
        service.close()
