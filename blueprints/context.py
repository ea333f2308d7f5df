"""What a request needs to know of the world: the services, its id, whose files it is about."""

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from flask import Response, current_app, g, has_request_context, request

from config import Settings
from services.catalog import Catalog
from services.events import Events
from services.images import Images
from services.keys import Keys
from services.principals import Principal
from services.reconcile import Reconciler
from services.sweep import Sweep
from services.tasks import Tasks
from storage.interfaces import Collection, Database, ObjectStore

EXTENSION = "file_drop"
LONGEST_SUBJECT = 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class Services:
    """The world as `create_app` wired it."""

    settings: Settings
    objects: ObjectStore
    documents: Database
    files: Collection
    catalog: Catalog
    images: Images
    tasks: Tasks
    keys: Keys
    authenticators: Sequence[Callable[[str], Principal | None]]
    events: Events
    reconciler: Reconciler
    sweep: Sweep


def services() -> Services:
    """The services of the app that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def principal() -> Principal:
    """Who sent this request; `blueprints.access` has seen to it before any route."""
    return cast(Principal, g.principal)


def about(subject: object) -> None:
    """Say which thing this request is about, for the audit line."""
    g.subject = str(subject)[:LONGEST_SUBJECT] if subject else None


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
