"""The audit line: who changed what, and who was refused (SPEC section 10)."""

import logging

from flask import Response, current_app, g, request

from blueprints.access import scope_of
from blueprints.browsers import SAFE
from blueprints.context import request_id
from services.principals import ADMIN, WRITE

REFUSALS = (401, 403, 421)
_SUBJECTS = ("file_id", "task_id", "name")

log = logging.getLogger("file_drop.audit")


def record(response: Response) -> None:
    """A line for each change, tried or done, and for each refusal. Holds no secrets: neither
    query nor headers are in it."""
    if response.status_code not in REFUSALS and not _is_change():
        return
    who = g.get("principal")
    log.info(
        "audit",
        extra={
            "principal": None if who is None else who.name,
            "owner": None if who is None else who.owner,
            "action": f"{request.method} {request.url_rule or ''}".strip(),
            "subject": _subject(),
            "status": response.status_code,
            "client": request.remote_addr,
            "request_id": request_id(),
        },
    )


def _is_change() -> bool:
    """By what the route needs, as some read by POST; an event says so itself."""
    if request.method in SAFE or request.endpoint is None:
        return False
    return "subject" in g or scope_of(current_app, request.endpoint) in (WRITE, ADMIN)


def _subject() -> str | None:
    """The id of the file or task, or the name of the key or image."""
    arguments = request.view_args or {}
    named = next((arguments[name] for name in _SUBJECTS if arguments.get(name)), None)
    found: str | None = g.get("subject", named)
    return found
