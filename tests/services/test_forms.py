"""Forms in chunks of every size, and every way in which a form can be wrong."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from errors import ApiError
from services.forms import (
    LONG_PIECE,
    MAX_PART_HEADERS,
    MAX_PARTS,
    MAX_TEXT_PART,
    PIECE,
    form_submission,
)
from services.intake import Submission
from services.media_types import HEAD
from tests.contracts.readers import Uneven, pattern
from tests.services.readers import Chunks, read_all
from tests.services.test_digests import CONTENT, MD5, SHA256, encoded

BOUNDARY = "bound-ary'1"
LIMIT = 2**24


def part(name: str, content: bytes = b"", *headers: str, filename: str | None = None) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    return raw_part("\r\n".join([disposition, *headers]), content)


def raw_part(headers: str, content: bytes) -> bytes:
    return f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def file(content: bytes = b"content", *headers: str) -> bytes:
    return part("file", content, *headers, filename="a.txt")


def submitted(body: bytes, chunk: int = 2**20, limit: int = LIMIT) -> tuple[Submission, bytes]:
    submission = form_submission(Chunks(body, chunk), BOUNDARY, limit)
    content = b"" if submission.content is None else read_all(submission.content)
    return submission, content


def refused(body: bytes, chunk: int = 2**20, limit: int = LIMIT) -> ApiError:
    with pytest.raises(ApiError) as raised:
        submitted(body, chunk, limit)
    return raised.value


# --- good forms ----------------------------------------------------------------------------

CONTENTS = {
    "empty": b"",
    "a byte": b"x",
    "line break": b"\r\n",
    "dashes": b"\r\n--",
    "half a boundary": b"\r\n--bound",
    "a longer boundary": b"--bound-ary'1 it is not",
    "boundary within a line": b"x--bound-ary'1\r\n",
    "boundary after a line feed": b"\n--bound-ary'1--\n",
    "carriage returns": b"\r\r\r\n\r\n\r",
    "nul": bytes(range(256)),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_chunks_of_every_size(content: bytes) -> None:
    """Wherever the chunks end, the form says the same."""
    metadata = part("metadata", b'{"colour": "red"}')
    for body in (
        form(part("file_name", "grün.txt".encode()), metadata, file(content, "Content-Type: a/b")),
        form(file(content, "Content-Type: a/b"), metadata, part("file_name", "grün.txt".encode())),
    ):
        for chunk in range(1, len(body) + 1):
            submission, received = submitted(body, chunk)
            assert received == content
            assert submission.content is not None and submission.content.size == len(content)
            assert submission.declared_type == "a/b"
            assert submission.suggested_name == "a.txt"
            assert submission.file_name == "grün.txt"
            assert submission.metadata == {"colour": "red"}


@pytest.mark.parametrize("wanted", [100, PIECE - 1, PIECE, 2**20])
def test_large_content_passes_in_pieces(wanted: int) -> None:
    content = b"\r\n--bound" * 400_000
    body = Chunks(form(file(content)))
    intake = form_submission(body, BOUNDARY, LIMIT).content
    assert intake is not None
    passed, piece = bytearray(), memoryview(bytearray(wanted))
    while count := intake.readinto(piece):
        passed += piece[:count]
        # No more than a piece has been taken and not yet given.
        assert len(content) - len(passed) <= body.left + PIECE + HEAD
    assert passed == content


class Watched(Uneven):
    """`memory` has whose memory each piece went to."""

    def __init__(self, content: bytes, sizes: tuple[int, ...]) -> None:
        super().__init__(content, sizes)
        self.memory: list[object] = []

    def readinto(self, buffer: memoryview, /) -> int:
        self.memory.append(buffer.obj)
        return super().readinto(buffer)


NEARLY = st.sampled_from(
    [b"\r", b"\r\n", b"\r\n--", b"\r\n--bound-", b"\r\n--bound-ary'", b"\n--bound"]
)


@given(
    st.lists(st.one_of(NEARLY, st.binary(max_size=40))),
    st.lists(st.integers(1, 60), min_size=1).map(tuple),
    st.integers(1, 60),
)
@example([b"x" * 30, b"\r\n--bound", b"y" * 30], (152, 20, 2, 20), 60)
@example([b"x" * 300, b"\r\n--bound", b"y" * 30], (200, 60, 40, 3), 60)
def test_boundaries_that_are_begun(
    pieces: list[bytes], sizes: tuple[int, ...], wanted: int
) -> None:
    """However a line that looks like a boundary is cut, in whatever the form is received."""
    content = b"".join(pieces)
    submission = form_submission(Uneven(form(file(content)), sizes), BOUNDARY, LIMIT)
    assert submission.content is not None
    assert read_all(submission.content, wanted) == content


@pytest.mark.parametrize("at", [*range(PIECE - 30, PIECE + 5), LONG_PIECE - 1, LONG_PIECE])
def test_the_end_of_a_file_across_the_pieces_that_are_looked_through(at: int) -> None:
    """The first chunk ends within the content, the second one has the boundary at `at`."""
    content = pattern(1000 + at)
    body = form(file(content))
    first = body.index(content) + 1000
    uneven = Uneven(body, (first, LONG_PIECE))
    submission = form_submission(uneven, BOUNDARY, LIMIT)
    assert submission.content is not None
    assert read_all(submission.content, 2 * LONG_PIECE) == content


def test_a_long_file_is_received_where_it_is_wanted() -> None:
    content = pattern(8 * PIECE)
    body = Watched(form(file(content)), (PIECE,))
    intake = form_submission(body, BOUNDARY, LIMIT).content
    assert intake is not None
    wanted = bytearray(len(content) + 1)
    received = 0
    while count := intake.readinto(memoryview(wanted)[received:]):
        received += count
    assert wanted[:received] == content
    assert sum(memory is wanted for memory in body.memory) == 8


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        (None, None),
        ("", None),
        ("a b.txt", "a b.txt"),
        ("grün 😀.txt", "grün 😀.txt"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\a.txt", "a.txt"),
        ("a%22b.txt", 'a"b.txt'),
        ('a\\"b.txt', 'a"b.txt'),
        ("100%.txt", "100%.txt"),
    ],
)
def test_the_name_that_the_file_came_with(filename: str | None, name: str | None) -> None:
    submission, _ = submitted(form(part("file", b"x", filename=filename)))
    assert submission.suggested_name == name
    assert submission.file_name is None


def test_a_form_without_a_file_is_a_change() -> None:
    submission, _ = submitted(form(part("file_name", b"new.txt"), part("metadata", b"{}")))
    assert submission == Submission(file_name="new.txt", metadata={})


def test_an_empty_form() -> None:
    assert submitted(form()) == (Submission(), b"")


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Transfer-Encoding: binary"],
        ["Content-Transfer-Encoding: 8BIT"],
        ["X-Other: anything"],
        [f"X-{n}: y" for n in range(60)],
        ["X: " + "y" * (MAX_PART_HEADERS - 200)],
    ],
)
def test_headers_of_parts_that_are_taken(headers: list[str]) -> None:
    assert submitted(form(file(b"x", *headers)))[1] == b"x"


@pytest.mark.parametrize("around", [(b"preamble\r\n", b""), (b"\r\n", b""), (b"", b"epilogue")])
def test_what_stands_around_a_form_is_ignored(around: tuple[bytes, bytes]) -> None:
    assert submitted(around[0] + form(file()) + around[1])[1] == b"content"


def test_text_at_its_limit() -> None:
    padding = b" " * (MAX_TEXT_PART - 2)
    for order in (1, -1):
        parts = [part("metadata", b"{}" + padding), file()]
        assert submitted(form(*parts[::order]))[0].metadata == {}


DIGESTS = {
    "md5": f"Content-MD5: {MD5}",
    "sha-256": f"Content-Digest: sha-256=:{SHA256}:",
    "repr": f"Repr-Digest: sha-256=:{SHA256}:, foo=1",
}


@pytest.mark.parametrize("header", DIGESTS.values(), ids=DIGESTS)
def test_digests_of_the_file_part(header: str) -> None:
    assert submitted(form(file(CONTENT, header), part("metadata", b"{}")))[1] == CONTENT
    failure = refused(form(file(CONTENT[:-1], header), part("metadata", b"{}")))
    assert failure.code == "digest_mismatch"


# --- bad forms -----------------------------------------------------------------------------

BAD: dict[str, tuple[bytes, str]] = {
    "unknown part": (form(part("other", b"x"), file()), "unknown_part"),
    "unknown part, late": (form(file(), part("other", b"x")), "unknown_part"),
    "operator for a name": (form(part("file[$ne]", b"x")), "unknown_part"),
    "part without a name": (
        form(raw_part("Content-Disposition: form-data", b"x")),
        "unknown_part",
    ),
    "part with an empty name": (form(part("", b"x")), "unknown_part"),
    "two files": (form(file(), file()), "repeated_part"),
    "two names": (form(part("file_name", b"a"), part("file_name", b"b")), "repeated_part"),
    "a name before and after": (
        form(part("file_name", b"a"), file(), part("file_name", b"a")),
        "repeated_part",
    ),
    "two metadata": (
        form(file(), part("metadata", b"{}"), part("metadata", b"{}")),
        "repeated_part",
    ),
    "bad name": (form(part("file_name", b"a/b"), file()), "invalid_file_name"),
    "bad name, late": (form(file(), part("file_name", b"..")), "invalid_file_name"),
    "empty name": (form(part("file_name", b""), file()), "invalid_file_name"),
    "name too long": (form(file(), part("file_name", b"x" * 256)), "invalid_file_name"),
    "bad filename": (form(part("file", b"x", filename="..")), "invalid_file_name"),
    "control character in filename": (
        form(part("file", b"x", filename="a\x1b")),
        "invalid_file_name",
    ),
    "name that is no UTF-8": (form(part("file_name", b"\xff"), file()), "invalid_form"),
    "metadata that is no UTF-8": (form(file(), part("metadata", b'{"a":"\xff"}')), "invalid_form"),
    "metadata that is no JSON": (form(part("metadata", b"{"), file()), "invalid_metadata"),
    "metadata that is no object": (form(file(), part("metadata", b"[]")), "invalid_metadata"),
    "metadata that is empty": (form(file(), part("metadata", b"")), "invalid_metadata"),
    "metadata with a number": (form(file(), part("metadata", b'{"a": 1}')), "invalid_metadata"),
    "metadata with an operator": (
        form(file(), part("metadata", b'{"a": {"$ne": null}}')),
        "invalid_metadata",
    ),
    "metadata with a lone surrogate": (
        form(part("metadata", b'{"a": "\\ud800"}'), file()),
        "invalid_metadata",
    ),
    "metadata too deep": (form(file(), part("metadata", b"[" * 60_000)), "invalid_metadata"),
    "metadata with a huge number": (
        form(file(), part("metadata", b'{"a": ' + b"9" * 5000 + b"}")),
        "invalid_metadata",
    ),
    "metadata too large": (
        form(file(), part("metadata", b'{"a": "' + b"x" * 2048 + b'"}')),
        "invalid_metadata",
    ),
    "text too long": (form(part("metadata", b" " * (MAX_TEXT_PART + 1)), file()), "invalid_form"),
    "text too long, late": (
        form(file(), part("file_name", b"x" * (MAX_TEXT_PART + 1))),
        "invalid_form",
    ),
    "headers too long": (form(file(b"x", "X: " + "y" * MAX_PART_HEADERS)), "invalid_form"),
    "headers too long together": (
        form(file(b"x", *(f"X-{n}: {'y' * 5000}" for n in range(4)))),
        "invalid_form",
    ),
    "headers too many": (form(file(b"x", *(f"X-{n}: y" for n in range(100)))), "invalid_form"),
    "a header of 1 MiB": (form(file(b"x", "X: " + "y" * 2**20)), "invalid_form"),
    "a header without an end": (file(b"", "X: ")[:-6] + b"y" * 2**21, "invalid_form"),
    "no headers": (form(f"--{BOUNDARY}\r\n\r\nx\r\n".encode()), "invalid_form"),
    "no disposition": (form(raw_part("Content-Type: text/plain", b"x")), "invalid_form"),
    "another disposition": (
        form(raw_part('Content-Disposition: attachment; name="file"', b"x")),
        "invalid_form",
    ),
    "a header without a colon": (form(file(b"x", "nonsense")), "invalid_form"),
    "nested": (form(file(b"x", "Content-Type: multipart/mixed; boundary=y")), "invalid_form"),
    "nested in capitals": (form(file(b"x", "Content-Type: Multipart/Mixed")), "invalid_form"),
    "base64": (form(file(b"eA==", "Content-Transfer-Encoding: base64")), "invalid_form"),
    "quoted-printable": (
        form(file(b"x", "Content-Transfer-Encoding: quoted-printable")),
        "invalid_form",
    ),
    "a malformed digest": (form(file(b"x", "Content-Digest: sha-256=x")), "invalid_digest"),
    "a digest of something else": (
        form(file(b"x", f"Content-MD5: {encoded('md5', b'y')}")),
        "digest_mismatch",
    ),
    "nothing": (b"", "invalid_form"),
    "no form at all": (b"hello world" * 100, "invalid_form"),
    "line breaks only": (b"\r\n--" * 10_000, "invalid_form"),
    "another boundary": (form(file()).replace(b"bound", b"found"), "invalid_form"),
    "line feeds only": (form(file()).replace(b"\r\n", b"\n"), "invalid_form"),
    "something before the boundary": (b"x" + form(file()), "invalid_form"),
    "something after a boundary": (
        form(file()).replace(b"--bound-ary'1\r\n", b"--bound-ary'1x\r\n"),
        "invalid_form",
    ),
    "too much before": (b"x" * (5 * 2**20) + b"\r\n" + form(file()), "invalid_form"),
    "too much after": (form(file()) + b"x" * (5 * 2**20), "invalid_form"),
}


@pytest.mark.parametrize(("body", "code"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("chunk", [4099, 2**20])
def test_a_bad_form(body: bytes, code: str, chunk: int) -> None:
    failure = refused(body, chunk)
    assert (failure.code, failure.status) == (code, 400)
    assert failure.sentence.endswith(".")
    failure.sentence.encode()


def test_too_many_parts() -> None:
    """There are only three names, so what comes first is a name that comes twice or is unknown."""
    for parts in ([part("file_name", b"a")] * (MAX_PARTS + 1), [part("x", b"")] * 10_000):
        assert refused(form(*parts)).code in ("repeated_part", "unknown_part", "invalid_form")


@pytest.mark.parametrize("late", [True, False])
def test_a_form_that_is_cut_off(late: bool) -> None:
    """At every byte before the end of the closing boundary."""
    parts = [file(b"12345\r\n"), part("metadata", b'{"a": "b"}')]
    body = form(*(parts if late else parts[::-1]))
    for cut in range(len(body) - 2):
        assert refused(body[:cut]).code in ("invalid_form", "invalid_metadata")
    assert submitted(body[:-2])[1] == b"12345\r\n"


@pytest.mark.parametrize("chunk", [100, 2**20])
@pytest.mark.parametrize("late", [True, False])
def test_content_longer_than_the_limit(late: bool, chunk: int) -> None:
    parts = [file(b"x" * 1000), part("metadata", b"{}")]
    body = form(*(parts if late else parts[::-1]))
    assert submitted(body, chunk, limit=1000)[1] == b"x" * 1000
    assert refused(body, chunk, limit=999).code == "content_too_large"


@pytest.mark.parametrize("boundary", ["", "a\nb"])
def test_a_boundary_that_is_none(boundary: str) -> None:
    with pytest.raises(ApiError) as raised:
        form_submission(Chunks(form(file())), boundary, LIMIT)
    assert raised.value.code == "invalid_form"


def test_the_reader_s_own_error_passes() -> None:
    class Broken(Chunks):
        def readinto(self, buffer: memoryview, /) -> int:
            count = super().readinto(buffer)
            if not count:
                raise ApiError("incomplete_body")
            return count

    content = form_submission(Broken(file(b"x" * 100), 10), BOUNDARY, LIMIT).content
    assert content is not None
    with pytest.raises(ApiError) as raised:
        read_all(content)
    assert raised.value.code == "incomplete_body"
