"""What web pages of others, and who forges headers, are kept from: hosts, origins, proxies."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from config import InvalidSettings, load_settings
from tests.acceptance.client import Client
from tests.access.conftest import NewHouse
from tests.access.house import NOWHERE, House, as_json, error_of
from tests.servers.drop import Drop, drop

OURS = ("drop.example", "other.example")
APP = "https://app.example"
FOREIGN = "http://evil.example"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    env = {"AUTH": "none", "ALLOWED_HOSTS": ",".join(OURS), "ALLOW_ANONYMOUS": "1"}
    made = House(tmp_path_factory.mktemp("opened"), env)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With pages of another origin that may use it."""
    env = {"CORS_ORIGINS": f"{APP},http://localhost:3000"}
    made = House(tmp_path_factory.mktemp("shared"), env)
    yield made
    made.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drop]:
    """The real server, open, and no proxy trusted."""
    env = {"AUTH": "none", "WEB_CONCURRENCY": "1", "ALLOWED_HOSTS": OURS[0]}
    with drop(tmp_path_factory.mktemp("served"), env) as running:
        yield running


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drop]:
    """The real server behind a proxy on this machine."""
    env = {
        "AUTH": "none",
        "WEB_CONCURRENCY": "1",
        "ALLOWED_HOSTS": OURS[0],
        "TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8",
    }
    with drop(tmp_path_factory.mktemp("proxied"), env) as running:
        yield running


def raw(
    url: str,
    lines: tuple[str, ...],
    path: str = "/files",
    version: str = "1.1",
) -> tuple[int, str]:
    """Status and body of what is answered to just these header lines."""
    with Client(url).wire() as wire:
        head = "\r\n".join((f"GET {path} HTTP/{version}", *lines, "", ""))
        wire.send(head.encode("latin-1"))
        answer = wire.answer()
    return answer.status, answer.body.decode()


def cors(answer: TestResponse) -> list[str]:
    """The headers of CORS."""
    return [name for name, _ in answer.headers if name.startswith("Access-Control")]


# --- hosts -------------------------------------------------------------------------------------

KNOWN_HOSTS = (
    "localhost",
    "localhost:8000",
    "localhost:1",
    "LOCALHOST",
    "LocalHost:65535",
    "localhost.",
    "localhost.:8000",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.1.2.3",
    "127.255.255.254:80",
    "[::1]",
    "[::1]:8000",
    "[0:0:0:0:0:0:0:1]",
    "drop.example",
    "DROP.example:443",
    "drop.example.",
    "other.example",
)
UNKNOWN_HOSTS = (
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "evil-localhost",
    "notlocalhost",
    "localhos",
    "sub.localhost.evil",
    "drop.example.evil",
    "evil.drop.example",
    "xdrop.example",
    "192.168.0.1",
    "10.0.0.1",
    "0.0.0.0",
    "128.0.0.1",
    "169.254.169.254",
    "[::]",
    "[::2]",
    "[fe80::1]",
    "[::ffff:10.0.0.1]",
    "localhost@evil.example",
    "localhost:80@evil.example",
    "127.0.0.1:8000@evil.example",
    "localhost:x@evil.example:8000",
    "evil.example#localhost",
    "evil.example/localhost",
    "evil.example?localhost",
    "evil.example\\@localhost",
    "evil.example,localhost",
    "localhost,evil.example",
    "evil.example localhost",
    "localhost evil.example",
    "[::1",
    "::1]",
    "[evil.example]",
    "[::1].evil.example",
    ":8000",
    ".",
    "..",
    "%6c%6fcalhost",
    "\u212aocalhost",
    "*",
)


@pytest.mark.parametrize("host", KNOWN_HOSTS)
def test_a_loopback_name_or_one_of_ours_is_answered(opened: House, host: str) -> None:
    answer = opened.ask("GET", "/files", headers={"Host": host})
    assert answer.status_code == 200, answer.text


def assert_wrong_host(answer: TestResponse) -> None:
    assert (answer.status_code, error_of(answer)["code"]) == (421, "wrong_host")


@pytest.mark.parametrize("host", [one for one in UNKNOWN_HOSTS if one.isascii()])
def test_any_other_name_is_421_on_every_route(opened: House, host: str) -> None:
    for path in ("/files", "/healthz", "/readyz", "/nothing", "/todos?userId=a"):
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            answer = opened.ask(method, path, headers={"Host": host})
            assert_wrong_host(answer)
            assert host.strip() in (".", "*", "..") or host not in answer.text


