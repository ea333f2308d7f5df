"""A line for each change and each refusal, none for a reading, and no secret in any line."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from logs import JsonFormatter
from tests.acceptance.client import Client
from tests.access.conftest import NewHouse
from tests.access.house import (
    ADMIN,
    EVENTS_TOKEN,
    READ,
    WRITE,
    Ask,
    House,
    as_json,
    form,
    picture,
    unique,
)
from tests.access.routes import PUBLIC, ROWS, TOKEN, by_name, nobodys_things, path_of, things_of
from tests.conftest import PAIRINGS, pairing_env
from tests.servers.drop import Drop, drop
from tests.servers.processes import wait_until

Line = dict[str, Any]


class Log:
    """All that is logged, as it would be written."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self.handler = logging.StreamHandler(self._text)
        self.handler.setFormatter(JsonFormatter())

    @property
    def text(self) -> str:
        return self._text.getvalue()

    def audit(self) -> list[Line]:
        lines = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in lines if line["logger"] == "file_drop.audit"]

    def clear(self) -> None:
        self._text.seek(0)
        self._text.truncate()


@pytest.fixture
def log() -> Iterator[Log]:
    made, root = Log(), logging.getLogger()
    level = root.level
    root.addHandler(made.handler)
    root.setLevel(logging.DEBUG)
    yield made
    root.removeHandler(made.handler)
    root.setLevel(level)


@pytest.fixture(scope="module")
def admin(house: House) -> str:
    return house.key("admin", ADMIN)


READINGS = ("GET", "HEAD", "OPTIONS")
CHANGES = [route for route in ROWS if route[1] not in READINGS and route[0] not in ("/getitem",)]
CLOSED = [route for route in ROWS if ROWS[route].scope not in (PUBLIC, TOKEN)]


@by_name([route for route in CHANGES if ROWS[route].scope != TOKEN])
def test_a_change_is_one_line_with_who_and_what(
    house: House, log: Log, alice: str, admin: str, rule: str, method: str
) -> None:
    row = ROWS[rule, method]
    things = things_of(house, "alice", alice)
    key = admin if row.scope == ADMIN else alice
    log.clear()
    answer = house.ask(method, row.ask(things), key, headers={"X-Request-Id": "one.of-mine_"})
    (line,) = log.audit()
    assert line["level"] == "INFO"
    assert line["owner"] == ("admin" if row.scope == ADMIN else "alice")
    assert re.fullmatch(r"k-\d+z", line["principal"])
    assert line["action"] == f"{method} {rule}"
    assert line["status"] == answer.status_code
    assert line["request_id"] == "one.of-mine_"
    assert line["client"] == "127.0.0.1"


SUBJECTS = [route for route in CHANGES if ROWS[route].owner < 300 or ROWS[route].scope == ADMIN]


@by_name([route for route in SUBJECTS if ROWS[route].scope != TOKEN])
def test_the_line_of_a_change_says_which_thing(
    house: House, log: Log, alice: str, admin: str, rule: str, method: str
) -> None:
    row = ROWS[rule, method]
    things = things_of(house, "alice", alice)
    log.clear()
    answer = house.ask(method, row.ask(things), admin if row.scope == ADMIN else alice)
    (line,) = log.audit()
    told = answer.get_json()
    known = {
        "/files/upload": [told.get("file_id")],
        "/upload": [things.image, told.get("data", {}).get("FileId")],
        "/delete": [things.image],
        "/todo": [told.get("taskId")],
        "/keys": [told.get("name")],
    }
    mine = [things.file_id, things.task_id, things.key_name]
    assert line["subject"] in known.get(rule, mine)


def test_a_recorded_name_is_the_subject(house: House, log: Log, alice: str) -> None:
    house.good("POST", as_json("/upload", {"FileName": "by-name.png"}), alice)
    house.good("DELETE", "/delete?FileName=by-name.png", alice)
    first, second = log.audit()
    assert first["subject"] == second["subject"] == "by-name.png"


def test_a_bucket_event_that_changes_something_is_a_line(house: House, log: Log) -> None:
    house.event("elsewhere", unique("object"))
    (line,) = log.audit()
    assert (line["action"], line["status"]) == ("POST /events/s3", 200)


@by_name(CLOSED)
def test_a_refusal_for_lack_of_a_key_is_a_line(
    house: House, log: Log, rule: str, method: str
) -> None:
    for header in (None, "Basic x", "Bearer fd_" + "A" * 43):
        log.clear()
        answer = house.ask(
            method, ROWS[rule, method].ask(nobodys_things("x")), authorization=header
        )
        (line,) = log.audit()
        assert (line["principal"], line["owner"], line["status"]) == (None, None, 401)
        assert line["action"] == f"{method} {rule}"
        assert line["request_id"] == answer.headers["X-Request-Id"]


