import base64
import hashlib
from collections.abc import Mapping

import pytest

from errors import ApiError
from services.digests import Expected, expected_digests, verified
from tests.services.readers import Chunks, read_all

CONTENT = b"hello world" * 1000


def encoded(algorithm: str, content: bytes = CONTENT) -> str:
    return base64.b64encode(hashlib.new(algorithm, content).digest()).decode()


OTHER_MD5, OTHER_SHA256 = encoded("md5", b"other"), encoded("sha256", b"other")
MD5, SHA256, SHA512 = encoded("md5"), encoded("sha256"), encoded("sha512")

GOOD: dict[str, tuple[dict[str, str], list[str]]] = {
    "none": ({}, []),
    "md5": ({"Content-MD5": MD5}, ["md5"]),
    "md5 with spaces": ({"Content-MD5": f" {MD5} "}, ["md5"]),
    "sha-256": ({"Content-Digest": f"sha-256=:{SHA256}:"}, ["sha-256"]),
    "sha-512": ({"Repr-Digest": f"sha-512=:{SHA512}:"}, ["sha-512"]),
    "both": (
        {"Content-Digest": f"sha-256=:{SHA256}:, sha-512=:{SHA512}:"},
        ["sha-256", "sha-512"],
    ),
    "all headers": (
        {
            "Content-MD5": MD5,
            "Content-Digest": f"sha-256=:{SHA256}:",
            "Repr-Digest": f"sha-256=:{SHA256}:",
        },
        ["md5", "sha-256", "sha-256"],
    ),
    "unknown": ({"Content-Digest": "md5=:AAAA:, foo=1, bar, sha=(1 2);x"}, []),
    "unknown beside known": ({"Repr-Digest": f"foo=1, sha-256=:{SHA256}:;a=b"}, ["sha-256"]),
    "empty": ({"Content-Digest": ""}, []),
    "the last of two": (
        {"Content-Digest": f"sha-256=:{encoded('sha256', b'x')}:, sha-256=:{SHA256}:"},
        ["sha-256"],
    ),
}

MALFORMED = {
    "md5 not base64": ("Content-MD5", "!!!"),
    "md5 empty": ("Content-MD5", ""),
    "md5 as hex": ("Content-MD5", hashlib.md5(CONTENT).hexdigest()),
    "md5 of another length": ("Content-MD5", SHA256),
    "md5 twice": ("Content-MD5", f"{MD5}, {MD5}"),
    "no dictionary": ("Content-Digest", "=="),
    "no colons": ("Content-Digest", f"sha-256={SHA256}"),
    "token": ("Content-Digest", "sha-256=abc"),
    "number": ("Repr-Digest", "sha-256=1"),
    "string": ("Repr-Digest", f'sha-256="{SHA256}"'),
    "without a value": ("Repr-Digest", "sha-256"),
    "inner list": ("Content-Digest", f"sha-256=(:{SHA256}:)"),
    "too short": ("Content-Digest", "sha-256=:AAAA:"),
    "of another algorithm": ("Content-Digest", f"sha-512=:{SHA256}:"),
    "empty bytes": ("Repr-Digest", "sha-256=::"),
    "trailing comma": ("Repr-Digest", f"sha-256=:{SHA256}:,"),
    "not ASCII": ("Content-Digest", "sha-256=:ü:"),
}


def expected(headers: Mapping[str, str]) -> list[Expected]:
    return expected_digests(headers.get)


@pytest.mark.parametrize(("headers", "algorithms"), GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("chunk", [1009, 2**20])
def test_a_digest_that_matches(headers: dict[str, str], algorithms: list[str], chunk: int) -> None:
    digests = expected(headers)
    assert [item.algorithm for item in digests] == algorithms
    assert read_all(verified(Chunks(CONTENT, chunk), digests)) == CONTENT


@pytest.mark.parametrize(
    "headers", [headers for headers, algorithms in GOOD.values() if algorithms]
)
@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"\n", CONTENT.upper()])
def test_a_digest_that_does_not_match(headers: dict[str, str], content: bytes) -> None:
    reader = verified(Chunks(content, 1009), expected(headers))
    with pytest.raises(ApiError) as raised:
        read_all(reader)
    assert raised.value.code == "digest_mismatch"
    assert next(iter(headers)) in raised.value.sentence


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Content-Digest": f"sha-256=:{SHA256}:", "Content-MD5": OTHER_MD5}, "Content-MD5"),
        ({"Content-MD5": MD5, "Content-Digest": f"sha-256=:{OTHER_SHA256}:"}, "Content-Digest"),
        ({"Repr-Digest": f"sha-512=:{SHA512}:, sha-256=:{OTHER_SHA256}:"}, "Repr-Digest"),
    ],
)
def test_each_digest_counts(headers: dict[str, str], named: str) -> None:
    with pytest.raises(ApiError, match=named):
        read_all(verified(Chunks(CONTENT), expected(headers)))


@pytest.mark.parametrize(("header", "value"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_digest(header: str, value: str) -> None:
    with pytest.raises(ApiError) as raised:
        expected({header: value})
    assert (raised.value.code, raised.value.status) == ("invalid_digest", 400)
    assert header in raised.value.sentence


def test_an_empty_file_has_a_digest_too() -> None:
    headers = {"Content-Digest": f"sha-256=:{encoded('sha256', b'')}:"}
    assert read_all(verified(Chunks(b""), expected(headers))) == b""
