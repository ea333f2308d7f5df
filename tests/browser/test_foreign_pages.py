"""A web page of another origin, in a real browser, against a service with open access.

SPEC section 10: it can read nothing and change nothing, not even under a name of its own that
it makes resolve to this machine. And what is allowed to pages does work, by which the tests
show that what they try would come through.
"""

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.browser import chromium
from tests.browser.attacker import Attacker, Report, attacker
from tests.browser.victim import SECRET, Victim, victim
from tests.servers.processes import wait_until

SAFE = ("GET", "HEAD", "OPTIONS")
DOORS = ("files upload", "upload", "todo", "events s3")
# Where the page's name leads when the attacker is gone, and the service is at its port.
REBOUND = "rebind.test"
QUIET_SECONDS = 0.5


def assert_nothing_came_out(service: Victim, evil: Attacker, report: Report) -> None:
    seen = json.dumps(report) + "".join(evil.received)
    assert [word for word in (SECRET, *service.hidden) if word in seen] == []


@dataclass(frozen=True)
class Visit:
    """What came of a page's visit to the service: `asked` is all that the service answered."""

    service: Victim
    report: Report
    asked: list[tuple[str, str, int]]
    before: dict[str, Any]
    after: dict[str, Any]
    names: set[str]


def visit(service: Victim, evil: Attacker, host: str) -> Visit:
    """Let the page that is open do its worst, and wait for the last of it."""
    before, begun = service.state(), len(service.requests())
    evil.send_page_to(service.task(host))
    report = evil.report()
    expected = {door: len(sent(report, door)) for door in DOORS}
    wait_until(
        lambda: all(arrived(service, begun, door) >= expected[door] for door in DOORS),
        f"not all has arrived of {expected}",
    )
    asked = quiet(service)[begun:]
    return Visit(service, report, asked, before, service.state(), service.names())


def sent(report: Report, door: str) -> list[str]:
    """The ways that lead to the door itself: without a preflight, or with one that was granted."""
    ways = {way: one for way, one in report["written"].items() if way.startswith(f"{door}, ")}
    return [way for way, one in ways.items() if "preflighted" not in way or "saw" in one]


def arrived(service: Victim, begun: int, door: str) -> int:
    path = "/" + door.replace(" ", "/")
    return [one[:2] for one in service.requests()[begun:]].count(("POST", path))


def quiet(service: Victim) -> list[tuple[str, str, int]]:
    """All requests, when no more of them come."""
    asked: list[tuple[str, str, int]] = []
    while asked != (asked := service.requests()):
        time.sleep(QUIET_SECONDS)
    return asked


@pytest.mark.parametrize(
    ("page", "host", "origin"),
    [
        # Cross-site; same site, but another port; without an origin of its own.
        ("http://evil.test:{port}/page", "127.0.0.1", "http://evil.test:{port}"),
        ("http://localhost:{port}/page", "localhost", "http://localhost:{port}"),
        ("http://evil.test:{port}/sandboxed", "127.0.0.1", "null"),
    ],
    ids=["cross-site", "same-site", "sandboxed"],
)
def test_a_page_of_another_origin(
    open_service: Victim, evil: Attacker, tmp_path: Path, page: str, host: str, origin: str
) -> None:
    url = page.format(port=evil.port)
    with chromium.showing(tmp_path, f"{url}?home={url.rpartition('/')[0]}"):
        found = visit(open_service, evil, host)
    report = found.report
    assert report["origin"] == origin.format(port=evil.port)
    assert found.after == found.before
    assert_nothing_came_out(open_service, evil, report)
    outcomes = [one for way in report["read"].values() for one in way.values()]
    outcomes += report["written"].values()
    assert [one for one in outcomes if "error" not in one] == []
    assert {tuple(values) for values in report["timing"].values()} == {(0, 0, 0)}
    # The service was reached: what the page may not see it answered, and refused the rest.
    changing = {(method, status) for method, _, status in found.asked if method not in SAFE}
    assert changing == {("POST", 403)}
    read = {path for method, path, status in found.asked if (method, status) == ("GET", 200)}
    assert read >= {"/files", "/getall", "/todos", f"/files/{open_service.files['text']}"}
    assert "OPTIONS" in {method for method, _, _ in found.asked}


def rebound(folder: Path, evil: Attacker, env: Mapping[str, str]) -> Visit:
    """The visit of a page that stays open while its name and port turn to the service."""
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as browser:
            with attacker() as first:
                home = f"http://evil.test:{evil.port}"
                page = f"http://{REBOUND}:{first.port}/page?home={home}"
                browser.enter_context(chromium.showing(folder, page))
                wait_until(lambda: evil.has_heard("GET /task"), "the page has not asked")
            service = stack.enter_context(victim(folder, env, port=first.port))
            found = visit(service, evil, REBOUND)
        assert found.report["origin"] == f"http://{REBOUND}:{service.port}"  # the service's own
        return found


