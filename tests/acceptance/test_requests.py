"""Requests as files, one a case: see requests/README.md (RFC 9112, SPEC 7)."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from .checks import assert_error, assert_status
from .client import Client, Wire
from .drop import Drop

FOLDER = Path(__file__).parent / "requests"
ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


@dataclass(frozen=True)
class Case:
    expected: list[str]
    content: bytes | None
    request: bytes

    @property
    def statuses(self) -> list[int]:
        return [int(word) for word in self.expected if word != "close"]


def unescaped(text: str) -> bytes:
    def one(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code[1:], 16)]) if code.startswith(b"x") else ESCAPES[code]

    return re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", one, text.encode("ascii"))


def load(path: Path) -> Case:
    lines = path.read_text("ascii").splitlines()
    comments = [line for line in lines if line.startswith("#")]
    content = [line.removeprefix("# content:") for line in comments if "# content:" in line]
    return Case(
        comments[0].removeprefix("#").split(),
        unescaped(content[0].removeprefix(" ")) if content else None,
        unescaped("".join(lines[len(comments) :])),
    )


def cases(kind: str) -> list[Path]:
    paths = sorted((FOLDER / kind).glob("*.http"))
    assert paths, f"no requests in {FOLDER / kind}"
    return paths


def filled(request: bytes, wire: Wire, tag: str) -> bytes:
    for name, value in (("host", wire.host), ("prefix", wire.prefix), ("tag", tag)):
        request = request.replace(b"{%b}" % name.encode(), value.encode())
    body = request.partition(b"\r\n\r\n")[2]
    return request.replace(b"{length}", b"%d" % len(body))


@pytest.mark.parametrize("path", cases("invalid"), ids=lambda path: path.stem)
def test_an_invalid_request_is_refused(drop: Drop, client: Client, path: Path) -> None:
    case = load(path)
    with client.wire() as wire:
        wire.send(filled(case.request, wire, drop.tag))
        wire.finish()
        try:
            answer = wire.answer()
        except ConnectionError:
            assert "close" in case.expected
        else:
            assert_error(answer, *case.statuses)
            assert wire.read() == b"", "nothing behind it is answered"
    assert drop.leftovers() == []
    assert_status(client.get("/healthz"), 200)


@pytest.mark.parametrize("path", cases("valid"), ids=lambda path: path.stem)
def test_a_valid_request_is_answered(drop: Drop, client: Client, path: Path) -> None:
    case = load(path)
    with client.wire() as wire:
        wire.send(filled(case.request, wire, drop.tag))
        answers = [drop.note(wire.answer()) for _ in case.statuses]
    assert [answer.status for answer in answers] == case.statuses
    assert [answer.interim for answer in answers] == [[] for _ in answers]
    if case.content is not None:
        assert drop.content(answers[0].json()) == case.content
