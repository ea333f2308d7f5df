"""What is documented is what there is: settings and routes (SPEC section 11)."""

import re
from pathlib import Path

import pytest

from app import create_app
from config import SETTINGS, load_settings
from tests.servers.processes import ROOT

README = (ROOT / "README.md").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
NO_FILE = Path("/nonexistent/.env")


def test_the_readme_s_table_is_the_settings_table() -> None:
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (?:`(.*?)`)? \| (.*) \|$", README, re.MULTILINE)
    assert rows == [(s.name, s.default, s.meaning) for s in SETTINGS]


def test_the_example_explains_each_setting() -> None:
    blocks = re.findall(r"((?:^# .*\n)+)^# ([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE)
    found = [
        (name, default, " ".join(line.removeprefix("# ") for line in meaning.splitlines()))
        for meaning, name, default in blocks
    ]
    assert found == [(s.name, s.default, s.meaning.replace("`", "")) for s in SETTINGS]


def test_the_example_sets_nothing() -> None:
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_the_example_without_its_comment_signs_is_the_default(tmp_path: Path) -> None:
    lines = re.findall(r"^# ([A-Z0-9_]+=.*)$", EXAMPLE, re.MULTILINE)
    env_file = tmp_path / ".env"
    env_file.write_text("\n".join(lines))
    assert load_settings({}, env_file) == load_settings({}, NO_FILE)
    assert len(lines) == len(SETTINGS)


def routes() -> list[str]:
    """As the documentation writes them: `GET /files/{file_id}`.

    A rule with defaults is a place where something is missing, and there to say so.
    """
    app = create_app(load_settings({"EVENTS_TOKEN": "token", "AUTH": "keys"}, NO_FILE))
    return [
        f"{method} {re.sub(r'<(?:[a-z]+:)?', '{', rule.rule).replace('>', '}')}"
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
        if not rule.defaults
        and method != "OPTIONS"
        and not (method == "HEAD" and "<file_id>" not in rule.rule)
    ]


ROUTES = [route for route in routes() if not re.fullmatch(r"HEAD .*/metadata", route)]


@pytest.mark.parametrize("route", ROUTES)
def test_each_route_is_in_the_readme(route: str) -> None:
    assert f"`{route}`" in README


def test_each_route_in_the_readme_is_there() -> None:
    documented = re.findall(r"`((?:GET|HEAD|POST|PUT|DELETE) /[^`?]*)`", README)
    assert set(documented) == set(ROUTES)
