"""The service over data that is there already, under its real gunicorn."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.scaling import operations
from tests.servers.drop import SETTING_NAMES, Drop
from tests.servers.processes import answers, free_port, running, wait_until

GUNICORN = (sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "app:create_app()")


@dataclass(frozen=True)
class Server:
    """A running service; `start_seconds` is from its start to its first page of files."""

    drop: Drop
    address: tuple[str, int]
    start_seconds: float

    def resident(self) -> int:
        """Bytes of the largest worker."""
        return max(psutil.Process(pid).memory_info().rss for pid in self.drop.workers())

    def cpu_seconds(self) -> float:
        """Processor time that the workers have used so far."""
        times = [psutil.Process(pid).cpu_times() for pid in self.drop.workers()]
        return sum(one.user + one.system for one in times)


@contextmanager
def serving(data: Path, workers: int, **env: str) -> Iterator[Server]:
    """The service with `data` as its folder; what is there stays."""
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", data.parent / "service.log"
    settings = {
        **{name: "" for name in SETTING_NAMES if name in os.environ},
        "PORT": str(port),
        "DATA_DIR": str(data),
        "WEB_CONCURRENCY": str(workers),
        "LOG_LEVEL": "WARNING",
        "EVENTS_TOKEN": operations.TOKEN,
        **env,
    }
    begun = time.monotonic()
    with running(list(GUNICORN), log, settings, lambda: answers(f"{url}/files?limit=1")) as process:
        seconds = time.monotonic() - begun
        drop = Drop(url, process, data, log)
        wait_until(lambda: len(drop.workers()) == workers, f"there are not {workers} workers")
        yield Server(drop, ("127.0.0.1", port), seconds)
