"""Request ids, the prefix of all routes, the limit of size, and how files are sent."""

import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from storage.interfaces import FileBody
from tests.http.conftest import Serve
from tests.http.service import (
    FORM_TYPE,
    Service,
    assert_error,
    body,
    chunked,
    form,
    form_body,
    part,
    raw,
    serve,
)

# --- request ids ---------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["a", "A.b_c-9", "x" * 128])
@pytest.mark.parametrize("path", ["/healthz", "/files", "/nowhere"])
def test_a_request_id_is_taken_over(service: Service, given: str, path: str) -> None:
    answer = service.client.get(path, headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a/b", "ä", "a,b", "<b>", "a;"])
@pytest.mark.parametrize("path", ["/healthz", "/nowhere"])
def test_a_request_id_is_made(service: Service, given: str | None, path: str) -> None:
    headers = {} if given is None else {"X-Request-Id": given}
    made = {service.client.get(path, headers=headers).headers["X-Request-Id"] for _ in range(2)}
    assert len(made) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,128}", each) and each != given for each in made)


# --- URL_PREFIX ----------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/prod", "/a/b-c"])
def test_every_route_is_under_the_prefix(new_service: Serve, prefix: str) -> None:
    client = new_service(URL_PREFIX=prefix).client
    for path in ("/healthz", "/readyz", "/files"):
        assert client.get(prefix + path).status_code == 200
        assert_error(client.get(path), 404, "not_found")
    for number in range(3):
        answer = client.post(f"{prefix}/files/upload", data=b"%d" % number, content_type="a/b")
        assert answer.json is not None
        assert answer.headers["Location"] == f"{prefix}/files/{answer.json['file_id']}"
        found = client.get(answer.headers["Location"])
        assert found.data == b"%d" % number
        found.close()
    page = client.get(f"{prefix}/files?limit=2")
    match = re.fullmatch(r'<(.*)>; rel="next"', page.headers["Link"])
    assert match is not None and urlsplit(match[1]).path == f"{prefix}/files"
    last = client.get(match[1])
    assert (len(last.get_json()), "Link" in last.headers) == (1, False)


def test_the_next_page_is_asked_for_as_this_one_was(new_service: Serve) -> None:
    service = new_service()
    for n in range(3):
        service.upload(name=f"%C3%A4%2B%26{n}.txt")
    page = service.client.get("/files?file_name=%C3%84%2B%26&limit=2&sort=file_name")
    match = re.fullmatch(r'<(/files\?.*)>; rel="next"', page.headers["Link"])
    assert match is not None
    assert [d["file_name"] for d in service.client.get(match[1]).get_json()] == ["ä+&2.txt"]


# --- MAX_FILE_SIZE -------------------------------------------------------------------------

LIMIT = 1000


class Unread:
    """`wsgi.input` that nobody may touch."""

    def readinto(self, _: memoryview, /) -> int:
        raise AssertionError("the body was read")


def file(size: int) -> bytes:
    return part("file", b"x" * size, filename="a.txt")


