from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.access.house", "tests.access.routes")

from tests.access.house import House  # noqa: E402

NewHouse = Callable[..., House]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service with keys that the tests of a module share."""
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def alice(house: House) -> str:
    """A key to read and write."""
    return house.key("alice")


@pytest.fixture(scope="module")
def bob(house: House) -> str:
    """The same for somebody else."""
    return house.key("bob")


@pytest.fixture
def new_house(tmp_path: Path) -> Iterator[NewHouse]:
    """Makes a service of the test's own, with these settings."""
    made: list[House] = []

    def make(**env: str) -> House:
        made.append(House(tmp_path / str(len(made)), env))
        return made[-1]

    yield make
    for house in made:
        house.close()
