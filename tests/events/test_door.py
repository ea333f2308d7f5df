"""`POST /events/s3` over HTTP: who may send, what is taken, and what is said of it."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.acceptance.client import GIB, MIB, Answer, Client, Headers
from tests.conftest import PAIRINGS, pairing_env
from tests.contracts.stores import s3_clients
from tests.events.bodies import (
    PUT,
    RECORDED,
    REMOVED,
    TEST_EVENT,
    notification,
    of_aws,
    record,
)
from tests.servers.drop import drop
from tests.servers.processes import free_port
from tests.servers.stores import Missing, Stores, minio, mongo_wire

TOKEN = "s3cret+/=~.token"
PATH = "/events/s3"
GOOD = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Door:
    """A service with a token, and what its bucket is called."""

    client: Client
    bucket: str

    def send(self, body: Any, headers: Headers | None = None) -> Answer:
        """Deliver a notification; bytes go out as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(PATH, data, GOOD if headers is None else headers)

    def metadata(self, key: str, bucket: str = "theirs") -> dict[str, Any] | None:
        query = urlencode({"bucket": bucket, "key": key})
        answer = self.client.get(f"/metadata?{query}")
        assert answer.status in (200, 404), answer
        found: dict[str, Any] = answer.json()
        return found if answer.status == 200 else None


@contextmanager
def door_of(folder: Path, env: dict[str, str]) -> Iterator[Door]:
    with (
        drop(folder, {**env, "EVENTS_TOKEN": TOKEN}) as running,
        closing(Client(running.url)) as client,
    ):
        yield Door(client, env.get("S3_BUCKET", "local"))


@pytest.fixture(scope="module", params=PAIRINGS)
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    with door_of(folder, pairing_env(request, request.param)) as door:
        yield door


@pytest.fixture
def key() -> str:
    """One that no other test speaks of."""
    return f"{uuid.uuid4().hex}.txt"


def created(key: str, sequencer: str = "1") -> dict[str, Any]:
    return record(key, size=5, eTag="e", sequencer=sequencer)


def assert_error(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.json()["code"]) == (status, code), answer
    assert answer.json().keys() == {"error", "code", "request_id"}
    assert answer.headers["Cache-Control"] == "no-store"


# --- who may send --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f'Bearer "{TOKEN}"',
        f"Bearer\t{TOKEN}",
        f"Bearer{TOKEN}",
        f"Basic {TOKEN}",
        f"Token {TOKEN}",
        TOKEN,
        b"Bearer \xff\xfe",
        "Bearer ü",
        f"Bearer {'x' * 7000}",
    ],
)
def test_who_does_not_know_the_token(door: Door, key: str, given: str | bytes | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    answer = door.send(notification(created(key)), headers)
    assert_error(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert TOKEN not in answer.body.decode()
    assert door.metadata(key) is None


@pytest.mark.parametrize("given", [f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer  {TOKEN} "])
def test_the_scheme_may_be_of_any_case(door: Door, key: str, given: str) -> None:
    assert door.send(notification(created(key)), {"Authorization": given}).status == 200


def test_two_headers_are_not_one_of_them(door: Door, key: str) -> None:
    body = json.dumps(notification(created(key))).encode()
    with door.client.wire() as wire:
        wire.send(
            f"POST {PATH} HTTP/1.1\r\nHost: {wire.host}\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: Bearer wrong\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
            + body
        )
        assert wire.answer().status in (400, 401)
    assert door.metadata(key) is None


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"Authorization": "Bearer wrong"}, 401), (GOOD, 413)]
)
@pytest.mark.parametrize("expect", [True, False])
def test_refused_before_the_body_is_read(
    door: Door, headers: dict[str, str], status: int, expect: bool
) -> None:
    announced = {"Content-Length": str(GIB), "Content-Type": "application/json"}
    if expect:
        announced["Expect"] = "100-continue"
    with door.client.wire() as wire:
        wire.request("POST", PATH, {**announced, **headers})
        answer = wire.answer()
    assert (answer.status, answer.interim) == (status, [])
    assert answer.headers["Connection"].lower() == "close"


def test_refused_before_an_endless_body_is_read(door: Door) -> None:
    with door.client.wire() as wire:
        wire.request("POST", PATH, {"Transfer-Encoding": "chunked"})
        answer = wire.answer()
    assert answer.status == 401


