"""File names, object keys and client metadata: what is allowed, and how names are searched.

SPEC section 2.
"""

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Any

from errors import ApiError

MAX_NAME = 255
MAX_METADATA = 2048
MAX_KEY = 1024
# Names of old buckets have upper case and underscores too.
BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
UNTITLED = "untitled"
METADATA_KEY = re.compile(r"[a-z0-9_-]{1,64}")
# Cc, lone surrogates, and the bidirectional overrides and isolates, which can make
# `exe.gpj` read as `jpg.exe`.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_SEPARATORS = re.compile(r"[/\\]")


def checked_name(name: object) -> str:
    """`name` itself. Raises `invalid_file_name`."""
    if not isinstance(name, str):
        raise ApiError("invalid_file_name", detail="must be a string")
    if not 1 <= len(name) <= MAX_NAME:
        raise ApiError("invalid_file_name", detail=f"must have 1 to {MAX_NAME} characters")
    if _FORBIDDEN.search(name):
        detail = "must not contain control characters, bidirectional overrides or lone surrogates"
        raise ApiError("invalid_file_name", detail=detail)
    if _SEPARATORS.search(name):
        raise ApiError("invalid_file_name", detail="must not contain / or \\")
    if name in (".", ".."):
        raise ApiError("invalid_file_name", detail="must not be . or ..")
    return name


def name_of_path(path: str) -> str | None:
    """The last segment of what an upload calls its file, None if that is empty.

    Some clients send a whole path, which must not be taken for one (RFC 6266 section 4.3).
    Raises `invalid_file_name`.
    """
    last = _SEPARATORS.split(path)[-1]
    return checked_name(last) if last else None


def name_of_key(key: str) -> str:
    """What a person calls an object that came by the bucket: the key's last non-empty segment,
    without what a name must not contain, and not longer than a name may be."""
    segments = [segment for segment in _SEPARATORS.split(key) if segment]
    name = _FORBIDDEN.sub("_", segments[-1] if segments else "")
    if len(name) > MAX_NAME:
        suffix = PurePosixPath(name).suffix[:32]
        name = name[: MAX_NAME - len(suffix)] + suffix
    return UNTITLED if name in ("", ".", "..") else name


def checked_key(key: object) -> str:
    """An object key: 1 to 1,024 bytes of UTF-8, as S3 has it. Raises `invalid_key`.

    NUL, which S3 would take, is refused: not every store of documents can hold it.
    """
    if not isinstance(key, str):
        raise ApiError("invalid_key", detail="must be a string")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ApiError("invalid_key", detail="has a lone surrogate") from None
    if not 1 <= size <= MAX_KEY:
        raise ApiError("invalid_key", detail=f"must have 1 to {MAX_KEY} bytes")
    if "\0" in key:
        raise ApiError("invalid_key", detail="must not contain NUL")
    return key


def folded(name: str) -> str:
    """The form in which names are searched: any case, and composed alike (NFC)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def checked_metadata(metadata: Any) -> dict[str, str]:
    """`metadata` itself: string pairs, 2 KiB in all, as S3 has it. Raises `invalid_metadata`."""
    if not isinstance(metadata, dict):
        raise ApiError("invalid_metadata", detail="must be a JSON object")
    size = 0
    for key, value in metadata.items():
        if not METADATA_KEY.fullmatch(key):
            raise ApiError("invalid_metadata", detail="keys must be 1 to 64 of a-z, 0-9, _ and -")
        if not isinstance(value, str):
            raise ApiError("invalid_metadata", detail=f"value of {key!r} must be a string")
        if "\0" in value:
            raise ApiError("invalid_metadata", detail=f"value of {key!r} must not contain NUL")
        try:
            size += len(key) + len(value.encode())
        except UnicodeEncodeError:
            raise ApiError(
                "invalid_metadata", detail=f"value of {key!r} has a lone surrogate"
            ) from None
    if size > MAX_METADATA:
        raise ApiError("invalid_metadata", detail=f"must not exceed {MAX_METADATA} bytes in all")
    return metadata
