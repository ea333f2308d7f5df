"""Assertions that many tests share."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urljoin

from .client import Answer, Document

FIELDS = {
    "file_id", "owner", "file_name", "file_size", "file_type", "sha256", "created_at",
    "updated_at", "bucket", "object_key", "etag", "source", "event_name", "event_time",
    "sequencer", "metadata", "revision",
}  # fmt: skip
UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TIMESTAMP = r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z"
NO_BODY_STATUSES = (204, 304)


def assert_error(answer: Answer, *statuses: int, member: str = "error") -> Document:
    """SPEC 7: the one error shape, with one of these statuses; `member` has the sentence."""
    assert answer.status in statuses, (answer.status, answer.body[:500])
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    error: Document = answer.json()
    assert set(error) == {member, "code", "request_id"}
    assert isinstance(error[member], str) and len(error[member]) >= 3
    assert "Traceback" not in error[member]
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", error["code"])
    assert error["request_id"] == answer.headers["X-Request-Id"]
    return error


def assert_status(answer: Answer, *statuses: int) -> Answer:
    """The status, and what the server said when it is another one."""
    assert answer.status in statuses, (answer.status, answer.body[:500])
    return answer


def assert_document(document: Document) -> None:
    """SPEC 2: every field of a file document, its type and its form; no other field."""
    assert set(document) - {"image"} == FIELDS
    assert re.fullmatch(UUID7, document["file_id"])
    assert document["owner"] == ""
    assert 1 <= len(document["file_name"]) <= 255
    assert type(document["file_size"]) is int and document["file_size"] >= 0
    assert re.fullmatch(r"[^/\s;]+/[^/\s;]+( *;.*)?", document["file_type"])
    assert re.fullmatch(r"[0-9a-f]{64}", document["sha256"])
    assert re.fullmatch(TIMESTAMP, document["created_at"])
    assert re.fullmatch(TIMESTAMP, document["updated_at"])
    assert document["updated_at"] >= document["created_at"]
    assert isinstance(document["bucket"], str) and document["bucket"]
    assert_own_key(document["object_key"])
    assert isinstance(document["etag"], str) and document["etag"]
    assert '"' not in document["etag"]
    assert document["source"] == "api"
    assert isinstance(document["metadata"], dict)
    assert type(document["revision"]) is int and document["revision"] >= 1


def assert_own_key(key: str) -> None:
    """SPEC 8: `<prefix>/<xx>/<UUIDv7>`, xx being the last two hex digits."""
    match = re.fullmatch(rf"(.+)/([0-9a-f]{{2}})/({UUID7})", key)
    assert match, key
    assert match[3].endswith(match[2])


def etag(document: Document) -> str:
    """The ETag of a document."""
    return f'"{document["revision"]}"'


def instant(text: str) -> datetime:
    """An RFC 3339 timestamp of a document."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def http_date(text: str) -> datetime:
    """An HTTP date; it must be in the preferred form (RFC 9110 5.6.7)."""
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", text)
    return parsedate_to_datetime(text).astimezone(UTC)


def disposition(answer: Answer) -> tuple[str, str]:
    """The disposition and the file name in it (RFC 6266, `filename*` first)."""
    header = answer.headers["Content-Disposition"]
    assert header.isascii() and header.isprintable()
    kind = header.split(";")[0].strip()
    if extended := re.search(r"filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]*)", header):
        return kind, unquote(extended[1], errors="strict")
    quoted = re.search(r'filename="((?:\\.|[^"\\])*)"', header)
    if quoted:
        return kind, re.sub(r"\\(.)", r"\1", quoted[1])
    plain = re.search(r"filename=([^\s;\"]+)", header)
    assert plain, header
    return kind, plain[1]


def next_page(answer: Answer, url: str) -> str | None:
    """Where the next page is (RFC 8288); the service writes a relative link."""
    header = answer.headers.get("Link")
    if header is None:
        return None
    match = re.fullmatch(r'<([^>]*)>; *rel="?next"?', header)
    assert match, header
    assert "://" not in match[1].split("?")[0], "the link is to be relative"
    return urljoin(url, str(match[1]))
