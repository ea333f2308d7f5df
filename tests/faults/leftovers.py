"""What is in the stores, seen from behind the service's back, and what of it is too much."""

import os
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from config import Settings, load_settings
from services.collections import FILES, JOBS
from services.documents import LIVE
from services.files import Files
from services.sweep import Sweep
from storage import open_documents, open_objects
from storage.interfaces import Document, Order
from tests.servers.processes import wait_until

# MinIO clears its folder of multipart uploads a little after it has answered.
SETTLE_SECONDS = 10.0
EVERYTHING = 10**6
# Longer than the sweep waits for anything: tombstones and abandoned uploads (7 days).
SWEEP_SHIFT = timedelta(days=8)


class Stock:
    """The stores of one service. `s3_data` is MinIO's folder, where it is ours to look into."""

    def __init__(self, env: dict[str, str], data: Path, s3_data: Path | None) -> None:
        self.settings: Settings = load_settings({**env, "DATA_DIR": str(data)}, Path(os.devnull))
        self._data = data
        self._pending = s3_data and s3_data / ".minio.sys" / "multipart"
        self._s3: Any = None
        if self.settings.s3_bucket:
            self._s3 = boto3.client(
                "s3",
                endpoint_url=self.settings.s3_endpoint_url,
                region_name=self.settings.s3_region,
                aws_access_key_id=self.settings.aws_access_key_id,
                aws_secret_access_key=self.settings.aws_secret_access_key,
            )
        self._database = open_documents(self.settings)
        self._not_ours = self._pending_files()
        self._shift = timedelta()

    def keys(self) -> set[str]:
        """Every object there is, whatever its key."""
        if self._s3 is None:
            folder = self._data / "objects"
            return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.settings.s3_bucket)
        return {entry["Key"] for page in pages for entry in page.get("Contents", ())}

    def put(self, key: str, data: bytes) -> None:
        """Write an object straight into the bucket, as anybody who may can."""
        self._s3.put_object(Bucket=self.settings.s3_bucket, Key=key, Body=data)

    def uploads(self) -> set[str]:
        """Multipart uploads that were begun and neither completed nor given up."""
        if self._s3 is None:
            return set()
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.settings.s3_bucket
        )
        listed = {entry["Key"] for page in pages for entry in page.get("Uploads", ())}
        return listed | (self._pending_files() - self._not_ours)

    def _pending_files(self) -> set[str]:
        """MinIO lists uploads only by exact key or by no prefix, and forgets them in between."""
        if self._pending is None:
            return set()
        return {str(path) for path in self._pending.rglob("*") if path.is_file()}

    def temporary(self) -> set[str]:
        """Files in `DATA_DIR/tmp`."""
        return {str(path) for path in (self._data / "tmp").rglob("*")}

    def documents(self) -> list[Document]:
        """Every document of the catalog, tombstones included."""
        order = Order((FILES.key,), descending=False)
        files = self._database.collection(FILES)
        return files.page({}, [], order, None, EVERYTHING, EVERYTHING).documents

    def left_over(self) -> list[str]:
        """What no file needs: in a line each, with the reason."""
        documents = self.documents()
        live = [d for d in documents if d["state"] == LIVE]
        files = {d["object_key"] for d in live if d["etag"] is not None}  # not only recorded
        keys = self.keys()
        return [
            *(f"an object without a file: {key}" for key in sorted(keys - files)),
            *(f"a file without its object: {key}" for key in sorted(files - keys)),
            *(f"a tombstone: {d}" for d in documents if d["state"] != LIVE),
            *(f"garbage: {d}" for d in live if d["garbage"]),
            *(f"a multipart upload: {upload}" for upload in sorted(self.uploads())),
            *(f"a temporary file: {path}" for path in sorted(self.temporary())),
        ]

    def assert_empty(self) -> None:
        """There is no file, and nothing else either."""
        self.assert_clean()
        assert self.documents() == []

    def assert_clean(self, *allowed: str) -> None:
        """Nothing is left over, at once or a little later, but what begins with these words."""
        until = time.monotonic() + SETTLE_SECONDS
        while left := [line for line in self.left_over() if not line.startswith(allowed)]:
            assert time.monotonic() < until, "\n".join(left)
            time.sleep(0.05)

    def assert_clean_after_sweep(self) -> None:
        """What a dead process left goes with one sweep, and the tombstones of that with another.

        Nothing of what files need goes with them.
        """
        before = {d["file_id"] for d in self.documents() if d["state"] == LIVE}
        self.sweep()
        self.assert_clean("a tombstone")
        self.sweep()
        self.assert_clean()
        assert {document["file_id"] for document in self.documents()} == before

    def ahead(self) -> timedelta:
        """How far a sweep's clock has to be ahead for more than a week since the last one."""
        self._shift += SWEEP_SHIFT
        return self._shift

    def sweep(self) -> None:
        """Sweep here and now, as if it were more than a week later than the last time."""
        sweep(self.settings, self.ahead())

    def close(self) -> None:
        self._database.close()
        if self._s3 is not None:
            self._s3.close()


def sweep(settings: Settings, shift: timedelta) -> None:
    """The service's sweep, with a clock that is ahead."""

    def now() -> datetime:
        return datetime.now(UTC) + shift

    with closing(open_documents(settings)) as database:
        files, jobs = database.collection(FILES), database.collection(JOBS)
        horizon = timedelta(seconds=settings.event_horizon)
        file_documents = Files(open_objects(settings), files, settings.s3_prefix, horizon, now)
        # The service's own may be at it for a moment.
        wait_until(Sweep(file_documents, jobs).run, "no lease for a sweep", SETTLE_SECONDS)
