"""Fixtures of the acceptance suite; `base_url` comes from the conftest above."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite(f"{__package__}.checks", f"{__package__}.drop")

from .client import Client  # noqa: E402
from .drop import Drop, dropping  # noqa: E402


@pytest.fixture(scope="session")
def client(base_url: str) -> Iterator[Client]:
    """A client of the service under test."""
    client = Client(base_url)
    yield client
    client.close()


@pytest.fixture
def drop(client: Client) -> Iterator[Drop]:
    """A corner of the catalog for one test."""
    with dropping(client) as drop:
        yield drop


@pytest.fixture(scope="module")
def shelf(client: Client) -> Iterator[Drop]:
    """A corner of the catalog that the read-only tests of a module share."""
    with dropping(client) as drop:
        yield drop
