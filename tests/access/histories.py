"""What people do on every door, one after the other, and all that each of them is shown.

A step is done for a person who remembers the answers, so that "my third file" means something.
What is shown is written down with ids, moments and the owner's name made alike, so that two
histories of the same steps can be compared.
"""

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import uuid4

import uuid_utils
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from services.collections import FILES
from storage.interfaces import Order
from tests.access.house import Ask, House, as_json, form, picture

# Few, so that both have files of the same name, in the same bucket, of the same size.
NAMES = ("a.png", "b.txt", "A.PNG", "c")
BUCKETS = (None, "local", "elsewhere", "another.bucket")
LISTINGS: tuple[dict[str, str], ...] = (
    {},
    {"limit": "1"},
    {"sort": "file_name", "limit": "2"},
    {"sort": "-file_size", "limit": "2"},
    {"sort": "updated_at", "limit": "1"},
    {"file_name": "a"},
    {"file_name": "c", "limit": "1", "sort": "file_name"},
    {"file_type": "image/*", "limit": "1"},
    {"min_size": "3", "max_size": "100"},
    {"source": "api"},
    {"source": "s3"},
    {"metadata.colour": "red", "limit": "1"},
    {"created_after": "2020-01-01T00:00:00Z", "limit": "3"},
    {"created_before": "2020-01-01T00:00:00Z"},
)
PAGED = ("/Students?limit=1", "/Students", "/getall?limit=1", "/getall", "/Students?limit=2")

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_KEY = re.compile(r"file-drop/[0-9a-f]{2}/")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_CURSOR = re.compile(r"cursor=([A-Za-z0-9_-]+)")
_LEFT_OUT = ("Date", "X-Request-Id", "Last-Modified")


@dataclass
class Person:
    """Who acts, what they have made so far, and what they were shown."""

    house: House
    owner: str
    key: str
    tag: str
    files: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    stranger: "Person | None" = None
    cursors: list[str] = field(default_factory=list)
    #: Ids of their own things, which nobody else must be shown.
    secrets: set[str] = field(default_factory=set)
    shown: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    _ids: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, ask: Ask | str) -> TestResponse:
        answer = self.house.ask(method, ask, self.key)
        assert answer.status_code < 500, answer.text
        text = answer.data.decode("utf-8", "replace")
        headers = sorted(one for one in answer.headers.items() if one[0] not in _LEFT_OUT)
        text = text.replace(answer.headers["X-Request-Id"], "REQUEST")
        said = f"{method} {answer.status_code} {headers} {text}"
        self.raw.append(said + self._opened(said))
        self.shown.append(self._alike(said))
        if answer.status_code < 300:
            self.secrets |= set(_UUID.findall(said))
        return answer

    def file(self, number: int) -> str:
        return self.files[number % len(self.files)] if self.files else str(uuid_utils.uuid7())

    def task(self, number: int) -> str:
        return self.tasks[number % len(self.tasks)] if self.tasks else str(uuid4())

    def _opened(self, said: str) -> str:
        return "".join(opened(cursor) for cursor in _CURSOR.findall(said))

    def _alike(self, said: str) -> str:
        # A cursor begins with a fingerprint of what was asked for, which names the user.
        said = _CURSOR.sub(lambda found: f"cursor={opened(found[1])[20:]}", said)
        said = _UUID.sub(lambda found: self._alias(found[0]), _KEY.sub("KEY/", said))
        said = re.sub(r'"etag":"[^"]*"', '"etag":E', _MOMENT.sub("MOMENT", said))
        said = re.sub(r"'Content-Length', '\d+'", "LENGTH", said)  # owners' names differ
        return said.replace(self.owner, "OWNER").replace(self.tag, "TAG")

    def _alias(self, found: str) -> str:
        return self._ids.setdefault(found, f"ID{len(self._ids)}")


def opened(cursor: str) -> str:
    """What a cursor holds."""
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()


# --- steps -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Something done; the numbers choose names, files and the like."""

    act: str
    n: int = 0
    m: int = 0
    k: int = 0

    def do(self, who: Person, stranger: Person | None = None) -> None:
        who.stranger = stranger
        ACTS[self.act](who, self)
        if not self.act.startswith("walk"):
            time.sleep(0.002)  # moments have milliseconds, and decide orders


def _name(number: int) -> str:
    return NAMES[number % len(NAMES)]


def _keep(who: Person, answer: TestResponse) -> None:
    if answer.status_code == 201:
        who.files.append(answer.get_json()["file_id"])


def upload(who: Person, step: Step) -> None:
    content = (b"%d" % (step.m % 3)) * (step.m % 5)
    _keep(who, who.ask("POST", Ask(f"/files/upload?file_name={_name(step.n)}", content)))


def upload_tagged(who: Person, step: Step) -> None:
    """With the person's own tag in name and metadata."""
    answer = who.ask("POST", Ask(f"/files/upload?file_name={who.tag}.txt", b"tagged"))
    _keep(who, answer)
    colour = ("red", "blue")[step.m % 2]
    change = {"metadata": {"colour": colour, "tag": who.tag}}
    who.ask("PUT", as_json(f"/files/{who.files[-1]}", change))


def replace(who: Person, step: Step) -> None:
    who.ask("PUT", Ask(f"/files/{who.file(step.n)}", b"x" * (step.m % 7)))


def rename(who: Person, step: Step) -> None:
    who.ask("PUT", as_json(f"/files/{who.file(step.n)}", {"file_name": _name(step.m)}))


def delete(who: Person, step: Step) -> None:
    who.ask("DELETE", f"/files/{who.file(step.n)}")


def read(who: Person, step: Step) -> None:
    who.ask("GET", f"/files/{who.file(step.n)}")
    who.ask("HEAD", f"/files/{who.file(step.n)}")
    who.ask("GET", f"/files/{who.file(step.n)}/metadata")


