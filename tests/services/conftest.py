"""A world for the services: files and SQLite in a folder, and a clock that the test sets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    yield made
    made.database.close()
