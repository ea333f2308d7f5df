"""Forms that are odd, and forms that are broken and leave nothing behind (RFC 7578, SPEC 3)."""

from collections.abc import Callable

import pytest

from .client import KIB, MIB, noise, pieces
from .drop import Drop
from .forms import BOUNDARY, body, file, pairs, part, text

TYPE = f"multipart/form-data; boundary={BOUNDARY}"
MARK = BOUNDARY.encode()

# --- content that looks like a boundary ----------------------------------------------------------

TRICKY = {
    "CR": b"\r",
    "LF": b"\n",
    "CR LF": b"\r\n",
    "ends in CR": b"content\r",
    "ends in CR LF": b"content\r\n",
    "ends in CR LF dash": b"content\r\n-",
    "ends in CR LF dashes": b"content\r\n--",
    "starts with CR LF": b"\r\ncontent",
    "blank lines": b"\r\n\r\n\r\n\r\n",
    "a header": b"\r\nContent-Disposition: form-data; name=x\r\n\r\n",
    "beginning of the boundary": b"a\r\n--" + MARK[:-1] + b"\r\nb",
    "boundary without CR": b"a\n--" + MARK + b"\r\nb",
    "boundary without LF": b"a\r--" + MARK + b"\r\nb",
    "boundary within a line": b"a--" + MARK + b"--\r\nb",
    "boundary with one dash": b"a\r\n-" + MARK + b"\r\nb",
    "another boundary": b"\r\n--other\r\nx\r\n--other--\r\n",
    "beginnings, many": (b"\r\n--" + MARK[:-1]) * 20_000,
    "CR LF dashes, many": b"\r\n--" * 500_000,
    "CR, many": b"\r" * 1_000_000,
    "CR LF, many": b"\r\n" * 500_000,
    "dashes, many": b"-" * 1_000_000,
}


@pytest.mark.parametrize("label", TRICKY)
def test_content_may_look_like_a_boundary(drop: Drop, label: str) -> None:
    content = TRICKY[label]
    document = drop.document(drop.form(pairs({"run": drop.tag}), file(content, f"{drop.tag}.x")))
    assert document["file_size"] == len(content)
    assert drop.content(document) == content


@pytest.mark.parametrize("size", [1, 3, 61, 8191])
def test_a_form_may_arrive_in_any_pieces(drop: Drop, size: int) -> None:
    """A boundary may be split anywhere between two reads."""
    content = (b"\r\n--" + MARK[:-1]) * 30
    whole = body(text("file_name", drop.tag), file(content), pairs({"run": drop.tag}))
    document = drop.document(drop.post(pieces(whole, size), {"Content-Type": TYPE}))
    assert document["file_name"] == drop.tag
    assert drop.content(document) == content


@pytest.mark.parametrize("offset", range(-70, 10, 3))
def test_a_boundary_may_cross_a_buffer_of_1_mib(drop: Drop, offset: int) -> None:
    content = noise(MIB + offset)
    document = drop.document(drop.form(file(content, None), text("file_name", drop.tag)))
    assert document["file_size"] == len(content)
    assert drop.content(document) == content


# --- odd but legal -------------------------------------------------------------------------------

LEGAL: dict[str, Callable[[str], bytes]] = {
    "preamble": lambda tag: b"preamble\r\n" + body(file(b"content", tag)),
    "first line end": lambda tag: b"\r\n" + body(file(b"content", tag)),
    "epilogue": lambda tag: body(file(b"content", tag)) + b"epilogue\r\n",
    "no last line end": lambda tag: body(file(b"content", tag))[:-2],
    "lower case headers": lambda tag: body(
        part(b"content", f'content-disposition: form-data; name="file"; filename="{tag}"')
    ),
    "upper case headers": lambda tag: body(
        part(b"content", f'CONTENT-DISPOSITION: FORM-DATA; NAME="file"; FILENAME="{tag}"')
    ),
    "no space after the colon": lambda tag: body(
        part(b"content", f'Content-Disposition:form-data; name="file"; filename="{tag}"')
    ),
    "no space after the semicolon": lambda tag: body(
        part(b"content", f'Content-Disposition: form-data;name="file";filename="{tag}"')
    ),
    "tokens instead of strings": lambda tag: body(
        part(b"content", f"Content-Disposition: form-data; name=file; filename={tag}")
    ),
    "filename before name": lambda tag: body(
        part(b"content", f'Content-Disposition: form-data; filename="{tag}"; name="file"')
    ),
    "disposition after the type": lambda tag: body(
        part(
            b"content",
            "Content-Type: text/plain",
            f'Content-Disposition: form-data; name="file"; filename="{tag}"',
        )
    ),
    "other headers": lambda tag: body(
        file(b"content", tag, "text/plain", "X-Other: 1", "Content-Transfer-Encoding: binary")
    ),
    "headers of 12 KiB": lambda tag: body(
        file(b"content", tag, None, *(f"X-Other-{n}: {'a' * 3000}" for n in range(4)))
    ),
}


