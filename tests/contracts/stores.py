"""The object stores under test, each with a way to see what a write has left behind."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import load_settings
from storage.local import LocalStore
from storage.parts import Budget
from storage.s3 import S3Store
from storage.s3_client import Clients, clients
from storage.s3_setup import make_bucket
from tests.servers.stores import Stores

PREFIX = "file-drop"
NO_ENV_FILE = Path("/nonexistent/.env")
AMPLE, TINY = 64 * 2**20, 3 * 2**20


def new_key(shard: str | None = None) -> str:
    unique = str(uuid.uuid4())
    return f"{PREFIX}/{shard or unique[-2:]}/{unique}"


def is_whole(budget: Budget, size: int) -> bool:
    """Whether everybody has given his memory back."""
    if not budget.take(size):
        return False
    budget.give_back(size)
    return True


@dataclass(frozen=True)
class LocalUnderTest:
    """Files; what is left of a write lies in `data/tmp`."""

    store: LocalStore
    data: Path
    budget: int

    def left_over(self, key: str) -> list[str]:
        found = [str(path) for path in (self.data / "tmp").iterdir()]
        return found + [str(path) for path in self.data.rglob(key.rpartition("/")[2])]

    def whole_budget(self) -> bool:
        return is_whole(self.store._budget, self.budget)


@dataclass(frozen=True)
class S3UnderTest:
    """MinIO; what is left of a write is an upload that it lists, or that its own folder has."""

    store: S3Store
    client: Any
    spill: Path
    budget: int
    server_data: Path | None

    def left_over(self, key: str) -> list[str]:
        bucket = self.store.bucket
        listed = self.client.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", [])
        found = [f"upload {entry['UploadId']}" for entry in listed]
        found += [str(path) for path in self.spill.iterdir()]
        if self.server_data is not None:
            # MinIO's own name for the uploads of one key (cmd/erasure-multipart.go).
            name = hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()
            folder = self.server_data / ".minio.sys" / "multipart" / name
            found += [str(path) for path in folder.glob("*")]
        return found

    def whole_budget(self) -> bool:
        return is_whole(self.store._budget, self.budget)


ObjectsUnderTest = LocalUnderTest | S3UnderTest


def local_store(data: Path, budget: int = AMPLE) -> LocalUnderTest:
    store = LocalStore(data, PREFIX, budget)
    store.prepare()
    return LocalUnderTest(store, data, budget)


@contextmanager
def s3_clients(real: Stores, endpoint: str) -> Iterator[Clients]:
    env = real.settings("unused", "unused") | {"S3_ENDPOINT_URL": endpoint}
    made = clients(load_settings(env, NO_ENV_FILE))
    yield made
    for client in made:
        client.close()


@contextmanager
def s3_store(
    real: Stores, made: Clients, folder: Path, budget: int = AMPLE
) -> Iterator[S3UnderTest]:
    """A bucket of its own."""
    bucket = f"t{uuid.uuid4().hex[:16]}"
    make_bucket(made, bucket, "us-east-1")
    store = S3Store(made, bucket, folder / "tmp", budget)
    store.prepare()
    yield S3UnderTest(store, made.usual, folder / "tmp", budget, real.s3_data)
