"""`flask reconcile` as a process of its own, and how much memory it took at most."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.drop import SETTING_NAMES
from tests.servers.processes import ROOT

STAND_IN = "tests.reconcile.standin_app:create_app"
LOOK_EVERY = 0.01


class Done(NamedTuple):
    """How a run ended: its exit status, what it wrote, seconds, and peak of resident bytes."""

    code: int
    out: str
    err: str
    seconds: float
    peak: int

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON on standard output, where nothing else may be."""
        summary: dict[str, Any] = json.loads(self.out)
        assert self.out.count("\n") == 1, self.out
        return summary

    @property
    def found(self) -> "Counter[str]":
        return Counter(self.summary["found"])

    @property
    def mended(self) -> "Counter[str]":
        return Counter(self.summary["mended"])


def argv(*options: str, application: str = "") -> list[str]:
    chosen = ["--app", application] if application else []
    return [sys.executable, "-m", "flask", *chosen, "reconcile", *options]


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """What the machine has set must not choose the stores."""
    return {name: text for name, text in os.environ.items() if name not in SETTING_NAMES} | {**env}


def reconcile(
    env: Mapping[str, str], *options: str, application: str = "", seconds: float = 120
) -> Done:
    """Run it to its end, in the project's folder. Raises TimeoutError."""
    begun = time.monotonic()
    with subprocess.Popen(
        argv(*options, application=application),
        cwd=ROOT,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            peak = 0
            while process.poll() is None:
                peak = max(peak, peak_of(process.pid))
                if time.monotonic() - begun > seconds:
                    raise TimeoutError(f"a reconcile of more than {seconds} s")
                time.sleep(LOOK_EVERY)  # it writes less than a pipe holds
            took = time.monotonic() - begun
            out, err = process.communicate()
        finally:
            process.kill()
    return Done(process.returncode, out, err, took, peak)


def peak_of(pid: int) -> int:
    """VmHWM in bytes, 0 for a process that has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else 0
