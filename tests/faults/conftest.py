"""A service that the tests stop and start, on stores that they can look into."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.faults.leftovers", "tests.faults.traffic")

from tests.conftest import PAIRINGS, pairing_env  # noqa: E402
from tests.faults.leftovers import Stock  # noqa: E402
from tests.servers.drop import Drop, drop  # noqa: E402


@dataclass(frozen=True)
class House:
    """Where a service keeps its things, whether it runs or not."""

    pairing: str
    folder: Path
    env: dict[str, str]
    stock: Stock

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "drop.log"

    def service(
        self, application: str = "app:create_app()", **env: str
    ) -> AbstractContextManager[Drop]:
        """The service on these stores until the end of the block."""
        return drop(self.folder, {**self.env, **env}, application)


@contextmanager
def house_of(
    pairing: str, folder: Path, env: dict[str, str], s3_data: Path | None
) -> "Iterator[House]":
    """An empty house; no bug was logged in it at the end."""
    with closing(Stock(env, folder / "data", s3_data)) as stock:
        house = House(pairing, folder, env, stock)
        yield house
    assert bugs(house.log) == []


def bugs(log: Path) -> list[str]:
    """What was logged with a traceback, but for the store that broke off a download:
    gunicorn knows no other way to cut a connection."""
    lines = log.read_text().splitlines() if log.exists() else []
    broken_off = re.compile(r"interfaces\.Unavailable|s3_client\.NoAnswer")
    return [line for line in lines if "Traceback" in line and not broken_off.search(line)]


def _house(request: pytest.FixtureRequest, folder: Path) -> AbstractContextManager[House]:
    pairing = request.param
    env = pairing_env(request, pairing)
    s3_data = request.getfixturevalue("real_stores").s3_data if env else None
    return house_of(pairing, folder, env, s3_data)


@pytest.fixture(params=PAIRINGS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """An empty house for one test, on each pairing."""
    with _house(request, tmp_path) as house:
        yield house


@pytest.fixture(scope="module", params=PAIRINGS)
def shared_house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """An empty house for the tests of a module, on each pairing."""
    with _house(request, tmp_path_factory.mktemp(request.param)) as house:
        yield house
