"""The service as `gunicorn` runs it, which ends at the fault point that a file names.

`kill -9` for the whole group: the master and all workers. As a program it is one sweep that
does the same, with a clock that is ahead by so many seconds.
"""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from flask import Flask

import app
import faults
from config import load_settings

# A file, not the name itself, so that a service can get going before it is to stop.
ORDER = "STOP_AT_FILE"
REACHED = ".reached"


def create_app() -> Flask:
    """Called in each worker, after the fork."""
    faults.on_reached = stop_there
    return app.create_app()


def stop_there(name: str) -> None:
    """End all of this at once if this is the point that the file names."""
    order = Path(os.environ[ORDER])
    if not order.exists() or order.read_text() != name:
        return
    # Only in a group that a test has made for the service.
    assert os.getpgrp() in (os.getpid(), os.getppid())
    order.rename(order.with_suffix(REACHED))
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    from tests.faults.leftovers import sweep

    faults.on_reached = stop_there
    sweep(load_settings(), timedelta(seconds=float(sys.argv[1])))
