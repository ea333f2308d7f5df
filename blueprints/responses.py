"""How documents, bytes and errors are rendered."""

import base64
import json
import logging
import re
import unicodedata
from collections.abc import Iterable
from typing import IO, Any, cast
from urllib.parse import quote, urlencode

from flask import Response, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date
from werkzeug.wsgi import wrap_file

from blueprints.body import query_pairs
from blueprints.conditions import ByteRange, etag, last_modified
from blueprints.context import request_id, services
from errors import STATUS_CODES, ApiError, from_storage, render
from services.documents import public
from storage.interfaces import Body, Document, StorageError, Unavailable

SENDFILE_PIECE = 2**20
CACHE = "private, no-cache"
_INLINE = re.compile(r"image/(png|jpeg|gif|webp|avif|bmp|apng)|(audio|video)/.+|text/plain")
_PDF = "application/pdf"

log = logging.getLogger(__name__)


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer, which no cache keeps."""
    return Response(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n",
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        mimetype="application/json",
    )


def page(value: Any, cursor: str | None) -> Response:
    """A page of a listing; where there is a next one, `Link` leads to it (RFC 8288)."""
    return as_json(value, headers={} if cursor is None else {"Link": _next_link(cursor)})


def _next_link(cursor: str) -> str:
    kept = [(name, value) for name, value in query_pairs() if name != "cursor"]
    path = url_for(str(request.endpoint))
    return f'<{path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'


def file_document(document: Document, status: int = 200, location: str | None = None) -> Response:
    """A file document with its entity tag."""
    headers = {"ETag": etag(document), **({"Location": location} if location else {})}
    return as_json(public(document), status, headers)


def file_headers(document: Document, inline: bool) -> dict[str, str]:
    """The headers that describe a file, the same for GET and HEAD."""
    media_type = document["file_type"]
    shown = inline and is_inline(media_type)
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": disposition(document["file_name"], shown),
        "ETag": etag(document),
        "Last-Modified": http_date(last_modified(document)),
        "Accept-Ranges": "bytes",
        "Cache-Control": CACHE,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if document["sha256"] is not None:
        digest = base64.b64encode(bytes.fromhex(document["sha256"])).decode()
        headers["Repr-Digest"] = f"sha-256=:{digest}:"
    if shown:
        pdf_policy = "default-src 'none'; frame-ancestors 'self'"
        headers["Content-Security-Policy"] = pdf_policy if media_type == _PDF else "sandbox"
    return headers


def is_inline(media_type: str) -> bool:
    """Whether a browser can show the type without running it."""
    return media_type == _PDF or _INLINE.fullmatch(media_type) is not None


def disposition(name: str, inline: bool) -> str:
    """Content-Disposition for any name (RFC 6266 section 4.3, appendix D)."""
    kind = "inline" if inline else "attachment"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'["\\%]', "_", plain) or "file"
    if plain == name:
        return f'{kind}; filename="{name}"'
    extended = quote(name, safe="!#$&+-.^_`|~")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{extended}"


def content(
    body: Body | None, headers: dict[str, str], size: int, chosen: ByteRange | None
) -> Response:
    """The bytes, or as for HEAD none; sent by the kernel where the body is a file."""
    if chosen is not None:
        headers["Content-Range"] = f"bytes {chosen.start}-{chosen.stop - 1}/{size}"
    pieces: Iterable[bytes] = ()
    if hasattr(body, "fileno"):  # a `FileBody`, of which isinstance() would ask all it has
        pieces = wrap_file(request.environ, cast(IO[bytes], body), SENDFILE_PIECE)
    elif body is not None:
        pieces = body
    response = Response(pieces, 200 if chosen is None else 206, headers, direct_passthrough=True)
    response.content_length = size if chosen is None else chosen.stop - chosen.start
    return response


def not_modified(headers: dict[str, str]) -> Response:
    """`304` with what a cache needs to go on using what it has (RFC 9110 15.4.5)."""
    kept = ("ETag", "Cache-Control", "Last-Modified")
    return Response(status=304, headers={name: headers[name] for name in kept if name in headers})


def error(failure: ApiError) -> Response:
    """An error in the shape of SPEC section 7."""
    member = "message" if _is_about_tasks() else "error"
    return Response(
        render(failure, request_id(), member) + "\n",
        failure.status,
        {"Cache-Control": "no-store", **failure.headers},
        mimetype="application/json",
    )


def _is_about_tasks() -> bool:
    """By the path, as there is no route where none matched."""
    path = request.path.removeprefix(services().settings.url_prefix)
    return path == "/todo" or path == "/todos" or path.startswith("/todos/")


def unready(states: dict[str, str]) -> Response:
    """`503` that names the stores which do not answer."""
    failure = from_storage(Unavailable("not ready"))
    answer = {**json.loads(render(failure, request_id())), **states}
    return as_json(answer, failure.status, failure.headers)


def log_request(response: Response, seconds: float) -> None:
    """One line a request; nothing of it is secret, as the query is left out."""
    log.info(
        "request",
        extra={
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "seconds": round(seconds, 4),
            "request_id": request_id(),
        },
    )


def storage_error(failure: StorageError) -> Response:
    """What is answered when a store fails."""
    log.warning("store failed", extra={"why": str(failure), "request_id": request_id()})
    return error(from_storage(failure))


def http_error(failure: HTTPException) -> Response:
    """The framework's own errors, in our shape."""
    given = failure.get_response()
    headers = {"Allow": given.headers["Allow"]} if "Allow" in given.headers else {}
    if failure.code is not None and failure.code < 400:
        return Response(status=failure.code, headers={"Location": given.headers["Location"]})
    status = failure.code or 500
    otherwise = "bad_request" if status < 500 else "internal_error"
    return error(ApiError(STATUS_CODES.get(status, otherwise), headers))


def unexpected_error(failure: Exception) -> Response:
    """A bug: the log has what happened, the client has the id to ask for it."""
    log.error("unhandled exception", exc_info=failure, extra={"request_id": request_id()})
    return error(ApiError("internal_error"))
