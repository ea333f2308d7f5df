"""A real Chromium without a window, which reaches nothing but this machine."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers.processes import start, stop, wait_until

BINARY = "chromium"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-popup-blocking",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    # The names of our pages are this machine, and no other name is looked up at all.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, "
    "EXCLUDE 127.0.0.1",
)


def is_there() -> bool:
    return shutil.which(BINARY) is not None


@contextlib.contextmanager
def showing(folder: Path, url: str) -> Iterator[None]:
    """A Chromium of its own, with this page open until the end of the block."""
    with _running(folder / "chromium.log", url):
        yield


def shown(folder: Path, url: str) -> str:
    """What Chromium has made of the page at this address."""
    dump = folder / "shown.html"
    with _running(dump, "--dump-dom", url) as process:
        wait_until(lambda: process.poll() is not None, "Chromium has not ended")
    return dump.read_text(errors="replace")


@contextlib.contextmanager
def _running(output: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Nothing of its own is left. The name of its folder is short, as it has sockets there."""
    with tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True) as own:
        command = [BINARY, *FLAGS, f"--user-data-dir={own}/profile", *arguments]
        process = start(command, output, {"HOME": own, "TMPDIR": own})
        try:
            yield process
        finally:
            stop(process)
