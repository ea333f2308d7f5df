"""What a file document says about content: its media type, and what kind of picture it is."""

from collections.abc import Collection
from typing import Any

from errors import ApiError
from services import pictures
from services.media_types import detect
from services.readings import open_stored
from storage.interfaces import Document, ObjectStore


class Describer:
    """Describes stored content; `formats` are those of the pictures that are accepted.

    `head` is the first 8 KiB of the content or all of it, `stored` holds its `object_key`,
    `file_size` and `etag`. Methods may raise `Unavailable`.
    """

    def __init__(self, objects: ObjectStore, formats: Collection[str]) -> None:
        self._objects = objects
        self._formats = formats
        self._types = {pictures.MEDIA_TYPES[name] for name in formats}

    def of_file(
        self, head: bytes, stored: Document, name: str, declared: str | None
    ) -> dict[str, Any]:
        """`file_type`, and `image` where it is a picture that the service knows."""
        file_type = detect(head, name, declared)
        image = None
        if file_type in self._types and stored["file_size"] <= pictures.MAX_BYTES:
            try:
                image = self._inspect(stored)
            except ApiError:  # it only looks like a picture, and a file may be anything
                image = None
        return {"file_type": file_type, "image": image and _public(image)}

    def of_picture(
        self, head: bytes, stored: Document, name: str, declared: str | None
    ) -> dict[str, Any]:
        """The same of what must be a picture. Raises `not_an_image`, `image_too_large`."""
        image = self._inspect(stored)
        return {"file_type": image.media_type, "image": _public(image)}

    def _inspect(self, stored: Document) -> pictures.Picture:
        key, size, etag = stored["object_key"], stored["file_size"], stored["etag"]
        with open_stored(self._objects, key, size, etag) as file:
            return pictures.inspect(file, self._formats)


def _public(picture: pictures.Picture) -> dict[str, Any]:
    return {"width": picture.width, "height": picture.height, "format": picture.format}