@by_name(CLOSED)
def test_a_refusal_for_lack_of_a_scope_is_a_line(
    house: House, log: Log, rule: str, method: str
) -> None:
    row = ROWS[rule, method]
    key = house.key("alice", WRITE if row.scope == READ else READ)
    log.clear()
    house.ask(method, row.ask(nobodys_things("x")), key)
    (line,) = log.audit()
    assert (line["owner"], line["status"], line["action"]) == ("alice", 403, f"{method} {rule}")


def test_other_refusals_are_lines(new_house: NewHouse, log: Log) -> None:
    house = new_house()
    bob = house.key("bob")
    refused = [
        (house.ask("GET", "/todos?userId=alice", bob), 403),
        (house.ask("GET", "/nothing"), 401),
        (house.ask("POST", "/events/s3"), 401),
        (house.ask("POST", "/files/upload", bob, headers={"Origin": "http://evil.example"}), 403),
    ]
    opened = new_house(AUTH="none")
    refused.append((opened.ask("GET", "/files", headers={"Host": "evil.example"}), 421))
    assert [answer.status_code for answer, _ in refused] == [status for _, status in refused]
    assert [line["status"] for line in log.audit()] == [status for _, status in refused]
    ids = [answer.headers["X-Request-Id"] for answer, _ in refused]
    assert [line["request_id"] for line in log.audit()] == ids


def test_an_attempt_on_anothers_file_is_a_line(house: House, log: Log, alice: str) -> None:
    things, bob = things_of(house, "alice", alice), house.key("bob")
    log.clear()
    for method in ("PUT", "DELETE"):
        assert house.ask(method, Ask(f"/files/{things.file_id}", b"x"), bob).status_code == 404
    lines = [(one["owner"], one["status"], one["subject"]) for one in log.audit()]
    assert lines == [("bob", 404, things.file_id)] * 2


def test_an_attempt_on_anothers_image_says_which(house: House, log: Log, alice: str) -> None:
    things, bob = things_of(house, "alice", alice), house.key("bob")
    log.clear()
    for ask in (f"/delete?FileName={things.image}", as_json("/delete", {"FileName": things.image})):
        assert house.ask("DELETE", ask, bob).status_code == 404
    lines = [(one["owner"], one["status"], one["subject"]) for one in log.audit()]
    assert lines == [("bob", 404, things.image)] * 2


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in CLOSED}))
def test_a_preflight_is_no_change(house: House, log: Log, rule: str) -> None:
    path = path_of(rule, nobodys_things("alice"))
    assert house.ask("OPTIONS", path).status_code == 200
    assert log.audit() == []


@by_name([route for route in ROWS if route[1] == "GET" or route[0] == "/getitem"])
def test_a_reading_is_no_line(
    house: House, log: Log, alice: str, admin: str, rule: str, method: str
) -> None:
    row = ROWS[rule, method]
    things = things_of(house, "alice", alice)
    log.clear()
    for one in (things, nobodys_things("alice")):
        for asked in (method, "HEAD") if method == "GET" else (method,):
            house.ask(asked, row.ask(one), admin if row.scope == ADMIN else alice)
    assert log.audit() == []


def test_a_line_cannot_be_forged(house: House, log: Log, alice: str) -> None:
    """Neither by line ends nor by what looks like JSON."""
    forged = 'x\n{"logger": "file_drop.audit", "status": 200}'
    name = {"FileName": 'a"}\u2028{"b'}
    house.ask("POST", as_json("/upload", name), alice, headers={"X-Request-Id": 'a", "status": 0'})
    house.ask("DELETE", "/todos/alice/" + "%0A%7B%22logger%22%3A1%7D", alice)
    house.ask("DELETE", as_json("/delete", {"FileName": forged}), alice)
    for line in log.text.split("\n")[:-1]:
        assert "logger" in json.loads(line)
    assert len(log.audit()) == 3


# --- no secrets --------------------------------------------------------------------------------


@pytest.fixture(params=PAIRINGS)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Drop]:
    env = {"AUTH": "keys", "LOG_LEVEL": "DEBUG", "EVENTS_TOKEN": EVENTS_TOKEN}
    env |= {"WEB_CONCURRENCY": "1", **pairing_env(request, request.param)}
    with drop(tmp_path, env) as running:
        yield running


