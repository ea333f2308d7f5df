"""Content-MD5 (RFC 1864), Content-Digest and Repr-Digest (RFC 9530), at upload and at change."""

import base64
import hashlib
from collections.abc import Callable

import pytest

from .checks import assert_error, assert_status
from .client import MIB, Answer, noise, pieces
from .drop import Drop
from .forms import body, file, form, pairs, text

CONTENT = noise(100_000)
Lines = dict[str, str]
Digest = Callable[[bytes], Lines]


def encoded(algorithm: str, data: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()


def md5(data: bytes) -> Lines:
    return {"Content-MD5": encoded("md5", data)}


def field(name: str, value: str) -> Digest:
    """A header whose value may name the digests of the data."""

    def lines(data: bytes) -> Lines:
        made = value.replace("<256>", f":{encoded('sha256', data)}:")
        return {name: made.replace("<512>", f":{encoded('sha512', data)}:")}

    return lines


def both(*digests: Digest) -> Digest:
    return lambda data: {name: value for one in digests for name, value in one(data).items()}


def of_other_bytes(digest: Digest) -> Digest:
    return lambda data: digest(data + b"!")


SHA256 = field("Content-Digest", "sha-256=<256>")
SHA512 = field("Content-Digest", "sha-512=<512>")
REPR256 = field("Repr-Digest", "sha-256=<256>")
REPR512 = field("Repr-Digest", "sha-512=<512>")

RIGHT: dict[str, Digest] = {
    "Content-MD5": md5,
    "Content-Digest sha-256": SHA256,
    "Content-Digest sha-512": SHA512,
    "Content-Digest, both": field("Content-Digest", "sha-256=<256>, sha-512=<512>"),
    "Content-Digest with a parameter": field("Content-Digest", "sha-256=<256>;x=1"),
    "Repr-Digest sha-256": REPR256,
    "Repr-Digest sha-512": REPR512,
    "Repr-Digest, both": field("Repr-Digest", "sha-512=<512>,sha-256=<256>"),
    "all three": both(md5, SHA256, REPR512),
    "unknown algorithm": field("Content-Digest", "unixsum=:AAAA:"),
    "insecure algorithm": field("Content-Digest", "md5=:AAAAAAAAAAAAAAAAAAAAAA==:"),
    "unknown beside known": field("Content-Digest", "future=:AAAA:, sha-256=<256>"),
    "unknown in Repr-Digest": field("Repr-Digest", "sha=:AAAA:"),
}
WRONG: dict[str, Digest] = {
    "Content-MD5": of_other_bytes(md5),
    "Content-Digest sha-256": of_other_bytes(SHA256),
    "Content-Digest sha-512": of_other_bytes(SHA512),
    "Repr-Digest sha-256": of_other_bytes(REPR256),
    "Repr-Digest sha-512": of_other_bytes(REPR512),
    "one of two": field("Content-Digest", f"sha-256=<256>, sha-512=:{'A' * 86}==:"),
    "one of two headers": both(SHA256, of_other_bytes(REPR256)),
    "beside a right MD5": both(md5, of_other_bytes(SHA512)),
    "wrong MD5 beside a right hash": both(SHA256, of_other_bytes(md5)),
    "MD5 in hex": lambda data: {"Content-MD5": hashlib.md5(data).hexdigest()},
    "MD5 not base64": lambda data: {"Content-MD5": "!" * 24},
    "MD5 too short": lambda data: {"Content-MD5": "AAAA"},
    "MD5 with a tail": lambda data: {"Content-MD5": encoded("md5", data) + "AAAA"},
    "hash without colons": lambda data: {"Content-Digest": f"sha-256={encoded('sha256', data)}"},
    "hash in hex": lambda data: {"Content-Digest": f"sha-256={hashlib.sha256(data).hexdigest()}"},
    "hash in quotes": lambda data: {"Content-Digest": f'sha-256="{encoded("sha256", data)}"'},
    "hash too short": field("Content-Digest", "sha-256=:AAAA:"),
    "hash of the wrong length": field("Content-Digest", "sha-256=<512>"),
    "hash without a value": field("Content-Digest", "sha-256"),
    "hash as a number": field("Content-Digest", "sha-256=1"),
    "hash as a list": field("Content-Digest", "sha-256=(<256>)"),
    "not base64": field("Content-Digest", "sha-256=:****:"),
    "not a dictionary": field("Content-Digest", "!!!"),
    "open end": field("Content-Digest", "sha-256=<256>,"),
    "malformed Repr-Digest": field("Repr-Digest", "sha-512=:"),
    "malformed beside a right one": both(SHA256, field("Repr-Digest", "=")),
}


def on_a_raw_body(drop: Drop, digest: Digest) -> Answer:
    return drop.raw(CONTENT, None, digest(CONTENT))


def on_a_chunked_body(drop: Drop, digest: Digest) -> Answer:
    return drop.raw(pieces(CONTENT), None, digest(CONTENT))


def on_a_whole_form(drop: Drop, digest: Digest) -> Answer:
    parts = (text("file_name", drop.tag), pairs({"run": drop.tag}), file(CONTENT))
    return drop.form(*parts, headers=digest(body(*parts)))


def on_the_file_part(drop: Drop, digest: Digest) -> Answer:
    lines = (f"{name}: {value}" for name, value in digest(CONTENT).items())
    return drop.form(text("file_name", drop.tag), file(CONTENT, "x", "a/b", *lines))


def on_the_file_part_with_late_text(drop: Drop, digest: Digest) -> Answer:
    lines = (f"{name}: {value}" for name, value in digest(CONTENT).items())
    return drop.form(file(CONTENT, "x", "a/b", *lines), text("file_name", drop.tag))


def on_a_raw_change(drop: Drop, digest: Digest) -> Answer:
    return drop.client.put(f"/files/{drop.file()['file_id']}", CONTENT, digest(CONTENT))


def on_a_form_change(drop: Drop, digest: Digest) -> Answer:
    made = form(file(CONTENT))
    headers = {"Content-Type": made.content_type, **digest(made.body)}
    return drop.client.put(f"/files/{drop.file()['file_id']}", made.body, headers)


def on_the_file_part_of_a_change(drop: Drop, digest: Digest) -> Answer:
    lines = (f"{name}: {value}" for name, value in digest(CONTENT).items())
    made = form(file(CONTENT, "x", "a/b", *lines))
    headers = {"Content-Type": made.content_type}
    return drop.client.put(f"/files/{drop.file()['file_id']}", made.body, headers)


UPLOADS = [
    on_a_raw_body, on_a_chunked_body, on_a_whole_form, on_the_file_part,
    on_the_file_part_with_late_text,
]  # fmt: skip
CHANGES = [on_a_raw_change, on_a_form_change, on_the_file_part_of_a_change]
Place = Callable[[Drop, Digest], Answer]


@pytest.mark.parametrize("place", UPLOADS)
@pytest.mark.parametrize("label", RIGHT)
def test_a_right_or_unknown_digest_is_accepted(drop: Drop, place: Place, label: str) -> None:
    document = drop.document(place(drop, RIGHT[label]))
    assert drop.content(document) == CONTENT


@pytest.mark.parametrize("place", UPLOADS)
@pytest.mark.parametrize("label", WRONG)
def test_a_wrong_or_malformed_digest_is_refused(drop: Drop, place: Place, label: str) -> None:
    drop.refused(place(drop, WRONG[label]), 400)


@pytest.mark.parametrize("place", CHANGES)
@pytest.mark.parametrize("label", RIGHT)
def test_a_right_digest_lets_the_change_pass(drop: Drop, place: Place, label: str) -> None:
    document = assert_status(place(drop, RIGHT[label]), 200).json()["file"]
    assert drop.content(document) == CONTENT


@pytest.mark.parametrize("place", CHANGES)
@pytest.mark.parametrize("label", WRONG)
def test_a_wrong_digest_keeps_the_old_content(drop: Drop, place: Place, label: str) -> None:
    assert_error(place(drop, WRONG[label]), 400)
    (document,) = drop.listing()
    assert document["revision"] == 1
    assert drop.content(document) == b"0123456789"


@pytest.mark.parametrize("label", ["Content-MD5", "Content-Digest sha-512", "Repr-Digest sha-256"])
def test_digests_are_verified_over_several_parts_of_the_store(drop: Drop, label: str) -> None:
    content = noise(17 * MIB)
    drop.refused(drop.raw(content, None, WRONG[label](content)), 400)
    document = drop.document(drop.raw(content, None, RIGHT[label](content)))
    assert document["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_digest_of_an_empty_file_is_verified(drop: Drop) -> None:
    drop.document(drop.raw(b"", None, SHA256(b"")))
    assert_error(drop.raw(b"", f"{drop.tag} wrong", SHA256(b"x")), 400)
    assert len(drop.leftovers()) == 1


def test_digests_of_the_part_and_of_the_form_both_count(drop: Drop) -> None:
    good = file(CONTENT, "x", "a/b", f"Content-MD5: {encoded('md5', CONTENT)}")
    name = text("file_name", drop.tag)
    drop.refused(drop.form(name, good, headers=md5(CONTENT)), 400)
    drop.document(drop.form(name, good, headers=md5(body(name, good))))
