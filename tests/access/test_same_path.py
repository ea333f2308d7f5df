"""What one may not know is answered the same way as what never was: same answer, same work."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.access.house import READ, WRITE, House
from tests.access.routes import (
    ROWS,
    Things,
    by_name,
    gone_things_of,
    nobodys_things,
    row_of,
    things_of,
)
from tests.servers.processes import ROOT

UNTOLD = ("Date", "X-Request-Id")
HIDDEN = [
    (rule, method)
    for rule, asked in ROWS
    if ROWS[rule, asked].other in (403, 404) and ROWS[rule, asked].names_a_thing
    for method in ((asked, "HEAD") if asked == "GET" else (asked,))
]


def told(answer: TestResponse, things: Things) -> tuple[int, list[tuple[str, str]], str]:
    """All of an answer that can be told apart, but for what was asked for itself."""
    headers = sorted(one for one in answer.headers.items() if one[0] not in UNTOLD)
    body = answer.text.replace(answer.headers["X-Request-Id"], "REQUEST")
    return answer.status_code, headers, body.replace(things.task_id, "TASK")


def asked(house: House, rule: str, method: str, key: str, things: Things) -> Any:
    """The answer, and what the stores were asked for it."""
    ask = row_of(rule, method).ask(things)
    del house.calls[:]
    answer = house.ask(method, ask, key, headers={"X-Request-Id": "the-same-each-time"})
    return told(answer, things), list(house.calls)


@by_name(HIDDEN)
def test_anothers_thing_is_told_from_nothing_by_nothing(
    house: House, alice: str, bob: str, rule: str, method: str
) -> None:
    things, gone = things_of(house, "alice", alice), gone_things_of(house, "alice", alice)
    house.ask("GET", "/files", bob)  # so that the use of the key is noted already
    answers = [
        asked(house, rule, method, bob, one) for one in (things, gone, nobodys_things("alice"))
    ]
    assert answers[0] == answers[2]
    assert answers[1] == answers[2]


READS = [(rule, method) for rule, method in ROWS if ROWS[rule, method].scope == READ]


@by_name([route for route in READS if "todos" not in route[0]])
def test_the_owner_is_part_of_every_look_up(
    house: House, alice: str, bob: str, rule: str, method: str
) -> None:
    """SPEC section 10: never compared afterwards, row by row, where others' rows cost time."""
    house.ask("GET", "/files", bob)
    for things in (things_of(house, "alice", alice), things_of(house, "bob", bob)):
        _, calls = asked(house, rule, method, bob, things)
        looked = [call.partition("]")[0] for call in calls if call.startswith("files.")]
        assert looked
        assert [call for call in looked if "'owner'" not in call] == []


@by_name([route for route in HIDDEN if "todos" in route[0]])
def test_a_user_of_another_is_told_from_no_user_by_nothing(
    house: House, alice: str, bob: str, rule: str, method: str
) -> None:
    things_of(house, "alice", alice)
    house.ask("GET", "/files", bob)
    answers = [asked(house, rule, method, bob, nobodys_things(user)) for user in ("alice", "nobdy")]
    first, second = [(str(answer).replace("nobdy", "alice")) for answer in answers]
    assert first == second


@by_name(
    [route for route in HIDDEN if ROWS[route[0], route[1].replace("HEAD", "GET")].other == 404]
)
def test_what_oneself_deleted_is_as_if_it_never_was(
    house: House, alice: str, rule: str, method: str
) -> None:
    """Its tombstone tells nothing, not even to its owner."""
    gone = gone_things_of(house, "alice", alice)
    answers = [asked(house, rule, method, alice, one)[0] for one in (gone, nobodys_things("alice"))]
    assert answers[0] == answers[1]


@by_name(HIDDEN)
@pytest.mark.parametrize("scope", [READ, WRITE])
def test_who_lacks_a_scope_is_refused_before_the_stores_are_asked(
    house: House, alice: str, scope: str, rule: str, method: str
) -> None:
    if row_of(rule, method).scope == scope:
        return
    key = house.key("alice", scope)
    house.ask("GET", "/nothing", key)
    things = things_of(house, "alice", alice)
    answers = [asked(house, rule, method, key, one) for one in (things, nobodys_things("alice"))]
    assert answers[0] == answers[1]
    assert answers[0][0][0] == 403
    assert answers[0][1] == ["keys.get ['hash']"]


@by_name([("/files", "GET"), ("/files/upload", "POST"), ("/nothing", "GET"), ("/keys", "GET")])
def test_an_unknown_a_revoked_and_an_expired_key_are_refused_alike(
    house: House, rule: str, method: str
) -> None:
    keys = {
        "unknown": "fd_" + "A" * 43,
        "revoked": house.revoked_key("alice"),
        "expired": house.expired_key("alice"),
        "expired admin": house.expired_key("admin"),
    }
    answers = []
    for key in keys.values():
        del house.calls[:]
        answer = house.ask(method, rule, key, headers={"X-Request-Id": "the-same-each-time"})
        answers.append((told(answer, nobodys_things("x")), list(house.calls)))
    assert answers[0][0][0] == 401
    assert answers[0][1] == ["keys.get ['hash']"]
    assert all(answer == answers[0] for answer in answers)


def test_what_is_no_key_is_refused_without_the_stores(house: House) -> None:
    for header in (None, "Basic x", "Bearer", "Bearer x", "Bearer " + "A" * 8000, "Bearer \u00e9"):
        del house.calls[:]
        assert house.ask("GET", "/files", authorization=header).status_code == 401
        assert house.calls == []


def test_the_use_of_a_key_is_noted_only_when_it_was_good(house: House) -> None:
    key = house.key("alice")
    del house.calls[:]
    house.ask("GET", "/files", key)
    house.ask("GET", "/files", key)
    assert house.calls.count("keys.replace") == 1


# --- comparisons -------------------------------------------------------------------------------

SECRET = re.compile(r"(?i)(secret|token|hash|password|passwd|credential|signature|authorization)")
HARMLESS = re.compile(r"(compare_digest|token_urlsafe)")
# Hashes of content, which whoever sends it knows.
OF_CONTENT = ("digests.py",)


SOURCES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.name not in OF_CONTENT
    and not {".venv", ".servers", "tests", "bench", "servers"} & set(path.relative_to(ROOT).parts)
]


def names_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def is_secret(node: ast.AST) -> bool:
    """Whether a secret's value is in it, and not only whether there is one or how long it is."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("len", "bool"):
        return False
    return any(SECRET.search(name) and not HARMLESS.search(name) for name in names_in(node))


def comparisons(tree: ast.AST) -> Iterator[ast.Compare]:
    """Comparisons of a secret with something that is not a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            equal = any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)
            constant = any(isinstance(side, ast.Constant) for side in sides)
            if equal and not constant and any(is_secret(side) for side in sides):
                yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_secret_is_compared_by_its_beginning(path: Path) -> None:
    found = [
        f"{path.name}:{node.lineno}: {ast.unparse(node)}"
        for node in comparisons(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_look_for_comparisons_finds_one() -> None:
    bad = ("given == settings.events_token", "document['hash'] != _hash(x)", "key in secrets_")
    for text in bad:
        assert list(comparisons(ast.parse(text))), text
    good = ("hmac.compare_digest(token, given)", "token is None", "len(x) == 3", "token == ''")
    for text in good:
        assert not list(comparisons(ast.parse(text))), text


@pytest.mark.parametrize("path", ["blueprints/events.py", "services/keys.py"])
def test_secrets_are_compared_in_constant_time(path: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [func.attr for func in called if isinstance(func, ast.Attribute)]
    assert "compare_digest" in names
