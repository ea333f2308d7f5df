"""A client that goes away at any point of an upload leaves nothing behind (SPEC section 3)."""

import json
from collections.abc import Iterator
from itertools import count

import psutil
import pytest

from tests.faults.conftest import House
from tests.faults.traffic import (
    CHUNK,
    KIB,
    LARGE,
    MIB,
    Document,
    Upload,
    arrived,
    ask,
    assert_downloads,
    connected,
    content,
    framed,
    listed,
    read_answer,
    reset,
    uploaded,
)
from tests.servers.drop import Drop
from tests.servers.processes import wait_until

PART = 8 * MIB
# How far into the content: around what is read, buffered and sent at once, and in each part.
CONTENT_CUTS = (
    *(1, 700, 8 * KIB, 64 * KIB, MIB - 1, MIB, MIB + 1, 3 * MIB),
    *(PART - 1, PART, PART + 1, 12 * MIB, 2 * PART, 17 * MIB, LARGE - 1),
)
HEAD_CUTS = {"nothing": 0.0, "request line": 0.02, "header": 0.5, "blank line": 0.999, "head": 1.0}
FRAMINGS: dict[str, tuple[str | int, ...]] = {
    "form": (*HEAD_CUTS, "opening", "opened", *CONTENT_CUTS, "all content", "closing", "last byte"),
    "raw": (*HEAD_CUTS, *CONTENT_CUTS),
    "chunked": (
        *HEAD_CUTS,
        "opening",
        "opened",
        *CONTENT_CUTS,
        "all content",
        "closing",
        "last byte",
    ),
}
CASES = [(framing, cut) for framing, cuts in FRAMINGS.items() for cut in cuts]
numbers = count()


@pytest.fixture(scope="module")
def service(shared_house: House) -> Iterator[Drop]:
    with shared_house.service() as running:
        yield running


def test_there_are_20_cut_points_for_each_framing() -> None:
    data = content(LARGE)
    for framing, cuts in FRAMINGS.items():
        sent = framed(framing, data, "cut-0")
        assert len({position(sent, cut) for cut in cuts}) == len(cuts) >= 20


def position(sent: Upload, cut: str | int) -> int:
    """Where in the request's bytes the cut is."""
    head, opened = len(sent.head), len(sent.head) + len(sent.opening)
    if isinstance(cut, int):
        return opened + _on_the_wire(sent, cut)
    if cut in HEAD_CUTS:
        return int(head * HEAD_CUTS[cut])
    return {
        "opening": (head + opened) // 2,
        "opened": opened,
        "all content": opened + len(sent.body),
        "closing": opened + len(sent.body) + len(sent.closing) // 2,
        "last byte": sum(map(len, sent)) - 1,
    }[cut]


def _on_the_wire(sent: Upload, offset: int) -> int:
    """An offset in the content as one in the body, between whose chunks stand their sizes."""
    between = len(b"\r\n%x\r\n" % CHUNK)
    return offset if len(sent.body) == LARGE else offset + (offset - 1) // CHUNK * between


@pytest.mark.parametrize("ending", ["reset", "half-close"])
@pytest.mark.parametrize(("framing", "cut"), CASES)
def test_a_cut_off_upload_leaves_nothing(
    shared_house: House, service: Drop, framing: str, cut: str | int, ending: str
) -> None:
    request_id = f"cut-{next(numbers)}-"
    sent = framed(framing, content(LARGE), request_id)
    cut_at = position(sent, cut)
    begun = cut_at >= len(sent.head)
    with connected(service.url) as connection:
        sent.send(connection, stop=cut_at)
        if ending == "reset":
            arrived(connection)
            reset(connection)
        else:
            connection.shutdown(1)
            answer = read_answer(connection)
            told = None if answer is None else (answer[0], json.loads(answer[1])["code"])
            assert told in ([(400, "incomplete_body")] if begun else [None, (400, "bad_request")])
    if begun:
        is_answered(shared_house, request_id)
    shared_house.stock.assert_empty()


def is_answered(house: House, request_id: str) -> None:
    """Wait until the service is done with a request, whether or not anyone hears of it."""
    wait_until(lambda: request_id in house.log.read_text(), "it is not answered", 20)


def removed(service: Drop, document: Document) -> None:
    assert ask("DELETE", f"{service.url}/files/{document['file_id']}").status_code == 200


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_cut_off_replacement_changes_nothing(
    shared_house: House, service: Drop, framing: str
) -> None:
    document = uploaded(service.url, content(KIB), "kept")
    for cut_at in (700, MIB, 12 * MIB, LARGE - 1):
        request_id = f"cut-{next(numbers)}-"
        route = f"PUT /files/{document['file_id']}"
        sent = framed(framing, content(LARGE), request_id, route)
        with connected(service.url) as connection:
            sent.send(connection, stop=len(sent.head) + cut_at)
            arrived(connection)
            reset(connection)
        is_answered(shared_house, request_id)
    shared_house.stock.assert_clean()
    assert listed(service.url) == [document]
    assert_downloads(service.url, document)
    removed(service, document)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_client_that_does_not_wait_for_the_answer(
    shared_house: House, service: Drop, framing: str
) -> None:
    """Whether there is a file is not its business any more, but it is a whole one."""
    request_id = f"cut-{next(numbers)}-"
    with connected(service.url) as connection:
        framed(framing, content(LARGE), request_id).send(connection)
        arrived(connection)
        reset(connection)
    is_answered(shared_house, request_id)
    shared_house.stock.assert_clean()
    for document in listed(service.url):
        assert_downloads(service.url, document)
        removed(service, document)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_whole_of_it_works(shared_house: House, service: Drop, framing: str) -> None:
    data = content(LARGE)
    with connected(service.url) as connection:
        framed(framing, data, f"whole-{framing}").send(connection)
        answer = read_answer(connection)
    assert answer is not None and answer[0] == 201, answer
    document = json.loads(answer[1])
    assert_downloads(service.url, document)
    removed(service, document)
    shared_house.stock.assert_empty()


def test_no_connection_and_no_file_is_left_open(shared_house: House, service: Drop) -> None:
    def left_open() -> list[str]:
        workers = [psutil.Process(pid) for pid in service.workers()]
        files = [f.path for w in workers for f in w.open_files()]
        ours = [path for path in files if path.startswith(str(shared_house.data))]
        sockets = [c for w in workers for c in w.net_connections() if c.status == "CLOSE_WAIT"]
        return [*(path for path in ours if "catalog.sqlite" not in path), *map(str, sockets)]

    wait_until(lambda: left_open() == [], f"left open: {left_open()}", 15)
