"""GET /healthz and /readyz (SPEC 11)."""

import json

import pytest

from .checks import assert_status
from .client import Client


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_healthy_service_says_so_in_json(client: Client, path: str) -> None:
    answer = assert_status(client.get(path), 200)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["Cache-Control"]
    assert isinstance(json.loads(answer.body), dict)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_can_be_asked_by_head(client: Client, path: str) -> None:
    answer = client.head(path)
    assert (answer.status, answer.body) == (200, b"")


def test_health_shows_no_secret(client: Client) -> None:
    body = client.get("/readyz").body.decode().lower()
    for word in ("password", "secret", "mongodb://", "access_key", "traceback"):
        assert word not in body
