"""A store that is down, refuses or hangs is a `503` in time, and service resumes by itself."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import House, house_of
from tests.faults.routes import (
    ALWAYS,
    ANSWER_SECONDS,
    ENV,
    WITHOUT_OBJECTS,
    assert_only_these_work,
    routes,
    works_again,
)
from tests.faults.traffic import (
    KIB,
    LARGE,
    MIB,
    Upload,
    ask,
    assert_downloads,
    connected,
    content,
    framed,
    listed,
    read_answer,
    uploaded,
)
from tests.servers.drop import Drop
from tests.servers.processes import free_port, wait_until
from tests.servers.stores import Missing, Stores, minio, mongo_wire

RESUME_SECONDS = 30.0
# More than there can be on its way in the buffers of the sockets between store and client.
LARGER = 64 * MIB
UPLOADS_UNDER_WAY = 6


class Servers:
    """MinIO and a Mongo-wire server that can be stopped, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {"objects": free_port(), "documents": free_port()}
        self._stacks = {name: ExitStack() for name in self._ports}
        self._processes: dict[str, psutil.Process] = {}
        self.urls: dict[str, str] = {}

    def start(self, name: str) -> None:
        port = self._ports[name]
        server = minio if name == "objects" else mongo_wire
        self.urls[name] = self._stacks[name].enter_context(server(self._folder, port))
        address = f"127.0.0.1:{port}"
        self._processes[name] = next(
            child for child in psutil.Process().children() if address in child.cmdline()
        )

    def kill(self, name: str) -> None:
        """From now on connections are refused."""
        self._processes[name].kill()
        self._stacks[name].close()

    @contextmanager
    def down(self, name: str, how: str) -> Iterator[None]:
        """Take a server away until the end of the block."""
        if how == "refuses":
            self.kill(name)
            try:
                yield
            finally:
                self.start(name)
            return
        self._processes[name].suspend()
        try:
            yield
        finally:
            self._processes[name].resume()

    def close(self) -> None:
        for stack in self._stacks.values():
            stack.close()


@pytest.fixture(scope="module")
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    """Servers of our own to maltreat, also where the other tests use given ones or Docker's."""
    request.getfixturevalue("real_stores")  # says whether it is a failure to have none at all
    with closing(Servers(tmp_path_factory.mktemp("servers"))) as servers:
        try:
            servers.start("objects")
            servers.start("documents")
        except Missing as missing:
            pytest.skip(f"left out, no servers that are ours to stop: {missing}")
        yield servers


@pytest.fixture(scope="module")
def on_servers(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    stores = Stores(servers.urls["objects"], servers.urls["documents"])
    folder = tmp_path_factory.mktemp("house")
    # No look into MinIO's folder: what it forgets when it is killed, it clears a day later.
    with house_of("servers", folder, stores.settings("bucket", "database"), None) as house:
        yield house


@pytest.fixture(scope="module")
def service(on_servers: House) -> Iterator[Drop]:
    with on_servers.service(**ENV) as running:
        yield running


@pytest.mark.parametrize("how", ["hangs", "refuses"])
def test_object_store_goes_away_in_uploads(
    on_servers: House, servers: Servers, service: Drop, how: str
) -> None:
    before = listed(service.url)
    with ExitStack() as stack:
        uploads = []
        for number in range(UPLOADS_UNDER_WAY):
            framing = ("form", "raw", "chunked")[number % 3]
            sent = framed(framing, content(LARGE), f"{framing}-{number}-{how}")
            connection = stack.enter_context(connected(service.url))
            sent.send(connection, stop=10 * MIB)
            uploads.append((sent, connection))
        wait_until(lambda: len(on_servers.stock.uploads()) == len(uploads), "not begun", 20)
        with servers.down("objects", how), ThreadPoolExecutor(len(uploads)) as pool:
            statuses = list(pool.map(rest_of, uploads))
    assert {status for status, _ in statuses} == {503}
    assert max(seconds for _, seconds in statuses) < ANSWER_SECONDS
    wait_until(lambda: works_again(service.url), "service does not resume", RESUME_SECONDS)
    on_servers.stock.assert_clean_after_sweep()
    assert len(listed(service.url)) == len(before) + 2


def rest_of(upload: tuple[Upload, socket.socket]) -> tuple[int, float]:
    """Send the rest of an upload: what is answered, and after how long."""
    sent, connection = upload
    begun = time.monotonic()
    with suppress(ConnectionError):  # answered before all was sent
        sent.send(connection, start=10 * MIB)
    answer = read_answer(connection)
    assert answer is not None
    return answer[0], time.monotonic() - begun


@pytest.mark.parametrize("how", ["hangs", "refuses"])
def test_object_store_goes_away_in_a_download(servers: Servers, service: Drop, how: str) -> None:
    """The client can tell that it did not get all (SPEC section 8)."""
    document = uploaded(service.url, content(LARGER), "broken off")
    with connected(service.url) as connection:
        connection.sendall(
            f"GET /files/{document['file_id']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        start = connection.recv(64 * KIB)
        with servers.down("objects", how):
            received = len(start) + sum(map(len, iter(lambda: connection.recv(MIB), b"")))
    assert start.startswith(b"HTTP/1.1 200 ")
    assert received < LARGER
    wait_until(lambda: works_again(service.url), "service does not resume", RESUME_SECONDS)
    assert ask("DELETE", f"{service.url}/files/{document['file_id']}").ok


# The last one takes with it what the Mongo-wire server held in memory.
@pytest.mark.parametrize(
    ("store", "how"),
    [
        ("objects", "hangs"),
        ("objects", "refuses"),
        ("documents", "hangs"),
        ("documents", "refuses"),
    ],
)
def test_without_a_server(
    on_servers: House, servers: Servers, service: Drop, store: str, how: str
) -> None:
    asked = routes(service.url)
    with servers.down(store, how):
        assert_only_these_work(asked, WITHOUT_OBJECTS if store == "objects" else ALWAYS)
    wait_until(lambda: works_again(service.url), "service does not resume", RESUME_SECONDS)
    on_servers.stock.assert_clean_after_sweep()
    for document in listed(service.url):
        if document["etag"] is not None:  # else nobody ever stored it
            assert_downloads(service.url, document)
