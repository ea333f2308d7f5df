"""Processor time of servers, their workers included."""

import contextlib
from collections.abc import Iterable

import psutil


class Processes:
    """Trees of processes by their first ones, which stay; workers may come and go."""

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = [psutil.Process(root) for root in roots]

    def seconds(self) -> float:
        """User and system time so far; of processes that have ended, what their parent got."""
        return sum(_seconds(one) for root in self._roots for one in _tree(root))


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
