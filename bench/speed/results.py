"""What was measured, one file for each work, so that works can be measured one by one."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.speed.contender import Measured, Target
from bench.speed.rounds import Outcome
from bench.speed.rows import Row
from tests.servers.processes import ROOT

FOLDER = ROOT / ".bench" / "results"


@dataclass(frozen=True)
class Circumstances:
    """Under which something was measured. `size` is that of a large file, in bytes."""

    size: int
    workers: int
    date: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Saved:
    """What came of one work on one pairing: an outcome, or rows."""

    name: str
    pairing: str
    under: Circumstances
    outcome: Outcome | None = None
    rows: list[Row] = field(default_factory=list)


def circumstances(size: int, workers: int, others: Mapping[str, str]) -> Circumstances:
    """Now and here. `others` are the versions of the rivals that took part."""
    versions = {
        "FILE DROP": _commit(),
        "Python": platform.python_version(),
        "gunicorn": version("gunicorn"),
        "MinIO": _minio(),
        "Linux": platform.release().partition("-")[0],
        "CPU": f"{_processor()}, {os.cpu_count()} cores",
        **others,
    }
    return Circumstances(size, workers, datetime.now(UTC).date().isoformat(), versions)


def save(saved: Saved) -> Path:
    """In place of what was there of the same work."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{saved.name}.json"
    path.write_text(json.dumps(asdict(saved), indent=1) + "\n")
    return path


def saved(names: Iterable[str]) -> list[Saved]:
    """Those that were measured, in the order of the names."""
    paths = [FOLDER / f"{name}.json" for name in names]
    return [_read(json.loads(path.read_text())) for path in paths if path.exists()]


def _read(found: dict[str, Any]) -> Saved:
    outcome = found["outcome"]
    return Saved(
        found["name"],
        found["pairing"],
        Circumstances(**found["under"]),
        None if outcome is None else _outcome(outcome),
        [Row(**row) for row in found["rows"]],
    )


def _outcome(found: dict[str, Any]) -> Outcome:
    targets = [Target(**target) for target in found.pop("targets")]
    goes = {name: [Measured(**one) for one in goes] for name, goes in found.pop("goes").items()}
    return Outcome(**found, targets=targets, goes=goes)


def _commit() -> str:
    """Of the service; `+` where it is not as committed."""
    commit = _said("git", "rev-parse", "--short", "HEAD")
    measured = (".", ":!bench", ":!docs", ":!tests", ":!*.md")
    changed = _said("git", "status", "--porcelain", "--untracked-files=no", "--", *measured)
    return f"{commit}{'+' if changed else ''}" if commit else "unknown"


def _minio() -> str:
    """Of the one that was built here: the day of its commit."""
    stamp = ROOT / ".servers" / "minio.stamp"
    return stamp.read_text().strip() if stamp.exists() else "unknown"


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
