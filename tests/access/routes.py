"""What each route needs, and how it is asked about somebody's things. One row a route and method:
a route without a row fails `test_matrix`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import uuid_utils
from werkzeug.routing import Rule

from services.collections import TASKS
from services.documents import public
from services.tasks import task
from tests.access.house import (
    ADMIN,
    BUCKET,
    READ,
    WRITE,
    Ask,
    House,
    as_json,
    form,
    picture,
    unique,
)

PUBLIC, TOKEN = "public", "token"


@dataclass(frozen=True)
class Things:
    """Somebody's file, picture, task and key; or ids and names that never were."""

    user: str
    file_id: str
    object_key: str
    image: str
    task_id: str
    key_name: str


def things_of(house: House, owner: str, key: str) -> Things:
    """New ones, with names, sizes and contents that nothing else has."""
    file = house.upload(key, unique("file.txt"), unique("content").encode())
    image = unique("image.png")
    house.good("POST", form("/upload", image, picture(7, 9)), key)
    body = {"userId": owner, "title": unique("title"), "description": unique("description")}
    made = house.good("POST", as_json("/todo", body), key)
    name = unique("key")
    house.wired.keys.create(name, owner, (READ,), None)
    return Things(owner, file["file_id"], file["object_key"], image, made["taskId"], name)


def gone_things_of(house: House, owner: str, key: str) -> Things:
    """Things that were deleted, but for the key: that one is an admin's to revoke."""
    gone = things_of(house, owner, key)
    house.good("DELETE", f"/files/{gone.file_id}", key)
    house.good("DELETE", f"/delete?FileName={gone.image}", key)
    house.good("DELETE", f"/todos/{owner}/{gone.task_id}", key)
    return gone


def nobodys_things(user: str) -> Things:
    """As well-formed as others."""
    unused = str(uuid_utils.uuid7())
    key = f"file-drop/{unused[-2:]}/{unused}"
    return Things(
        user, str(uuid_utils.uuid7()), key, unique("image.png"), str(uuid4()), unique("key")
    )


def shown(house: House, things: Things) -> list[Any]:
    """All that the stores know of somebody's things, whoever asks."""
    files = house.wired.files
    file = files.get(file_id=things.file_id)
    image = files.get(item_name=things.image, owner=things.user, bucket=BUCKET)
    made = house.documents.collection(TASKS).get(task_id=things.task_id)
    return [file and public(file), image and public(image), made and task(made)]


@dataclass(frozen=True)
class Row:
    """What a route needs; how it is asked; what it answers the owner, another and an admin.

    Where another is told 404, the thing is for that one as if it never was.
    """

    scope: str
    ask: Callable[[Things], Ask]
    owner: int = 200
    other: int = 200
    admin: int | None = None

    @property
    def of_admin(self) -> int:
        return self.owner if self.admin is None else self.admin

    @property
    def names_a_thing(self) -> bool:
        return self.ask(_ONE) != self.ask(_OTHER)


_ONE = Things("u", "a", "a", "a", "a", "a")
_OTHER = Things("u", "b", "b", "b", "b", "b")

_NEW = Ask("/files/upload?file_name=new.txt", b"new")


def _todo(things: Things) -> Ask:
    return as_json("/todo", {"userId": things.user, "title": "of somebody"})


