"""MinIO with a webhook target, a Mongo-wire server, and the service that the webhook names."""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config

from tests.servers.drop import Drop, drop
from tests.servers.mc import Mc
from tests.servers.processes import free_port, wait_until
from tests.servers.stores import Missing, Stores, minio, mongo_wire

TOKEN = "a-token-for-tests"
# MinIO looks into its queue every 3 s; a busy machine takes longer.
PATIENCE = 20.0


@dataclass
class House:
    """The stores, and the service whenever it runs, always on the same port."""

    folder: Path
    port: int
    bucket: str
    env: dict[str, str]
    s3: Any
    mc: Mc

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def service(self) -> AbstractContextManager[Drop]:
        return drop(self.folder, self.env, port=self.port)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, timeout=30, **options)

    def put(self, key: str, body: bytes = b"content", **more: Any) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def metadata(self, key: str) -> dict[str, Any] | None:
        """What GET /metadata says of an object of the bucket, None where it knows none."""
        answer = self.get("/metadata", params={"bucket": self.bucket, "key": key})
        assert answer.status_code in (200, 404), answer.text
        found: dict[str, Any] = answer.json()
        return found if answer.status_code == 200 else None

    def is_known(self, key: str) -> bool:
        return self.metadata(key) is not None

    def is_unknown(self, key: str) -> bool:
        return self.metadata(key) is None

    def document(self, key: str) -> dict[str, Any]:
        """The file document of an object that is known."""
        known = self.metadata(key)
        assert known is not None, key
        document: dict[str, Any] = self.get(f"/files/{known['file_id']}/metadata").json()
        return document

    def keys(self, path: str) -> set[str]:
        """The keys of the bucket's files on all pages of a listing."""
        found: set[str] = set()
        while True:
            answer = self.get(path)
            assert answer.status_code == 200, answer.text
            items = answer.json()
            items = items["images"] if isinstance(items, dict) else items
            found |= {one["FileName"] if "FileName" in one else one["object_key"] for one in items}
            if "next" not in answer.links:
                return found
            path = answer.links["next"]["url"]

    def wait(self, ready: Callable[[], bool], what: str) -> None:
        wait_until(ready, what, PATIENCE)

    def wait_known(self, *keys: str) -> None:
        for key in keys:
            self.wait(partial(self.is_known, key), f"{key!r} is not known")

    def wait_unknown(self, *keys: str) -> None:
        for key in keys:
            self.wait(partial(self.is_unknown, key), f"{key!r} is still known")

    def settled(self) -> None:
        """All that happened so far was delivered: MinIO's queue is in order."""
        sentinel = f"sentinel-{os.urandom(6).hex()}"
        self.put(sentinel)
        self.wait_known(sentinel)
        self.s3.delete_object(Bucket=self.bucket, Key=sentinel)
        self.wait_unknown(sentinel)


@contextlib.contextmanager
def house_in(folder: Path) -> Iterator[House]:
    """Raises `Missing`."""
    port, bucket = free_port(), "delivered"
    webhook = {
        "ENABLE": "on",
        "ENDPOINT": f"http://127.0.0.1:{port}/events/s3",
        "AUTH_TOKEN": f"Bearer {TOKEN}",
        "QUEUE_DIR": str(folder / "queue"),
    }
    extra = {f"MINIO_NOTIFY_WEBHOOK_{name}_FILEDROP": value for name, value in webhook.items()}
    with minio(folder, extra=extra) as s3_url, mongo_wire(folder) as mongo_uri:
        env = {
            **Stores(s3_url, mongo_uri).settings(bucket, bucket),
            "EVENTS_TOKEN": TOKEN,
            "EVENTS_ARN": "arn:minio:sqs::FILEDROP:webhook",
        }
        client = boto3.client(
            "s3",
            endpoint_url=s3_url,
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )
        mc = Mc(folder, s3_url, env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
        with contextlib.closing(client):
            yield House(folder, port, bucket, env, client, mc)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The stores of a module's tests; the service is theirs to start."""
    try:
        with house_in(tmp_path_factory.mktemp("delivery")) as made:
            yield made
    except Missing as missing:
        if os.environ.get("REQUIRE_SERVERS") == "1":
            pytest.fail(f"no servers: {missing}")
        pytest.skip(f"left out, no servers: {missing}")


@pytest.fixture(scope="module")
def served(house: House) -> Iterator[House]:
    """The same with the service running."""
    with house.service():
        yield house
