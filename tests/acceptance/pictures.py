"""Pictures for the tests: real ones by Pillow, and headers made by hand that lie."""

import io
import struct
import zlib
from typing import Any

from PIL import ExifTags, Image

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")


def picture(
    kind: str = "PNG", size: tuple[int, int] = (7, 5), colour: int = 0, **more: Any
) -> bytes:
    """A picture in a format, of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, (colour, 80, 160)).save(file, kind, **more)
    return file.getvalue()


def turned(kind: str, orientation: int, size: tuple[int, int] = (7, 5)) -> bytes:
    """A picture whose EXIF data say how it is to be turned."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return picture(kind, size, exif=exif)


def jpeg_after(segments: int, marker: int = 0xEF, size: tuple[int, int] = (7, 5)) -> bytes:
    """A JPEG with this many segments of 64 KiB before its frame header."""
    whole = picture("JPEG", size)
    segment = struct.pack(">BBH", 0xFF, marker, 0xFFFF) + b"\xaa" * 0xFFFD
    return whole[:2] + segment * segments + whole[2:]


def png_of(width: int, height: int, data: bytes = b"\0") -> bytes:
    """A small PNG that announces these dimensions."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def webp_of(width: int, height: int) -> bytes:
    """A whole lossless WEBP of one colour: its pixels take no bits, so it is as small as any."""
    bits = [*_bits(width - 1, 14), *_bits(height - 1, 14), 0, 0, 0, 0]  # no alpha, version 0
    bits += [0, 0, 0]  # no transform, no colour cache, no meta prefix codes
    for symbol in (80, 16, 160, 255, 0):  # green, red, blue, alpha, distance
        bits += [1, 0, 1, *_bits(symbol, 8)]  # a simple code of one symbol of eight bits
    packed = bytes(
        sum(bit << place for place, bit in enumerate(bits[start : start + 8]))
        for start in range(0, len(bits), 8)
    )
    return _riff(b"VP8L", b"\x2f" + packed)


def webp_canvas(width: int, height: int) -> bytes:
    """An extended WEBP that announces a canvas and has no picture on it."""
    sides = b"".join(struct.pack("<I", side - 1)[:3] for side in (width, height))
    return _riff(b"VP8X", b"\0\0\0\0" + sides)


def _bits(value: int, count: int) -> list[int]:
    return [value >> place & 1 for place in range(count)]


def _riff(kind: bytes, data: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def gif_of(width: int, height: int) -> bytes:
    """A GIF whose screen has these dimensions, with a picture of one pixel."""
    whole = picture("GIF", (1, 1))
    return whole[:6] + struct.pack("<HH", width, height) + whole[10:]


def bmp_of(width: int, height: int) -> bytes:
    """A bitmap that announces these dimensions."""
    whole = picture("BMP", (1, 1))
    return whole[:18] + struct.pack("<ii", width, height) + whole[26:]


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG whose frame header announces these dimensions."""
    whole = picture("JPEG", (1, 1))
    frame = whole.index(b"\xff\xc0")
    return whole[: frame + 5] + struct.pack(">HH", height, width) + whole[frame + 9 :]


def tiff_of(width: int, height: int) -> bytes:
    """A TIFF whose tags announce these dimensions."""
    return (
        picture("TIFF", (251, 253))
        .replace(struct.pack("<HHII", 256, 4, 1, 251), struct.pack("<HHII", 256, 4, 1, width))
        .replace(struct.pack("<HHII", 257, 4, 1, 253), struct.pack("<HHII", 257, 4, 1, height))
    )