BODIES: dict[str, Any] = {
    "raw": lambda size: raw(b"x" * size),
    "chunked": lambda size: chunked(b"x" * size),
    "form": lambda size: form(file(size)),
    "form with text after": lambda size: form(file(size), part("metadata", b"{}")),
    "form, chunked": lambda size: chunked(form_body(file(size)), FORM_TYPE),
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = serve(tmp_path_factory.mktemp("limited"), {"MAX_FILE_SIZE": str(LIMIT)})
    yield made
    made.close()


@pytest.mark.parametrize("asking", BODIES.values(), ids=BODIES)
def test_the_limit_is_exact(limited: Service, asking: Any) -> None:
    made = limited.client.post("/files/upload", **asking(LIMIT))
    assert made.status_code == 201
    before = limited.left()
    for size in (LIMIT + 1, 3 * LIMIT):
        answer = limited.client.post("/files/upload", **asking(size))
        assert_error(answer, 413, "content_too_large")
        assert str(LIMIT) in answer.get_json()["error"]
        answer = limited.client.put(f"/files/{made.get_json()['file_id']}", **asking(size))
        assert_error(answer, 413, "content_too_large")
    assert limited.left() == before


@pytest.mark.parametrize(
    ("length", "content_type"),
    [(LIMIT + 1, "text/plain"), (2**30, "text/plain"), (2**30, FORM_TYPE)],
)
def test_what_is_announced_too_large_is_not_read(
    limited: Service, length: int, content_type: str
) -> None:
    answer = limited.client.post("/files/upload", **body(Unread(), length, content_type))
    assert_error(answer, 413, "content_too_large")


# --- what the server sends by itself -------------------------------------------------------


class Wrapper:
    """`wsgi.file_wrapper` of a server that can send files."""

    made: "list[Wrapper]"

    def __init__(self, body: FileBody, block_size: int) -> None:
        self.body, self.block_size = body, block_size
        self.position = os.lseek(body.fileno(), 0, os.SEEK_CUR)
        self.made.append(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.body.read(self.block_size), b"")

    def close(self) -> None:
        self.body.close()


@pytest.fixture
def wrapper() -> type[Wrapper]:
    return type("Recorded", (Wrapper,), {"made": []})


CONTENT = bytes(n % 251 for n in range(3 * 2**20))


@pytest.mark.parametrize(
    ("headers", "start", "stop"),
    [
        ({}, 0, len(CONTENT)),
        ({"Range": "bytes=10-19"}, 10, 20),
        ({"Range": "bytes=-5"}, len(CONTENT) - 5, len(CONTENT)),
        ({"Range": "bytes=1048570-2097160"}, 1048570, 2097161),
    ],
)
def test_a_file_goes_to_the_server_s_own_wrapper(
    service: Service, wrapper: type[Wrapper], headers: dict[str, str], start: int, stop: int
) -> None:
    """So that the kernel sends it: from where the file stands, as many bytes as announced."""
    path = f"/files/{service.upload(CONTENT)['file_id']}"
    environ = {"wsgi.file_wrapper": wrapper}
    answer = service.client.get(path, headers=headers, environ_overrides=environ)
    (wrapped,) = wrapper.made
    assert (wrapped.position, answer.content_length) == (start, stop - start)
    assert answer.data == CONTENT[start:stop]
    answer.close()
    with pytest.raises(ValueError, match="closed"):
        wrapped.body.fileno()


@pytest.mark.parametrize(
    ("method", "content", "headers"),
    [
        ("HEAD", b"x", {}),
        ("GET", b"", {}),
        ("GET", b"x", {"If-None-Match": '"1"'}),
        ("GET", b"x", {"If-Match": '"9"'}),
        ("GET", b"x", {"Range": "bytes=9-"}),
    ],
)
def test_nothing_is_opened_where_nothing_is_sent(
    service: Service, wrapper: type[Wrapper], method: str, content: bytes, headers: dict[str, str]
) -> None:
    path = f"/files/{service.upload(content)['file_id']}"
    open_files = len(os.listdir("/proc/self/fd"))
    environ = {"wsgi.file_wrapper": wrapper}
    service.client.open(path, method=method, headers=headers, environ_overrides=environ)
    assert wrapper.made == []
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_bytes_that_are_gone_for_good_are_an_error(service: Service) -> None:
    """A document without its bytes is never right, but it must not be an endless loop either."""
    made = service.upload()
    service.wired.objects.delete(made["object_key"])
    assert_error(service.client.get(f"/files/{made['file_id']}"), 503, "store_unavailable")


def test_cleaning_up_waits_for_the_answer(service: Service) -> None:
    made = service.upload(b"old")
    path = f"/files/{made['file_id']}"
    answer = service.client.put(path, data=b"new", content_type="text/plain")
    old = service.data / "objects" / made["object_key"]
    assert old.exists()
    answer.close()
    assert not old.exists()
