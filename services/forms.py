"""A multipart form (RFC 7578) as a stream: its `file` part is read, never held."""

import json
from collections.abc import Iterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from errors import ApiError
from services.digests import expected_digests, verified
from services.intake import Intake, Submission
from services.names import checked_metadata, checked_name, name_of_path
from storage.interfaces import Reader

PIECE = 2**18  # what a client that stalls holds
LONG_PIECE = 2**22  # what is received at once where nothing of it is held
MAX_PARTS = 16
MAX_PART_HEADERS = 16 * 2**10
MAX_TEXT_PART = 64 * 2**10
# All that a form may hold beside the file: parts, and whatever stands before and after them.
MAX_OVERHEAD = (MAX_PARTS + 1) * (MAX_PART_HEADERS + MAX_TEXT_PART)
_TEXT_PARTS = ("file_name", "metadata")


def form_submission(body: Reader, boundary: str, limit: int) -> Submission:
    """Read the form up to its file, or to its end if it has none.

    The content of the submission ends only when the form has ended well. Raises
    `invalid_form` and the errors of names, metadata and digests, here or while it is read.
    """
    return _Form(body, boundary).open(limit)


class _Form:
    """The parser's events taken apart; as a `Reader` it is the content of the file part."""

    def __init__(self, body: Reader, boundary: str) -> None:
        self._body = body
        self._submission = Submission()
        self._seen: set[str] = set()
        self._received = 0
        self._file_size = 0
        self._left_over = memoryview(b"")
        self._memory = memoryview(bytearray(PIECE))
        self._delimiter = b"\r\n--" + boundary.encode()
        self._unparsed: bytes | None = None
        self._chunk_is_plain = self._parser_is_empty = False
        try:
            self._parser = PushMultipartParser(
                boundary,
                max_header_size=MAX_PART_HEADERS,
                max_header_count=64,
                max_segment_count=MAX_PARTS,
            )
        except MultipartError as error:
            raise ApiError("invalid_form", detail=str(error)) from None
        self._events = self._parse()

    def open(self, limit: int) -> Submission:
        segment = self._next_file()
        if segment is not None:
            self._submission.declared_type = segment.header("Content-Type")
            self._submission.suggested_name = name_of_path(segment.filename or "")
            content = verified(self, expected_digests(segment.header))
            self._submission.content = Intake(content, limit)
        return self._submission

    def readinto(self, buffer: memoryview, /) -> int:
        if self._parser_is_empty and not self._left_over:
            count = self._receive_past_parser(buffer[:LONG_PIECE])
            if count:
                return count
        if not self._left_over:
            piece = next(self._events, None)
            if not isinstance(piece, bytes):
                self._next_file()  # there is none: a second one is refused
                return 0
            self._left_over = memoryview(piece)
            self._parser_is_empty = self._chunk_is_plain
        count = min(len(self._left_over), len(buffer))
        buffer[:count], self._left_over = self._left_over[:count], self._left_over[count:]
        self._file_size += count
        return count

    def _receive_past_parser(self, buffer: memoryview) -> int:
        """Receive straight to where it is wanted what the parser would only copy; says how much
        of it. From where a boundary may be in it, the parser gets it next."""
        received = buffer[: self._body.readinto(buffer)]
        plain = self._plain(received)
        if plain < len(received) or not received:
            self._unparsed, self._parser_is_empty = bytes(received[plain:]), False
        self._received += plain
        self._file_size += plain
        return plain

    def _plain(self, received: memoryview) -> int:
        """How many bytes come before all that may belong to a boundary."""
        # Looked through in copies that stay in the processor's cache.
        for start in range(0, len(received), PIECE):
            if self._delimiter in bytes(received[start : start + PIECE + len(self._delimiter)]):
                return start
        end = bytes(received[-len(self._delimiter) :])
        begun = end.rfind(b"\r")
        may_be_one = begun >= 0 and self._delimiter.startswith(end[begun:])
        return len(received) - (len(end) - begun if may_be_one else 0)

    def _is_plain(self, chunk: bytes) -> bool:
        """Whether the parser, which may hold something already, makes one piece of the chunk at
        most and keeps nothing: of a very short one that cannot be said."""
        return len(chunk) >= len(self._delimiter) and self._plain(memoryview(chunk)) == len(chunk)

    def _parse(self) -> Iterator[MultipartSegment | bytes | None]:
        while True:
            chunk = self._next_chunk()
            self._chunk_is_plain = self._is_plain(chunk)
            try:
                yield from self._parser.parse(chunk)
            except MultipartError as error:
                raise ApiError("invalid_form", detail=str(error)) from None
            if self._received - self._file_size > MAX_OVERHEAD + PIECE:
                raise ApiError("invalid_form", detail="it holds too much beside the file")
            if not chunk:
                return
            chunk = b""  # not held while the client is waited for

    def _next_chunk(self) -> bytes:
        chunk, self._unparsed = self._unparsed, None
        if chunk is None:
            chunk = bytes(self._memory[: self._body.readinto(self._memory)])
        self._received += len(chunk)
        return chunk

    def _next_file(self) -> MultipartSegment | None:
        """Go on to the file part, taking in text parts on the way; None at the form's end."""
        for event in self._events:
            if not isinstance(event, MultipartSegment):
                raise ApiError("invalid_form", detail="a part has no header")
            self._check(event)
            if event.name == "file":
                return event
            self._take_text(event.name or "")
        return None

    def _check(self, segment: MultipartSegment) -> None:
        name = segment.name or ""
        if name != "file" and name not in _TEXT_PARTS:
            raise ApiError("unknown_part", name=name)
        if name in self._seen:
            raise ApiError("repeated_part", name=name)
        self._seen.add(name)
        if sum(len(key) + len(value) for key, value in segment.headerlist) > MAX_PART_HEADERS:
            raise ApiError("invalid_form", detail="the headers of a part are too long")
        if (segment.content_type or "").startswith("multipart/"):
            raise ApiError("invalid_form", detail="a part is itself a multipart body")
        encoding = (segment.header("Content-Transfer-Encoding") or "binary").lower()
        if encoding not in ("binary", "8bit", "7bit"):
            raise ApiError("invalid_form", detail="a part has a transfer encoding (RFC 7578 4.7)")

    def _take_text(self, name: str) -> None:
        text = self._text(name)
        if name == "file_name":
            self._submission.file_name = checked_name(text)
            return
        try:
            self._submission.metadata = checked_metadata(json.loads(text))
        except (ValueError, RecursionError):
            raise ApiError("invalid_metadata", detail="must be a JSON object") from None

    def _text(self, name: str) -> str:
        text = bytearray()
        for event in self._events:
            if not isinstance(event, bytes):
                break
            text += event
            if len(text) > MAX_TEXT_PART:
                raise ApiError("invalid_form", detail=f"the part {name!r} is too long")
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise ApiError("invalid_form", detail=f"the part {name!r} is not UTF-8") from None
