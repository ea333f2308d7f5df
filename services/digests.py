"""Digests that a client sends along: RFC 9530, and Content-MD5 of RFC 1864 as S3 has it."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import http_sf

from errors import ApiError
from storage.interfaces import Reader

_ALGORITHMS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_FIELDS = ("Content-Digest", "Repr-Digest")


class Expected(NamedTuple):
    """One digest to verify: the header it came in, the algorithm, and its bytes."""

    header: str
    algorithm: str
    value: bytes


def expected_digests(header: Callable[[str], str | None]) -> list[Expected]:
    """What the headers announce; unknown algorithms are ignored. Raises `invalid_digest`."""
    expected = []
    md5 = header("Content-MD5")
    if md5 is not None:
        expected.append(Expected("Content-MD5", "md5", _md5_value(md5)))
    for name in _FIELDS:
        text = header(name)
        if text is not None:
            expected += _dictionary(name, text)
    return expected


def _md5_value(text: str) -> bytes:
    try:
        value = base64.b64decode(text.strip().encode("latin-1"), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != hashlib.md5(usedforsecurity=False).digest_size:
        raise ApiError("invalid_digest", name="Content-MD5")
    return value


def _dictionary(name: str, text: str) -> list[Expected]:
    """A dictionary of byte sequences (RFC 9530 sections 2 and 3)."""
    try:
        members = cast(dict[str, Any], http_sf.parse(text.encode("latin-1"), tltype="dictionary"))
    except ValueError:
        raise ApiError("invalid_digest", name=name) from None
    expected = []
    for algorithm, member in members.items():
        if algorithm not in _ALGORITHMS:
            continue
        value = member[0] if isinstance(member, tuple) else None
        if not isinstance(value, bytes) or len(value) != _ALGORITHMS[algorithm]().digest_size:
            raise ApiError("invalid_digest", name=name)
        expected.append(Expected(name, algorithm, value))
    return expected


def verified(source: Reader, expected: list[Expected]) -> Reader:
    """`source`, which ends cleanly only if all these digests match."""
    return _Verified(source, expected) if expected else source


def _new_hash(algorithm: str) -> "hashlib._Hash":
    return hashlib.new(algorithm.replace("-", ""), usedforsecurity=False)


class _Verified:
    def __init__(self, source: Reader, expected: list[Expected]) -> None:
        self._source = source
        self._expected = expected
        self._hashes = {item.algorithm: _new_hash(item.algorithm) for item in expected}

    def readinto(self, buffer: memoryview, /) -> int:
        count = self._source.readinto(buffer)
        for running in self._hashes.values():
            running.update(buffer[:count])
        if not count:
            self._verify()
        return count

    def _verify(self) -> None:
        for item in self._expected:
            if self._hashes[item.algorithm].digest() != item.value:
                raise ApiError("digest_mismatch", name=item.header)