@pytest.mark.parametrize("label", LEGAL)
def test_an_odd_form_is_understood(drop: Drop, label: str) -> None:
    document = drop.document(drop.post(LEGAL[label](drop.tag), {"Content-Type": TYPE}))
    assert document["file_name"] == drop.tag
    assert drop.content(document) == b"content"


BOUNDARIES = [
    "x",
    "-",
    "--",
    "a" * 70,
    "0123456789",
    "a'b(c)d+e_f,g-h.i/j:k=l?m",
    "with space inside",
    "----WebKitFormBoundaryABCDEFGHIJKLMNOP",
]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("parameters", ["", " charset=utf-8;"])
def test_any_legal_boundary_is_understood(drop: Drop, boundary: str, parameters: str) -> None:
    """RFC 2046 5.1.1: up to 70 of these characters."""
    whole = body(file(b"\r\ncontent\r\n", drop.tag), boundary=boundary)
    headers = {"Content-Type": f'multipart/form-data;{parameters} boundary="{boundary}"'}
    document = drop.document(drop.post(whole, headers))
    assert drop.content(document) == b"\r\ncontent\r\n"


# --- broken --------------------------------------------------------------------------------------


def good(tag: str) -> bytes:
    return body(pairs({"run": tag}), file(b"content", tag))


BROKEN: dict[str, Callable[[str], bytes]] = {
    "empty": lambda tag: b"",
    "no boundary in it": lambda tag: b"nothing " + tag.encode(),
    "another boundary": lambda tag: good(tag).replace(MARK, b"another"),
    "another boundary at the end": lambda tag: good(tag)[: -len(MARK) - 6] + b"--other--\r\n",
    "end only": lambda tag: b"--" + MARK + b"--\r\n",
    "line feeds only": lambda tag: good(tag).replace(b"\r\n", b"\n"),
    "no end": lambda tag: good(tag)[: -len(MARK) - 8],
    "end without dashes": lambda tag: good(tag)[:-4] + b"\r\n",
    "end with one dash": lambda tag: good(tag)[:-3],
    "cut in the last boundary": lambda tag: good(tag)[:-20],
    "cut in the content": lambda tag: good(tag)[: -len(MARK) - 10],
    "cut in the headers": lambda tag: good(tag)[: len(MARK) * 2 + 150],
    "cut after the first boundary": lambda tag: good(tag)[: len(MARK) + 4],
    "cut in the first boundary": lambda tag: good(tag)[:10],
    "garbage after a boundary": lambda tag: good(tag).replace(MARK + b"\r\n", MARK + b"xx\r\n", 1),
    "one boundary too many": lambda tag: good(tag)[:-4] + b"\r\n--" + MARK + b"--\r\n",
    "no blank line": lambda tag: good(tag).replace(b"\r\n\r\n", b"\r\n"),
    "header without a colon": lambda tag: body(
        part(b"content", f'Content-Disposition: form-data; name="file"; filename="{tag}"', "broken")
    ),
    "header without a name": lambda tag: body(file(b"content", tag, None, ": nothing")),
    "header with a space in its name": lambda tag: body(file(b"content", tag, None, "X Y: z")),
    "header that is not UTF-8": lambda tag: body(
        part(b"content", b'Content-Disposition: form-data; name="file\xff"; filename="x"')
    ),
    "part without headers": lambda tag: body(pairs({"run": tag}), b"\r\ncontent"),
    "part without a disposition": lambda tag: body(
        pairs({"run": tag}), part(b"content", "Content-Type: text/plain")
    ),
    "part without a name": lambda tag: body(
        part(b"content", f'Content-Disposition: form-data; filename="{tag}"')
    ),
    "part with an empty name": lambda tag: body(
        part(b"content", f'Content-Disposition: form-data; name=""; filename="{tag}"')
    ),
    "attachment instead of form-data": lambda tag: body(
        part(b"content", f'Content-Disposition: attachment; name="file"; filename="{tag}"')
    ),
    "no file": lambda tag: body(text("file_name", tag), pairs({"run": tag})),
    "file under another name": lambda tag: body(
        pairs({"run": tag}), file(b"content", tag, name="upload")
    ),
    "file under a name in capitals": lambda tag: body(
        pairs({"run": tag}), file(b"content", tag, name="File")
    ),
    "another file beside": lambda tag: body(
        file(b"content", tag), file(b"content", tag, name="other")
    ),
    "two files": lambda tag: body(file(b"content", tag), file(b"content", tag)),
    "two large files": lambda tag: body(
        pairs({"run": tag}), file(noise(9 * MIB), tag), file(noise(9 * MIB), tag)
    ),
    "two names": lambda tag: body(
        text("file_name", tag), file(b"content", tag), text("file_name", tag)
    ),
    "two metadata": lambda tag: body(
        pairs({"run": tag}), file(b"content", tag), pairs({"run": tag})
    ),
    "unknown text before": lambda tag: body(text("colour", "blue"), file(b"content", tag)),
    "unknown text after": lambda tag: body(file(b"content", tag), text("colour", "blue")),
    "unknown text after a large file": lambda tag: body(
        file(noise(9 * MIB), tag), text("colour", "blue")
    ),
    "unknown text that would be metadata": lambda tag: body(
        text("colour", '{"a": "b"}'), file(b"content", tag)
    ),
    "operator in a name": lambda tag: body(text("file_name[$ne]", ""), file(b"content", tag)),
    "17 parts": lambda tag: body(*[text("colour", "blue")] * 16, file(b"content", tag)),
    "17 files": lambda tag: body(*[file(b"content", tag)] * 17),
    "10,000 tiny parts": lambda tag: body(*[text("a", "b")] * 10_000, file(b"content", tag)),
    "10,000 tiny files": lambda tag: body(*[file(b"", tag)] * 10_000),
    "10,000 empty parts": lambda tag: (b"--" + MARK + b"\r\n\r\n\r\n") * 10_000 + good(tag),
    "10,000 headers": lambda tag: body(
        file(b"content", tag, None, *(f"X-{n}: a" for n in range(10_000)))
    ),
    "part header of 1 MiB": lambda tag: body(file(b"content", tag, None, "X-Long: " + "a" * MIB)),
    "part header of 1 MiB without an end": lambda tag: (
        b"--" + MARK + b"\r\nContent-Disposition: form-data; name=file; x=" + b"a" * MIB
    ),
    "part headers of 17 KiB": lambda tag: body(
        file(b"content", tag, None, *(f"X-Other-{n}: {'a' * KIB}" for n in range(17)))
    ),
    "filename of 1 MiB": lambda tag: body(file(b"content", "a" * MIB)),
    "name part of 64 KiB and a byte": lambda tag: body(
        file(b"content", tag), text("file_name", tag + "a" * 64 * KIB)
    ),
    "name part of 1 MiB": lambda tag: body(
        text("file_name", tag + "a" * MIB), file(b"content", tag)
    ),
    "metadata of 1 MiB": lambda tag: body(
        text("metadata", b'{"a": "x"}'.ljust(MIB)), file(b"content", tag)
    ),
    "nested form": lambda tag: body(
        part(good(tag).replace(MARK, b"inner"), "Content-Type: multipart/form-data; boundary=inner")
    ),
    "nested mixed files": lambda tag: body(
        part(
            b'--inner\r\nContent-Disposition: file; filename="a"\r\n\r\ncontent\r\n--inner--\r\n',
            f'Content-Disposition: form-data; name="file"; filename="{tag}"',
            "Content-Type: multipart/mixed; boundary=inner",
        )
    ),
    "zeros": lambda tag: bytes(100_000),
    "dashes": lambda tag: b"-" * 100_000,
    "CR LF dashes": lambda tag: b"\r\n--" * 500_000,
}


