"""A service with open access and something in it that no page of somebody else may see."""

import base64
import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from tests.acceptance.client import Client
from tests.servers.drop import Drop, drop

TOKEN = "events-token"
USER = "known-user"
PICTURE_NAME = "known.png"
#: In what is stored, wherever it says something; no page may ever see it.
SECRET = "SECRET"
CONTENTS = {
    "text": ("text/plain", f"{SECRET}-text".encode()),
    "script": ("text/javascript", f"self.leakedByScript = '{SECRET}-script'".encode()),
    "style": ("text/css", f"body {{ --leaked: {SECRET}-style }}".encode()),
}
OPEN = {"EVENTS_TOKEN": TOKEN, "WEB_CONCURRENCY": "1"}


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (37, 23), (1, 2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class Victim:
    """The running service. Pages are told the ids in `files` and `todo`, but not `hidden`."""

    drop: Drop
    client: Client
    files: Mapping[str, str]
    todo: str
    hidden: tuple[str, ...]

    @property
    def port(self) -> int:
        return urlsplit(self.drop.url).port or 0

    def task(self, host: str = "127.0.0.1") -> dict[str, Any]:
        """What a page is told; it knows more than it could."""
        text = self.files["text"]
        return {
            "service": f"http://{host}:{self.port}",
            "files": dict(self.files),
            "todo": self.todo,
            "user": USER,
            "token": TOKEN,
            "pictureName": PICTURE_NAME,
            "png": base64.b64encode(png()).decode(),
            "shown": [f"/files/{text}?inline=1", "/files?limit=1"],
            "paths": [
                f"/files/{text}",
                f"/files/{text}?inline=1",
                f"/files/{text}/metadata",
                "/files?limit=1",
                "/getall",
                f"/todos?userId={USER}",
            ],
        }

    def state(self) -> dict[str, Any]:
        """All that there is: as the service lists it, and as it lies in the folder."""
        listed = {
            path: json.loads(self.client.get(path).body)
            for path in ("/files", "/getall", f"/todos?userId={USER}", "/todos?userId=other")
        }
        objects = {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (self.drop.data / "objects").rglob("*")
            if path.is_file()
        }
        assert objects and listed["/files"]
        return {**listed, "objects": objects}

    def names(self) -> set[str]:
        """What the files and tasks are called, whatever door they came by."""
        state = self.state()
        named = {one["file_name"] for one in state["/files"]}
        return named | {one["title"] for one in state[f"/todos?userId={USER}"]}

    def requests(self) -> list[tuple[str, str, int]]:
        """Method, path and status of all that the service has answered."""
        found = []
        for line in self.drop.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if record["message"] == "request":
                    found.append((record["method"], record["path"], record["status"]))
        return found


@contextlib.contextmanager
def victim(folder: Path, env: Mapping[str, str], port: int | None = None) -> Iterator[Victim]:
    """The service with these settings, and what is stored in it, until the end of the block."""
    with drop(folder, {**OPEN, **env}, port=port) as running:
        client = Client(running.url)
        with contextlib.closing(client):
            yield _filled(running, client)


def _filled(running: Drop, client: Client) -> Victim:
    files = {
        name: _uploaded(client, f"{SECRET}-{name}", *content) for name, content in CONTENTS.items()
    }
    files["picture"] = _uploaded(client, PICTURE_NAME, "image/png", png())
    hidden = _uploaded(client, f"{SECRET}-hidden", "text/plain", b"hidden")
    todo, hidden_todo = (_noted(client, f"{SECRET}-{name}") for name in ("todo", "hidden-todo"))
    return Victim(running, client, files, todo, (hidden, hidden_todo))


def _uploaded(client: Client, name: str, media_type: str, content: bytes) -> str:
    answer = client.post(f"/files/upload?file_name={name}", content, {"Content-Type": media_type})
    assert answer.status == 201, answer
    return str(answer.json()["file_id"])


def _noted(client: Client, title: str) -> str:
    answer = client.post("/todo", json.dumps({"userId": USER, "title": title}).encode())
    assert answer.status == 200, answer
    return str(answer.json()["taskId"])
