"""What kind of content a file is: by its first bytes, its name, and what the client says.

The choice of library stays behind `detect`: docs/decisions has why it is `filetype`.
"""

import codecs
import mimetypes
import re
from pathlib import PurePosixPath

import filetype

HEAD = 8192
UNKNOWN = "application/octet-stream"
_TCHARS = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_MEDIA_TYPE = re.compile(f"({_TCHARS}/{_TCHARS})\\s*(;.*)?", re.DOTALL)
# Python's own table, not the machine's, and what its versions differ in.
_BY_EXTENSION = mimetypes.MimeTypes().types_map[True] | {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".epub": "application/epub+zip",
    ".jar": "application/java-archive",
    ".apk": "application/vnd.android.package-archive",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
}
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_TEXTUAL = re.compile(
    r"text/.+|.+\+(xml|json)|application/(json|xml|javascript|sql|x-sh|x-csh|x-tex|x-latex|toml|yaml)"
)
# Formats that begin with readable text and are no plain text.
_READABLE = ("application/pdf", "application/rtf", "application/postscript")
# Names may say what a container holds, if that is a format made of this container.
_CONTAINERS = {
    "application/zip": re.compile(
        r"application/(vnd\.(openxmlformats-officedocument|oasis\.opendocument|ms-|android\.).*"
        r"|epub\+zip|java-archive)"
    ),
}
_NOT_DECLARED = ("application/x-www-form-urlencoded", "multipart/form-data")


def detect(head: bytes, name: str, declared: str | None) -> str:
    """The media type: `head` is the first 8 KiB or all there is, `declared` as it was sent.

    Signatures first, containers and plain text refined by the name, then the declared type,
    else `application/octet-stream` (SPEC section 2).
    """
    by_name = type_of_name(name)
    said = _declared(declared)
    found = _signature(head)
    if found is not None:
        refined = _CONTAINERS.get(found)
        return by_name if refined and refined.fullmatch(by_name) else found
    if head and _is_text(head):
        return next((t for t in (by_name, said) if t and _TEXTUAL.fullmatch(t)), "text/plain")
    if not head and _TEXTUAL.fullmatch(by_name):
        return by_name
    return said or UNKNOWN


def type_of_name(name: str) -> str:
    """What the extension of a name says, `""` where it says nothing."""
    return _BY_EXTENSION.get(PurePosixPath(name).suffix.lower(), "")


def presumed(name: str, declared: str | None) -> str:
    """The media type of content that was not looked into: as declared, else by its name.

    S3's own default says no more than nothing.
    """
    said = _declared(declared)
    if said in (None, UNKNOWN, "binary/octet-stream"):
        return type_of_name(name) or UNKNOWN
    return str(said)


def _signature(head: bytes) -> str | None:
    found = filetype.guess_mime(head) if head else None
    if found is None or (found not in _READABLE and _is_text(head)):
        return None
    # Two letters are no proof: a bitmap also has four reserved bytes of zero.
    if found == "image/bmp" and head[6:10] != b"\0\0\0\0":
        return None
    return str(found)


def _is_text(head: bytes) -> bool:
    if _CONTROL.search(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _declared(declared: str | None) -> str | None:
    """A well-formed type/subtype without its parameters, lower-cased.

    A form's own type is no statement about a file: it is what curl sends when nothing is said.
    """
    match = _MEDIA_TYPE.fullmatch((declared or "").strip())
    media_type = match[1].lower() if match else None
    return None if media_type in _NOT_DECLARED else media_type
