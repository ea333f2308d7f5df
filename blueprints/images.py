"""Images by name (seed 1): its clients work unchanged."""

from typing import Any

from flask import Blueprint, Response, request

from blueprints import responses
from blueprints.access import needs
from blueprints.body import (
    has_body,
    query_parameters,
    read_json_object,
    read_submission,
)
from blueprints.context import about, principal, services
from services.images import parse_query
from services.pictures import MAX_BYTES
from services.principals import READ, WRITE

ADDED = "Metadata added successfully"
DELETED = "Image and metadata deleted successfully"

blueprint = Blueprint("images", __name__)


@blueprint.post("/upload")
@needs(WRITE)
def upload() -> Response:
    """Record an object by its name, or take the picture itself as a form."""
    query_parameters()
    images = services().images
    if request.mimetype == "multipart/form-data":
        limit = min(MAX_BYTES, services().settings.max_file_size)
        item = images.put(principal(), read_submission(limit))
        about(item["FileId"])
        return responses.as_json({"message": ADDED, "data": item})
    body = read_json_object()
    about(body.get("FileName"))
    images.record(principal(), body)
    return responses.as_json(ADDED)


@blueprint.get("/getall")
@needs(READ)
def get_all() -> Response:
    """A page of all images, newest first; the next page is in `Link`."""
    query = parse_query(query_parameters("limit", "cursor"))
    items, cursor = services().images.get_all(principal(), query)
    return responses.page({"images": items}, cursor)


@blueprint.post("/getitem")
@needs(READ)
def get_item() -> Response:
    """The item with this `FileName`."""
    query_parameters()
    return responses.as_json({"data": services().images.get(principal(), read_json_object())})


@blueprint.delete("/delete")
@needs(WRITE)
def delete() -> Response:
    """Remove the item with this `FileName`, which proxies that drop a body find in the query."""
    named: dict[str, Any] = dict(query_parameters("FileName", "Bucket"))
    if has_body():
        named |= read_json_object()
    about(named.get("FileName"))
    services().images.delete(principal(), named)
    return responses.as_json({"message": DELETED, "deletedFile": named["FileName"]})
