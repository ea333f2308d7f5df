"""boto3 as a contender: a process of its own that uploads straight into the store."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.servers.processes import ROOT, stop


class Boto3:
    """The child of `boto_child.py`. What it returns are seconds by its own clock."""

    def __init__(self, process: subprocess.Popen[str], bucket: str) -> None:
        self._process = process
        self._bucket = bucket

    def upload_file(self, path: Path, keys: Sequence[str]) -> float:
        return self._done(what="upload_file", path=str(path), keys=list(keys))

    def put_object(self, path: Path, length: int, keys: Sequence[str], threads: int) -> float:
        order = {"path": str(path), "length": length, "keys": list(keys), "threads": threads}
        return self._done(what="put_object", **order)

    def _done(self, **order: object) -> float:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"bucket": self._bucket, **order}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("boto3 failed; what it said is above")
        return float(line)


@contextlib.contextmanager
def boto3_child(settings: Mapping[str, str], bucket: str) -> Iterator[Boto3]:
    """It runs until the end of the block. `settings` are the service's for its store."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.speed.boto_child"],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Boto3(process, bucket)
        finally:
            stop(process)  # type: ignore[arg-type]  # of text, not bytes: it is only ended


def store_client(settings: Mapping[str, str]) -> Any:
    """A boto3 client of the service's store, to sign URLs, look and tidy up, off the clock."""
    return boto3.client(
        "s3",
        endpoint_url=settings["S3_ENDPOINT_URL"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        config=Config(
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            s3={"addressing_style": "path"},
        ),
    )
