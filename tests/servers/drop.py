"""The service itself, under a real gunicorn on a free port."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.servers.processes import ROOT, answers, free_port, running

SETTING_NAMES = ("S3_BUCKET", "S3_ENDPOINT_URL", "MONGO_URI", "URL_PREFIX")


@dataclass(frozen=True)
class Drop:
    """A running service: where it answers, its process, its folder and its log."""

    url: str
    process: subprocess.Popen[bytes]
    data: Path
    log: Path

    def workers(self) -> list[int]:
        """Process ids of the gunicorn workers."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]


@contextlib.contextmanager
def drop(
    folder: Path,
    env: Mapping[str, str],
    application: str = "app:create_app()",
    port: int | None = None,
) -> Iterator[Drop]:
    """Run the service with `folder/data` and this environment until the end of the block."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    data, log = folder / "data", folder / "drop.log"
    settings = {"PORT": str(port), "DATA_DIR": str(data), **env}
    inherited = {name: "" for name in SETTING_NAMES if name in os.environ}
    make = [sys.executable, "create_bucket.py"]
    subprocess.run(
        make, cwd=ROOT, env={**os.environ, **inherited, **settings}, check=True, capture_output=True
    )
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", application]
    with running(
        gunicorn, log, {**inherited, **settings}, lambda: answers(f"{url}/healthz")
    ) as process:
        yield Drop(url, process, data, log)
