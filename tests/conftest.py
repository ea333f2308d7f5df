"""Servers for the tests: started once, on free ports, with fresh data, and stopped."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.drop import Drop, drop
from tests.servers.stores import Missing, Stores, stores

#: What a service in processes of its own runs on, which a test may stop, kill and start again.
PAIRINGS = ("embedded", "servers")
#: In this process. It comes first, so that it is gone before tests that patch what it uses.
MONGOMOCK = "mongomock"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--base-url", help="run the acceptance suite against this running service")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The acceptance suite runs against the given URL, else against every pairing."""
    if "base_url" in metafunc.fixturenames:
        given = metafunc.config.getoption("--base-url")
        params = [given] if given else [MONGOMOCK, *PAIRINGS]
        metafunc.parametrize("base_url", params, indirect=True, scope="session")


@pytest.fixture(scope="session")
def real_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """MinIO and a Mongo-wire server; without them a test is left out, or fails in CI."""
    try:
        with stores(tmp_path_factory.mktemp("stores")) as running:
            yield running
    except Missing as missing:
        if os.environ.get("REQUIRE_SERVERS") == "1":
            pytest.fail(f"no servers: {missing}")
        pytest.skip(f"left out, no servers: {missing}")


def pairing_env(request: pytest.FixtureRequest, pairing: str) -> dict[str, str]:
    """The service's environment for a pairing, with a bucket and a database of its own."""
    if pairing == "embedded":
        return {}
    real: Stores = request.getfixturevalue("real_stores")
    name = f"t{uuid.uuid4().hex[:12]}"
    return real.settings(name, name)


@pytest.fixture(scope="session")
def base_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param not in (MONGOMOCK, *PAIRINGS):
        yield request.param.rstrip("/")
        return
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == MONGOMOCK:
        # The application is imported where it is needed: other tests do without.
        from tests.servers.threaded import threaded

        with threaded(folder, {}) as within:
            yield within.url
        return
    with drop(folder, pairing_env(request, request.param)) as running:
        yield running.url


@pytest.fixture(params=PAIRINGS)
def fresh_drop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Drop]:
    """A service of its own for one test, on each pairing."""
    with drop(tmp_path, pairing_env(request, request.param)) as running:
        yield running
