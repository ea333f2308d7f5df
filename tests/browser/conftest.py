"""Chromium, a service with open access, and somebody else's web server."""

import os
from collections.abc import Iterator

import pytest

from tests.browser import chromium
from tests.browser.attacker import Attacker, attacker
from tests.browser.victim import Victim, victim


@pytest.fixture(scope="session", autouse=True)
def _browser() -> None:
    """Without Chromium the tests are left out, or fail in CI."""
    if chromium.is_there():
        return
    missing = "no browser: apt-get install chromium brings it on Debian"
    if os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(missing)
    pytest.skip(f"left out, {missing}")


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A service that the tests of a module share: nothing can happen to it."""
    with victim(tmp_path_factory.mktemp("victim"), {}) as running:
        yield running


@pytest.fixture
def evil() -> Iterator[Attacker]:
    with attacker() as listening:
        yield listening