def walk(who: Person, step: Step) -> None:
    """All pages of a listing of files."""
    follow(who, f"/files?{urlencode(LISTINGS[step.n % len(LISTINGS)])}")


def walk_others(who: Person, step: Step) -> None:
    follow(who, PAGED[step.n % len(PAGED)])


def walk_tasks(who: Person, step: Step) -> None:
    follow(who, f"/todos?userId={who.owner}&limit={1 + step.n % 3}")


def follow(who: Person, path: str) -> list[Any]:
    """A listing from here to its end."""
    found = []
    for _ in range(200):
        answer = who.ask("GET", path)
        assert answer.status_code == 200, answer.text
        page = answer.get_json()
        found += page["images"] if isinstance(page, dict) else page
        if "Link" not in answer.headers:
            return found
        path = answer.headers["Link"].partition(">")[0].lstrip("<")
        who.cursors += parse_qs(urlsplit(path).query)["cursor"]
    raise AssertionError("a listing without end")


def record(who: Person, step: Step) -> None:
    body = {"FileName": _name(step.n), "Bucket": BUCKETS[step.m % len(BUCKETS)]}
    if step.k % 2:
        body["Source"] = who.tag
    who.ask("POST", as_json("/upload", {name: value for name, value in body.items() if value}))


def put_picture(who: Person, step: Step) -> None:
    who.ask("POST", form("/upload", _name(step.n), picture(1 + step.m % 4, 1 + step.k % 3)))


def get_item(who: Person, step: Step) -> None:
    bucket = BUCKETS[step.m % len(BUCKETS)]
    body = {"FileName": _name(step.n), **({} if bucket is None else {"Bucket": bucket})}
    who.ask("POST", as_json("/getitem", body))


def delete_item(who: Person, step: Step) -> None:
    bucket = BUCKETS[step.m % len(BUCKETS)]
    query = {"FileName": _name(step.n), **({} if bucket is None else {"Bucket": bucket})}
    who.ask("DELETE", f"/delete?{urlencode(query)}")


def metadata(who: Person, step: Step) -> None:
    bucket = BUCKETS[step.m % len(BUCKETS)] or "local"
    who.ask("GET", f"/metadata?bucket={bucket}&key={_name(step.n)}")
    answer = who.ask("GET", f"/files/{who.file(step.n)}/metadata")
    if answer.status_code == 200:
        key = quote(answer.get_json()["object_key"])
        who.ask("GET", f"/metadata?bucket={answer.get_json()['bucket']}&key={key}")


def add_task(who: Person, step: Step) -> None:
    body = {
        "userId": who.owner,
        "title": (who.tag, "tea")[step.n % 2],
        "description": _name(step.m),
    }
    who.tasks.append(who.ask("POST", as_json("/todo", body)).get_json()["taskId"])


def change_task(who: Person, step: Step) -> None:
    path = f"/todos/{who.task(step.n)}?userId={who.owner}"
    who.ask("PUT", as_json(path, {"status": _name(step.m)}))


def delete_task(who: Person, step: Step) -> None:
    who.ask("DELETE", f"/todos/{who.owner}/{who.task(step.n)}")


def pry(who: Person, step: Step) -> None:
    """Ask about a stranger's file and task, or where there is none, about what never was."""
    file_id = who.stranger.file(step.n) if who.stranger else str(uuid_utils.uuid7())
    task_id = who.stranger.task(step.n) if who.stranger else str(uuid4())
    who.ask("GET", f"/files/{file_id}")
    who.ask("GET", f"/files/{file_id}?redirect=1&inline=1")
    who.ask("HEAD", f"/files/{file_id}")
    who.ask("GET", f"/files/{file_id}/metadata")
    who.ask("PUT", as_json(f"/files/{file_id}", {"file_name": "mine"}))
    who.ask("PUT", Ask(f"/files/{file_id}", b"mine"))
    who.ask("DELETE", f"/files/{file_id}")
    who.ask("GET", f"/metadata?bucket=local&key=file-drop/{file_id[-2:]}/{file_id}")
    who.ask("PUT", as_json(f"/todos/{task_id}?userId={who.owner}", {"status": "mine"}))
    who.ask("DELETE", f"/todos/{who.owner}/{task_id}")


ACTS: dict[str, Callable[[Person, Step], None]] = {
    act.__name__: act
    for act in (
        upload,
        upload_tagged,
        replace,
        rename,
        delete,
        read,
        walk,
        walk_others,
        walk_tasks,
        record,
        put_picture,
        get_item,
        delete_item,
        metadata,
        add_task,
        change_task,
        delete_task,
        pry,
    )
}
NUMBERS = st.integers(0, 30)
STEPS: st.SearchStrategy[Step] = st.builds(
    Step, st.sampled_from(sorted(ACTS)), NUMBERS, NUMBERS, NUMBERS
)
# Whose turn it is, and what they do.
TURNS: st.SearchStrategy[list[tuple[bool, Step]]] = st.lists(
    st.tuples(st.booleans(), STEPS), min_size=4, max_size=24
)


def look_around(who: Person) -> None:
    """Every listing there is, to its end."""
    for number in range(len(LISTINGS)):
        Step("walk", number).do(who)
    for number in range(len(PAGED)):
        Step("walk_others", number).do(who)
    Step("walk_tasks").do(who)


def documents_of(house: House, owner: str) -> str:
    """All that the store of documents has of an owner, as text."""
    order = Order(("created_at", "file_id"), descending=True)
    equals = {"owner": owner, "state": "live"}
    found = house.documents.collection(FILES).page(equals, [], order, None, 1000, 1000)
    return json.dumps(found.documents, sort_keys=True)