def test_without_a_token_there_is_no_such_route(tmp_path: Path) -> None:
    with (
        drop(tmp_path, {"EVENTS_TOKEN": ""}) as running,
        closing(Client(running.url)) as client,
    ):
        for headers in ({}, GOOD, {"Authorization": "Bearer "}):
            for method in ("POST", "GET", "PUT", "DELETE", "OPTIONS"):
                answer = client.send(method, PATH, headers, b"{}")
                other = client.send(method, "/no/such/path", headers, b"{}")
                assert_error(answer, 404, "not_found")
                same = ("Allow", "WWW-Authenticate", "Content-Type")
                assert other.status == answer.status
                assert [other.headers.get(h) for h in same] == [answer.headers.get(h) for h in same]


def test_only_post(door: Door) -> None:
    answer = door.client.get(PATH, GOOD)
    assert_error(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


# --- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"Records=[]",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"[1, 2]",
        b"\xff",
        b'{"Records": [\xff]}',
        b"\x00",
        b"[" * 100_000,
        b'{"Records":' * 50_000,
        b'{"Records": [' + b"9" * 5000 + b"]}",
    ],
    ids=lambda body: body[:16].decode("latin-1"),
)
def test_what_is_no_json_object(door: Door, body: bytes) -> None:
    answer = door.send(body)
    assert answer.status == 400
    assert answer.json()["code"] in ("invalid_json", "invalid_event")


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        {"eventName": PUT},
        record("", size=1),
        record("a", size=-1),
        record("a", PUT, "a/b"),
        record("a", sequencer="xyz"),
        record("a", time="yesterday"),
        record("a", key="%ff"),
        record("a", key="\ud800"),
    ],
)
def test_one_wrong_record_and_nothing_is_applied(door: Door, key: str, wrong: Any) -> None:
    answer = door.send(notification(*[created(key)] * 3, wrong))
    assert_error(answer, 400, "invalid_event")
    assert door.metadata(key) is None


def test_what_has_no_records(door: Door) -> None:
    bodies: list[dict[str, Any]] = [{}, {"Records": {}}, {"records": []}, {"Event": "s3:Other"}]
    for body in bodies:
        assert_error(door.send(body), 400, "invalid_event")


def padded(key: str, size: int) -> bytes:
    """A notification of exactly so many bytes."""
    event = {**created(key), "padding": ""}
    length = len(json.dumps(notification(event)))
    return json.dumps(notification({**event, "padding": "x" * (size - length)})).encode()


