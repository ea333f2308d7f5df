"""What the scripts share: a service on each pairing, what is left in its stores, sizes, rates."""

import argparse
import contextlib
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import pymongo
from botocore.config import Config

from tests.servers.drop import Drop, drop
from tests.servers.processes import wait_until
from tests.servers.stores import stores

PAIRINGS = ("embedded", "servers")
KIB, MIB, GIB = 2**10, 2**20, 2**30
_UNITS = {"": 1, "K": KIB, "M": MIB, "G": GIB}
# What the service puts off until its answer is out: seconds until it must have happened.
SETTLE_SECONDS = 20.0


def size(text: str) -> int:
    """Bytes, from `1048576`, `1MiB`, `5GiB`. For argparse."""
    match = re.fullmatch(r"(\d+)(?:([KMG])iB)?", text)
    if match is None:
        raise argparse.ArgumentTypeError("a number of bytes, or one such as 64MiB or 5GiB")
    return int(match[1]) * _UNITS[match[2] or ""]


def shown(amount: float) -> str:
    """Bytes for people: `4.7 MB`, powers of ten as in the targets."""
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every script takes that starts the service."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--pairing", choices=(*PAIRINGS, "both"), default="both")
    parser.add_argument("--workers", type=int, default=2, help="gunicorn workers (default 2)")
    parser.add_argument(
        "--folder", type=Path, help="an existing folder for the data of the run, removed afterwards"
    )
    return parser


@dataclass(frozen=True)
class Pairing:
    """A running service and the stores behind it."""

    name: str
    drop: Drop
    settings: Mapping[str, str]
    s3_data: Path | None

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.drop.url)
        return parts.hostname or "127.0.0.1", parts.port or 80

    def left_over(self) -> dict[str, int]:
        """What is in the stores, looked at past the service: nothing, if nothing should be."""
        left = {
            "documents": self._documents(),
            "temporary files": sum(1 for _ in (self.drop.data / "tmp").iterdir()),
            "unlinked files still open": self._unlinked(),
        }
        if not self.settings:
            files = (path for path in (self.drop.data / "objects").rglob("*") if path.is_file())
            return {"objects": sum(1 for _ in files), **left}
        client, bucket = self._s3(), self.settings["S3_BUCKET"]
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        left["objects"] = sum(len(page.get("Contents", ())) for page in pages)
        pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        left["multipart uploads"] = sum(len(page.get("Uploads", ())) for page in pages)
        if self.s3_data is not None:
            # MinIO forgets uploads, but not their bytes, when it is restarted.
            folder = self.s3_data / ".minio.sys" / "multipart"
            left["multipart uploads on MinIO's disk"] = sum(1 for _ in folder.rglob("xl.meta"))
        return left

    def settled(self, seconds: float = SETTLE_SECONDS) -> dict[str, int]:
        """What is left once nothing is, or when the time is over."""
        until = time.monotonic() + seconds
        while any((left := self.left_over()).values()) and time.monotonic() < until:
            time.sleep(0.2)
        return left

    def _documents(self) -> int:
        """All of them: live files and tombstones."""
        if not self.settings:
            path = self.drop.data / "catalog.sqlite"
            with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as found:
                return int(found.execute("SELECT count(*) FROM files").fetchone()[0])
        client: pymongo.MongoClient[dict[str, Any]]
        with pymongo.MongoClient(self.settings["MONGO_URI"]) as client:
            return client.get_default_database()["files"].count_documents({})

    def _unlinked(self) -> int:
        """Parts that wait in a file without a name, which no folder shows."""
        folder = str(self.drop.data / "tmp")
        found = 0
        for worker in self.drop.workers():
            for descriptor in Path(f"/proc/{worker}/fd").iterdir():
                with contextlib.suppress(OSError):
                    target = os.readlink(descriptor)
                    found += target.startswith(folder) and target.endswith("(deleted)")
        return found

    def _s3(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.settings["S3_ENDPOINT_URL"],
            aws_access_key_id=self.settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.settings["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def cpu_seconds(self) -> float:
        """Processor time that the workers have used so far."""
        times = [psutil.Process(worker).cpu_times() for worker in self.drop.workers()]
        return sum(one.user + one.system for one in times)


@contextlib.contextmanager
def pairing(name: str, options: argparse.Namespace, **env: str) -> Iterator[Pairing]:
    """The service on this pairing, with fresh data that is removed at the end of the block."""
    given: Path | None = options.folder
    folder = Path(tempfile.mkdtemp(prefix=f"file-drop-bench-{name}-", dir=given))
    env = {"WEB_CONCURRENCY": str(options.workers), "LOG_LEVEL": "WARNING", **env}
    try:
        if name == "embedded":
            with drop(folder, env) as running:
                all_there(running, options.workers)
                yield Pairing(name, running, {}, None)
            return
        with stores(folder) as real:
            unique = f"b{uuid.uuid4().hex[:12]}"
            settings = real.settings(unique, unique)
            with drop(folder, {**env, **settings}) as running:
                all_there(running, options.workers)
                yield Pairing(name, running, settings, real.s3_data)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def all_there(running: Drop, workers: int) -> None:
    """The first worker answers before the last one is forked."""
    wait_until(lambda: len(running.workers()) == workers, f"there are not {workers} workers")


@dataclass
class Verdict:
    """What a script found: printed as it comes, and the exit status in the end."""

    failed: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        print(text, flush=True)

    def target(self, what: str, good: bool, measured: str) -> None:
        self.line(f"  {'PASS' if good else 'OVER':4}  {what}: {measured}")
        if not good:
            self.failed.append(what)

    def nothing_left(self, left: Mapping[str, int]) -> None:
        found = ", ".join(f"{count} {what}" for what, count in left.items())
        self.target("nothing left behind", not any(left.values()), found)

    def end(self) -> None:
        self.line(f"failed: {'; '.join(self.failed)}" if self.failed else "all targets met")
        sys.exit(1 if self.failed else 0)


def on_each(
    options: argparse.Namespace, measure: Callable[[Pairing, Verdict], None], **env: str
) -> None:
    """Run `measure` on the pairings asked for, and end with the exit status."""
    verdict = Verdict()
    for name in PAIRINGS if options.pairing == "both" else (options.pairing,):
        verdict.line(f"\n== {name}, {options.workers} workers")
        with pairing(name, options, **env) as running:
            measure(running, verdict)
            log = running.drop.log.read_text()
        errors = [line for line in log.splitlines() if '"level": "ERROR"' in line]
        verdict.target("no error in the log", not errors, f"{len(errors)} lines")
        for error in errors[:3]:
            verdict.line(f"        {error[:300]}")
    verdict.end()