@pytest.mark.parametrize("host", UNKNOWN_HOSTS)
def test_the_real_server_gives_nothing_under_any_other_name(served: Drop, host: str) -> None:
    with Client(served.url).wire() as wire:
        wire.send(b"GET /files HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n")
        assert wire.answer().status in (400, 421)


@pytest.mark.parametrize("host", KNOWN_HOSTS[:16])
def test_the_real_server_answers_under_known_names(served: Drop, host: str) -> None:
    assert raw(served.url, (f"Host: {host}",))[0] == 200


@pytest.mark.parametrize(
    "lines",
    [
        ("Host: localhost", "Host: evil.example"),
        ("Host: evil.example", "Host: localhost"),
        ("Host: evil.example", "host: localhost"),
        ("Host: localhost, evil.example",),
        ("Host : localhost",),
        ("Host: evil.example", "X-Forwarded-Host: localhost"),
        ("Host: evil.example", "Forwarded: host=localhost"),
        ("Host: evil.example", "X-Host: localhost"),
        ("Host: evil.example", "HTTP_HOST: localhost"),
        ("Host: evil.example", "X_Forwarded_Host: localhost"),
    ],
)
def test_several_hosts_are_none(served: Drop, lines: tuple[str, ...]) -> None:
    assert raw(served.url, lines)[0] in (400, 421)


def test_a_request_without_a_host_comes_from_no_browser(served: Drop) -> None:
    assert raw(served.url, (), version="1.0")[0] == 200
    assert raw(served.url, ("Host: evil.example",), version="1.0")[0] in (400, 421)


def test_an_absolute_target_names_the_host(served: Drop) -> None:
    """RFC 9112 3.2.2: it counts, and Host does not."""
    known, evil = "http://localhost/files", "http://evil.example/files"
    assert raw(served.url, ("Host: localhost",), path=known)[0] == 200
    assert raw(served.url, ("Host: evil.example",), path=evil)[0] in (400, 421)
    assert raw(served.url, ("Host: evil.example",), path=known)[0] in (200, 400, 421)
    assert raw(served.url, ("Host: localhost",), path=evil)[0] in (400, 421)


def test_hosts_do_not_matter_where_keys_are_asked_for(house: House) -> None:
    key = house.key("alice")
    assert house.ask("GET", "/files", key, headers={"Host": "evil.example"}).status_code == 200
    assert house.ask("GET", "/files", headers={"Host": "evil.example"}).status_code == 401


@pytest.mark.parametrize("name", ["drop.example.", "Drop.Example"])
def test_allowed_hosts_are_names_however_written(new_house: NewHouse, name: str) -> None:
    house = new_house(AUTH="none", ALLOWED_HOSTS=name)
    assert house.ask("GET", "/files", headers={"Host": "drop.example"}).status_code == 200


@pytest.mark.parametrize("value", ["*", "http://a", "drop.example:80", "a/b", "[::1]", "a b"])
def test_what_is_no_host_name_stops_the_start(value: str) -> None:
    with pytest.raises(InvalidSettings, match="ALLOWED_HOSTS"):
        load_settings({"ALLOWED_HOSTS": value}, NOWHERE)


# --- origins -----------------------------------------------------------------------------------

FOREIGN_ORIGINS = (
    FOREIGN,
    "null",
    "http://localhost:8001",
    "http://localhost:80",
    "https://localhost:8000",
    "http://localhost.evil.example:8000",
    "http://localhost:8000.evil.example",
    "http://localhost:8000@evil.example",
    "http://127.0.0.1:8000",
    "http://[::1]:8000",
    "file://",
    "http://",
    "http://[",
    "http://localhost:99999",
    "",
    "localhost:8000",
    "chrome-extension://localhost:8000",
    "http://localhost:8000, http://evil.example",
    "http://evil.example http://localhost:8000",
    APP,
)
CHANGES = (
    ("POST", "/files/upload"),
    ("POST", "/upload"),
    ("POST", "/getitem"),
    ("POST", "/todo"),
    ("PUT", "/files/x"),
    ("DELETE", "/files/x"),
    ("DELETE", "/delete?FileName=x"),
    ("DELETE", "/todos/a/b"),
    ("PATCH", "/files"),
    ("POST", "/nothing"),
)
HERE = "localhost:8000"


