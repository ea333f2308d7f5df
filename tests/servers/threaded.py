"""The service in a thread of this process: local files, mongomock's documents, our own worker.

For black-box tests of one process's answers. It has no master, no signals, no second worker and
no sweep, and what it logs goes to pytest.
"""

import logging
import os
import runpy
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from gunicorn.config import Config
from gunicorn.sock import create_sockets

import config
from app import create_app
from config import Settings, load_settings
from connection import Connection
from services.collections import ALL
from storage import open_objects
from storage.interfaces import Database
from storage.mongo import MongoDatabase
from tests.servers.mongomocked import mocked_client
from tests.servers.processes import ROOT, wait_until
from worker import Worker

# What differs here from gunicorn.conf.py. The sweep's thread could not be waited for, and would
# be at work in a process where tests put their own things into its modules.
OURS = {"bind": "127.0.0.1:0", "post_worker_init": lambda worker: None}


@dataclass(frozen=True)
class Threaded:
    """A running service: where it answers."""

    url: str


@contextmanager
def threaded(folder: Path, env: Mapping[str, str]) -> Iterator[Threaded]:
    """Run the service with `folder/data` and this environment until the end of the block.

    Raises `InvalidSettings`, and RuntimeError for a connection that outlasts the grace period.
    """
    settings = load_settings({"DATA_DIR": str(folder / "data"), **env}, Path("/nonexistent/.env"))
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(MongoDatabase(mocked_client())) as documents,
    ):
        patch.setattr(Connection, "patience", Connection.patience)  # gunicorn.conf.py sets it
        worker = _worker(_gunicorn_config(settings), _application(settings, documents))
        host, port = worker.sockets[0].getsockname()
        with _serving(worker):
            yield Threaded(f"http://{host}:{port}")


def _application(settings: Settings, documents: Database) -> Flask:
    """The application on prepared stores."""
    objects = open_objects(settings)
    objects.prepare()
    documents.prepare(ALL)
    return create_app(settings, objects, documents)


def _gunicorn_config(settings: Settings) -> Any:
    """What gunicorn would read from gunicorn.conf.py if these were the service's settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "load_settings", lambda: settings)
        values = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    made = Config()
    for name, value in {**values, **OURS}.items():
        if name in made.settings:
            made.set(name, value)
    return made


def _worker(cfg: Any, application: Flask) -> "_Worker":
    """A worker that listens already, and answers once it runs."""
    log = _Log("gunicorn.error")
    app = SimpleNamespace(callable=application, wsgi=lambda: application)
    return _Worker(0, os.getppid(), create_sockets(cfg, log), app, cfg.timeout / 2, cfg, log)


@contextmanager
def _serving(worker: "_Worker") -> Iterator[None]:
    """The worker at work in a thread; at the end nothing of it is left. Raises what ended it."""
    with closing(worker), ThreadPoolExecutor(1, "gunicorn") as pool:
        done = pool.submit(worker.init_process)
        try:
            wait_until(lambda: worker.booted or done.done(), "the worker has not started")
            if worker.booted:  # else its result is the error
                yield
        finally:
            if not done.done():
                worker.handle_exit(SIGTERM, None)
            done.result()
    if worker.nr_conns:
        raise RuntimeError(f"{worker.nr_conns} connections were left")


class _Worker(Worker):
    """The service's worker, but in a process that is not its own."""

    def init_signals(self) -> None:
        """Signals are pytest's, and only its main thread may handle them."""

    def is_parent_alive(self) -> bool:
        """There is no master that could be gone."""
        return True

    def close(self) -> None:
        """Give back what a worker leaves to the end of its process."""
        self.tpool.shutdown()
        for listener in self.sockets:
            listener.close()
        for end in self.PIPE:
            os.close(end)
        self.tmp.close()


class _Log(logging.Logger):
    """What a worker wants of gunicorn's logger, which would take over handlers and levels."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.parent = logging.getLogger()

    def access(self, *arguments: object) -> None:
        """The service does not write gunicorn's access log."""

    def close_on_exec(self) -> None:
        """There are no files of its own."""
