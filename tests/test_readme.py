"""The README's tour is real: its commands run as printed and give what is printed."""

import re
import subprocess
from pathlib import Path

from tests.servers.drop import drop
from tests.servers.processes import ROOT

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# What differs from run to run, and nothing else.
VARYING = (
    (rf"file-drop/[0-9a-f]{{2}}/{UUID}", "KEY"),
    (UUID, "UUID"),
    (r"[0-9a-f]{32}", "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
    (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", "DATE"),
)


def masked(text: str) -> str:
    text = text.replace("\r", "")
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return "\n".join(line for line in text.split("\n") if line.strip())


def tour() -> str:
    """All console blocks of the README, one after the other."""
    return "".join(re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL))


def test_the_tour_works_as_printed(tmp_path: Path) -> None:
    commands = [line[2:] for line in tour().splitlines() if line.startswith("$ ")]
    printed = "\n".join(line for line in tour().splitlines() if not line.startswith("$ "))
    with drop(tmp_path, {}) as running:
        script = "\n".join(commands).replace("http://127.0.0.1:8000", running.url)
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        )
    assert len(commands) >= 10
    assert masked(done.stdout) == masked(printed)