def assert_foreign(answer: TestResponse) -> None:
    assert (answer.status_code, error_of(answer)["code"]) == (403, "foreign_origin")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_foreign_page_cannot_change_anything(opened: House, origin: str) -> None:
    for method, path in CHANGES:
        for more in ({}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
            headers = {"Host": HERE, "Origin": origin, **more}
            assert_foreign(opened.ask(method, path, headers=headers))
    assert opened.good("GET", "/files") == []


def test_a_malformed_origin_is_not_that_of_a_malformed_host(opened: House) -> None:
    headers = {"Host": "localhost:99999", "Origin": "http://evil.example:99999"}
    assert_foreign(opened.ask("POST", "/files/upload", headers=headers))


def test_who_says_cross_site_cannot_change_anything(opened: House) -> None:
    for method, path in CHANGES:
        headers = {"Host": HERE, "Sec-Fetch-Site": "cross-site"}
        assert_foreign(opened.ask(method, path, headers=headers))


def test_a_foreign_page_may_ask_but_is_not_told(opened: House) -> None:
    """What it gets it cannot read: CORS is off."""
    for path in ("/files", "/healthz", "/getall"):
        headers = {"Host": HERE, "Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}
        answer = opened.ask("GET", path, headers=headers)
        assert answer.status_code == 200
        assert cors(answer) == []
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


OWN = (
    ("localhost:8000", "http://localhost:8000"),
    ("localhost", "http://localhost"),
    ("localhost:80", "http://localhost"),
    ("localhost", "http://localhost:80"),
    ("LOCALHOST:8000", "http://localhost:8000"),
    ("[::1]:8000", "http://[::1]:8000"),
    ("drop.example", "http://drop.example"),
)


@pytest.mark.parametrize(("host", "origin"), OWN)
def test_a_page_of_the_same_origin_may_change_things(opened: House, host: str, origin: str) -> None:
    body = as_json("/todo", {"userId": "a", "title": "b"})
    for more in ({"Origin": origin}, {"Origin": origin, "Sec-Fetch-Site": "same-origin"}):
        assert opened.ask("POST", body, headers={"Host": host, **more}).status_code == 200
    for site in ("same-origin", "none"):
        headers = {"Host": host, "Sec-Fetch-Site": site}
        assert opened.ask("POST", body, headers=headers).status_code == 200


def test_no_browser_needs_no_origin(opened: House) -> None:
    body = as_json("/todo", {"userId": "a", "title": "b"})
    assert opened.ask("POST", body, headers={"Host": HERE}).status_code == 200


def test_a_foreign_page_is_refused_before_its_body(served: Drop) -> None:
    with Client(served.url).wire() as wire:
        headers = {"Origin": FOREIGN, "Expect": "100-continue", "Content-Length": str(2**30)}
        wire.request("POST", "/files/upload", headers)
        answer = wire.answer()
    assert (answer.status, answer.interim) == (403, [])


# --- CORS --------------------------------------------------------------------------------------


def test_cors_is_off_unless_origins_are_named(house: House, opened: House) -> None:
    key = house.key("alice")
    preflight = {"Origin": APP, "Access-Control-Request-Method": "DELETE"}
    for one, given in ((house, key), (opened, None)):
        for method, headers in (("GET", {"Origin": APP}), ("OPTIONS", preflight)):
            answer = one.ask(method, "/files", given, headers=headers)
            assert answer.status_code == 200
            assert cors(answer) == []
            assert "Vary" not in answer.headers


EXPOSED = {"ETag", "Link", "Location", "X-Request-Id", "Retry-After", "Content-Disposition"}
EXPOSED |= {"Accept-Ranges", "Content-Range", "Repr-Digest", "WWW-Authenticate"}


@pytest.mark.parametrize("origin", [APP, "http://localhost:3000"])
@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/files/upload", {"POST", "OPTIONS", "GET", "HEAD", "PUT", "DELETE"}),
        ("/files", {"GET", "HEAD", "OPTIONS"}),
        ("/files/x", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
        ("/todos/x", {"PUT", "DELETE", "OPTIONS"}),
        ("/keys", {"GET", "HEAD", "POST", "OPTIONS"}),
    ],
)
def test_a_preflight_is_answered(shared: House, origin: str, path: str, methods: set[str]) -> None:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type,if-match",
    }
    answer = shared.ask("OPTIONS", path, headers=headers)
    assert answer.status_code in (200, 204)
    assert answer.data == b""
    told = answer.headers
    assert told["Access-Control-Allow-Origin"] == origin
    assert set(told["Access-Control-Allow-Methods"].split(", ")) == methods
    allowed = {name.lower() for name in told["Access-Control-Allow-Headers"].split(", ")}
    assert {"authorization", "content-type", "if-match", "range", "x-request-id"} <= allowed
    assert int(told["Access-Control-Max-Age"]) > 0
    assert "Origin" in told["Vary"]
    assert "Access-Control-Allow-Credentials" not in told
    assert "*" not in str(told)


