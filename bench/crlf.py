"""Forms whose content looks like boundaries, against random bytes (issue 3, point 7).

The same client uploads contents of the same length by turns; what counts is the processor
time of the workers, and beside it the time that an upload takes.
"""

import argparse
import statistics
import time

from bench.pairings import MIB, Pairing, Verdict, arguments, on_each, size
from bench.wire import BOUNDARY, Content, send

TARGET = 3.0
RANDOM = "random bytes"
ALMOST = f"\r\n--{BOUNDARY[:-1]}".encode()
UNITS = {
    RANDOM: b"",
    r"\r\n-- only": b"\r\n--",
    r"\r\n only": b"\r\n",
    r"\r only": b"\r",
    "almost the boundary": ALMOST,
}


def measure(running: Pairing, verdict: Verdict, options: argparse.Namespace) -> None:
    contents = {what: Content(options.size, unit) for what, unit in UNITS.items()}
    cpu: dict[str, list[float]] = {what: [] for what in contents}
    wall: dict[str, list[float]] = {what: [] for what in contents}
    send(running.address, "POST", "/files/upload", Content(MIB), "form")  # first use of a worker
    for _ in range(options.rounds):
        for what, content in contents.items():
            cpu_before, begun = running.cpu_seconds(), time.perf_counter()
            status, answer = send(running.address, "POST", "/files/upload", content, "form")
            wall[what].append(time.perf_counter() - begun)
            cpu[what].append(running.cpu_seconds() - cpu_before)
            if status != 201:
                verdict.target(f"{what} is stored", False, f"{status} {answer[:200]!r}")
    verdict.line(
        f"  {'median of ' + str(options.rounds):22} {'CPU s':>7} {'ratio':>6} "
        f"{'wall s':>7} {'ratio':>6}"
    )
    medians = {what: (statistics.median(cpu[what]), statistics.median(wall[what])) for what in cpu}
    usual_cpu, usual_wall = medians[RANDOM]
    for what, (one_cpu, one_wall) in medians.items():
        verdict.line(
            f"  {what:22} {one_cpu:7.2f} {one_cpu / usual_cpu:6.2f} "
            f"{one_wall:7.2f} {one_wall / usual_wall:6.2f}"
        )
    for what, (one_cpu, one_wall) in medians.items():
        worst = max(one_cpu / usual_cpu, one_wall / usual_wall)
        if what != RANDOM:
            verdict.target(
                f"{what}: at most {TARGET:.0f} times random", worst <= TARGET, f"{worst:.2f}"
            )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--size", type=size, default=256 * MIB, help="of each content (256MiB)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    on_each(options, lambda running, verdict: measure(running, verdict, options))


if __name__ == "__main__":
    main()
