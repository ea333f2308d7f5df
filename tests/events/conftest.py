"""A world for events: objects in a bucket in memory, documents in SQLite."""

from collections.abc import Iterator

import pytest

from tests.events.bucket import MemoryBucket, bucket_world, start_over
from tests.services.world import World


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, MemoryBucket]]:
    """To make a database for each of so many cases would take most of the time."""
    with bucket_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def world_and_bucket(shared_world: tuple[World, MemoryBucket]) -> tuple[World, MemoryBucket]:
    start_over(*shared_world)
    return shared_world


@pytest.fixture
def world(world_and_bucket: tuple[World, MemoryBucket]) -> World:
    return world_and_bucket[0]


@pytest.fixture
def bucket(world_and_bucket: tuple[World, MemoryBucket]) -> MemoryBucket:
    return world_and_bucket[1]
