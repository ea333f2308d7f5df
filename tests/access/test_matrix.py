"""Every route and method, asked by everybody. The routes come from the application's own map."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from app import create_app
from config import load_settings
from tests.access.conftest import NewHouse
from tests.access.house import ADMIN, EVENTS_TOKEN, NOWHERE, READ, WRITE, Ask, House, error_of
from tests.access.routes import (
    PUBLIC,
    ROWS,
    TOKEN,
    Things,
    by_name,
    gone_things_of,
    is_known,
    nobodys_things,
    path_of,
    routes_of,
    row_of,
    shown,
    things_of,
)


def _routes() -> list[tuple[str, str]]:
    settings = load_settings(
        {"AUTH": "keys", "EVENTS_TOKEN": EVENTS_TOKEN, "DATA_DIR": "/nonexistent"}, NOWHERE
    )
    return routes_of(list(create_app(settings).url_map.iter_rules()))


ROUTES = _routes()
KNOWN = [(rule, method) for rule, method in ROUTES if is_known(rule, method)]
CLOSED = [
    (rule, method) for rule, method in KNOWN if row_of(rule, method).scope not in (PUBLIC, TOKEN)
]
OF_ALL = [(rule, method) for rule, method in KNOWN if row_of(rule, method).scope == PUBLIC]
NAMING = [
    (rule, method)
    for rule, method in CLOSED
    if row_of(rule, method).names_a_thing and row_of(rule, method).other == 404
]

# What stands in Authorization, made of a key that would be good; None where there is nothing.
Header = Callable[[str], str | None]
BAD: dict[str, Header] = {
    "nothing": lambda key: None,
    "empty": lambda key: "",
    "blank": lambda key: " ",
    "Basic": lambda key: "Basic dXNlcjpwYXNzd29yZA==",
    "Basic with the key": lambda key: f"Basic {key}",
    "Token": lambda key: f"Token {key}",
    "Bearer:": lambda key: f"Bearer: {key}",
    "Bearer=": lambda key: f"Bearer={key}",
    "no scheme": lambda key: key,
    "only the scheme": lambda key: "Bearer",
    "empty token": lambda key: "Bearer ",
    "no blank": lambda key: f"Bearer{key}",
    "tab": lambda key: f"Bearer\t{key}",
    "two tokens": lambda key: f"Bearer {key} {key}",
    "two headers": lambda key: f"Bearer {key},Bearer {key}",
    "with a parameter": lambda key: f'Bearer {key}, realm="x"',
    "quoted": lambda key: f'Bearer "{key}"',
    "cut": lambda key: f"Bearer {key[:-1]}",
    "longer": lambda key: f"Bearer {key}A",
    "other case": lambda key: f"Bearer {key.swapcase()}",
    "no prefix": lambda key: f"Bearer {key[3:]}",
    "prefix only": lambda key: "Bearer fd_",
    "not ASCII": lambda key: f"Bearer {key[:-1]}\u00e9",
    "UTF-8": lambda key: f"Bearer {key}\u00c3\u00a9",
    "digits of another script": lambda key: "Bearer fd_" + "\u00b2" * 43,
    "very long": lambda key: "Bearer " + "A" * 8000,
    "very long with the key": lambda key: f"Bearer {key}" + "A" * 8000,
    "NUL": lambda key: f"Bearer {key}\0",
    "line end": lambda key: f"Bearer {key}\nx",
    "None": lambda key: "Bearer None",
    "wildcard": lambda key: "Bearer *",
    "unknown": lambda key: "Bearer fd_" + "A" * 43,
    "events token": lambda key: f"Bearer {EVENTS_TOKEN}",
}
GOOD: dict[str, Header] = {
    "Bearer": lambda key: f"Bearer {key}",
    "bearer": lambda key: f"bearer {key}",
    "BEARER": lambda key: f"BEARER {key}",
    "two blanks": lambda key: f"Bearer  {key}",
}


@pytest.fixture(scope="module")
def admin(house: House) -> str:
    return house.key("admin", ADMIN)


@pytest.fixture(scope="module")
def shelf(house: House, alice: str) -> Things:
    """Things that nobody may change here."""
    return things_of(house, "alice", alice)


def assert_refused(answer: TestResponse, status: int, code: str, method: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    if method == "HEAD":
        assert answer.data == b""
    else:
        assert error_of(answer)["code"] == code


def assert_unauthorized(answer: TestResponse, method: str, realm: str = "file-drop") -> None:
    assert_refused(answer, 401, "unauthorized", method)
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="{realm}"'
    for name in ("Allow", "ETag", "Link", "Location", "Set-Cookie", "Content-Disposition"):
        assert name not in answer.headers


def assert_tells_nothing(answer: TestResponse, things: Things) -> None:
    """None of somebody's ids, names and contents stands in an answer."""
    told = answer.data.decode("utf-8", "replace") + str(answer.headers)
    secrets = [things.file_id, things.object_key, things.image, things.task_id, things.key_name]
    assert [secret for secret in secrets if secret in told] == []
    for what in ("file.txt-", "content-", "title-", "description-"):
        assert what not in told


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    asked = {(rule, method) for rule, method in ROUTES if method != "HEAD"}
    assert asked == set(ROWS)


