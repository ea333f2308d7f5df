"""What kind of picture a file is: format and dimensions, by Pillow, from the header alone.

Nothing is decoded. A header may lie, and a small file may announce a picture that would fill
any memory; so what it announces is bounded before a decoder is made for it (SPEC section 5).
"""

import threading
import warnings
from collections.abc import Collection
from typing import IO, NamedTuple

from PIL import ExifTags, Image

from config import IMAGE_FORMATS
from errors import ApiError
from storage.interfaces import StorageError

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 100_000_000
MEDIA_TYPES = {name: f"image/{name.lower()}" for name in IMAGE_FORMATS}
_TURNED = (5, 6, 7, 8)  # values of EXIF's Orientation that exchange width and height

# Pillow refuses twice this before it makes a decoder, and warns from this on.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
# Some decoders take the whole file into memory: one at a time in a process.
_one_at_a_time = threading.Lock()


class Picture(NamedTuple):
    """Width and height in pixels, as a person sees the picture, and the name of its format."""

    width: int
    height: int
    format: str

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]


def inspect(file: IO[bytes], formats: Collection[str]) -> Picture:
    """The picture in a seekable file of at most `MAX_BYTES`.

    Raises `not_an_image`, `image_too_large`, and what reading the file raises.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=sorted(formats)) as image:
                return _described(image)
        except (StorageError, MemoryError):
            raise
        except Image.DecompressionBombError:
            raise ApiError("image_too_large", limit=MAX_PIXELS) from None
        except Exception as error:  # a decoder raises anything at all on hostile bytes
            raise ApiError("not_an_image", formats=", ".join(sorted(formats))) from error


def _described(image: Image.Image) -> Picture:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError
    # MPO is a JPEG with more pictures behind the first, as some phones make it.
    name = "JPEG" if image.format == "MPO" else str(image.format)
    # Pillow has exchanged them for TIFF already. The base class's method, as that of PNG
    # would decode the whole picture to look for a chunk behind it.
    orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    if name != "TIFF" and orientation in _TURNED:
        width, height = height, width
    return Picture(width, height, name)
