"""Every route of the service at once, for tests that take something away from it."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlencode

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
# Of the other doors, what only reads documents.
SIBLING_READS = {"by key", "students", "images", "item", "tasks"}
CHANGED_TASKS = {"new task", "task", "deleted task"}
# What opens no object: the bytes of a deleted file are left to the sweep.
WITHOUT_OBJECTS = {
    *("head", "metadata", "list", "rename", "delete", "deleted item"),
    *SIBLING_READS,
    *CHANGED_TASKS,
    *ALWAYS,
}
READS = {"get", "head", "metadata", "list", "readyz", *SIBLING_READS, *ALWAYS}
# What the service must be started with, so that it has every route.
TOKEN = "token-of-the-events"
ENV = {"EVENTS_TOKEN": TOKEN}
JSON = {"Content-Type": "application/json"}
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)

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
        **_sibling_routes(url),
    }


def _sibling_routes(url: str) -> dict[str, Route]:
    """The same of the doors beside the files'."""
    send = partial(ask, timeout=CLIENT_SECONDS)

    def sent(method: str, path: str, body: Any, **headers: str) -> Route:
        return partial(send, method, url + path, json.dumps(body).encode(), {**JSON, **headers})

    def picture(name: str) -> Route:
        return partial(send, "POST", f"{url}/upload", *form_bytes(PICTURE, name=name))

    document = uploaded(url, content(SMALL), "by key")
    by_key = urlencode({"bucket": document["bucket"], "key": document["object_key"]})
    for name in ("item.png", "deleted.png"):
        assert picture(name)().status_code == 200
    new_task = sent("POST", "/todo", {"userId": "ann", "title": "a task"})
    task, deleted_task = (f"/todos/{{}}{new_task().json()['taskId']}" for _ in range(2))
    # MinIO's, but for what is not looked at; nothing is under this key.
    thing = {"bucket": {"name": document["bucket"]}, "object": {"key": "theirs/a", "size": 1}}
    created = {"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": thing}]}
    return {
        "by key": partial(send, "GET", f"{url}/metadata?{by_key}"),
        "students": partial(send, "GET", f"{url}/Students"),
        "record": sent("POST", "/upload", {"FileName": "theirs/recorded.png"}),
        "picture": picture("new.png"),
        "images": partial(send, "GET", f"{url}/getall"),
        "item": sent("POST", "/getitem", {"FileName": "item.png"}),
        "deleted item": sent("DELETE", "/delete", {"FileName": "deleted.png"}),
        "new task": new_task,
        "tasks": partial(send, "GET", f"{url}/todos?userId=ann"),
        "task": sent("PUT", f"{task.format('')}?userId=ann", {"status": "done"}),
        "deleted task": partial(send, "DELETE", url + deleted_task.format("ann/")),
        "event": sent("POST", "/events/s3", created, Authorization=f"Bearer {TOKEN}"),
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