@by_name(CLOSED)
def test_nobody_comes_in_without_a_good_key(
    house: House, admin: str, shelf: Things, rule: str, method: str
) -> None:
    before = shown(house, shelf)
    headers: dict[str, str | None] = {name: make(admin) for name, make in BAD.items()}
    headers["revoked"] = f"Bearer {house.revoked_key('alice')}"
    headers["expired"] = f"Bearer {house.expired_key('alice')}"
    ask = row_of(rule, method).ask
    bodies = set()
    for name, header in headers.items():
        for things in (shelf, nobodys_things("alice"), nobodys_things("nobody")):
            answer = house.ask(method, ask(things), authorization=header)
            assert answer.status_code == 401, (name, answer.text)
            assert_unauthorized(answer, method)
            assert_tells_nothing(answer, shelf)
            bodies.add(answer.data.replace(answer.headers["X-Request-Id"].encode(), b""))
    assert len(bodies) == 1
    assert shown(house, shelf) == before


@by_name(CLOSED)
def test_a_key_counts_only_in_its_header(
    house: House, admin: str, shelf: Things, rule: str, method: str
) -> None:
    ask = row_of(rule, method).ask(shelf)
    sign = "&" if "?" in ask.path else "?"
    for name in ("access_token", "token", "key", "api_key"):
        there = Ask(f"{ask.path}{sign}{name}={admin}", ask.body, ask.content_type)
        assert_unauthorized(house.ask(method, there), method)
    for header in ("X-Api-Key", "Proxy-Authorization", "X-Authorization", "Cookie"):
        value = f"Authorization=Bearer {admin}" if header == "Cookie" else f"Bearer {admin}"
        assert_unauthorized(house.ask(method, ask, headers={header: value}), method)


@by_name(CLOSED)
@pytest.mark.parametrize("good", GOOD)
def test_the_owner_and_an_admin_may(
    house: House, alice: str, admin: str, good: str, rule: str, method: str
) -> None:
    row = row_of(rule, method)
    for key, status in ((alice, row.owner), (admin, row.of_admin)):
        things = things_of(house, "alice", alice)
        answer = house.ask(method, row.ask(things), authorization=GOOD[good](key))
        assert answer.status_code == status, answer.text
        if status == 403:
            assert_refused(answer, 403, "forbidden", method)


@by_name(CLOSED)
def test_a_scope_that_is_lacking_is_403_for_what_is_and_what_never_was(
    house: House, alice: str, rule: str, method: str
) -> None:
    row = row_of(rule, method)
    things = things_of(house, "alice", alice)
    before = shown(house, things)
    keys = {scope: house.key("alice", scope) for scope in (READ, WRITE)}
    for scope in {READ, WRITE} - {row.scope}:
        answers = [
            house.ask(method, row.ask(asked), keys[scope])
            for asked in (things, nobodys_things("alice"), nobodys_things("nobody"))
        ]
        for answer in answers:
            assert_refused(answer, 403, "forbidden", method)
            assert_tells_nothing(answer, things)
            if method != "HEAD":
                assert error_of(answer) == error_of(answers[0])
                assert repr(row.scope) in answer.text
    assert shown(house, things) == before