@pytest.mark.parametrize("chunked", [True, False])
def test_what_is_too_large(door: Door, key: str, chunked: bool) -> None:
    body = padded(key, MIB + 1)
    data = iter([body[: MIB // 2], body[MIB // 2 :]]) if chunked else body
    assert_error(door.client.post(PATH, data, GOOD), 413, "content_too_large")
    assert door.metadata(key) is None


@pytest.mark.parametrize("chunked", [True, False])
def test_what_is_just_not_too_large(door: Door, key: str, chunked: bool) -> None:
    body = padded(key, MIB)
    data = iter([body[: MIB // 2], body[MIB // 2 :]]) if chunked else body
    assert door.client.post(PATH, data, GOOD).status == 200
    assert door.metadata(key) is not None


def test_a_body_that_ends_early(door: Door, key: str) -> None:
    body = json.dumps(notification(created(key))).encode()
    with door.client.wire() as wire:
        wire.request("POST", PATH, {**GOOD, "Content-Length": str(len(body) + 1)})
        wire.send(body)
        wire.finish()
        assert wire.answer().status == 400
    assert door.metadata(key) is None


def test_a_query_that_nobody_knows(door: Door, key: str) -> None:
    data = json.dumps(notification(created(key))).encode()
    assert_error(door.client.post(f"{PATH}?a=b", data, GOOD), 400, "unknown_parameter")
    assert door.metadata(key) is None


# --- what is taken -------------------------------------------------------------------------


def assert_counts(answer: Answer, applied: int, ignored: int) -> None:
    assert answer.status == 200, answer
    assert answer.json() == {"applied": applied, "ignored": ignored}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_of_another_bucket(door: Door, key: str) -> None:
    assert_counts(door.send(notification(created(key, "2"))), 1, 0)
    found = door.metadata(key)
    assert found is not None
    assert (found["size"], found["etag"], found["event_name"]) == (5, "e", PUT)
    assert found["sequencer"] == "2"
    assert_counts(door.send(notification(created(key, "2"), created(key, "1"))), 0, 2)
    assert_counts(door.send(notification(record(key, REMOVED, sequencer="3"))), 1, 0)
    assert door.metadata(key) is None
    assert_counts(door.send(notification(created(key, "2"))), 0, 1)
    assert door.metadata(key) is None


def test_nothing_and_what_is_of_no_interest(door: Door) -> None:
    assert_counts(door.send(notification()), 0, 0)
    assert_counts(door.send(TEST_EVENT), 0, 1)
    assert_counts(door.send(notification({"eventName": "s3:ObjectAccessed:Get"})), 0, 1)


def test_what_aws_sends(door: Door, key: str) -> None:
    assert_counts(door.send(of_aws(key)), 1, 0)
    found = door.metadata(key, "amzn-s3-demo-bucket")
    assert found is not None and found["size"] == 1024


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "x", ""])
def test_of_any_content_type(door: Door, key: str, content_type: str) -> None:
    answer = door.send(notification(created(key)), {**GOOD, "Content-Type": content_type})
    assert_counts(answer, 1, 0)


def test_what_minio_sent_is_never_refused(door: Door) -> None:
    """A refused one would be sent again for ever, and nothing after it."""
    for path in RECORDED:
        answer = door.send(path.read_bytes())
        assert (answer.status, sum(answer.json().values())) == (200, 1), path.name


KEYS_OF_OURS = [
    "../../../etc/passwd",
    "/etc/passwd",
    ".",
    "a\0b",
    "a\n\r\x01",
    "a//b/../c",
    "file-drop/00/00000000-0000-7000-8000-000000000000",
    "k" * 1024,
    "/".join(["😀"] * 200),
]


@pytest.mark.parametrize("key", KEYS_OF_OURS, ids=lambda key: ascii(key[:20]))
@pytest.mark.parametrize("name", [PUT, REMOVED])
def test_of_our_bucket_what_is_not_there(door: Door, key: str, name: str) -> None:
    """The store is asked, also for what it cannot have; an event alone makes no file."""
    answer = door.send(notification(record(key, name, door.bucket, size=5, eTag="e")))
    assert answer.status == 200
    if "\0" not in key:
        assert door.metadata(key, door.bucket) is None


def test_of_our_bucket_what_is_there(door: Door, key: str, request: pytest.FixtureRequest) -> None:
    if door.bucket == "local":
        pytest.skip("nobody else can write into the embedded store")
    real: Stores = request.getfixturevalue("real_stores")
    with s3_clients(real, real.s3_endpoint_url) as made:
        made.usual.put_object(Bucket=door.bucket, Key=key, Body=b"what is there")
        told = notification(record(key, PUT, door.bucket, size=99, eTag="e", sequencer="1"))
        assert_counts(door.send(told), 1, 0)
        found = door.metadata(key, door.bucket)
        assert found is not None and found["size"] == len(b"what is there")
        content = door.client.get(f"/files/{found['file_id']}")
        assert (content.status, content.body) == (200, b"what is there")
        made.usual.delete_object(Bucket=door.bucket, Key=key)
        assert_counts(door.send(told), 1, 0)  # it says created, but is only a hint
        assert door.metadata(key, door.bucket) is None


def test_many_at_once(door: Door, key: str) -> None:
    """Each sender is answered, and only the first of them all changes anything."""
    answers: list[Answer] = []

    def send() -> None:
        with closing(Client(door.client.base_url)) as client:
            body = json.dumps(notification(*[created(key)] * 5)).encode()
            answers.append(client.post(PATH, body, GOOD))

    senders = [threading.Thread(target=send) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert [answer.status for answer in answers] == [200] * 8
    assert sum(answer.json()["applied"] for answer in answers) == 1


# --- a store that is down ------------------------------------------------------------------


@pytest.mark.parametrize("down", ["objects", "documents"])
def test_while_a_store_is_down_the_sender_is_told_to_try_again(
    request: pytest.FixtureRequest, tmp_path: Path, key: str, down: str
) -> None:
    """The other store is the embedded one."""
    request.getfixturevalue("real_stores")  # says whether it is a failure to have none
    port = free_port()
    server = minio if down == "objects" else mongo_wire
    with ExitStack() as stack:
        running = stack.enter_context(ExitStack())
        try:
            url = running.enter_context(server(tmp_path, port))
        except Missing as missing:
            pytest.skip(f"left out, no server that is ours to stop: {missing}")
        env = Stores(url, url).settings("bucket", "database")
        if down == "objects":
            env["MONGO_URI"] = ""
        else:
            env = {"MONGO_URI": env["MONGO_URI"]}
        door = stack.enter_context(door_of(tmp_path, env))
        told = notification(record(key, REMOVED, door.bucket), created(key))
        running.close()
        answer = door.send(told)
        assert_error(answer, 503, "store_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        if down == "objects":
            assert door.metadata(key) is None  # it was the second one
        stack.enter_context(server(tmp_path, port))
        assert_counts(door.send(told), 2, 0)
        assert door.metadata(key) is not None
