"""Clients that stall do not hold the service, and a stop lets uploads finish (SPEC section 8)."""

import json
import select
import signal
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.conftest import House
from tests.faults.traffic import (
    KIB,
    LARGE,
    MIB,
    Upload,
    arrived,
    ask,
    assert_downloads,
    connected,
    content,
    framed,
    read_answer,
    uploaded,
)
from tests.servers.drop import Drop
from tests.servers.processes import accepts, wait_until

PATIENCE = 2
STALLED = 100
ANSWER_SECONDS = 5.0
LINGER_SECONDS = 5.0
# A client's patience, its turn on a busy machine, and the server's discarding of what comes.
DROPPED_SECONDS = 20.0
HEAD_CUT = 60


@pytest.fixture(scope="module")
def service(shared_house: House) -> Iterator[Drop]:
    with shared_house.service(BODY_TIMEOUT=str(PATIENCE)) as running:
        yield running


@pytest.mark.parametrize("where", ["nothing", "headers", "body"])
def test_stalled_clients_hold_up_nobody(shared_house: House, service: Drop, where: str) -> None:
    document = uploaded(service.url, content(KIB), "small")
    sent = framed("raw", content(MIB), "stalled")
    stop = {"nothing": 0, "headers": HEAD_CUT, "body": len(sent.head) + 64 * KIB}[where]
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(service.url)) for _ in range(STALLED)]
        for client in clients:
            sent.send(client, stop=stop)
        for _ in range(10):
            assert ask("GET", f"{service.url}/healthz", timeout=ANSWER_SECONDS).ok
            assert_downloads(service.url, document)
        if where != "nothing":  # a connection that was never used costs nothing
            assert answers_to(clients) <= {None, 408}
    assert_downloads(service.url, document)
    shared_house.stock.assert_clean()
    assert ask("DELETE", f"{service.url}/files/{document['file_id']}").ok


REFUSED = {
    "early": b"POST /files/none HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
    "malformed": b"no request line at all\r\n\r\n",
}


@pytest.mark.parametrize("request_head", REFUSED.values(), ids=REFUSED)
def test_refused_clients_that_stay_hold_up_nobody(service: Drop, request_head: bytes) -> None:
    """They are given 5 s to read the answer, and not the time of the other clients."""
    with ExitStack() as stack:
        for _ in range(24):
            client = stack.enter_context(connected(service.url))
            client.sendall(request_head)
            answer = read_answer(client)
            assert answer is not None and 400 <= answer[0] < 500
        until = time.monotonic() + LINGER_SECONDS + 3
        while time.monotonic() < until:
            assert ask("GET", f"{service.url}/healthz", timeout=ANSWER_SECONDS).ok
            time.sleep(0.2)


def answers_to(clients: "Iterable[socket.socket]") -> set[int | None]:
    """What stalled clients are told before their connections end, within the time for that."""
    until = time.monotonic() + DROPPED_SECONDS
    answers: set[int | None] = set()
    for client in clients:
        client.settimeout(max(0.1, until - time.monotonic()))
        answer = read_answer(client)
        answers.add(None if answer is None else answer[0])
    return answers


def test_a_body_that_stalls_is_given_up(shared_house: House, service: Drop) -> None:
    with ExitStack() as stack:
        clients = []
        for framing in ("form", "raw", "chunked"):
            for at in (0, 700, MIB, 10 * MIB, LARGE - 1):
                client = stack.enter_context(connected(service.url))
                sent = framed(framing, content(LARGE), "stalled")
                sent.send(client, stop=len(sent.head) + at)
                clients.append(client)
        assert answers_to(clients) == {408}
    shared_house.stock.assert_empty()


def test_headers_that_trickle_are_given_up(service: Drop) -> None:
    with connected(service.url) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nX-Endless: ")
        trickle(client)


def test_a_body_that_trickles_is_given_up(house: House) -> None:
    """Never a stall, but less than 1 KiB/s over the window."""
    sent = framed("raw", content(LARGE), "trickle")
    application = "tests.faults.slow_app:create_app()"
    with house.service(application, BODY_TIMEOUT=str(PATIENCE)) as service:
        with connected(service.url) as client:
            sent.send(client, stop=len(sent.head))
            trickle(client)
        house.stock.assert_empty()


def trickle(client: socket.socket) -> None:
    """Send a little now and then, until that is given up as a stall is."""
    until = time.monotonic() + DROPPED_SECONDS
    while not select.select([client], [], [], PATIENCE / 4)[0]:
        assert time.monotonic() < until, "it is not given up"
        client.sendall(b"x" * 50)
    assert answers_to([client]) <= {None, 408}


def test_a_slow_but_steady_body_is_taken(service: Drop) -> None:
    """Longer than a stall may be in all, with no stall in it."""
    sent = framed("chunked", content(64 * KIB), "steady")
    total = sum(map(len, sent))
    steps = PATIENCE * 4
    with connected(service.url) as client:
        for step in range(steps):
            sent.send(client, step * total // steps, (step + 1) * total // steps)
            time.sleep(0.5)
        answer = read_answer(client)
    assert answer is not None and answer[0] == 201, answer
    assert ask("DELETE", f"{service.url}/files/{json.loads(answer[1])['file_id']}").ok


def test_a_stop_lets_an_upload_finish(house: House) -> None:
    with under_way(house) as (service, client, sent):
        service.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        sent.send(client, start=10 * MIB)
        answer = read_answer(client)
        assert answer is not None and answer[0] == 201, answer
        assert service.process.wait(20) == 0
    with house.service() as service:
        assert_downloads(service.url, json.loads(answer[1]))
        house.stock.assert_clean()


@contextmanager
def under_way(house: House, **env: str) -> "Iterator[tuple[Drop, socket.socket, Upload]]":
    """An upload of which half was sent."""
    sent = framed("form", content(LARGE), "upload")
    with house.service(**env) as service, connected(service.url) as client:
        sent.send(client, stop=10 * MIB)
        arrived(client)
        yield service, client, sent


def test_a_stop_refuses_new_connections(house: House) -> None:
    """Who comes while an upload finishes is not left waiting for nobody."""
    with under_way(house) as (service, _, _):
        service.process.send_signal(signal.SIGTERM)
        port = int(service.url.rpartition(":")[2])
        wait_until(lambda: not accepts(port), "connections are still taken", 20)


def test_a_stop_does_not_wait_for_ever(house: House) -> None:
    """What is not done by then is given up, and nothing of it stays."""
    with under_way(house, GRACEFUL_TIMEOUT="2") as (service, client, _):
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(20)
        assert read_answer(client) is None
    house.stock.assert_clean_after_sweep()
    house.stock.assert_empty()