@by_name([(rule, method) for rule, method in CLOSED if row_of(rule, method).scope != ADMIN])
def test_the_one_scope_that_is_needed_is_enough(
    house: House, alice: str, rule: str, method: str
) -> None:
    row = row_of(rule, method)
    key = house.key("alice", row.scope)
    answer = house.ask(method, row.ask(things_of(house, "alice", alice)), key)
    assert answer.status_code == row.owner, answer.text


@by_name([route for route in CLOSED if row_of(*route).scope != ADMIN])
def test_another_sees_and_changes_nothing(
    house: House, alice: str, bob: str, rule: str, method: str
) -> None:
    row = row_of(rule, method)
    things = things_of(house, "alice", alice)
    before = shown(house, things)
    answer = house.ask(method, row.ask(things), bob)
    assert answer.status_code == row.other, answer.text
    if row.other == 403:
        assert_refused(answer, 403, "not_your_tasks", method)
    if row.other != 200 or rule in ("/files", "/Students", "/getall"):
        told = answer.data.replace(things.task_id.encode(), b"")  # what was asked is repeated
        assert all(secret not in told for secret in (b"file.txt-", b"content-", b"title-"))
        assert things.file_id.encode() not in told
        assert rule == "/upload" or things.image.encode() not in told
    assert shown(house, things) == before
    content = house.ask("GET", f"/files/{things.file_id}", alice)
    assert content.data.startswith(b"content-")


@by_name(NAMING)
def test_for_another_a_thing_is_as_if_it_never_was(
    house: House, alice: str, bob: str, rule: str, method: str
) -> None:
    row = row_of(rule, method)
    things, never = things_of(house, "alice", alice), nobodys_things("alice")
    told = [house.ask(method, row.ask(asked), bob) for asked in (things, never)]
    for answer in told:
        assert answer.status_code == 404
    if method == "HEAD":
        assert [answer.data for answer in told] == [b"", b""]
        return
    errors = [error_of(answer) for answer in told]
    first = json.loads(json.dumps(errors[0]).replace(things.task_id, never.task_id))
    assert first == errors[1]


@by_name(NAMING)
def test_a_thing_that_was_deleted_is_as_if_it_never_was(
    house: House, alice: str, bob: str, rule: str, method: str
) -> None:
    row = row_of(rule, method)
    things, never = gone_things_of(house, "alice", alice), nobodys_things("alice")
    for key in (alice, bob):
        told = [house.ask(method, row.ask(asked), key) for asked in (things, never)]
        assert [answer.status_code for answer in told] == [404, 404]
        if method != "HEAD":
            first, second = (json.dumps(error_of(answer)) for answer in told)
            assert first.replace(things.task_id, never.task_id) == second


@by_name(OF_ALL)
def test_health_is_for_all(house: House, alice: str, rule: str, method: str) -> None:
    revoked = house.revoked_key("alice")
    headers = [None, "Basic x", f"Bearer {alice}", f"Bearer {revoked}", "Bearer \u00e9"]
    answers = [house.ask(method, rule, authorization=header) for header in headers]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1


@pytest.mark.parametrize("name", [name for name in BAD if name != "events token"])
def test_the_events_hook_has_a_token_of_its_own(house: House, name: str) -> None:
    ask = ROWS["/events/s3", "POST"].ask(nobodys_things("x"))
    answer = house.ask("POST", ask, authorization=BAD[name](EVENTS_TOKEN))
    assert_unauthorized(answer, "POST", "events")


def test_no_key_opens_the_events_hook_and_its_token_opens_nothing_else(
    house: House, alice: str, admin: str
) -> None:
    ask = ROWS["/events/s3", "POST"].ask(nobodys_things("x"))
    for key in (alice, admin):
        assert_unauthorized(house.ask("POST", ask, key), "POST", "events")
    for scheme in ("Bearer", "bearer"):
        answer = house.ask("POST", ask, authorization=f"{scheme} {EVENTS_TOKEN}")
        assert answer.get_json() == {"applied": 0, "ignored": 0}


