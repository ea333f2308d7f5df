"""Bucket events: what S3 and MinIO notify of (SPEC section 4)."""

import hmac

from flask import Blueprint, Response, request

from blueprints import responses
from blueprints.access import public
from blueprints.body import query_parameters, read_json_object
from blueprints.context import about, services
from errors import ApiError

blueprint = Blueprint("events", __name__)


@blueprint.before_request
def _check_token() -> None:
    """The sender must know the token; compared in a time that tells nothing about it."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    expected = services().settings.events_token
    known = hmac.compare_digest(given.strip().encode("latin-1", "replace"), expected.encode())
    if scheme.lower() != "bearer" or not known:
        raise ApiError("unauthorized", {"WWW-Authenticate": 'Bearer realm="events"'})


@blueprint.post("/events/s3")
@public
def notify() -> Response:
    """Take a notification: how many of its records applied, and how many did not."""
    query_parameters()
    counts = services().events.apply(read_json_object())
    if counts.applied:
        about(f"{counts.applied} objects")
    return responses.as_json(counts._asdict())
