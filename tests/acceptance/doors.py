"""Corners of the task and image doors: what a test makes there carries its tag and is removed."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from .checks import assert_error, assert_status, next_page
from .client import Answer, Client, Document, Headers
from .drop import Drop
from .forms import file, form

# What a JSON body must not be, whatever the route: broken, no UTF-8, or no JSON (RFC 8259).
NOT_JSON = {
    "broken": b'{"a": ',
    "word": b"abc",
    "single quotes": b"{'a': 1}",
    "trailing comma": b'{"a": 1,}',
    "something behind it": b'{"a": 1} x',
    "two objects": b'{"a": 1}{"b": 2}',
    "spaces": b"  \r\n ",
    "control character in a string": b'{"a": "\n"}',
    "bad escape": b'{"a": "\\x41"}',
    "invalid UTF-8": b'{"a": "\xff"}',
    "cut UTF-8": b'{"a": "\xc3"}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "UTF-16": '{"a": "b"}'.encode("utf-16"),
    "UTF-16 without its mark": '{"a": "b"}'.encode("utf-16-le"),
    "UTF-32": '{"a": "b"}'.encode("utf-32"),
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": [-Infinity]}',
    "form": b"userId=a&title=b",
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
}
NOT_OBJECTS = {
    "array": b"[]",
    "array of an object": b"[{}]",
    "string": b'"a"',
    "empty string": b'""',
    "number": b"5",
    "zero": b"0",
    "true": b"true",
    "false": b"false",
}
# Strings that no store of documents can hold, as JSON writes them.
UNSTORABLE = {"NUL": "a\0b", "lone surrogate": "a\ud800b", "reversed pair": "\udc00\ud800"}


def listed(client: Client, path: str, member: str | None = None) -> list[Document]:
    """All pages of a listing, in order."""
    return [one for page in pages_of(client, path, member) for one in page]


def pages_of(client: Client, path: str, member: str | None = None) -> Iterator[list[Document]]:
    """The pages of a listing, each fetched when it is asked for; `member` holds the array."""
    url: str | None = client.base_url + path
    seen = set()
    while url is not None:
        assert url not in seen, "a page links to itself"
        seen.add(url)
        answer = assert_status(client.get(url), 200)
        page = answer.json()
        assert member is None or list(page) == [member], list(page)
        yield page if member is None else page[member]
        url = next_page(answer, url)


class TaskList:
    """The tasks of a user who is this test's own."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.user = f"user-{uuid4().hex}"
        self._made: set[tuple[str, str]] = set()

    def post(self, body: object, headers: Headers | None = None) -> Answer:
        """POST /todo, as it is given."""
        answer = self.client.send_json("POST", "/todo", body, headers)
        if answer.status == 200:
            self._made.add((answer.json()["userId"], answer.json()["taskId"]))
        return answer

    def task(self, title: str = "Buy groceries", user: str | None = None, **more: Any) -> Document:
        """A task that exists."""
        answer = self.post({"userId": user or self.user, "title": title, **more})
        made: Document = assert_status(answer, 200).json()
        return made

    def put(self, task_id: str, change: object, user: str | None = None) -> Answer:
        return self.client.put_json(self.path(task_id, user), change)

    def delete(self, task_id: str, user: str | None = None) -> Answer:
        user_part = quote(user or self.user, safe="")
        return self.client.delete(f"/todos/{user_part}/{quote(task_id, safe='')}")

    def path(self, task_id: str, user: str | None = None) -> str:
        """Where PUT changes a task."""
        query = urlencode({"userId": user or self.user})
        return f"/todos/{quote(task_id, safe='')}?{query}"

    def all(self, user: str | None = None, **query: int) -> list[Document]:
        """All pages of GET /todos."""
        return listed(self.client, f"/todos?{urlencode({'userId': user or self.user, **query})}")

    def refused(self, answer: Answer, *statuses: int) -> Document:
        """An error in the shape of the task routes, and no task was made."""
        assert self.all() == []
        return assert_task_error(answer, *statuses)

    def close(self) -> None:
        """Remove everything that this test made."""
        for user, task_id in self._made:
            assert_status(self.delete(task_id, user), 200, 404)


