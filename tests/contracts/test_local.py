"""What only the local store of objects can be asked."""

import errno
import fcntl
import os
import resource
from pathlib import Path

import pytest

from storage.interfaces import NoSpace, NotFound, Presigns, Unavailable
from storage.local import BUDGET, FIRST_PIECE, LONG_PIECE, PIECE, LocalStore
from tests.contracts.readers import MIB, Pieces, pattern
from tests.contracts.stores import local_store, new_key
from tests.contracts.test_objects import USES, put


@pytest.mark.parametrize("use", USES)
def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path, use: str) -> None:
    store = local_store(tmp_path / "data").store
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(Unavailable):
        USES[use](store)
    assert not (tmp_path / "data").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "data")
    store.check()


def test_prepare_twice_is_harmless(tmp_path: Path) -> None:
    under_test = local_store(tmp_path)
    key, _ = put(under_test.store, b"x")
    under_test.store.prepare()
    assert under_test.store.stat(key).size == 1


def test_prepare_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(Unavailable):
        LocalStore(tmp_path / "data", "file-drop").prepare()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "../../etc/passwd",
        "file-drop/../ab/01890a5d-ac96-774b-bcce-b302099a8057",
        "other/57/01890a5d-ac96-774b-bcce-b302099a8057",
        "file-drop/57/01890A5D-AC96-774B-BCCE-B302099A8057",
        "file-drop/57/01890a5d-ac96-774b-bcce-b302099a8057\n",
        "file-drop/5/01890a5d-ac96-774b-bcce-b302099a8057",
    ],
)
def test_only_keys_that_the_service_makes_exist(tmp_path: Path, key: str) -> None:
    store = local_store(tmp_path).store
    for use in (
        lambda: store.stat(key),
        lambda: store.open(key, 0, 1, "e"),
        lambda: store.write(key, Pieces(b"x"), "text/plain"),
    ):
        with pytest.raises(NotFound):
            use()


def test_an_object_that_became_shorter_breaks_off(tmp_path: Path) -> None:
    store = local_store(tmp_path).store
    key, etag = put(store, pattern(3 * MIB))
    body = store.open(key, 0, 3 * MIB, etag)
    pieces = iter(body)
    next(pieces)
    os.truncate(tmp_path / "objects" / key, MIB + 5)
    with pytest.raises(Unavailable):
        list(pieces)
    body.close()


def test_a_full_disk(tmp_path: Path) -> None:
    """A file size limit stands for the disk: the kernel says EFBIG where it would say ENOSPC."""
    under_test, key = local_store(tmp_path), new_key()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, old[1]))
    try:
        with pytest.raises(NoSpace):
            under_test.store.write(key, Pieces(pattern(3 * MIB)), "text/plain")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert under_test.left_over(key) == []


def test_no_url_of_its_own(tmp_path: Path) -> None:
    assert not isinstance(local_store(tmp_path).store, Presigns)


# --- past the system's cache ---------------------------------------------------------------

# What the budget has, and where pieces end then.
EDGES = [(0, FIRST_PIECE + count * PIECE) for count in range(4)]
EDGES += [(BUDGET, FIRST_PIECE + count * LONG_PIECE) for count in range(4)]


def no_direct_writes(_: int, operation: int, flags: int = 0) -> int:
    """A file system that refuses them when it is asked for them."""
    if operation == fcntl.F_SETFL and flags & os.O_DIRECT:
        raise OSError(errno.EINVAL, "not here")
    return 0


class Refusing:
    """A file system that takes the wish for direct writes and then refuses them; others it
    takes a page at a time."""

    def __init__(self) -> None:
        self.refused = 0
        self._write = os.write

    def write(self, descriptor: int, content: memoryview) -> int:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT:
            self.refused += 1
            raise OSError(errno.EINVAL, "not so")
        return self._write(descriptor, content[:100_000])


@pytest.mark.parametrize("more", [-1, 0, 1, 4096])
@pytest.mark.parametrize(("budget", "edge"), EDGES)
@pytest.mark.parametrize("largest", [4 * MIB, 300_001])
def test_long_content(tmp_path: Path, budget: int, edge: int, more: int, largest: int) -> None:
    store, key, content = local_store(tmp_path, budget).store, new_key(), pattern(edge + more)
    written = store.write(key, Pieces(content, largest), "text/plain")
    assert written.size == len(content)
    assert (tmp_path / "objects" / key).read_bytes() == content


@pytest.mark.parametrize(("budget", "edge"), EDGES)
def test_long_content_where_direct_writes_cannot_be_had(
    tmp_path: Path, budget: int, edge: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, key, content = local_store(tmp_path, budget).store, new_key(), pattern(edge + 5)
    monkeypatch.setattr("storage.files.fcntl.fcntl", no_direct_writes)
    store.write(key, Pieces(content), "text/plain")
    assert (tmp_path / "objects" / key).read_bytes() == content


@pytest.mark.parametrize(("budget", "edge"), EDGES)
def test_long_content_where_direct_writes_are_refused(
    tmp_path: Path, budget: int, edge: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, key, content = local_store(tmp_path, budget).store, new_key(), pattern(edge + 5)
    refusing = Refusing()
    monkeypatch.setattr("storage.files.os.write", refusing.write)
    store.write(key, Pieces(content), "text/plain")
    assert (tmp_path / "objects" / key).read_bytes() == content
    assert refusing.refused == (1 if edge > FIRST_PIECE else 0)  # it is asked once


def test_a_reader_that_fails_while_a_piece_is_written(tmp_path: Path) -> None:
    under_test, key = local_store(tmp_path), new_key()

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        under_test.store.write(key, Pieces(pattern(3 * MIB), end=fail), "text/plain")
    assert under_test.left_over(key) == []
