"""A service with keys, in process, on stores that write down what is asked of them."""

import io
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from PIL import Image
from werkzeug.test import TestResponse

from app import create_app
from blueprints.context import EXTENSION, Services
from config import load_settings
from services.collections import ALL, KEYS
from services.keys import Keys
from storage import open_documents, open_objects
from storage.interfaces import Document
from tests.access.recording import Calls, RecordingDatabase, RecordingStore

EVENTS_TOKEN = "the-token-of-the-events"
NOWHERE = Path("/nonexistent/.env")
BOUNDARY = "boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
READ, WRITE, ADMIN = "read", "write", "admin"
BUCKET = "local"  # what the local store calls its own

_numbers = itertools.count()


def unique(what: str) -> str:
    """A name that nothing else has."""
    return f"{what}-{next(_numbers):05}z"


@dataclass(frozen=True)
class Ask:
    """A request but for its method and credentials."""

    path: str
    body: bytes | None = None
    content_type: str | None = None


def as_json(path: str, value: object) -> Ask:
    return Ask(path, json.dumps(value).encode(), "application/json")


def form(path: str, name: str, content: bytes) -> Ask:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    return Ask(path, head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode(), FORM)


def picture(width: int, height: int = 1) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height)).save(made, "PNG")
    return made.getvalue()


class House:
    """The service, and keys for it."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        given = {"AUTH": "keys", "EVENTS_TOKEN": EVENTS_TOKEN, **(env or {})}
        settings = load_settings({"DATA_DIR": str(folder / "data"), **given}, NOWHERE)
        self.calls = Calls()
        self.data = folder / "data"
        self.objects = RecordingStore(open_objects(settings), self.calls)
        self.documents = RecordingDatabase(open_documents(settings), self.calls)
        self.objects.prepare()
        self.documents.prepare(ALL)
        self.app: Flask = create_app(settings, self.objects, self.documents)
        self._client = self.app.test_client()

    @property
    def wired(self) -> Services:
        found: Services = self.app.extensions[EXTENSION]
        return found

    def close(self) -> None:
        self.documents.close()

    # --- keys ------------------------------------------------------------------------------

    def key(self, owner: str, *scopes: str) -> str:
        """A new key of an owner, by default to read and write."""
        secret, _ = self.wired.keys.create(unique("k"), owner, scopes or (READ, WRITE), None)
        return secret

    def revoked_key(self, owner: str) -> str:
        secret, document = self.wired.keys.create(unique("k"), owner, (READ, WRITE, ADMIN), None)
        self.wired.keys.revoke(document["name"])
        return secret

    def expired_key(self, owner: str) -> str:
        """A key whose time was over an hour ago."""
        then = datetime.now(UTC) - timedelta(days=1)
        keys = Keys(self.documents.collection(KEYS), lambda: then)
        secret, _ = keys.create(unique("k"), owner, (READ, WRITE, ADMIN), "23h")
        return secret

    # --- requests --------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        ask: Ask | str,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        authorization: str | None = None,
    ) -> TestResponse:
        """The answer, with all that was put off until after it done."""
        ask = Ask(ask) if isinstance(ask, str) else ask
        environ: dict[str, Any] = {}
        given = authorization if key is None else f"Bearer {key}"
        if given is not None:
            environ["HTTP_AUTHORIZATION"] = given
        if ask.body is not None:
            environ["wsgi.input"] = io.BytesIO(ask.body)
            environ["CONTENT_LENGTH"] = str(len(ask.body))
            environ["CONTENT_TYPE"] = ask.content_type or "application/octet-stream"
        return self._client.open(
            ask.path,
            method=method,
            headers=dict(headers or {}),
            environ_overrides=environ,
            buffered=True,
        )

    def good(self, method: str, ask: Ask | str, key: str | None = None, **more: Any) -> Any:
        """The JSON of an answer that must be a success."""
        answer = self.ask(method, ask, key, **more)
        assert answer.status_code in (200, 201), answer.text
        return answer.get_json()

    def upload(self, key: str, name: str, content: bytes = b"0123456789") -> Document:
        found: Document = self.good("POST", Ask(f"/files/upload?file_name={name}", content), key)
        return found

    def event(self, bucket: str, key: str, size: int = 5, name: str = "ObjectCreated:Put") -> None:
        """A notification that S3 would send."""
        record = {
            "eventName": name,
            "eventTime": "2026-03-09T18:00:00.000Z",
            "s3": {
                "bucket": {"name": bucket},
                "object": {"key": key, "size": size, "eTag": "abc", "sequencer": "01"},
            },
        }
        ask = as_json("/events/s3", {"Records": [record]})
        answer = self.ask("POST", ask, authorization=f"Bearer {EVENTS_TOKEN}")
        assert answer.get_json() == {"applied": 1, "ignored": 0}


def error_of(answer: TestResponse) -> dict[str, str]:
    """An error without its request id, which is checked."""
    body: dict[str, str] = dict(answer.get_json())
    assert body.pop("request_id") == answer.headers["X-Request-Id"]
    assert list(body) in (["error", "code"], ["message", "code"])
    return body
