"""The targets and what came of them as a picture: a dot with its bounds for each ratio."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl

from bench.speed.rounds import Judged

mpl.use("svg")
# The same ratios make the same bytes.
mpl.rcParams.update({"svg.hashsalt": "file-drop", "svg.fonttype": "none", "font.size": 9})

from matplotlib import pyplot as plt  # noqa: E402 - after the back end was chosen
from matplotlib.axes import Axes  # noqa: E402

GOOD, BAD, MARK = "#2a7f4f", "#b3402a", "#444444"
ROW_INCHES = 0.3


class Dot(NamedTuple):
    """One ratio, and what it is of."""

    label: str
    judged: Judged


def draw(dots: Sequence[Dot], path: Path) -> None:
    """Higher is better for all. Those without a ratio are not drawn."""
    drawn = [dot for dot in dots if dot.judged.ratio is not None]
    figure, axes = plt.subplots(figsize=(8.5, 1.3 + ROW_INCHES * len(drawn)))
    for row, dot in enumerate(drawn):
        _draw_row(axes, row, dot.judged)
    axes.axvline(1, color="#bbbbbb", linewidth=1, zorder=0)
    axes.set_yticks(range(len(drawn)), [dot.label for dot in drawn])
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("FILE DROP / the other one (dot: median, line: 95 % bounds, bar: target)")
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    _strip(path)


def _draw_row(axes: Axes, row: int, judged: Judged) -> None:
    ratio, target = judged.ratio, judged.target.at_least
    assert ratio is not None
    colour = GOOD if judged.word == "PASS" else BAD
    if ratio.low is not None and ratio.high is not None:
        axes.plot([ratio.low, ratio.high], [row, row], color=colour, linewidth=2)
    axes.plot([ratio.median], [row], "o", color=colour, markersize=6)
    axes.plot([target, target], [row - 0.3, row + 0.3], color=MARK, linewidth=2)


def _strip(path: Path) -> None:
    """matplotlib leaves blanks at the ends of lines."""
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line.rstrip()}{os.linesep}" for line in lines))
