"""File Drop: upload, read, change, delete and list files (SPEC section 3)."""

from collections.abc import Callable
from functools import wraps

from flask import Blueprint, Response, request, url_for

from blueprints import responses
from blueprints.access import needs
from blueprints.body import (
    name_from_headers,
    query_pairs,
    query_parameters,
    read_change,
    read_submission,
    switch,
)
from blueprints.conditions import (
    check_change,
    check_preconditions,
    etag,
    is_not_modified,
    requested_range,
)
from blueprints.context import about, principal, services
from services.catalog import Stale
from services.documents import public
from services.intake import Submission
from services.listing import list_files, parse_query
from services.names import checked_name
from services.principals import READ, WRITE
from storage.interfaces import Document, Presigns, Unavailable

# A file may be replaced between the look at its document and the opening of its bytes.
ATTEMPTS = 5
PRESIGNED_SECONDS = 60

blueprint = Blueprint("files", __name__)


@blueprint.post("/files/upload")
@needs(WRITE)
def upload() -> Response:
    """Store a file: a form with a part `file`, or the body itself. 201 and its document."""
    document = services().catalog.create(principal(), _submission())
    about(document["file_id"])
    location = url_for("files.download", file_id=document["file_id"])
    return responses.file_document(document, 201, location)


def _submission() -> Submission:
    parameters = query_parameters("file_name")
    submission = read_submission(services().settings.max_file_size)
    given = parameters.get("file_name")
    named = None if given is None else checked_name(given)
    if not _is_form():
        submission.file_name = name_from_headers() or named
    elif named is not None and submission.file_name is None:
        submission.file_name = named
    return submission


def _is_form() -> bool:
    return request.mimetype == "multipart/form-data"


def begin_again(view: Callable[[str], Response]) -> Callable[[str], Response]:
    """Look afresh while the bytes are no longer those that the document described."""

    @wraps(view)
    def wrapped(file_id: str) -> Response:
        for _ in range(ATTEMPTS):
            try:
                return view(file_id)
            except Stale:
                continue
        raise Unavailable("the bytes of the file do not match its document")

    return wrapped


@blueprint.get("/files/<file_id>")
@needs(READ)
@begin_again
def download(file_id: str) -> Response:
    """The bytes, whole or one range; HEAD gives the same headers."""
    parameters = query_parameters("inline", "redirect")
    inline, redirect = switch(parameters, "inline"), switch(parameters, "redirect")
    catalog = services().catalog
    document = catalog.get_readable(principal(), file_id)
    headers = responses.file_headers(document, inline)
    check_preconditions(request.headers, document)
    if is_not_modified(request.headers, document):
        return responses.not_modified(headers)
    size = document["file_size"]
    if request.method == "HEAD":
        return responses.content(None, headers, size, None)
    chosen = requested_range(request.headers, document)
    objects = services().objects
    if redirect and isinstance(objects, Presigns):
        return _redirect(objects, document, headers["Content-Disposition"])
    start, stop = chosen or (0, size)
    body = catalog.open(document, start, stop) if start < stop else None
    return responses.content(body, headers, size, chosen)


def _redirect(objects: Presigns, document: Document, disposition: str) -> Response:
    url = objects.presign(
        document["object_key"], disposition, document["file_type"], PRESIGNED_SECONDS
    )
    return Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})


@blueprint.get("/files/<file_id>/metadata")
@needs(READ)
def metadata(file_id: str) -> Response:
    """The file document, under the same conditions as the bytes."""
    query_parameters()
    document = services().catalog.get(principal(), file_id)
    check_preconditions(request.headers, document)
    response = responses.file_document(document)
    if is_not_modified(request.headers, document):
        return responses.not_modified(dict(response.headers))
    return response


@blueprint.put("/files/<file_id>")
@needs(WRITE)
def update(file_id: str) -> Response:
    """New content, a new name, new metadata, or several at once."""
    document = services().catalog.update(
        principal(), file_id, _change, lambda current: check_change(request.headers, current)
    )
    answer = {"message": "File updated successfully", "file": public(document)}
    return responses.as_json(answer, headers={"ETag": etag(document)})


def _change() -> Submission:
    if request.mimetype != "application/json":
        return _submission()
    query_parameters()
    return read_change()


@blueprint.delete("/files/<file_id>")
@needs(WRITE)
def delete(file_id: str) -> Response:
    """Remove a file: its document at once, its bytes when the answer is out."""
    query_parameters()
    services().catalog.delete(
        principal(), file_id, lambda current: check_change(request.headers, current)
    )
    return responses.as_json({"message": "File deleted successfully", "file_id": file_id})


@blueprint.get("/files")
@needs(READ)
def list_all() -> Response:
    """A page of file documents, newest first; the next page is in `Link` (RFC 8288)."""
    documents, cursor = list_files(services().files, principal(), parse_query(query_pairs()))
    return responses.page([public(document) for document in documents], cursor)
