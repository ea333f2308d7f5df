"""What the tests speak with: an HTTP client, a plain socket, and one kind of answer for both."""

import functools
import json
import random
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict

TIMEOUT = 60  # seconds until a silent server fails a test; no test measures time
KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

Document = dict[str, Any]
Headers = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Answer:
    """A final answer, and the status codes of the interim ones before it."""

    status: int
    headers: CaseInsensitiveDict[str]
    body: bytes = b""
    interim: list[int] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Plain HTTP requests to the service; redirects are not followed."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    def send(
        self,
        method: str,
        path: str,
        headers: Headers | None = None,
        data: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """Send one request; an iterable body goes out in chunks, without a known length."""
        url = path if "://" in path else self.base_url + path
        encoded = {name: _encoded(value) for name, value in (headers or {}).items()}
        response = self._session.request(
            method, url, headers=encoded, data=data, allow_redirects=False, timeout=TIMEOUT
        )
        return Answer(response.status_code, response.headers, response.content)

    def get(self, path: str, headers: Headers | None = None) -> Answer:
        return self.send("GET", path, headers)

    def head(self, path: str, headers: Headers | None = None) -> Answer:
        return self.send("HEAD", path, headers)

    def delete(self, path: str, headers: Headers | None = None) -> Answer:
        return self.send("DELETE", path, headers)

    def post(
        self, path: str, data: bytes | Iterable[bytes], headers: Headers | None = None
    ) -> Answer:
        return self.send("POST", path, headers, data)

    def put(
        self, path: str, data: bytes | Iterable[bytes], headers: Headers | None = None
    ) -> Answer:
        return self.send("PUT", path, headers, data)

    def put_json(self, path: str, body: object, headers: Headers | None = None) -> Answer:
        """PUT a JSON body; bytes go out as they are, so that they may be broken JSON."""
        return self.send_json("PUT", path, body, headers)

    def send_json(
        self, method: str, path: str, body: object, headers: Headers | None = None
    ) -> Answer:
        """The same with any method."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        return self.send(method, path, headers, data)

    def wire(self, receive_buffer: int | None = None) -> "Wire":
        return Wire(self.base_url, receive_buffer)

    def close(self) -> None:
        self._session.close()


class Wire:
    """One connection on which the test decides about every byte."""

    def __init__(self, base_url: str, receive_buffer: int | None = None) -> None:
        parts = urlsplit(base_url)
        self.host, self.prefix = parts.netloc, parts.path.rstrip("/")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(TIMEOUT)
        self._socket.connect((parts.hostname or "127.0.0.1", parts.port or 80))
        self._input = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._input.close()
        self._socket.close()

    def request(self, method: str, path: str, headers: Headers | None = None) -> None:
        """Send the head of a request; the body is for the test to send."""
        lines = [f"{method} {self.prefix}{path} HTTP/1.1\r\nHost: {self.host}\r\n".encode()]
        for name, value in (headers or {}).items():
            lines.append(name.encode() + b": " + _encoded(value) + b"\r\n")
        self.send(b"".join(lines) + b"\r\n")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def finish(self) -> None:
        """Half-close: nothing more will be sent, the answer can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Go away as a crashed client does: with RST and without goodbye."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._input.close()
        self._socket.close()

    def read(self, size: int = -1) -> bytes:
        return self._input.read(size)

    def head(self) -> Answer:
        """The head of the next final answer; its body stays unread."""
        interim: list[int] = []
        while True:
            status, headers = self._one_head()
            if status >= 200 or status == 101:
                return Answer(status, headers, b"", interim)
            interim.append(status)

    def answer(self, method: str = "GET") -> Answer:
        """The next final answer with its body."""
        head = self.head()
        body = b"" if method == "HEAD" or head.status in (204, 304) else self._body(head.headers)
        return Answer(head.status, head.headers, body, head.interim)

    def _one_head(self) -> tuple[int, CaseInsensitiveDict[str]]:
        start = self._line()
        if not start.startswith("HTTP/1."):
            raise ConnectionError(f"no status line but {start!r}")
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        while line := self._line():
            name, _, value = line.partition(":")
            value = value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return int(start.split()[1]), headers

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        if "Content-Length" in headers:
            return self._exactly(int(headers["Content-Length"]))
        return self._input.read()

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line().split(";")[0], 16):
            yield self._exactly(size)
            self._line()
        while self._line():
            pass

    def _exactly(self, size: int) -> bytes:
        data = self._input.read(size)
        if len(data) != size:
            raise ConnectionError(f"the answer ends after {len(data)} of {size} bytes")
        return data

    def _line(self) -> str:
        line = self._input.readline(64 * KIB)
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"the connection ends in {line!r}")
        return line[:-2].decode("latin-1")


def _encoded(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


@functools.lru_cache(maxsize=8)
def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that look like no known format and do not compress; the same ones each time."""
    return b"\x01\x02\x80\xfe\xff\x00"[:size] + random.Random(seed).randbytes(max(0, size - 6))


def pieces(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    """An iterable of a body: requests sends it by chunked transfer encoding."""
    return (data[start : start + size] for start in range(0, len(data), size))


def chunked(data: bytes, size: int = 100_000) -> bytes:
    """The body in chunked transfer encoding (RFC 9112 7.1), with its last chunk."""
    chunks = (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces(data, size))
    return b"".join(chunks) + b"0\r\n\r\n"
