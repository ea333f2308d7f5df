"""The Postman collection: it has every route, it runs by itself, and its examples are true."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from config import load_settings
from tests.conftest import PAIRINGS, pairing_env
from tests.servers.drop import drop
from tests.servers.processes import ROOT

POSTMAN = ROOT / "postman"
COLLECTION_FILE = POSTMAN / "file-drop.postman_collection.json"
ENVIRONMENT_FILE = POSTMAN / "file-drop.postman_environment.json"
COLLECTION = json.loads(COLLECTION_FILE.read_text())
ENVIRONMENT = {
    each["key"]: each["value"] for each in json.loads(ENVIRONMENT_FILE.read_text())["values"]
}
NEWMAN = ROOT / ".servers" / "newman"
#: The second one begins where the first one ended.
ITERATIONS = 2
SECONDS = 240

Json = dict[str, Any]


def items(folder: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Requests in their order, and where each of them stands."""
    for item in folder["item"]:
        here = f"{path}{item['name']}"
        if "item" in item:
            yield from items(item, f"{here} / ")
        else:
            yield here, item


ITEMS = dict(items(COLLECTION))


# --- what is in it ---------------------------------------------------------------------------


def routes_of_the_application() -> set[str]:
    """`GET /files/{}`. Rules with defaults are there only to say what is missing, and HEAD is
    documented only where it is more than a GET without a body."""
    app = create_app(load_settings({"EVENTS_TOKEN": "x"}, Path("/nonexistent/.env")))
    return {
        f"{method} {re.sub('<[^>]*>', '{}', rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"OPTIONS"}
        if not rule.defaults and (method != "HEAD" or rule.rule == "/files/<file_id>")
    }


def route(item: Json) -> str:
    request = item["request"]
    path = ["{}" if part.startswith(":") else part for part in request["url"]["path"]]
    return f"{request['method']} /{'/'.join(path)}"


def test_it_has_every_route_and_no_other() -> None:
    assert {route(item) for item in ITEMS.values()} == routes_of_the_application()


def test_no_two_requests_have_the_same_name() -> None:
    assert len(ITEMS) == len(list(items(COLLECTION)))


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS.keys())
def test_each_request_is_described_has_an_example_and_is_tested(item: Json) -> None:
    assert item["request"]["description"]
    assert item["response"]
    for example in item["response"]:
        assert example["name"]
        assert example["code"] and example["status"] and example["header"]
        assert example["originalRequest"]["url"] == item["request"]["url"]
    assert any(
        "pm.test(" in line
        for event in item["event"]
        if event["listen"] == "test"
        for line in event["script"]["exec"]
    )


def test_each_folder_is_described() -> None:
    assert [folder["name"] for folder in COLLECTION["item"] if not folder["description"]] == []


def test_each_variable_is_one_of_the_environment_or_of_the_collection() -> None:
    known = {*ENVIRONMENT, *(variable["key"] for variable in COLLECTION["variable"])}
    text = COLLECTION_FILE.read_text()
    used = {
        *re.findall(r"{{(.*?)}}", text),
        *re.findall(r'(?:collectionVariables|environment)\.[gs]et\(\\"(\w+)\\"', text),
    }
    assert used == known


def test_the_environment_has_what_differs_from_place_to_place() -> None:
    assert set(ENVIRONMENT) == {"base_url", "events_token", "user_id"}


def test_the_files_to_upload_are_beside_it() -> None:
    sources = set(re.findall(r'"src": "(.*)"', COLLECTION_FILE.read_text()))
    beside = {file.name for file in POSTMAN.iterdir()} - {
        COLLECTION_FILE.name,
        ENVIRONMENT_FILE.name,
    }
    assert sources == beside


def test_it_knows_no_other_address_than_the_service_s() -> None:
    text = COLLECTION_FILE.read_text() + ENVIRONMENT_FILE.read_text()
    own = {"http://127.0.0.1:8000", COLLECTION["info"]["schema"]}
    assert set(re.findall(r'https?://[^"\\\s]*', text)) == own


# --- that it runs ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """How newman ended, what it said, and its report, which is empty where it made none."""

    status: int
    output: str
    report: Json

    def failures(self) -> list[str]:
        return [
            f"{failure['source'].get('name')}: {failure['error'].get('test', failure['at'])}: "
            f"{failure['error']['message']}"
            for failure in self.report.get("failures", [])
        ]


@pytest.fixture(scope="module")
def newman() -> str:
    """Installed by `make servers`; without it a test is left out, or fails in CI."""
    if NEWMAN.exists() and shutil.which("node") is not None:
        return str(NEWMAN)
    missing = "no newman: `make servers` installs it, and node runs it"
    if os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail(missing)
    pytest.skip(f"left out, {missing}")


@pytest.fixture(scope="module", params=PAIRINGS)
def run(
    request: pytest.FixtureRequest, newman: str, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """The collection, run against a service of its own with nothing in it."""
    folder = tmp_path_factory.mktemp("postman")
    env = {**pairing_env(request, request.param), "EVENTS_TOKEN": ENVIRONMENT["events_token"]}
    with drop(folder, env) as service:
        return run_by(newman, folder, service.url)


def run_by(newman: str, folder: Path, url: str) -> Run:
    report = folder / "report.json"
    command = [newman, "run", str(COLLECTION_FILE), "--environment", str(ENVIRONMENT_FILE)]
    command += ["--env-var", f"base_url={url}", "--iteration-count", str(ITERATIONS)]
    command += ["--working-dir", str(POSTMAN), "--no-insecure-file-read"]
    command += ["--timeout", str(SECONDS * 1000), "--color", "off"]
    command += ["--reporters", "json", "--reporter-json-export", str(report)]
    # Nothing of whoever runs the tests: no newmanrc, no proxy, no options for node. newman itself
    # looks for no updates and calls nobody but the service.
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS + 30,
        check=False,
    )
    found = json.loads(report.read_text())["run"] if report.exists() else {}
    return Run(done.returncode, done.stdout + done.stderr, found)


def test_it_runs_twice_from_an_empty_catalog_to_an_empty_one(run: Run) -> None:
    assert run.status == 0, "\n".join(["newman:", *run.failures(), run.output])
    assert run.failures() == []
    sent = [execution["item"]["name"] for execution in run.report["executions"]]
    assert sent == [item["name"] for item in ITEMS.values()] * ITERATIONS


def test_its_examples_are_what_the_service_answers(run: Run) -> None:
    """But for what differs from run to run: ids, times, and where the bytes are."""
    examples = [(path, item["response"][0]) for path, item in ITEMS.items()] * ITERATIONS
    for (path, example), execution in zip(examples, run.report["executions"], strict=True):
        assert answer(execution["response"]) == answer(example), path


def answer(response: Json) -> tuple[int, str, set[str], Any]:
    """Status, names of headers, and body: JSON's shape, any other as it is."""
    names = {header["key"].lower() for header in response["header"]}
    body = response.get("body")
    if body is None:
        body = bytes(response["stream"]["data"]).decode()
    is_json = any(header["value"] == "application/json" for header in response["header"])
    return response["code"], response["status"], names, shape(json.loads(body)) if is_json else body


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(member) for member in value]
    return type(value).__name__
