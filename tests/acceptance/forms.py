"""multipart/form-data (RFC 7578), built by hand so that it may be wrong on purpose."""

import json
from dataclasses import dataclass

BOUNDARY = "----drop-boundary-7MA4YWxk"


@dataclass(frozen=True)
class Form:
    content_type: str
    body: bytes


def part(content: bytes, *lines: str | bytes) -> bytes:
    """A part with these header lines."""
    encoded = (line if isinstance(line, bytes) else line.encode() for line in lines)
    return b"".join(line + b"\r\n" for line in encoded) + b"\r\n" + content


def text(name: str, value: str | bytes) -> bytes:
    """A text part."""
    content = value if isinstance(value, bytes) else value.encode()
    return part(content, f'Content-Disposition: form-data; name="{name}"')


def pairs(metadata: object) -> bytes:
    """The `metadata` part."""
    return text("metadata", json.dumps(metadata, ensure_ascii=False))


def file(
    content: bytes,
    filename: str | bytes | None = "part.bin",
    content_type: str | None = None,
    *lines: str,
    name: str = "file",
) -> bytes:
    """A file part; a filename in bytes is not encoded, so that it may be malformed."""
    disposition = f'Content-Disposition: form-data; name="{name}"'.encode()
    if filename is not None:
        encoded = filename if isinstance(filename, bytes) else filename.encode()
        disposition += b'; filename="' + encoded + b'"'
    types = [f"Content-Type: {content_type}"] if content_type else []
    return part(content, disposition, *types, *lines)


def body(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    """The parts between their boundaries."""
    mark = boundary.encode()
    return b"".join(b"--%b\r\n%b\r\n" % (mark, one) for one in parts) + b"--%b--\r\n" % mark


def form(*parts: bytes) -> Form:
    """A whole form with its content type."""
    return Form(f"multipart/form-data; boundary={BOUNDARY}", body(*parts))
