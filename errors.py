"""The catalogue of errors: every code, its status and its sentence, and their one rendering.

SPEC section 7. Services raise `ApiError(code)`; the HTTP side renders it.
"""

import json
from typing import NamedTuple

from storage.interfaces import NoSpace, StorageError

RETRY_AFTER_SECONDS = 5


class Entry(NamedTuple):
    """Status and sentence; `{...}` in the sentence is filled from the error's details."""

    status: int
    sentence: str


CATALOGUE = {
    "invalid_parameter": Entry(400, "The query parameter {name!r} {detail}."),
    "unknown_parameter": Entry(400, "There is no query parameter {name!r} here."),
    "repeated_parameter": Entry(400, "The query parameter {name!r} is given more than once."),
    "invalid_query": Entry(400, "The query string is not percent-encoded UTF-8."),
    "invalid_cursor": Entry(400, "The cursor is not one that this listing gave out."),
    "invalid_file_name": Entry(400, "The file name {detail}."),
    "invalid_metadata": Entry(400, "The metadata {detail}."),
    "invalid_json": Entry(400, "The body is not a JSON object in UTF-8."),
    "unknown_member": Entry(
        400,
        "The JSON member {name!r} is not one of file_name and metadata. JSON changes the document; "
        "to send content, use a form part named 'file' or another content type.",
    ),
    "nothing_to_change": Entry(400, "The request names nothing to change."),
    "invalid_form": Entry(400, "The multipart form is broken: {detail}."),
    "unknown_part": Entry(
        400, "The form part {name!r} is not one of file, file_name and metadata."
    ),
    "repeated_part": Entry(400, "The form part {name!r} is given more than once."),
    "missing_file": Entry(400, "The form has no part named 'file'."),
    "missing_body": Entry(
        400, "The request has no body; an empty file is sent with Content-Length: 0."
    ),
    "incomplete_body": Entry(400, "The body ended before it was complete."),
    "invalid_digest": Entry(400, "The header {name} is malformed."),
    "digest_mismatch": Entry(400, "The content does not match its {name} header."),
    "invalid_content_disposition": Entry(400, "The header Content-Disposition is malformed."),
    "content_range_not_supported": Entry(400, "Content-Range is not supported in uploads."),
    "invalid_key": Entry(400, "The object key {detail}."),
    "invalid_member": Entry(400, "The JSON member {name!r} {detail}."),
    "reserved_key": Entry(400, "Keys with this beginning are the service's own."),
    "invalid_event": Entry(400, "The notification is not one of S3: {detail}."),
    "missing_bucket_and_key": Entry(400, "Missing required query parameters: bucket and key"),
    "file_name_missing": Entry(400, "FileName missing"),
    "missing_task_body": Entry(400, "Request body is missing"),
    "missing_task_fields": Entry(400, "Missing required fields"),
    "missing_user": Entry(400, "Missing userId in query parameters"),
    "missing_task_or_user": Entry(400, "Missing taskID or userId"),
    "missing_task_in_path": Entry(400, "Missing 'userID' or 'taskID' in path parameters"),
    "no_valid_fields": Entry(400, "No valid fields to update"),
    "bad_request": Entry(400, "The request is malformed."),
    "unauthorized": Entry(401, "This needs a valid token in the header Authorization."),
    "forbidden": Entry(403, "This needs the scope {scope!r}."),
    "foreign_origin": Entry(403, "A web page of another origin must not do this."),
    "not_your_tasks": Entry(403, "Tasks of another user are that user's own."),
    "not_found": Entry(404, "There is nothing at this address."),
    "file_not_found": Entry(404, "There is no such file."),
    "metadata_not_found": Entry(404, "Metadata not found"),
    "item_not_found": Entry(404, "Item not found"),
    "task_not_found": Entry(404, "Todo with userID '{user_id}' and taskID '{task_id}' not found"),
    "object_not_seen": Entry(404, "No object of this file has been seen in the bucket so far."),
    "key_not_found": Entry(404, "There is no such key."),
    "method_not_allowed": Entry(405, "This method is not allowed here; see the header Allow."),
    "body_timeout": Entry(408, "The body came too slowly."),
    "file_belongs_to_bucket": Entry(
        409, "This file came by the bucket; its content can only be changed there."
    ),
    "not_in_our_bucket": Entry(409, "The bytes of this file are not in this service's bucket."),
    "key_exists": Entry(409, "There is a key {name!r} already; revoke it first."),
    "precondition_failed": Entry(412, "The file has changed: a condition of the request is false."),
    "content_too_large": Entry(413, "The content is longer than the {limit} bytes allowed."),
    "image_too_large": Entry(413, "The picture has more than the {limit} pixels allowed."),
    "uri_too_long": Entry(414, "The request target is too long."),
    "unsupported_media_type": Entry(415, "This content type is not supported here."),
    "content_encoding_not_supported": Entry(
        415, "Content-Encoding is not supported; send the content as it is."
    ),
    "not_an_image": Entry(415, "The content is not a picture in one of the formats {formats}."),
    "range_not_satisfiable": Entry(416, "The range lies outside the file's {size} bytes."),
    "expectation_failed": Entry(417, "The only expectation supported is 100-continue."),
    "wrong_host": Entry(
        421, "The service is not known by this host name; ALLOWED_HOSTS can permit it."
    ),
    "headers_too_large": Entry(431, "The request's headers are too large."),
    "internal_error": Entry(500, "Something went wrong on our side; the log has the request id."),
    "not_implemented": Entry(501, "This transfer coding is not supported."),
    "store_unavailable": Entry(
        503, "A store does not answer; nothing was acknowledged. Try again."
    ),
    "insufficient_storage": Entry(507, "The store has no room left."),
}

STATUS_CODES = {
    400: "bad_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    414: "uri_too_long",
    415: "unsupported_media_type",
    417: "expectation_failed",
    431: "headers_too_large",
    501: "not_implemented",
}


class ApiError(Exception):
    """An answer that is not a success: a code of the catalogue, and what its sentence needs."""

    def __init__(self, code: str, headers: dict[str, str] | None = None, **details: object):
        self.code = code
        self.status, sentence = CATALOGUE[code]
        self.sentence = sentence.format(**details)
        self.headers = headers or {}
        super().__init__(self.sentence)


def from_storage(error: StorageError) -> ApiError:
    """What a client is told when a store fails under a request."""
    code = "insufficient_storage" if isinstance(error, NoSpace) else "store_unavailable"
    return ApiError(code, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def render(error: ApiError, request_id: str, member: str = "error") -> str:
    """The body of the answer, as JSON; the sentence stands in `member`."""
    answer = {member: error.sentence, "code": error.code, "request_id": request_id}
    return json.dumps(answer, ensure_ascii=False)
