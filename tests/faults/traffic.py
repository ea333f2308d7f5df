"""What the tests send: content, whole requests, and single bytes on a connection."""

import fcntl
import functools
import hashlib
import http.client
import json
import random
import re
import socket
import struct
import termios
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

KIB, MIB = 2**10, 2**20
LARGE = 18 * MIB  # two whole parts and a bit
BOUNDARY = "faults-boundary-5cX"
CHUNK = MIB
TIMEOUT = 30.0
UPLOAD = "POST /files/upload"

Document = dict[str, Any]


@functools.lru_cache(maxsize=8)
def content(size: int, seed: int = 1) -> bytes:
    """Bytes that look like nothing; the same ones each time."""
    return b"\x00\xfe" + random.Random(seed).randbytes(size - 2)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def ask(
    method: str,
    url: str,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> requests.Response:
    """One request on a connection of its own; the whole answer."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            method, url, data=data, headers=headers, timeout=timeout, allow_redirects=False
        )


def upload(url: str, data: bytes, name: str, timeout: float = TIMEOUT) -> requests.Response:
    """POST a raw body."""
    return ask("POST", f"{url}/files/upload?file_name={name}", data, timeout=timeout)


def uploaded(url: str, data: bytes, name: str) -> Document:
    """The document of an upload that must work."""
    answer = upload(url, data, name)
    assert answer.status_code == 201, answer.text
    document: Document = answer.json()
    return document


def recorded(url: str, key: str) -> Document:
    """The document of an object of the bucket, once the catalog was told of it."""
    body = json.dumps({"FileName": key}).encode()
    answer = ask("POST", f"{url}/upload", body, {"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    (document,) = [one for one in listed(url) if one["object_key"] == key]
    return document


def rename(url: str, file_id: str, name: str, timeout: float = TIMEOUT) -> requests.Response:
    """PUT a new name."""
    body = json.dumps({"file_name": name}).encode()
    headers = {"Content-Type": "application/json"}
    return ask("PUT", f"{url}/files/{file_id}", body, headers, timeout)


def listed(url: str, name: str = "") -> list[Document]:
    """The files whose names contain this; the tests have never more than a page of them."""
    documents: list[Document] = []
    page: str | None = f"{url}/files?file_name={name}" if name else f"{url}/files"
    while page is not None:
        answer = ask("GET", page)
        assert answer.status_code == 200, answer.text
        documents += answer.json()
        following = answer.links.get("next", {}).get("url")
        page = url + following if following else None
    return documents


def assert_downloads(url: str, document: Document) -> None:
    """The bytes are those that the document describes."""
    answer = ask("GET", f"{url}/files/{document['file_id']}")
    assert answer.status_code == 200, (document, answer.text[:500])
    assert len(answer.content) == document["file_size"]
    assert sha256(answer.content) == document["sha256"]


def assert_error(answer: requests.Response, *statuses: int) -> None:
    """SPEC section 7: one of these statuses, in the one error shape."""
    assert answer.status_code in statuses, (answer.status_code, answer.text[:500])
    assert answer.headers["Content-Type"] == "application/json"
    error = answer.json()
    about_tasks = re.match(r"/todos?\b", urlsplit(answer.url).path)
    assert {"message" if about_tasks else "error", "code", "request_id"} <= set(error)
    assert error["request_id"] == answer.headers["X-Request-Id"]
    if answer.status_code == 503:
        assert int(answer.headers["Retry-After"]) > 0


class Upload(NamedTuple):
    """A request as bytes: `body` is the content as it stands between what surrounds it."""

    head: bytes
    opening: bytes
    body: bytes
    closing: bytes

    def send(self, connection: socket.socket, start: int = 0, stop: int | None = None) -> None:
        """Send the bytes from `start` up to `stop`, or to the end."""
        left = sum(map(len, self)) if stop is None else stop
        for piece in self:
            if start < len(piece) and left > 0:
                connection.sendall(memoryview(piece)[start:left])
            start, left = max(0, start - len(piece)), left - len(piece)


def form_bytes(
    data: bytes, metadata: str = "", name: str = "form.bin"
) -> "tuple[bytes, dict[str, str]]":
    """A whole form and its headers, `metadata` being the one value in the file's metadata."""
    start = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    pairs = f'{start}"metadata"\r\n\r\n{json.dumps({"text": metadata})}\r\n'
    file = f'{start}"file"; filename="{name}"\r\n\r\n'
    body = b"".join([pairs.encode(), file.encode(), data, f"\r\n--{BOUNDARY}--\r\n".encode()])
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def framed(framing: str, data: bytes, request_id: str, route: str = UPLOAD) -> Upload:
    """An upload by `form`, `raw` body or `chunked` transfer encoding, byte for byte."""
    opening, body, closing = b"", data, b""
    headers = ["Content-Type: application/octet-stream"]
    if framing == "form":
        headers = [f"Content-Type: multipart/form-data; boundary={BOUNDARY}"]
        opening = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{request_id}"'
            "\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        closing = f"\r\n--{BOUNDARY}--\r\n".encode()
    if framing == "chunked":
        headers.append("Transfer-Encoding: chunked")
        opening, body, closing = chunked(data)
    else:
        headers.append(f"Content-Length: {len(opening) + len(body) + len(closing)}")
    query = "" if framing == "form" else f"?file_name={request_id}"
    start = [f"{route}{query} HTTP/1.1", "Host: localhost", f"X-Request-Id: {request_id}"]
    return Upload("\r\n".join([*start, *headers, "\r\n"]).encode(), opening, body, closing)


@functools.lru_cache(maxsize=2)
def chunked(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The first chunk's size, the chunks with the sizes between them, and what ends them."""
    pieces = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    opening = b"%x\r\n" % len(pieces[0])
    rest = (b"\r\n%x\r\n%b" % (len(piece), piece) for piece in pieces[1:])
    return opening, b"".join([pieces[0], *rest]), b"\r\n0\r\n\r\n"


def connected(url: str, timeout: float = TIMEOUT) -> socket.socket:
    """A plain connection to the service."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 80), timeout)


def arrived(connection: socket.socket) -> None:
    """Wait until the other side's kernel has all that was sent."""
    until = time.monotonic() + TIMEOUT
    while struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]:
        assert time.monotonic() < until, "the service does not take what is sent"
        time.sleep(0.001)


def reset(connection: socket.socket) -> None:
    """Go away as a crashed client does: with RST and without goodbye."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_answer(connection: socket.socket) -> tuple[int, bytes] | None:
    """Status and body of the next answer; None where the connection ends without one."""
    with closing(http.client.HTTPResponse(connection)) as response:
        try:
            response.begin()
        except (http.client.RemoteDisconnected, ConnectionError):
            return None
        return response.status, response.read()
