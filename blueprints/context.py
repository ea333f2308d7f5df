"""What a request needs to know of the world: the services, its id, whose files it is about."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from flask import Response, current_app, g, has_request_context, request

from config import Settings
from services.catalog import ANYONE, Catalog
from services.sweep import Sweep
from storage.interfaces import Collection, Database, ObjectStore

EXTENSION = "file_drop"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class Services:
    """The world as `create_app` wired it."""

    settings: Settings
    objects: ObjectStore
    documents: Database
    files: Collection
    catalog: Catalog
    sweep: Sweep


def services() -> Services:
    """The services of the app that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def owner() -> str:
    """Whose files this request is about: access is open, so nobody's in particular."""
    return ANYONE


def request_id() -> str:
    """The id that the client gave, if it is well-formed, else one of our own."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    return cast(str, g.request_id)


def after_answer(work: Callable[[], None]) -> None:
    """Do `work` when the answer is out; at once where there is no request."""
    if not has_request_context():
        work()
        return
    g.setdefault("after_answer", []).append(work)


def hand_over_work(response: Response) -> Response:
    """Let the server do what was put off as soon as it has sent the response."""
    for work in g.pop("after_answer", ()):
        response.call_on_close(work)
    return response