@pytest.mark.parametrize("label", BROKEN)
def test_a_broken_form_is_refused(drop: Drop, label: str) -> None:
    drop.refused(drop.post(BROKEN[label](drop.tag), {"Content-Type": TYPE}), 400)


@pytest.mark.parametrize("label", BROKEN)
def test_a_broken_form_of_unknown_length_is_refused(drop: Drop, label: str) -> None:
    whole = pieces(BROKEN[label](drop.tag))
    drop.refused(drop.post(whole, {"Content-Type": TYPE}), 400)


BAD_TYPES = {
    "no boundary": "multipart/form-data",
    "no boundary after the semicolon": "multipart/form-data;",
    "empty boundary": "multipart/form-data; boundary=",
    "empty quoted boundary": 'multipart/form-data; boundary=""',
    "boundary under another name": f"multipart/form-data; border={BOUNDARY}",
    "boundary of another form": "multipart/form-data; boundary=another",
    "boundary that is not ASCII": "multipart/form-data; boundary=ü",
    "boundary of 5,000 characters": f"multipart/form-data; boundary={'a' * 5000}",
}


@pytest.mark.parametrize("label", BAD_TYPES)
def test_a_form_without_its_boundary_is_refused(drop: Drop, label: str) -> None:
    drop.refused(drop.post(good(drop.tag), {"Content-Type": BAD_TYPES[label]}), 400)


@pytest.mark.parametrize("cut", range(1, 60, 4))
def test_a_form_cut_anywhere_near_its_end_is_refused(drop: Drop, cut: int) -> None:
    whole = good(drop.tag)[:-2]  # the last CR LF is not needed
    drop.refused(drop.post(whole[:-cut], {"Content-Type": TYPE}), 400)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_large_form_that_is_cut_is_refused(drop: Drop, share: float) -> None:
    whole = body(pairs({"run": drop.tag}), file(noise(20 * MIB), drop.tag))
    cut = whole[: int(len(whole) * share)]
    drop.refused(drop.post(cut, {"Content-Type": TYPE}), 400)
