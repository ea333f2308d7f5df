"""Tasks, as the clients of seed 3 know them (SPEC section 6): a collection of their own."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import uuid_utils

from errors import ApiError
from services import clock
from services.pages import Query, plain_query, take
from services.principals import ANYONE, Principal
from storage.interfaces import Collection, Conflict, Document, Order

ORDER = Order(("created_at", "task_id"), descending=False)
PENDING = "pending"
MAX_STATUS = 64
MAX_USER = 255
_FIELDS = ("title", "description", "status")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Tasks:
    """The task door. Methods may raise `Unavailable` and `NoSpace`."""

    def __init__(self, tasks: Collection, now: Callable[[], datetime] = clock.now) -> None:
        self._tasks = tasks
        self._now = now

    def create(self, principal: Principal, body: dict[str, Any]) -> Document:
        """A new task. Raises `missing_task_fields`, `invalid_member`, `not_your_tasks`."""
        user_id = body.get("userId") or body.get("userID")
        title = body.get("title")
        if not user_id or not title:
            raise ApiError("missing_task_fields")
        _check_own(principal, checked_user(user_id))
        description = body.get("description")
        created = clock.timestamp(self._now())
        return task(
            self._tasks.insert(
                {
                    "task_id": str(uuid_utils.uuid7()),
                    "user_id": user_id,
                    "title": _checked("title", title),
                    "description": _checked(
                        "description", "" if description is None else description
                    ),
                    "status": PENDING,
                    "created_at": created,
                    "updated_at": created,
                }
            )
        )

    def list_all(
        self, principal: Principal, user_id: str, query: Query
    ) -> tuple[list[Document], str | None]:
        """A page of a user's tasks, oldest first, and the cursor of the next one.

        Raises `invalid_member`, `not_your_tasks`.
        """
        _check_own(principal, user_id)
        documents, cursor = take(self._tasks, {"user_id": checked_user(user_id)}, query)
        return [task(document) for document in documents], cursor

    def update(
        self, principal: Principal, user_id: str, task_id: str, body: dict[str, Any]
    ) -> Document:
        """Change `title`, `description` and `status`, as far as they are given.

        Raises `no_valid_fields`, `invalid_member`, `task_not_found`.
        """
        change = {name: _checked(name, body[name]) for name in _FIELDS if name in body}
        if not change:
            raise ApiError("no_valid_fields")
        while True:
            document = self._get(principal, user_id, task_id)
            updated = clock.timestamp(self._now())
            try:
                return task(self._tasks.replace({**document, **change, "updated_at": updated}))
            except Conflict:
                continue

    def delete(self, principal: Principal, user_id: str, task_id: str) -> None:
        """Raises `task_not_found`."""
        while True:
            try:
                self._tasks.delete(self._get(principal, user_id, task_id))
            except Conflict:
                continue
            return

    def _get(self, principal: Principal, user_id: str, task_id: str) -> Document:
        found = None
        if may_see(principal, user_id) and not _UNSTORABLE.search(user_id + task_id):
            found = self._tasks.get(task_id=task_id, user_id=user_id)
        if found is None:
            raise ApiError("task_not_found", user_id=user_id, task_id=task_id)
        return found


def may_see(principal: Principal, user_id: str) -> bool:
    """A user's tasks are the user's own; where access is open, anybody is anyone."""
    return principal.is_admin or principal == ANYONE or user_id == principal.owner


def _check_own(principal: Principal, user_id: str) -> None:
    """Refused alike whether or not there is such a user."""
    if not may_see(principal, user_id):
        raise ApiError("not_your_tasks")


def parse_query(parameters: dict[str, str], user_id: str) -> Query:
    """`limit` and `cursor` of a user's listing of tasks. Raises their 400s."""
    return plain_query(f"tasks of {user_id}", parameters, ORDER)


def task(document: Document) -> Document:
    """A task as clients see it."""
    return {
        "userId": document["user_id"],
        "taskId": document["task_id"],
        "title": document["title"],
        "description": document["description"],
        "status": document["status"],
        "createdAt": document["created_at"],
        "updatedAt": document["updated_at"],
    }


def checked_user(user_id: object) -> str:
    """`user_id` itself: 1 to 255 characters. Raises `invalid_member`."""
    if not isinstance(user_id, str) or not 1 <= len(user_id) <= MAX_USER:
        detail = f"must be a string of 1 to {MAX_USER} characters"
        raise ApiError("invalid_member", name="userId", detail=detail)
    return _storable("userId", user_id)


def _checked(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ApiError("invalid_member", name=name, detail="must be a string")
    if name == "status" and not 1 <= len(value) <= MAX_STATUS:
        detail = f"must have 1 to {MAX_STATUS} characters"
        raise ApiError("invalid_member", name=name, detail=detail)
    if name == "title" and not value:
        raise ApiError("invalid_member", name=name, detail="must not be empty")
    return _storable(name, value)


def _storable(name: str, value: str) -> str:
    if _UNSTORABLE.search(value):
        detail = "must not contain NUL or lone surrogates"
        raise ApiError("invalid_member", name=name, detail=detail)
    return value