def assert_task_error(answer: Answer, *statuses: int) -> Document:
    """SPEC 7: the task routes have `message` in place of `error`."""
    return assert_error(answer, *statuses, member="message")


class Album:
    """The images of one test: their names carry the tag of its corner of the catalog."""

    def __init__(self, drop: Drop) -> None:
        self.client, self.drop = drop.client, drop
        self._made: set[str] = set()

    def name(self, name: str = "example.png") -> str:
        return f"{self.drop.tag}-{name}"

    def bucket(self) -> str:
        """The service's own bucket, as an uploaded file tells it."""
        return str(self.drop.file()["bucket"])

    def record(self, name: object, **more: object) -> Answer:
        """POST /upload by name."""
        return self.post({"FileName": name, **more})

    def post(self, body: object) -> Answer:
        """POST /upload with JSON; what it made is remembered by its ids."""
        answer = self.client.send_json("POST", "/upload", body)
        if answer.status == 200 and isinstance(body, dict):
            found = self.find(body["FileName"], **_bucket(body))
            if found.status == 200:
                self._made.add(found.json()["data"]["FileId"])
        return answer

    def put(self, content: bytes, name: str | None = None, *parts: bytes) -> Answer:
        """POST /upload with the picture itself."""
        return self.form(*parts, file(content, name or self.name(), "application/octet-stream"))

    def form(self, *parts: bytes) -> Answer:
        made = form(*parts)
        return self.send(made.body, made.content_type)

    def send(self, body: bytes | Iterable[bytes], content_type: str) -> Answer:
        """POST /upload, as it is given."""
        answer = self.client.post("/upload", body, {"Content-Type": content_type})
        if answer.status == 200 and isinstance(answer.json(), dict):
            self._made.add(answer.json()["data"]["FileId"])
        return answer

    def picture(self, content: bytes, name: str | None = None) -> Document:
        """The item of a picture that exists."""
        item: Document = assert_status(self.put(content, name), 200).json()["data"]
        return item

    def recorded(self, name: str | None = None, **more: object) -> Document:
        """The item of a name that is recorded."""
        name = name or self.name()
        assert_status(self.record(name, **more), 200)
        return self.item(name, **_bucket(more))

    def find(self, name: object, **more: object) -> Answer:
        """POST /getitem."""
        return self.client.send_json("POST", "/getitem", {"FileName": name, **more})

    def item(self, name: str, **more: object) -> Document:
        """The item with this name, which is there."""
        answer = assert_status(self.find(name, **more), 200)
        assert list(answer.json()) == ["data"]
        item: Document = answer.json()["data"]
        return item

    def remove(self, name: object, **more: object) -> Answer:
        """DELETE /delete."""
        return self.client.send_json("DELETE", "/delete", {"FileName": name, **more})

    def everything(self, limit: int = 1000) -> list[Document]:
        """All pages of GET /getall."""
        return listed(self.client, f"/getall?limit={limit}", "images")

    def items(self, limit: int = 1000) -> list[Document]:
        """This test's own ones of them, by id or tag."""
        everything = self.everything(limit)
        return [one for one in everything if self._is_ours(one)]

    def _is_ours(self, item: Document) -> bool:
        return self.drop.tag in item["FileName"] or item["FileId"] in self._made

    def refused(self, answer: Answer, *statuses: int) -> Document:
        """SPEC 7: an error in the one shape, and nothing is left behind."""
        assert self.items() == []
        assert self.drop.leftovers() == []
        return assert_error(answer, *statuses)

    def refused_beside(self, document: Document, answer: Answer, *statuses: int) -> Document:
        """The same where there is one file, which is as it was."""
        assert self.items() == []
        assert self.drop.leftovers() in ([document], [document, document])
        return assert_error(answer, *statuses)

    def close(self) -> None:
        """Remove everything that this test made; the corner removes what carries its tag."""
        self._made |= {one["FileId"] for one in self.items()}
        for file_id in self._made:
            assert_status(self.client.delete(f"/files/{file_id}"), 200, 404)
        self.drop.leftovers()


def _bucket(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("Bucket",) if name in body}
