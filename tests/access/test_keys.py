"""Keys as people make them, on the command line and over HTTP, under a real server."""

import io
import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest

from services.collections import KEYS
from services.keys import Keys
from storage.interfaces import Collection, Conflict, Document, NoSpace, Unavailable
from tests.acceptance.client import GIB, Answer, Client, Headers
from tests.access.conftest import NewHouse
from tests.access.house import ADMIN, READ, WRITE, House, as_json, error_of, unique
from tests.access.routes import ROWS, nobodys_things
from tests.conftest import PAIRINGS, pairing_env
from tests.servers.drop import Drop, drop
from tests.servers.processes import ROOT, wait_until

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SECRET = re.compile(r"fd_[A-Za-z0-9_-]{43}")
SHOWN = ["name", "owner", "scopes", "created_at", "expires_at", "last_used_at"]


@dataclass(frozen=True)
class Served:
    """A running service with keys, and its command line."""

    drop: Drop
    env: dict[str, str]

    def cli(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "flask", "keys", *arguments]
        inherited = {"PATH": "/usr/bin:/bin", "HOME": str(self.drop.data.parent)}
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**inherited, **self.env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def create(self, *arguments: str) -> str:
        """The key alone on standard output."""
        done = self.cli("create", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert SECRET.fullmatch(done.stdout.removesuffix("\n")), done.stdout
        return done.stdout.strip()

    def listed(self) -> dict[str, dict[str, Any]]:
        done = self.cli("list")
        assert (done.returncode, done.stderr) == (0, "")
        return {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}

    def send(
        self,
        key: str | None,
        method: str,
        path: str,
        body: object = None,
        headers: Headers | None = None,
    ) -> Answer:
        """On a connection of its own, so that any worker may answer."""
        client = Client(self.drop.url)
        try:
            more = {} if key is None else {"Authorization": f"Bearer {key}"}
            data = None if body is None else json.dumps(body).encode()
            typed = {} if body is None else {"Content-Type": "application/json"}
            return client.send(method, path, {**more, **typed, **(headers or {})}, data)
        finally:
            client.close()

    def statuses(self, key: str, times: int = 24) -> set[int]:
        """By all workers."""
        with ThreadPoolExecutor(8) as pool:
            return set(pool.map(lambda _: self.send(key, "GET", "/files").status, range(times)))


@pytest.fixture(scope="module", params=PAIRINGS)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp(request.param)
    env = {
        **pairing_env(request, request.param),
        "AUTH": "keys",
        "WEB_CONCURRENCY": "2",
        "LOG_LEVEL": "DEBUG",
        "DATA_DIR": str(folder / "data"),
    }
    with drop(folder, env) as running:
        yield Served(running, env)


@pytest.fixture(scope="module")
def admin(served: Served) -> str:
    return served.create("the-admin", "--scope", "admin")


def test_a_key_from_the_command_line_lets_one_in(served: Served) -> None:
    name = unique("plain")
    key = served.create(name)
    assert served.send(key, "GET", "/files").status == 200
    shown = served.listed()[name]
    assert list(shown) == SHOWN
    assert (shown["owner"], shown["scopes"]) == (name, ["read", "write"])
    assert shown["expires_at"] is None


def test_owner_scope_and_expiry_are_taken(served: Served) -> None:
    name = unique("full")
    key = served.create(name, "--owner", "o@example", "--scope", "read", "--expires", "12h")
    shown = served.listed()[name]
    assert (shown["owner"], shown["scopes"]) == ("o@example", ["read"])
    left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11) < left <= timedelta(hours=12)
    assert served.send(key, "GET", "/files").status == 200
    assert served.send(key, "POST", "/files/upload", {}).status == 403


MISTAKES = {
    "bad name": ("create", "--", "-x"),
    "empty name": ("create", ""),
    "name of another script": ("create", "ключ"),
    "long name": ("create", "a" * 65),
    "line in a name": ("create", "a\nb"),
    "bad owner": ("create", "fine", "--owner", "not fine"),
    "unknown scope": ("create", "fine", "--scope", "everything"),
    "scope twice": ("create", "fine", "--scope", "read", "--scope", "read"),
    "no moment": ("create", "fine", "--expires", "soon"),
    "no time": ("create", "fine", "--expires", "0d"),
    "past": ("create", "fine", "--expires", "2020-01-01T00:00:00Z"),
    "out of the calendar": ("create", "fine", "--expires", "9999-12-31T23:59:59-23:59"),
    "taken": ("create", "the-admin"),
    "unknown": ("revoke", "nobody"),
    "unknown, odd": ("revoke", "no\nbody"),
}


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gives_one_line_and_status_1(served: Served, mistake: str) -> None:
    done = served.cli(*MISTAKES[mistake])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "fine" not in served.listed()


