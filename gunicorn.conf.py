"""gunicorn's settings, made from ours. `gunicorn -c gunicorn.conf.py "app:create_app()"`."""

import ctypes
import platform
import sys

from app import prepare, settings_or_exit
from blueprints.context import EXTENSION
from config import InvalidSettings
from connection import Connection
from logs import log_config
from services import sweep as sweeping
from storage.interfaces import StorageError
from worker import ServerLogger, Worker

_settings = settings_or_exit()

Connection.patience = _settings.body_timeout

bind = f"{_settings.host}:{_settings.port}"
worker_class = Worker
logger_class = ServerLogger
workers = _settings.web_concurrency
threads = 128  # a thread is a transfer; idle ones are cheap
worker_connections = 1000
keepalive = 30
timeout = 60
graceful_timeout = _settings.graceful_timeout
limit_request_line = 8190  # filters and a cursor are long; gunicorn takes no more
forwarded_allow_ips = ""  # what proxies say is taken by blueprints/forwarded.py
control_socket_disable = True  # it would land in the home directory
logconfig_dict = log_config(_settings.log_level)

# glibc's mallopt(3): parts go back to the system at once, pieces of 1 MiB do not, as fresh memory
# costs more than what is done with it; and 128 threads share one heap instead of having one each.
_MALLOC = {
    "M_MMAP_THRESHOLD": (-3, 3 * 2**19),
    "M_TRIM_THRESHOLD": (-1, 16 * 2**20),
    "M_ARENA_MAX": (-8, 1),
}


def on_starting(server):
    """Before the fork: folders, schema and indexes, or no start at all."""
    try:
        prepare(_settings)
    except InvalidSettings as error:
        sys.exit(f"file-drop: {error}")
    except StorageError as error:
        sys.exit(f"file-drop: a store cannot be used: {error}")


def post_fork(server, worker):
    """Bound what a worker's heap keeps after large transfers."""
    if "glibc" in platform.libc_ver():
        for parameter, value in _MALLOC.values():
            ctypes.CDLL(None).mallopt(parameter, value)


def post_worker_init(worker):
    """Sweep from within each worker; the lease lets one at a time."""
    application = worker.app.callable
    worker.stop_sweep = sweeping.start(application.extensions[EXTENSION].sweep)


def worker_exit(server, worker):
    """Let the sweep end with its worker."""
    getattr(worker, "stop_sweep", lambda: None)()
