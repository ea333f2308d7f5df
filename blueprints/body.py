"""Request bodies: what the client sends, as a `Submission`, a JSON object, or query pairs."""

import json
import re
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote_to_bytes

from flask import request
from gunicorn.http.errors import ParseException
from multipart import parse_options_header

from errors import ApiError
from services.digests import expected_digests, verified
from services.forms import MAX_OVERHEAD, form_submission
from services.intake import Intake, Submission
from services.names import checked_metadata, checked_name, name_of_path
from storage.interfaces import Reader

MAX_JSON = 2**20
JSON_PIECE = 2**14
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PARAMETER = re.compile(
    r"""\s*;\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]+)\s*"""
)


class _Body:
    """`wsgi.input` as a `Reader`, which ends cleanly only where the message does.

    A server may return less than `Content-Length` announced without an error, so it is
    counted here (RFC 9112 section 8).
    """

    def __init__(self) -> None:
        self._stream = request.environ["wsgi.input"]
        self._left = request.content_length

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._receive(buffer[: self._left])
        if self._left is not None:
            if not count and self._left:
                raise ApiError("incomplete_body")
            self._left -= count
        return count

    def _receive(self, buffer: memoryview) -> int:
        try:
            count: int = self._stream.readinto(buffer) if buffer else 0
        except TimeoutError:
            raise ApiError("body_timeout") from None
        except (OSError, ParseException):
            raise ApiError("incomplete_body") from None
        return count


def read_submission(limit: int) -> Submission:
    """A form, or a body that is the file. Content is read when the submission's reader is."""
    if not _is_body_announced():
        raise ApiError("missing_body")
    if "Content-Encoding" in request.headers:
        raise ApiError("content_encoding_not_supported")
    if "Content-Range" in request.headers:
        raise ApiError("content_range_not_supported")
    body = verified(_Body(), expected_digests(request.headers.get))
    media_type, options = parse_options_header(request.headers.get("Content-Type", ""))
    announced = request.content_length or 0
    if media_type == "multipart/form-data":
        _refuse_longer(announced - MAX_OVERHEAD, limit)
        boundary = options.get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary):
            raise ApiError("invalid_form", detail="its Content-Type has no valid boundary")
        return form_submission(body, boundary, limit)
    _refuse_longer(announced, limit)
    return Submission(Intake(body, limit), declared_type=request.headers.get("Content-Type"))


def _refuse_longer(announced: int, limit: int) -> None:
    if announced > limit:
        raise ApiError("content_too_large", limit=limit)


def name_from_headers() -> str | None:
    """The name that Content-Disposition gives, `filename*` before `filename`, else None.

    RFC 6266 section 4.3, RFC 8187. Header bytes that are no ASCII are taken for UTF-8.
    Raises `invalid_content_disposition` and `invalid_file_name`.
    """
    header = request.headers.get("Content-Disposition")
    if header is None:
        return None
    try:
        parameters = _disposition_parameters(header.encode("latin-1").decode())
        extended = parameters.get("filename*")
        path = parameters.get("filename", "") if extended is None else _extended(extended)
    except ValueError:
        raise ApiError("invalid_content_disposition") from None
    return name_of_path(path)


def _disposition_parameters(header: str) -> dict[str, str]:
    """The parameters by lower-cased name. ValueError where it is not RFC 6266's grammar."""
    match = re.match(r"\s*[^\s;=]+\s*(?=;|$)", header)
    if match is None:
        raise ValueError(header)
    parameters: dict[str, str] = {}
    position = match.end()
    while position < len(header):
        match = _PARAMETER.match(header, position)
        if match is None or match[1].lower() in parameters:
            raise ValueError(header)
        value = match[2]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        parameters[match[1].lower()] = value
        position = match.end()
    return parameters


def _extended(value: str) -> str:
    charset, _, rest = value.partition("'")
    _, quote, encoded = rest.partition("'")
    if not quote or charset.lower() not in ("utf-8", "iso-8859-1"):
        raise ValueError(value)
    return unquote_to_bytes(encoded).decode(charset)


def read_change() -> Submission:
    """A JSON body that changes the document. Raises the 400s of JSON, names and metadata."""
    members = read_json_object()
    for name in members:
        if name not in ("file_name", "metadata"):
            raise ApiError("unknown_member", name=name)
    if not members:
        raise ApiError("nothing_to_change")
    change = Submission()
    if "file_name" in members:
        change.file_name = checked_name(members["file_name"])
    if "metadata" in members:
        change.metadata = checked_metadata(members["metadata"])
    return change


def read_json_object() -> dict[str, Any]:
    """The body as a JSON object of at most 1 MiB. Raises `invalid_json`."""
    value = read_json()
    if not isinstance(value, dict):
        raise ApiError("invalid_json")
    return value


def read_json() -> Any:
    """The body as JSON of at most 1 MiB. Raises `invalid_json`."""
    if "Content-Encoding" in request.headers:
        raise ApiError("content_encoding_not_supported")
    reader = Intake(verified(_Body(), expected_digests(request.headers.get)), MAX_JSON)
    _refuse_longer(request.content_length or 0, MAX_JSON)
    try:
        return json.loads(_read_all(reader).decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ApiError("invalid_json") from None


def _no_constant(name: str) -> NoReturn:
    """`NaN` and `Infinity`, which Python takes and JSON does not have (RFC 8259 section 6)."""
    raise ValueError(name)


def has_body() -> bool:
    """Whether there is anything in the request's body; without a length there may be."""
    return _is_body_announced() and request.content_length != 0


def _is_body_announced() -> bool:
    return request.content_length is not None or "Transfer-Encoding" in request.headers


def _read_all(reader: Reader) -> bytes:
    text = bytearray()
    piece = memoryview(bytearray(JSON_PIECE))
    while count := reader.readinto(piece):
        text += piece[:count]
    return bytes(text)


def query_pairs() -> list[tuple[str, str]]:
    """The query as it was sent, decoded strictly. Raises `invalid_query`."""
    query = request.environ.get("QUERY_STRING", "")
    try:
        if re.search(r"%(?![0-9A-Fa-f]{2})", query):
            raise ValueError(query)
        return parse_qsl(
            query.encode("latin-1").decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=100,
        )
    except ValueError:
        raise ApiError("invalid_query") from None


def query_parameters(*allowed: str) -> dict[str, str]:
    """The query's parameters, each at most once and none but these."""
    parameters: dict[str, str] = {}
    for name, value in query_pairs():
        if name not in allowed:
            raise ApiError("unknown_parameter", name=name)
        if name in parameters:
            raise ApiError("repeated_parameter", name=name)
        parameters[name] = value
    return parameters


def switch(parameters: dict[str, str], name: str) -> bool:
    """A parameter that is `1` or `0`, off where it is not given."""
    value = parameters.get(name, "0")
    if value not in ("0", "1"):
        raise ApiError("invalid_parameter", name=name, detail="must be 0 or 1")
    return value == "1"
