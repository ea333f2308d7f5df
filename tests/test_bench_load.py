"""The client of the measurements against answers of every form, and against wrong ones."""

import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bench.speed.load import Answer, LoadFailed, Request, load

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

OK = b"HTTP/1.1 200 OK\r\n"
GET = Request("GET", "/")


@contextlib.contextmanager
def server(*connections: Sequence[bytes], body: bytes = b"") -> Iterator[tuple[str, int]]:
    """Answers, connection by connection, requests that all end with `body` (or their head);
    closes a connection when it has no more answers for it."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=_serve, args=(listener, connections, body))
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            with contextlib.suppress(OSError):  # one that was not connected to is waited for
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _serve(listener: socket.socket, connections: Sequence[Sequence[bytes]], body: bytes) -> None:
    for answers in connections:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            for answer in answers:
                received = b""
                while not received.endswith(b"\r\n\r\n" + body):
                    received += connection.recv(2**16)
                connection.sendall(answer)


def sized(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return OK + f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        sized(b"seven b"),
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nsev\r\n4;x=1\r\nen b\r\n0\r\nT: t\r\n\r\n",
        OK + b"\r\nseven b",
        b"HTTP/1.0 200 OK\r\n\r\nseven b",
        b"HTTP/1.1 100 Continue\r\n\r\n" + sized(b"seven b"),
        sized(b"seven b").replace(b"Content-Length", b"content-length"),
    ],
)
def test_bodies_of_every_form(answer: bytes) -> None:
    with server([answer]) as address:
        found = load(address, [Request("GET", "/", size=7)], 1)
    assert found.answers == [Answer(None, b"seven b")]
    assert (found.requests, found.received, found.statuses) == (1, len(answer), {200: 1})
    assert 0 < found.p50 <= found.p99 <= found.longest


def test_a_connection_is_kept() -> None:
    with server([sized(b"a"), sized(b"b"), sized(b"c")]) as address:
        found = load(address, [GET], 1, total=3)
    assert [answer.head for answer in found.answers] == [b"a", b"b", b"c"]
    assert found.connections == 1


@pytest.mark.parametrize("header", [["Connection: close"], []])
def test_a_connection_that_is_not_kept_is_made_anew(header: list[str]) -> None:
    """Whether the server says so, or just goes away between two requests."""
    with server([sized(b"a", *header)], [sized(b"b")]) as address:
        found = load(address, [GET], 1, total=2)
    assert [answer.head for answer in found.answers] == [b"a", b"b"]
    assert found.connections == 2


def test_an_answer_to_head_has_no_body() -> None:
    answer = OK + b"Content-Length: 1000\r\n\r\n"
    with server([answer, answer]) as address:
        found = load(address, [Request("HEAD", "/", size=0)], 1, total=2)
    assert found.connections == 1


def test_content_goes_between_prefix_and_suffix(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_bytes(b"0123456789")
    request = Request("PUT", "/x", {"A": "b"}, b"<", 4, b">", status=201)
    answer = b"HTTP/1.1 201 Created\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
    with server([answer], body=b"<0123>") as address:
        found = load(address, [request], 1, content)
    assert found.answers == [Answer("/there", b"")]
    assert request.head("h") == b"PUT /x HTTP/1.1\r\nA: b\r\nHost: h\r\nContent-Length: 6\r\n\r\n"


def test_a_large_body_is_counted_and_forgotten() -> None:
    with server([sized(b"x" * 3_000_000)]) as address:
        found = load(address, [Request("GET", "/", size=3_000_000)], 1)
    assert found.answers == [Answer(None, b"x" * 1024)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (sized(b"no").replace(b"200 OK", b"404 None"), "404, not 200: no"),
        (sized(b"four"), "4 bytes, not 7"),
        (OK + b"Content-Length: 9\r\n\r\nfour", "5 bytes too soon"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nsev\r\n", "before its last chunk"),
        (OK + b"Content-Le", "within the head"),
        (OK + b"Content-Length: many\r\n\r\n", "bad length"),
        (b"SSH-2.0-x\r\n", "not an answer"),
        (b"", "without an answer"),
    ],
)
def test_the_first_wrong_answer_ends_it(answer: bytes, message: str) -> None:
    with server([answer]) as address, pytest.raises(LoadFailed, match=message) as failed:
        load(address, [Request("GET", "/", size=7)], 1)
    assert str(failed.value).startswith("request 0 (GET / HTTP/1.1): ")


def test_nobody_there() -> None:
    with server() as address:
        pass
    with pytest.raises(LoadFailed, match="connect"):
        load(address, [GET], 1)