def test_no_secret_is_in_any_line_of_a_run(served: Drop, tmp_path: Path) -> None:
    house = House(tmp_path, _env_of(served))
    try:
        keys = {name: house.key(name) for name in ("alice", "bob")}
        keys["admin"] = house.key("admin", ADMIN)
        keys["revoked"], keys["expired"] = house.revoked_key("x"), house.expired_key("x")
    finally:
        house.close()
    client, secrets = Client(served.url), [*keys.values(), EVENTS_TOKEN]
    file_id = b""
    for name, key in keys.items():
        given = {"Authorization": f"Bearer {key}"}
        made = client.send("POST", "/files/upload?file_name=in-the-query.txt", given, b"x" * 100)
        if made.status == 201:
            file_id = made.json()["file_id"]
            redirected = client.get(f"/files/{file_id}?redirect=1", given)
            if redirected.status == 302:
                query = urlsplit(redirected.headers["Location"]).query
                secrets += [
                    part.partition("=")[2] for part in query.split("&") if "ignature" in part
                ]
                secrets.append("X-Amz-Signature")
        for path in (
            "/files?file_name=in-the-query",
            "/files?metadata.a=in-the-query",
            "/Students",
        ):
            client.get(path, given)
        client.get(f"/files?key={key}&in-the-query", given)
        client.get("/files", {"Authorization": f"Basic {key}"})
        client.get("/files", {"Authorization": f"Bearer {key} {key}"})
        client.get("/files", {"Cookie": f"key={key}", "Referer": f"http://a/?in-the-query={key}"})
        client.send("POST", "/keys", given, json.dumps({"name": f"by-{name}"}).encode())
        client.send("POST", "/files/upload", {**given, "Content-MD5": "wrong"}, b"in-the-body")
    events = {"Authorization": f"Bearer {EVENTS_TOKEN}", "Content-Type": "application/json"}
    assert client.send("POST", "/events/s3", events, b'{"Records": []}').status == 200
    client.send("POST", "/events/s3?in-the-query", events, b"{")
    client.close()
    text = _settled_log(served)
    assert '"message": "audit"' in text
    assert [secret for secret in secrets if secret in text] == []
    for trace in ("in-the-query", "in-the-body", "Bearer", "fd_", "X-Amz-Signature"):
        assert trace not in text, [line for line in text.splitlines() if trace in line][:3]


HOST = "Host: localhost"
# The lines of a request's head.
MALFORMED: dict[str, tuple[str, ...]] = {
    "a blank in the query": ("GET /files?file_name=in the-query-SECRET HTTP/1.1", HOST),
    "an unknown version": ("GET /files?a=SECRET HTTP/9.9", HOST),
    "no colon": ("GET /files HTTP/1.1", HOST, "Authorization Bearer SECRET"),
    "a blank before the colon": ("GET /files HTTP/1.1", HOST, "Authorization : Bearer SECRET"),
    "a folded line": ("GET /files HTTP/1.1", HOST, "Authorization: Bearer", " SECRET"),
    "NUL in a header": ("GET /files HTTP/1.1", HOST, "Authorization: Bearer SECRET\0"),
    "a wrong length": ("POST /files/upload?a=SECRET HTTP/1.1", HOST, "Content-Length: SECRET"),
    "a method in lower case": ("get /files?a=SECRET HTTP/1.1", HOST),
    "a fragment": ("GET /files?a=SECRET#SECRET HTTP/1.1", HOST),
    "a target that is no URL": ("GET //[?a=SECRET HTTP/1.1", HOST),
    "a long line": (f"GET /files?a=SECRET{'x' * 9000} HTTP/1.1", HOST),
    "a long header": ("GET /files HTTP/1.1", HOST, f"Authorization: SECRET{'x' * 9000}"),
    "an expectation": ("GET /files?a=SECRET HTTP/1.1", HOST, "Expect: SECRET"),
    "a coding": ("POST /files/upload HTTP/1.1", HOST, "Transfer-Encoding: SECRET"),
}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drop]:
    env = {"AUTH": "keys", "LOG_LEVEL": "DEBUG", "WEB_CONCURRENCY": "1"}
    with drop(tmp_path_factory.mktemp("malformed"), env) as running:
        yield running


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_not_logged_as_it_came(embedded: Drop, name: str) -> None:
    """A key or a query may be in it."""
    before = len(embedded.log.read_text())
    secret = unique("fd_secret")
    head = "\r\n".join((*MALFORMED[name], "", "")).replace("SECRET", secret)
    with Client(embedded.url).wire() as wire:
        wire.send(head.encode())
        assert wire.answer().status in (400, 401, 405, 414, 417, 431, 501)
    text = _settled_log(embedded)[before:]
    assert [line for line in text.splitlines() if secret in line] == []


def _env_of(served: Drop) -> dict[str, str]:
    """The settings of a running service, for keys to be made on its stores."""
    import psutil

    known = psutil.Process(served.process.pid).environ()
    names = ("DATA_DIR", "MONGO_URI", "AUTH")
    return {name: known[name] for name in names if name in known}


def _settled_log(served: Drop) -> str:
    """The log once it says of a request of ours that it came."""
    mark = unique("mark")
    client = Client(served.url)
    client.get(f"/healthz/{mark}")
    client.close()
    wait_until(lambda: mark in served.log.read_text(), "the log does not grow", 20)
    return served.log.read_text()


def test_forms_and_pictures_leave_no_content_in_the_log(house: House, log: Log, alice: str) -> None:
    house.ask("POST", form("/upload", "in-the-form.png", picture(2)), alice)
    house.ask("POST", form("/files/upload", "in-the-form.txt", b"in-the-content"), alice)
    house.ask("POST", as_json("/getitem", {"FileName": "x", "Bucket": 7}), alice)
    assert "in-the-content" not in log.text
    assert alice not in log.text and alice[3:] not in log.text