def test_answers_and_errors_can_be_read_by_the_named_origins(shared: House) -> None:
    key = shared.key("alice")
    file_id = shared.upload(key, "a.txt")["file_id"]
    asked = [
        ("GET", "/files", key, 200),
        ("GET", f"/files/{file_id}", key, 200),
        ("HEAD", f"/files/{file_id}", key, 200),
        ("GET", "/files/nope", key, 404),
        ("GET", "/files?limit=x", key, 400),
        ("GET", "/nothing", key, 404),
        ("PATCH", "/files", key, 405),
        ("GET", "/files", None, 401),
        ("GET", "/keys", key, 403),
        ("POST", "/files/upload", key, 400),
        ("GET", "/healthz", None, 200),
    ]
    for method, path, given, status in asked:
        answer = shared.ask(method, path, given, headers={"Origin": APP})
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert "Origin" in answer.headers["Vary"]
        assert set(answer.headers["Access-Control-Expose-Headers"].split(", ")) >= EXPOSED
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_a_bug_can_be_read_too(shared: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("blueprints.files.list_files", broken)
    answer = shared.ask("GET", "/files", shared.key("alice"), headers={"Origin": APP})
    assert answer.status_code == 500
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert "a bug" not in answer.text


@pytest.mark.parametrize(
    "origin",
    [
        FOREIGN,
        "null",
        "*",
        "http://app.example",
        "https://app.example.evil",
        "https://app.example:444",
        "https://evil.app.example",
        "https://app.example/",
        "https://app.example, http://evil.example",
        "HTTPS://APP.EXAMPLE",
        "http://localhost:3001",
    ],
)
def test_no_other_origin_is_let_in(shared: House, origin: str) -> None:
    key = shared.key("alice")
    preflight = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    for method, given, headers in (("GET", key, {"Origin": origin}), ("OPTIONS", None, preflight)):
        answer = shared.ask(method, "/files", given, headers=headers)
        assert answer.status_code == 200
        assert cors(answer) == []
        assert "Origin" in answer.headers["Vary"]
    assert_foreign(shared.ask("POST", "/files/upload", key, headers={"Origin": origin}))


def test_a_named_origin_may_change_things(shared: House) -> None:
    body = as_json("/todo", {"userId": "alice", "title": "b"})
    headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
    answer = shared.ask("POST", body, shared.key("alice"), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert shared.ask("POST", body, headers=headers).status_code == 401


def test_without_an_origin_nothing_is_allowed_but_it_varies(shared: House) -> None:
    answer = shared.ask("GET", "/files", shared.key("alice"))
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("value", ["*", "null", "app.example", "https://*.example", f"{APP}/"])
def test_what_is_no_origin_stops_the_start(value: str) -> None:
    with pytest.raises(InvalidSettings, match="CORS_ORIGINS"):
        load_settings({"CORS_ORIGINS": value}, NOWHERE)


# --- proxies -----------------------------------------------------------------------------------


def audited(running: Drop, headers: Mapping[str, str]) -> str:
    """The client's address as the log has it, of a request that is refused."""
    client = Client(running.url)
    request_id = client.send(
        "DELETE", "/files/nope", {"Host": "localhost", "Origin": FOREIGN, **headers}
    ).headers["X-Request-Id"]
    client.close()
    lines = [
        json.loads(line) for line in running.log.read_text().splitlines() if request_id in line
    ]
    (line,) = [one for one in lines if one.get("message") == "audit"]
    return str(line["client"])


SPOOFED = (
    {"X-Forwarded-For": "203.0.113.9"},
    {"X-Forwarded-For": "203.0.113.9, 10.0.0.1"},
    {"Forwarded": "for=203.0.113.9"},
    {"X-Real-IP": "203.0.113.9"},
    {"X_Forwarded_For": "203.0.113.9"},
    {"Client-IP": "203.0.113.9"},
)


@pytest.mark.parametrize("headers", SPOOFED)
def test_nobody_forges_an_address(served: Drop, headers: dict[str, str]) -> None:
    assert audited(served, headers) == "127.0.0.1"


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("203.0.113.9,10.0.0.1,10.2.3.4", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("10.9.9.9, 203.0.113.9", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("203.0.113.9 , 10.0.0.1 ", "203.0.113.9"),
        ("10.0.0.1", "127.0.0.1"),
        ("", "127.0.0.1"),
        (",,", "127.0.0.1"),
    ],
)
def test_a_trusted_proxy_says_who_the_client_is(proxied: Drop, chain: str, client: str) -> None:
    assert audited(proxied, {"X-Forwarded-For": chain}) == client


def posted(url: str, headers: Mapping[str, str]) -> int:
    client = Client(url)
    try:
        body = json.dumps({"userId": "a", "title": "b"}).encode()
        return client.post("/todo", body, {"Content-Type": "application/json", **headers}).status
    finally:
        client.close()


def test_a_trusted_proxy_says_which_host_and_scheme_were_asked(proxied: Drop) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "drop.example"}
    assert posted(proxied.url, {**told, "Origin": "https://drop.example"}) == 200
    assert posted(proxied.url, {**told, "Origin": "https://drop.example:443"}) == 200
    assert posted(proxied.url, {**told, "Origin": "http://drop.example"}) == 403
    assert posted(proxied.url, {**told, "Origin": proxied.url}) == 403
    assert posted(proxied.url, {"X-Forwarded-Host": "evil.example"}) == 421
    assert posted(proxied.url, {"Origin": proxied.url}) == 200
    assert posted(proxied.url, {**told, "X-Forwarded-Host": "evil.example, drop.example"}) == 200
    assert posted(proxied.url, {**told, "X-Forwarded-Host": "drop.example, evil.example"}) == 421
    odd = {**told, "X-Forwarded-Proto": "javascript", "Origin": "http://drop.example"}
    assert posted(proxied.url, odd) == 200


@pytest.mark.parametrize(
    "told",
    [
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Protocol": "ssl"},
        {"X-Forwarded-SSL": "on"},
        {"X-Forwarded-Scheme": "https"},
        {"Forwarded": "proto=https"},
        {"X-Url-Scheme": "https"},
    ],
)
def test_nobody_forges_a_scheme(served: Drop, told: dict[str, str]) -> None:
    own = served.url.replace("http:", "https:")
    assert posted(served.url, {**told, "Origin": own}) == 403
    assert posted(served.url, {**told, "Origin": served.url}) == 200


def test_nobody_forges_a_host(served: Drop) -> None:
    told = {"X-Forwarded-Host": "drop.example", "Origin": "http://drop.example"}
    assert posted(served.url, told) == 403
    assert posted(served.url, {"X-Forwarded-Host": "evil.example"}) == 200


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "X-Script-Name"])
@pytest.mark.parametrize("value", ["/files", "/nothing", "/healthz"])
def test_nobody_forges_a_path(served: Drop, name: str, value: str) -> None:
    status, body = raw(served.url, ("Host: localhost", f"{name}: {value}"))
    assert status == 200 and body.startswith("[")


def test_contradicting_schemes_of_no_proxy_are_no_mistake(served: Drop) -> None:
    lines = ("Host: localhost", "X-Forwarded-Proto: https", "X-Forwarded-SSL: off")
    assert raw(served.url, lines)[0] == 200


def test_an_open_service_listens_on_loopback_only(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.0.1", "example.com", ""):
        with pytest.raises(InvalidSettings, match="HOST") as caught:
            load_settings({"HOST": host, "DATA_DIR": str(tmp_path)}, NOWHERE)
        assert "\n" not in str(caught.value)
        for more in ({"ALLOW_ANONYMOUS": "1"}, {"AUTH": "keys"}):
            load_settings({"HOST": host, **more}, NOWHERE)
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        load_settings({"HOST": host}, NOWHERE)
