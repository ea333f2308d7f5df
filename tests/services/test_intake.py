import hashlib

import pytest

from errors import ApiError
from services.intake import Intake
from services.media_types import HEAD
from tests.services.readers import Chunks, read_all

SIZES = [0, 1, HEAD - 1, HEAD, HEAD + 1, 3 * HEAD, 100_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chunk", [1, 100, HEAD - 1, HEAD, HEAD + 1, 2**20])
@pytest.mark.parametrize("peeks", [0, 1, 2])
@pytest.mark.parametrize("wanted", [1000, HEAD + 1, 2**20])
def test_what_was_read(size: int, chunk: int, peeks: int, wanted: int) -> None:
    content = bytes(n % 251 for n in range(size))
    intake = Intake(Chunks(content, chunk), limit=size)
    for _ in range(peeks):
        assert intake.peek() == content[:HEAD]
    assert read_all(intake, wanted) == content
    assert intake.size == size
    assert intake.sha256 == hashlib.sha256(content).hexdigest()
    assert intake.readinto(memoryview(bytearray(1))) == 0


@pytest.mark.parametrize("chunk", [1, 7, 2**20])
@pytest.mark.parametrize(("size", "limit"), [(1, 0), (10, 9), (HEAD + 10, HEAD + 9)])
def test_more_than_allowed(size: int, limit: int, chunk: int) -> None:
    with pytest.raises(ApiError) as raised:
        read_all(Intake(Chunks(bytes(size), chunk), limit))
    assert (raised.value.code, raised.value.status) == ("content_too_large", 413)
    assert str(limit) in raised.value.sentence


def test_a_peek_may_find_too_much() -> None:
    with pytest.raises(ApiError, match="10 bytes"):
        Intake(Chunks(bytes(11)), 10).peek()