@pytest.mark.parametrize(
    "env", [{}, {"TRUSTED_PROXIES": "127.0.0.1"}], ids=["alone", "behind a proxy here"]
)
def test_a_name_that_is_made_to_lead_here(
    tmp_path: Path, evil: Attacker, env: dict[str, str]
) -> None:
    found = rebound(tmp_path, evil, env)
    assert_nothing_came_out(found.service, evil, found.report)
    assert found.after == found.before
    assert {status for _, _, status in found.asked} == {421}
    for outcome in found.report["read"]["fetch"].values():
        assert json.loads(outcome["saw"]["text"])["code"] == "wrong_host"


def test_a_page_of_the_same_origin_is_not_hindered(tmp_path: Path, evil: Attacker) -> None:
    """The same page, where its name is one of the service's: so the test above can fail."""
    found = rebound(tmp_path, evil, {"ALLOWED_HOSTS": REBOUND})
    task = found.service.task()
    text = f"/files/{found.service.files['text']}"
    for way in ("fetch", "fetch no-cors", "fetch with a preflight", "fetch as if forwarded"):
        assert found.report["read"][way][text]["saw"]["text"] == f"{SECRET}-text"
    for way in ("iframe", "object", "window"):
        assert SECRET in found.report["read"][way][task["shown"][1]]["saw"]
    for way in ("script", "script crossorigin", "script module", "import", "importScripts"):
        assert list(found.report["read"][way].values()) == [{"saw": f"{SECRET}-script"}]
    for way in ("link", "link crossorigin"):
        assert list(found.report["read"][way].values()) == [{"saw": f"{SECRET}-style"}]
    assert list(found.report["read"]["img"].values()) == [{"saw": "37x23"}]
    ways = {way for way in found.report["written"] if way.startswith("files upload, ")}
    assert found.names >= {way for way in ways if not is_from_elsewhere(way)}
    assert found.names.isdisjoint({f"{SECRET}-text", f"{SECRET}-todo", "known.png"})


def test_a_page_of_an_allowed_origin(tmp_path: Path, evil: Attacker) -> None:
    """It reads and changes what it likes, in the ways that others try in vain."""
    origin = f"http://evil.test:{evil.port}"
    with (
        victim(tmp_path, {"CORS_ORIGINS": origin}) as service,
        chromium.showing(tmp_path, f"{origin}/page?home={origin}"),
    ):
        found = visit(service, evil, "127.0.0.1")
    report, names = found.report, found.names
    read: dict[str, dict[str, Any]] = report["read"]
    text = f"/files/{service.files['text']}"

    whole = read["fetch"][text]["saw"]
    assert (whole["status"], whole["text"]) == (200, f"{SECRET}-text")
    assert whole["headers"]["etag"] == '"1"'
    assert whole["headers"]["repr-digest"].startswith("sha-256=:")
    part = read["fetch of a range"][text]["saw"]
    assert (part["status"], part["text"]) == (206, SECRET[:5])
    assert part["headers"]["content-range"] == f"bytes 0-4/{len(SECRET) + 5}"
    assert 'rel="next"' in read["fetch"]["/files?limit=1"]["saw"]["headers"]["link"]
    readers = {way for way, seen in read.items() if all("saw" in one for one in seen.values())}
    assert readers == {
        *("fetch", "fetch of a range", "fetch of the head", "fetch with a preflight"),
        *("XMLHttpRequest", "worker", "img crossorigin", "script crossorigin", "script module"),
        *("import", "link crossorigin"),
    }
    # Of itself a browser says who asks, unless it was sent on from elsewhere.
    assert {name for name in names if ", " in name} == {
        way
        for way in report["written"]
        if came_through(way) and "forwarded" not in way and not is_anonymous(way)
    }
    assert names.isdisjoint({f"{SECRET}-text", f"{SECRET}-todo", "known.png"})
    created = report["written"]["files upload, preflighted"]["saw"]
    assert created["status"] == 201 and created["headers"]["location"].startswith("/files/")


def came_through(way: str) -> bool:
    """Whether the door takes what is sent in this way; the one of events wants its token."""
    door, _, how = way.partition(", ")
    if door == "todo":
        return "FormData" not in how and not how.startswith(("form", "encoded"))
    return door == "files upload" or (door == "upload" and not how.startswith("encoded"))


def is_from_elsewhere(way: str) -> bool:
    """Whether a server of another origin has part in it."""
    return "redirected" in way or way.endswith("policy report")


def is_anonymous(way: str) -> bool:
    """Whether the browser says `Origin: null`, which no setting allows."""
    return "redirected" in way and not way.endswith("redirected cors")


@pytest.mark.parametrize(
    ("host", "word"), [("127.0.0.1", f"{SECRET}-hidden"), (REBOUND, "wrong_host")]
)
def test_the_address_bar(open_service: Victim, tmp_path: Path, host: str, word: str) -> None:
    """Who goes there on purpose sees what there is, but not by a foreign name."""
    shown = chromium.shown(tmp_path, f"http://{host}:{open_service.port}/files")
    assert [one for one in (f"{SECRET}-hidden", "wrong_host") if one in shown] == [word]
