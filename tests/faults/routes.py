"""Every route of the service at once, for tests that take something away from it."""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests

from tests.faults.traffic import (
    KIB,
    LARGE,
    ask,
    assert_downloads,
    assert_error,
    content,
    form_bytes,
    uploaded,
)

SMALL = 100 * KIB
ANSWER_SECONDS = 10.0  # SPEC section 7
CLIENT_SECONDS = 12.0
ALWAYS = {"healthz"}
# What opens no object: the bytes of a deleted file are left to the sweep.
WITHOUT_OBJECTS = {"head", "metadata", "list", "rename", "delete"} | ALWAYS
READS = {"get", "head", "metadata", "list", "readyz"} | ALWAYS

Route = Callable[[], requests.Response]


def routes(url: str) -> dict[str, Route]:
    """What to ask of each route, by name; the files that it takes are made now."""
    read, written, renamed, deleted = (
        f"{url}/files/{uploaded(url, content(SMALL), name)['file_id']}"
        for name in ("read", "written", "renamed", "deleted")
    )
    name = json.dumps({"file_name": "another name"}).encode()
    send = partial(ask, timeout=CLIENT_SECONDS)
    return {
        "small form": partial(send, "POST", f"{url}/files/upload", *form_bytes(content(SMALL))),
        "large form": partial(send, "POST", f"{url}/files/upload", *form_bytes(content(LARGE))),
        "small raw": partial(send, "POST", f"{url}/files/upload", content(SMALL)),
        "large raw": partial(send, "POST", f"{url}/files/upload", content(LARGE)),
        "get": partial(send, "GET", read),
        "head": partial(send, "HEAD", read),
        "metadata": partial(send, "GET", f"{read}/metadata"),
        "list": partial(send, "GET", f"{url}/files"),
        "replace": partial(send, "PUT", written, content(SMALL, 5)),
        "rename": partial(send, "PUT", renamed, name, {"Content-Type": "application/json"}),
        "delete": partial(send, "DELETE", deleted),
        "readyz": partial(send, "GET", f"{url}/readyz"),
        "healthz": partial(send, "GET", f"{url}/healthz"),
    }


def ask_all(asked: Mapping[str, Route]) -> "dict[str, tuple[requests.Response, float]]":
    """All of them at once: the answers, and the seconds that they took."""

    def timed(route: Route) -> tuple[requests.Response, float]:
        begun = time.monotonic()
        return route(), time.monotonic() - begun

    with ThreadPoolExecutor(len(asked)) as pool:
        answers = {name: pool.submit(timed, route) for name, route in asked.items()}
    return {name: answer.result() for name, answer in answers.items()}


def assert_only_these_work(asked: Mapping[str, Route], working: set[str]) -> None:
    """`503` in time and in good shape from all but these, which answer as ever."""
    wrong = []
    for name, (answer, seconds) in ask_all(asked).items():
        expected = (200, 201) if name in working else (503,)
        if answer.status_code not in expected or seconds > ANSWER_SECONDS:
            wrong.append(f"{name}: {answer.status_code} after {seconds:.1f} s: {answer.text[:200]}")
        elif name not in working and answer.request.method != "HEAD":
            assert_error(answer, 503)
        elif name not in working:
            assert int(answer.headers["Retry-After"]) > 0
    assert wrong == []


def works_again(url: str) -> bool:
    """Whether an upload, large enough for both ways into a store, is taken and given back."""
    if ask("GET", f"{url}/readyz").status_code != 200:
        return False
    for size in (SMALL, LARGE):
        document = uploaded(url, content(size), "again")
        assert_downloads(url, document)
    return True