UNKNOWN = (
    "/",
    "/nope",
    "/files/upload/x",
    "/files/a/b/c",
    "/files/a/metadata/b",
    "/keys/a/b",
    "/static/x.css",
    "/events",
    "/events/s3/x",
    "/healthz/x",
    "/healthz/",
    "/.env",
    "/FILES",
    "/todo/x",
    "/%00",
    "/%ff",
)


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "X"])
def test_that_there_is_nothing_is_told_only_to_who_may_come_in(
    house: House, alice: str, path: str, method: str
) -> None:
    for header in (None, "Basic x", "Bearer fd_" + "A" * 43):
        assert_unauthorized(house.ask(method, path, authorization=header), method)
    for key in (alice, house.key("alice", READ), house.key("x", WRITE), house.key("x", ADMIN)):
        answer = house.ask(method, path, key)
        assert answer.status_code in (404, 405), answer.text
        code = "not_found" if answer.status_code == 404 else "method_not_allowed"
        assert_refused(answer, answer.status_code, code, method)


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in CLOSED}))
@pytest.mark.parametrize("method", ["PATCH", "TRACE", "PROPFIND"])
def test_a_method_that_there_is_not_is_told_only_to_who_may_come_in(
    house: House, alice: str, shelf: Things, rule: str, method: str
) -> None:
    path = path_of(rule, shelf)
    answer = house.ask(method, path)
    assert_unauthorized(answer, method)
    answer = house.ask(method, path, alice)
    assert (answer.status_code, error_of(answer)["code"]) == (405, "method_not_allowed")
    assert "Allow" in answer.headers


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in [*CLOSED, *OF_ALL]}))
def test_options_is_answered_without_credentials_and_tells_nothing(
    house: House, alice: str, bob: str, shelf: Things, rule: str
) -> None:
    told = set()
    never = nobodys_things("alice")
    revoked = house.revoked_key("alice")
    for things in (shelf, never):
        path = path_of(rule, things)
        headers = [None, "Basic x", f"Bearer {alice}", f"Bearer {bob}", f"Bearer {revoked}"]
        for header in headers:
            answer = house.ask("OPTIONS", path, authorization=header)
            assert answer.status_code == 200, answer.text
            assert answer.data == b""
            allow = ", ".join(sorted(answer.headers["Allow"].split(", ")))
            kept = ("Date", "X-Request-Id", "Allow")
            rest = sorted(one for one in answer.headers.items() if one[0] not in kept)
            told.add((allow, str(rest)))
    assert len(told) == 1


def test_all_of_it_under_a_prefix(new_house: NewHouse) -> None:
    house = new_house(URL_PREFIX="/prod")
    key = house.key("alice")
    for path in ("/files", "/nope", "/healthz", "/prod", "/prod/", "/prod/nope"):
        assert_unauthorized(house.ask("GET", path), "GET")
        assert house.ask("GET", path, key).status_code == 404
    assert_unauthorized(house.ask("GET", "/prod/files"), "GET")
    assert house.ask("GET", "/prod/files", key).status_code == 200
    assert house.ask("GET", "/prod/healthz").status_code == 200
    answer = house.ask("GET", "/prod/todos?userId=alice")
    assert list(answer.get_json()) == ["message", "code", "request_id"]


def test_keys_are_no_route_where_nobody_needs_one(new_house: NewHouse) -> None:
    house = new_house(AUTH="none", EVENTS_TOKEN="")
    for method, path in (("GET", "/keys"), ("POST", "/keys"), ("DELETE", "/keys/x")):
        assert house.ask(method, path).status_code == 404
    assert house.ask("POST", "/events/s3").status_code == 404


def test_without_keys_nobody_is_an_admin(new_house: NewHouse, tmp_path: Path) -> None:
    """What was made with keys stays hidden where access is open."""
    house = new_house()
    alice = house.key("alice")
    things = things_of(house, "alice", alice)
    env = {"DATA_DIR": str(house.data), "AUTH": "none"}
    opened = House(tmp_path / "unused", env)
    try:
        for rule, method in NAMING:
            row = row_of(rule, method)
            if row.names_a_thing and "todos" not in rule:
                answer = opened.ask(method, row.ask(things))
                assert answer.status_code == 404, (rule, method)
        assert opened.ask("GET", "/files").get_json() == []
    finally:
        opened.close()
