"""A client that costs next to nothing: repeated blocks, straight on the socket."""

import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator

from bench.pairings import KIB, MIB

BLOCK = MIB
BOUNDARY = "-" * 24 + "zEt3s6NBoUnDaRyOfBench"  # as long as curl's
FORM_HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
FORM_TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
FORMS = ("form", "raw", "chunked")
TIMEOUT = 600


class Content:
    """`size` bytes: one block of 1 MiB over and over, random or made of `unit`."""

    def __init__(self, size: int, unit: bytes = b"") -> None:
        self.size = size
        self.block = (unit * (BLOCK // len(unit) + 1))[:BLOCK] if unit else os.urandom(BLOCK)

    def pieces(self) -> Iterator[memoryview]:
        view = memoryview(self.block)
        for _ in range(self.size // BLOCK):
            yield view
        if self.size % BLOCK:
            yield view[: self.size % BLOCK]

    def sha256(self) -> str:
        running = hashlib.sha256()
        for piece in self.pieces():
            running.update(piece)
        return running.hexdigest()


class Wire:
    """A connection for one request, with nothing between it and the socket."""

    def __init__(self, address: tuple[str, int], receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(TIMEOUT)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)

    def begin(self, method: str, path: str, *headers: str) -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def begin_content(self, method: str, path: str, form: str, length: int) -> None:
        """The head of a request with `length` bytes of content, up to its first byte."""
        if form == "form":
            whole = len(FORM_HEAD) + length + len(FORM_TAIL)
            kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
            self.begin(method, path, kind, f"Content-Length: {whole}")
            self.socket.sendall(FORM_HEAD)
            return
        framing = "Transfer-Encoding: chunked" if form == "chunked" else f"Content-Length: {length}"
        self.begin(method, path, "Content-Type: application/octet-stream", framing)

    def send(self, form: str, piece: memoryview | bytes) -> None:
        if form == "chunked":
            self.socket.sendall(f"{len(piece):x}\r\n".encode())
            self.socket.sendall(piece)
            self.socket.sendall(b"\r\n")
        else:
            self.socket.sendall(piece)

    def end_content(self, form: str) -> None:
        self.socket.sendall({"form": FORM_TAIL, "chunked": b"0\r\n\r\n", "raw": b""}[form])

    def head(self) -> tuple[int, dict[str, str], bytes]:
        """Status and headers (lower-case names) of the answer, and what came of its body."""
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self.socket.recv(64 * KIB)
            if not piece:
                raise ConnectionError(f"no answer but {received!r}")
            received += piece
        head, _, rest = received.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return int(start.split()[1]), {name.lower(): value for name, value in pairs}, rest

    def answer(self) -> tuple[int, bytes]:
        """Status and body of the answer."""
        status, _, body = self.head()
        while piece := self.socket.recv(64 * KIB):
            body += piece
        return status, body

    def close(self) -> None:
        self.socket.close()


def send(
    address: tuple[str, int], method: str, path: str, content: Content | None = None, form: str = ""
) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body of the answer."""
    with contextlib.closing(Wire(address)) as wire:
        if content is None:
            wire.begin(method, path)
            return wire.answer()
        wire.begin_content(method, path, form, content.size)
        for piece in content.pieces():
            wire.send(form, piece)
        wire.end_content(form)
        return wire.answer()