ROWS: dict[tuple[str, str], Row] = {
    ("/files/upload", "POST"): Row(WRITE, lambda _: _NEW, 201, 201),
    ("/files", "GET"): Row(READ, lambda _: Ask("/files")),
    ("/files/<file_id>", "GET"): Row(READ, lambda t: Ask(f"/files/{t.file_id}"), other=404),
    ("/files/<file_id>/metadata", "GET"): Row(
        READ, lambda t: Ask(f"/files/{t.file_id}/metadata"), other=404
    ),
    ("/files/<file_id>", "PUT"): Row(
        WRITE, lambda t: Ask(f"/files/{t.file_id}", b"other content"), other=404
    ),
    ("/files/<file_id>", "DELETE"): Row(WRITE, lambda t: Ask(f"/files/{t.file_id}"), other=404),
    ("/metadata", "GET"): Row(
        READ, lambda t: Ask(f"/metadata?bucket={BUCKET}&key={t.object_key}"), other=404
    ),
    ("/Students", "GET"): Row(READ, lambda _: Ask("/Students")),
    ("/upload", "POST"): Row(WRITE, lambda t: form("/upload", t.image, picture(3, 4))),
    ("/getall", "GET"): Row(READ, lambda _: Ask("/getall")),
    ("/getitem", "POST"): Row(
        READ, lambda t: as_json("/getitem", {"FileName": t.image}), other=404
    ),
    ("/delete", "DELETE"): Row(
        WRITE, lambda t: as_json("/delete", {"FileName": t.image}), other=404
    ),
    ("/todo", "POST"): Row(WRITE, _todo, other=403),
    ("/todos", "GET"): Row(READ, lambda t: Ask(f"/todos?userId={t.user}"), other=403),
    ("/todos", "PUT"): Row(WRITE, lambda t: Ask(f"/todos?userId={t.user}"), 400, 400),
    ("/todos", "DELETE"): Row(WRITE, lambda _: Ask("/todos"), 400, 400),
    ("/todos/", "PUT"): Row(WRITE, lambda t: Ask(f"/todos/?userId={t.user}"), 400, 400),
    ("/todos/<task_id>", "PUT"): Row(
        WRITE,
        lambda t: as_json(f"/todos/{t.task_id}?userId={t.user}", {"status": "done"}),
        other=404,
    ),
    ("/todos/", "DELETE"): Row(WRITE, lambda _: Ask("/todos/"), 400, 400),
    ("/todos/<anything:user_id>/", "DELETE"): Row(
        WRITE, lambda t: Ask(f"/todos/{t.user}/"), 400, 400
    ),
    ("/todos/<task_id>", "DELETE"): Row(WRITE, lambda t: Ask(f"/todos/{t.task_id}"), 400, 400),
    ("/todos/<anything:user_id>/<task_id>", "DELETE"): Row(
        WRITE, lambda t: Ask(f"/todos/{t.user}/{t.task_id}"), other=404
    ),
    ("/healthz", "GET"): Row(PUBLIC, lambda _: Ask("/healthz")),
    ("/readyz", "GET"): Row(PUBLIC, lambda _: Ask("/readyz")),
    ("/events/s3", "POST"): Row(TOKEN, lambda _: as_json("/events/s3", {"Records": []})),
    ("/keys", "POST"): Row(
        ADMIN, lambda _: as_json("/keys", {"name": unique("made")}), 403, 403, 201
    ),
    ("/keys", "GET"): Row(ADMIN, lambda _: Ask("/keys"), 403, 403, 200),
    ("/keys/<name>", "DELETE"): Row(ADMIN, lambda t: Ask(f"/keys/{t.key_name}"), 403, 403, 200),
}


def path_of(rule: str, things: Things) -> str:
    """A rule of the application's map, about these things."""
    path = rule.replace("<file_id>", things.file_id).replace("<name>", things.key_name)
    return path.replace("<anything:user_id>", things.user).replace("<task_id>", things.task_id)


def is_known(rule: str, method: str) -> bool:
    return (rule, "GET" if method == "HEAD" else method) in ROWS


def row_of(rule: str, method: str) -> Row:
    """HEAD is asked as GET is."""
    return ROWS[rule, "GET" if method == "HEAD" else method]


def by_name(routes: list[tuple[str, str]]) -> "pytest.MarkDecorator":
    """A test for each of them, called by method and route."""
    return pytest.mark.parametrize(
        ("rule", "method"), routes, ids=[f"{method} {rule}" for rule, method in routes]
    )


def routes_of(rules: list[Rule]) -> list[tuple[str, str]]:
    """Each route and method of the application's own map, but for OPTIONS."""
    return sorted(
        (rule.rule, method)
        for rule in rules
        for method in (rule.methods or ())
        if method != "OPTIONS"
    )
