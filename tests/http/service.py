"""A service in process, and what the tests ask of it."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app, prepare
from blueprints.context import EXTENSION, Services
from config import load_settings
from services.collections import FILES, TASKS
from storage.interfaces import Collection, Document, Order
from tests.test_errors import IN_THE_SEEDS_WORDS

BOUNDARY = "boundary"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


class ReadsInto(Protocol):
    def readinto(self, buffer: memoryview, /) -> int: ...


@dataclass
class Service:
    app: Flask
    client: FlaskClient
    data: Path

    @property
    def wired(self) -> Services:
        found: Services = self.app.extensions[EXTENSION]
        return found

    @property
    def files(self) -> Collection:
        return self.wired.documents.collection(FILES)

    def upload(
        self,
        content: bytes = b"0123456789",
        name: str = "a.txt",
        content_type: str = "text/plain",
        headers: Mapping[str, str] | None = None,
    ) -> Document:
        """A new file's document."""
        answer = self.client.post(
            f"/files/upload?file_name={name}", **raw(content, content_type, headers)
        )
        assert answer.status_code == 201, answer.text
        document: Document = answer.get_json()
        return document

    def left(self) -> list[str]:
        """Everything that a request may leave: objects, temporary files, documents."""
        found = [str(path) for path in self.data.rglob("*") if path.is_file()]
        found = [path for path in found if "catalog.sqlite" not in path]
        order = Order(("bucket", "object_key"), False)
        documents = self.files.page({}, [], order, None, 1000, 1000).documents
        by_user = Order(TASKS.indexes[0], False)
        tasks = self.wired.documents.collection(TASKS).page({}, [], by_user, None, 1000, 1000)
        found += [f"file {one['file_id']}, version {one['version']}" for one in documents]
        return found + [
            f"task {one['task_id']}, version {one['version']}" for one in tasks.documents
        ]

    def close(self) -> None:
        self.wired.documents.close()


def serve(data: Path, settings: Mapping[str, str] | None = None) -> Service:
    env = {"DATA_DIR": str(data), **(settings or {})}
    loaded = load_settings(env, Path("/nonexistent/.env"))
    prepare(loaded)
    app = create_app(loaded)
    return Service(app, app.test_client(), data)


def part(name: str, content: bytes, *headers: str, filename: str | None = None) -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    lines = "\r\n".join([f"--{BOUNDARY}", disposition, *headers, "", ""])
    return lines.encode() + content + b"\r\n"


Request = dict[str, Any]  # what the test client takes for a body


def body(
    stream: ReadsInto,
    length: int | None,
    content_type: str,
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A body as the server would hand it over; without a length it is chunked."""
    chunked = {"Transfer-Encoding": "chunked"} if length is None else {}
    environ = {
        "wsgi.input": stream,
        "CONTENT_LENGTH": str(length or 0),
        "CONTENT_TYPE": content_type,  # the test client would make a form of its own
    }
    return {"headers": {**chunked, **(headers or {})}, "environ_overrides": environ}


def raw(
    content: bytes, content_type: str = "text/plain", headers: Mapping[str, str] | None = None
) -> Request:
    return body(io.BytesIO(content), len(content), content_type, headers)


def chunked(content: bytes, content_type: str = "text/plain") -> Request:
    return body(io.BytesIO(content), None, content_type)


def form_body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def form(*parts: bytes) -> Request:
    return raw(form_body(*parts), FORM_TYPE)


def as_json(value: object, headers: Mapping[str, str] | None = None) -> Request:
    return raw(json.dumps(value).encode(), "application/json", headers)


def assert_error(answer: TestResponse, status: int, code: str, member: str = "error") -> None:
    """The one shape of SPEC section 7; of the task routes `member` is `message`."""
    assert (answer.status_code, answer.json and answer.json.get("code")) == (status, code)
    assert answer.mimetype == "application/json"
    body: dict[str, str] = answer.get_json()
    assert list(body) == [member, "code", "request_id"]
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert body[member][0].isupper()
    assert body[member].endswith(".") is (code not in IN_THE_SEEDS_WORDS)
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Allow" in answer.headers) == (status == 405)
    assert ("Retry-After" in answer.headers) == (status in (503, 507))