def test_wrong_usage_is_told_by_the_command_line(served: Served) -> None:
    for arguments in (
        ("create",),
        ("create", "a", "b"),
        ("revoke",),
        ("list", "x"),
        ("create", "-x"),
    ):
        done = served.cli(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr


def test_bad_settings_and_dead_stores_are_one_line(served: Served, tmp_path: Path) -> None:
    wrong = Served(served.drop, {**served.env, "AUTH": "nobody"})
    done = wrong.cli("create", "x")
    assert done.returncode in (1, 2)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    folder = tmp_path / "a-file"
    folder.write_text("")
    env = {"AUTH": "keys", "DATA_DIR": str(folder)}
    done = Served(served.drop, env).cli("create", "x")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_key_can_be_made_before_the_first_start(served: Served, tmp_path: Path) -> None:
    """A closed service is of no use without one."""
    env = {"AUTH": "keys", "DATA_DIR": str(tmp_path / "data")}
    done = Served(served.drop, env).cli("create", "first", "--scope", "admin")
    assert SECRET.fullmatch(done.stdout.strip()), (done.returncode, done.stdout, done.stderr)


def test_keys_over_http(served: Served, admin: str) -> None:
    name = unique("http")
    made = served.send(admin, "POST", "/keys", {"name": name, "owner": "alice"})
    assert made.status == 201
    assert made.headers["Cache-Control"] == "no-store"
    body = made.json()
    assert list(body) == ["key", *SHOWN]
    assert SECRET.fullmatch(body["key"])
    assert (body["owner"], body["scopes"]) == ("alice", ["read", "write"])
    listed = served.send(admin, "GET", "/keys")
    found = [one for one in listed.json() if one["name"] == name]
    assert [list(one) for one in found] == [SHOWN]
    assert not SECRET.search(listed.body.decode())
    assert served.send(body["key"], "GET", "/files").status == 200
    again = served.send(admin, "POST", "/keys", {"name": name})
    assert (again.status, again.json()["code"]) == (409, "key_exists")
    assert "key" not in again.json()
    assert served.send(admin, "DELETE", f"/keys/{name}").status == 200
    assert served.send(admin, "DELETE", f"/keys/{name}").status == 404
    assert served.send(body["key"], "GET", "/files").status == 401


@pytest.mark.parametrize("by", ["http", "cli"])
def test_a_revoked_key_is_refused_at_once_by_every_worker(
    served: Served, admin: str, by: str
) -> None:
    assert len(served.drop.workers()) == 2
    name = unique("revoked")
    key = served.create(name)
    assert served.statuses(key) == {200}
    if by == "http":
        assert served.send(admin, "DELETE", f"/keys/{name}").status == 200
    else:
        done = served.cli("revoke", name)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert served.statuses(key) == {401}
    assert name not in served.listed()
    other = served.create(name)
    assert other != key
    assert served.statuses(key) == {401}
    assert served.statuses(other) == {200}


def test_a_key_ends_when_its_time_is_over(served: Served, admin: str) -> None:
    name = unique("short")
    soon = datetime.now(UTC) + timedelta(seconds=4)
    key = served.send(admin, "POST", "/keys", {"name": name, "expires": soon.isoformat()}).json()[
        "key"
    ]
    assert served.send(key, "GET", "/files").status == 200
    wait_until(lambda: served.send(key, "GET", "/files").status == 401, "it goes on", 30)
    assert datetime.now(UTC) >= soon - timedelta(milliseconds=1)
    assert served.statuses(key) == {401}


def test_the_last_use_is_noted_once_a_minute(served: Served) -> None:
    name = unique("used")
    key = served.create(name)
    assert served.listed()[name]["last_used_at"] is None
    assert served.statuses(key) == {200}
    wait_until(lambda: served.listed()[name]["last_used_at"] is not None, "never noted", 30)
    noted = served.listed()[name]["last_used_at"]
    assert served.statuses(key) == {200}
    assert served.listed()[name]["last_used_at"] == noted


def test_a_slow_upload_does_not_bring_a_revoked_key_back(served: Served, admin: str) -> None:
    """As when a key has leaked and is made anew under its name."""
    name = unique("leaked")
    leaked = served.create(name)
    with Client(served.drop.url).wire() as wire:
        headers = {"Authorization": f"Bearer {leaked}", "Expect": "100-continue"}
        wire.request("POST", "/files/upload", {**headers, "Content-Length": "2"})
        assert wire.read(len(CONTINUE)) == CONTINUE  # so it has been let in
        wire.send(b"a")
        assert served.send(admin, "DELETE", f"/keys/{name}").status == 200
        made = served.send(admin, "POST", "/keys", {"name": name})
        assert served.send(leaked, "GET", "/files").status == 401
        wire.send(b"b")
        assert wire.answer().status == 201  # what is under way may end
    time.sleep(2)  # what was put off until after the answer is done by now
    assert served.statuses(leaked) == {401}
    assert served.statuses(made.json()["key"]) == {200}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_download_is_a_use(served: Served, method: str) -> None:
    owner = unique("reader")
    uploader = served.create(f"{owner}-up", "--owner", owner)
    file_id = served.send(uploader, "POST", "/files/upload", {"a": 1}).json()["file_id"]
    key = served.create(owner)
    assert served.send(key, method, f"/files/{file_id}").status == 200
    time.sleep(2)
    assert served.listed()[owner]["last_used_at"] is not None


def stored(served: Served) -> bytes:
    """Every byte of the documents, wherever they are."""
    found = b"".join(path.read_bytes() for path in served.drop.data.rglob("*") if path.is_file())
    uri = served.env.get("MONGO_URI")
    if uri:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(uri)
        with client:
            database = client.get_default_database()
            for collection in database.list_collection_names():
                found += repr(list(database[collection].find({}))).encode()
    return found


def test_a_key_is_stored_nowhere_and_logged_nowhere(served: Served, admin: str) -> None:
    name = unique("traced")
    made = served.send(admin, "POST", "/keys", {"name": name})
    by_http, by_cli = made.json()["key"], served.create(unique("traced"))
    for key in (by_http, by_cli):
        assert served.send(key, "GET", "/files").status == 200
        assert served.send(key, "GET", "/files", headers={"X-Request-Id": key}).status == 200
        assert served.send(key, "GET", f"/files?file_name={key}").status == 200
        assert served.send(key, "GET", "/keys").status == 403
        assert served.send(key, "POST", "/files/upload", {"a": 1}).status == 201
        refused = served.send(f"{key}x", "GET", "/files")
        assert refused.status == 401 and key.encode() not in refused.body
        for headers in ({"Authorization": f"Basic {key}"}, {"Authorization": key}):
            assert served.send(None, "GET", "/files", headers=headers).status == 401
    assert served.cli("revoke", name).returncode == 0
    assert served.send(by_http, "GET", "/files").status == 401
    assert name.encode() in stored(served) or served.env.get("MONGO_URI")
    log = served.drop.log.read_text()
    assert '"message": "audit"' in log
    without_ids = re.sub(r'"request_id": "[^"]*"', "", log)  # the client's own word
    for key in (by_http, by_cli, admin):
        for trace in (key, key[3:], key[3:20], key[-20:]):
            assert trace.encode() not in stored(served)
            assert trace not in without_ids
    assert not SECRET.search(without_ids)


BODIED = [route for route in ROWS if route[1] in ("POST", "PUT", "DELETE")]


@pytest.mark.parametrize(
    ("rule", "method"), BODIED, ids=[f"{method} {rule}" for rule, method in BODIED]
)
def test_a_refusal_comes_before_anything_of_the_body(
    served: Served, rule: str, method: str
) -> None:
    row = ROWS[rule, method]
    if row.scope == "token":
        return  # the hook is not there without its token
    keys: dict[str | None, int] = {None: 401, "fd_" + "A" * 43: 401}
    scope = READ if row.scope != READ else WRITE
    keys[_key(served, scope)] = 403
    for key, status in keys.items():
        for length in ({"Content-Length": str(GIB)}, {"Transfer-Encoding": "chunked"}):
            client = Client(served.drop.url)
            with client.wire() as wire:
                allowed = {} if key is None else {"Authorization": f"Bearer {key}"}
                expect = {"Expect": "100-continue", "Content-Type": "application/json"}
                path = row.ask(nobodys_things("x")).path
                wire.request(method, path, {**allowed, **expect, **length})
                answer = wire.answer()
            assert (answer.status, answer.interim) == (status, [])
            assert answer.headers["Connection"] == "close"


_made: dict[tuple[str, str], str] = {}


def _key(served: Served, scope: str) -> str:
    """One that has just this scope."""
    if (served.drop.url, scope) not in _made:
        _made[served.drop.url, scope] = served.create(unique(scope), "--scope", scope)
    return _made[served.drop.url, scope]


def test_a_stranger_is_told_that_there_is_no_file_before_the_body(served: Served) -> None:
    alice, bob = served.create(unique("alice")), served.create(unique("bob"))
    file_id = served.send(alice, "POST", "/files/upload", {"a": 1}).json()["file_id"]
    for path in (f"/files/{file_id}", f"/files/{uuid.uuid4()}"):
        with Client(served.drop.url).wire() as wire:
            headers = {"Authorization": f"Bearer {bob}", "Expect": "100-continue"}
            wire.request("PUT", path, {**headers, "Content-Length": str(GIB)})
            answer = wire.answer()
        assert (answer.status, answer.interim) == (404, [])


def test_what_a_refused_client_sends_is_not_stored(served: Served) -> None:
    before = sorted(str(path) for path in served.drop.data.rglob("*"))
    for _ in range(3):
        with Client(served.drop.url).wire() as wire:
            wire.request("POST", "/files/upload", {"Content-Length": str(2**20)})
            wire.send(b"x" * 2**20)
            assert wire.answer().status == 401
    assert sorted(str(path) for path in served.drop.data.rglob("*")) == before


# --- in process --------------------------------------------------------------------------------


class Failing:
    """A collection of keys of which one operation fails."""

    def __init__(self, inner: Collection, error: Exception) -> None:
        self._inner, self._error = inner, error

    def __getattr__(self, name: str) -> Any:
        if name != "replace":
            return getattr(self._inner, name)

        def fail(_: Document) -> Document:
            raise self._error

        return fail


@pytest.mark.parametrize("error", [Unavailable("gone"), NoSpace("full"), Conflict("faster")])
def test_a_use_that_cannot_be_noted_is_no_harm(house: House, error: Exception) -> None:
    key = house.key("alice")
    keys = house.wired.keys
    whole = keys.__dict__["_keys"]
    keys.__dict__["_keys"] = Failing(whole, error)
    try:
        assert house.ask("GET", "/files", key).status_code == 200
        assert house.ask("GET", "/nothing", key).status_code == 404
    finally:
        keys.__dict__["_keys"] = whole


def test_a_use_is_noted_again_after_a_minute_and_not_before(house: House) -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    collection = house.documents.collection(KEYS)
    keys = Keys(collection, lambda: now)
    secret, made = keys.create(unique("k"), "alice", [READ], None)
    noted = []
    for seconds in (0, 1, 59, 60, 61, 119, 121, 122):
        now = datetime(2027, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        found = keys.authenticate(secret)
        assert found is not None
        keys.note_use(found[1])
        noted.append((collection.get(name=made["name"]) or {})["last_used_at"][14:19])
    assert noted == ["00:00"] * 3 + ["01:00"] * 3 + ["02:01"] * 2 or noted == (
        ["00:00"] * 4 + ["01:01"] * 3 + ["02:02"]
    )


def test_a_key_is_good_until_its_moment_and_not_at_it(house: House) -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    keys = Keys(house.documents.collection(KEYS), lambda: now)
    secret, _ = keys.create(unique("k"), "alice", [READ], "2027-01-01T02:00:00+01:00")
    now = datetime(2027, 1, 1, 0, 59, 59, 999000, tzinfo=UTC)
    assert keys.authenticate(secret) is not None
    now = datetime(2027, 1, 1, 1, tzinfo=UTC)
    assert keys.authenticate(secret) is None


def test_a_use_noted_late_does_not_bring_a_revoked_key_back(house: House) -> None:
    keys = house.wired.keys
    secret, made = keys.create(unique("k"), "alice", [READ], None)
    found = keys.authenticate(secret)
    assert found is not None
    keys.revoke(made["name"])
    keys.note_use(found[1])
    assert keys.authenticate(secret) is None
    keys.create(made["name"], "bob", [READ], None)
    keys.note_use(found[1])
    stored = house.documents.collection(KEYS).get(name=made["name"])
    assert stored is not None and stored["owner"] == "bob"


class Hastening:
    """A request's body; as it is read, something else is done first."""

    def __init__(self, content: bytes, first: Callable[[], object]) -> None:
        self._content, self._first = io.BytesIO(content), first

    def readinto(self, buffer: memoryview) -> int:
        if self._content.tell() == 0:
            self._first()
        return self._content.readinto(buffer)


def test_a_request_that_outlasts_its_key_does_not_bring_it_back(house: House) -> None:
    """A key leaks, and while an upload with it is under way it is made anew under its name."""
    leaked, made = house.wired.keys.create(unique("leaked"), "alice", (READ, WRITE), None)
    renewed = []

    def renew() -> None:
        house.wired.keys.revoke(made["name"])
        renewed.append(house.wired.keys.create(made["name"], "alice", (READ, WRITE), None)[0])

    answer = house.app.test_client().post(
        "/files/upload",
        headers={"Authorization": f"Bearer {leaked}"},
        environ_overrides={"wsgi.input": Hastening(b"content", renew), "CONTENT_LENGTH": "7"},
        buffered=True,
    )
    assert answer.status_code == 201
    assert house.ask("GET", "/files", leaked).status_code == 401
    assert house.ask("GET", "/files", renewed[0]).status_code == 200


WRONG: dict[str, dict[str, Any]] = {
    "no name": {},
    "name null": {"name": None},
    "name a number": {"name": 1},
    "name with a blank": {"name": "a b"},
    "name with a line end": {"name": "a\n"},
    "name with a slash": {"name": "a/b"},
    "owner null": {"name": "n", "owner": None},
    "owner empty": {"name": "n", "owner": ""},
    "owner a list": {"name": "n", "owner": ["alice"]},
    "scopes null": {"name": "n", "scopes": None},
    "no scopes": {"name": "n", "scopes": []},
    "scopes text": {"name": "n", "scopes": "read"},
    "scopes an object": {"name": "n", "scopes": {"read": 1}},
    "scopes nested": {"name": "n", "scopes": [["read"]]},
    "unknown scope": {"name": "n", "scopes": ["read", "root"]},
    "scope twice": {"name": "n", "scopes": ["read", "read"]},
    "expires past": {"name": "n", "expires": "2020-01-01T00:00:00Z"},
    "expires a number": {"name": "n", "expires": 20300101},
    "expires a number of seconds": {"name": "n", "expires": 3600},
    "expires true": {"name": "n", "expires": True},
    "expires a list": {"name": "n", "expires": ["30d"]},
    "expires empty": {"name": "n", "expires": ""},
    "expires a year": {"name": "n", "expires": "2030"},
    "expires a lone surrogate": {"name": "n", "expires": "\ud800"},
    "unknown member": {"name": "n", "scope": ["read"]},
    "hash": {"name": "n", "hash": "0" * 64},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_malformed_key_is_a_400_and_makes_none(new_house: NewHouse, wrong: str) -> None:
    house = new_house()
    admin = house.key("admin", ADMIN)
    answer = house.ask("POST", as_json("/keys", WRONG[wrong]), admin)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_member")
    assert len(house.good("GET", "/keys", admin)) == 1


def test_no_key_is_in_what_is_printed_for_people(house: House) -> None:
    secret, made = house.wired.keys.create(unique("k"), "alice", [READ], None)
    found = house.wired.keys.authenticate(secret)
    for text in (repr(found), repr(made), repr(house.wired), repr(house.wired.settings)):
        assert secret not in text and secret[3:] not in text
    assert "hash" not in made


def test_keys_differ_and_are_long(house: House) -> None:
    made = {house.key("alice") for _ in range(200)}
    assert len(made) == 200
    assert all(SECRET.fullmatch(key) for key in made)
    assert len({key[:8] for key in made}) > 190


def test_the_list_of_keys_has_pages(new_house: NewHouse) -> None:
    house = new_house()
    admin = house.key("admin", ADMIN)
    for _ in range(5):
        house.key("alice")
    names, path = [], "/keys?limit=2"
    while path:
        answer = house.ask("GET", path, admin)
        names += [one["name"] for one in answer.get_json()]
        path = answer.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert len(names) == 6 and names == sorted(names)
