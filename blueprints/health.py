"""Whether the process answers, and whether its stores do (SPEC section 11)."""

from flask import Blueprint, Response

from blueprints import responses
from blueprints.access import public
from blueprints.context import services
from storage.interfaces import Database, ObjectStore, StorageError

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@public
def healthz() -> Response:
    """The process answers."""
    return responses.as_json({"status": "ok"})


@blueprint.get("/readyz")
@public
def readyz() -> Response:
    """Both stores answer; `503` says which does not."""
    stores: dict[str, ObjectStore | Database] = {
        "objects": services().objects,
        "documents": services().documents,
    }
    states = {}
    for name, store in stores.items():
        try:
            store.check()
            states[name] = "ok"
        except StorageError:
            states[name] = "unavailable"
    ready = all(state == "ok" for state in states.values())
    if ready:
        return responses.as_json({"status": "ok", **states})
    return responses.unready(states)
