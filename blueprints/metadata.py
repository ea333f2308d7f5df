"""Metadata by bucket and key (seed 2), and all of it (seed 0)."""

from flask import Blueprint, Response

from blueprints import responses
from blueprints.access import needs
from blueprints.body import query_parameters
from blueprints.context import principal, services
from errors import ApiError
from services.documents import LIVE
from services.pages import plain_query, take
from services.principals import READ
from storage.interfaces import Document, Order

NEWEST_FIRST = Order(("created_at", "file_id"), descending=True)

blueprint = Blueprint("metadata", __name__)


@blueprint.get("/metadata")
@needs(READ)
def read() -> Response:
    """What the catalog knows of an object; the object itself is not looked at."""
    parameters = query_parameters("bucket", "key")
    bucket, key = parameters.get("bucket"), parameters.get("key")
    if not bucket or not key:
        raise ApiError("missing_bucket_and_key")
    document = services().catalog.get_by_key(principal(), bucket, key)
    return responses.as_json(_item(document))


@blueprint.get("/Students")
@needs(READ)
def list_all() -> Response:
    """A page of the same items, newest first; the next page is in `Link`."""
    parameters = query_parameters("limit", "cursor")
    query = plain_query("metadata", parameters, NEWEST_FIRST)
    documents, cursor = take(services().files, {**principal().whose, "state": LIVE}, query)
    return responses.page([_item(document) for document in documents], cursor)


def _item(document: Document) -> Document:
    """As seed 2 prints it, and the id under which the file door has it."""
    return {
        "bucket": document["bucket"],
        "object_key": document["object_key"],
        "size": document["file_size"],
        "etag": document["etag"],
        "event_time": document["event_time"],
        "event_name": document["event_name"],
        "sequencer": document["sequencer"],
        "file_id": document["file_id"],
    }
