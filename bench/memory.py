"""Memory of the workers under large, many and slow transfers (issue 3, point 4).

One large upload by form, by raw body and in chunks, then eight downloads of it at once, then
64 uploads that all stall at 7 MiB. After each, every worker's peak of resident memory (VmHWM).
"""

import argparse
import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.pairings import GIB, KIB, MIB, Pairing, Verdict, arguments, on_each, shown, size
from bench.wire import BLOCK, FORMS, Content, Wire, send

LARGE_TARGET = 150e6
STALLED_TARGET = 250e6
STALLED, STALL_AT = 64, 7 * MIB
READERS = 8
UPLOAD = "/files/upload"


def download(address: tuple[str, int], path: str, content: Content) -> bool:
    """Whether the whole content came, and nothing else."""
    received = bytearray(BLOCK)
    view = memoryview(received)
    with contextlib.closing(Wire(address)) as wire:
        wire.begin("GET", path)
        status, _, rest = wire.head()
        view[: len(rest)] = rest
        have = len(rest)
        if status != 200:
            return False
        for expected in content.pieces():
            while have < len(expected):
                got = wire.socket.recv_into(view[have:])
                if not got:
                    return False
                have += got
            if received[: len(expected)] != expected:
                return False
            have = 0
        return wire.socket.recv(1) == b""


# --- what the kernel says ------------------------------------------------------------------


def memory(pid: int) -> dict[str, int]:
    """VmHWM, VmRSS, RssAnon of a process, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    pairs = (line.split(":") for line in lines if line.startswith(("VmHWM", "VmRSS", "RssAnon")))
    return {name: int(value.split()[0]) * KIB for name, value in pairs}


def forget_peaks(running: Pairing) -> bool:
    """Let VmHWM begin at what is resident now, where the kernel permits it."""
    try:
        for pid in running.drop.workers():
            Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def read_by_service(port: int) -> bool:
    """Whether every byte sent to this port has left the kernel's queues (/proc/net/tcp)."""
    end = f":{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        sending, waiting = (int(part, 16) for part in queues.split(":"))
        established = state == "01"
        if established and (
            (local.endswith(end) and waiting) or (remote.endswith(end) and sending)
        ):
            return False
    return True


# --- the phases ----------------------------------------------------------------------------


class Table:
    """A row a phase; the peaks start again with each."""

    def __init__(self, running: Pairing, verdict: Verdict) -> None:
        self._running = running
        self._verdict = verdict
        self._pids = running.drop.workers()
        verdict.line(f"  {'':28} {'seconds':>8} {'MB/s':>7}   each worker: peak / now resident")
        self.row("at rest", 0, 0)

    def row(self, what: str, moved: int, seconds: float) -> int:
        """Print the phase that ends here; the highest peak."""
        found = [memory(pid) for pid in self._pids]
        rate = f"{moved / seconds / 1e6:7.0f}" if seconds else " " * 7
        each = ", ".join(f"{shown(m['VmHWM'])} / {shown(m['VmRSS'])}" for m in found)
        self._verdict.line(f"  {what:28} {seconds:8.1f} {rate}   {each}")
        if not forget_peaks(self._running):
            self._verdict.line("  (peaks cannot be reset here: they are those since the start)")
        return max(m["VmHWM"] for m in found)


def measure(running: Pairing, verdict: Verdict, options: argparse.Namespace) -> None:
    content = Content(options.size)
    digest = content.sha256()
    table = Table(running, verdict)
    peaks = {}
    path = ""
    for form in options.forms:
        begun = time.perf_counter()
        status, answer = send(running.address, "POST", UPLOAD, content, form)
        peaks[form] = table.row(f"upload by {form}", content.size, time.perf_counter() - begun)
        document = json.loads(answer)
        good = status == 201 and (document["sha256"], document["file_size"]) == (
            digest,
            content.size,
        )
        verdict.target(f"answer to the {form} upload", good, f"{status}, size and SHA-256")
        if path:
            send(running.address, "DELETE", path)
        path = f"/files/{document['file_id']}"
    peaks[f"{READERS} downloads"] = downloads(running, verdict, table, path, content)
    send(running.address, "DELETE", path)
    for what, peak in peaks.items():
        verdict.target(f"{what}: under {shown(LARGE_TARGET)}", peak < LARGE_TARGET, shown(peak))
    for _ in range(options.stalls):
        stalled(running, verdict, table)
        verdict.nothing_left(running.settled())


def downloads(running: Pairing, verdict: Verdict, table: Table, path: str, content: Content) -> int:
    begun = time.perf_counter()
    with ThreadPoolExecutor(READERS) as pool:
        whole = list(pool.map(lambda _: download(running.address, path, content), range(READERS)))
    peak = table.row(
        f"{READERS} downloads at once", READERS * content.size, time.perf_counter() - begun
    )
    verdict.target("content of the downloads", all(whole), f"{sum(whole)} of {READERS} right")
    return peak


def stalled(running: Pairing, verdict: Verdict, table: Table) -> None:
    """Uploads that stop at 7 MiB, each of them read by the service up to there."""
    begun = time.perf_counter()
    whole = Content(STALL_AT)
    wires = [Wire(running.address) for _ in range(STALLED)]

    def begin(number: int) -> None:
        form, wire = FORMS[number % len(FORMS)], wires[number]
        wire.begin_content("POST", UPLOAD, form, 2 * STALL_AT)
        for piece in whole.pieces():
            wire.send(form, piece)

    with ThreadPoolExecutor(STALLED) as pool:
        list(pool.map(begin, range(STALLED)))
    while not read_by_service(running.address[1]):
        time.sleep(0.05)
    time.sleep(1)  # what was read is still being written to a file
    seconds = time.perf_counter() - begun
    there = sum(is_open(wire.socket) for wire in wires)
    peak = table.row(f"{STALLED} stalled at 7 MiB", STALLED * STALL_AT, seconds)
    verdict.target("uploads in flight at once", there == STALLED, str(there))
    for wire in wires:
        wire.close()
    good = peak < STALLED_TARGET
    verdict.target(f"stalled: under {shown(STALLED_TARGET)}", good, shown(peak))


def is_open(connection: socket.socket) -> bool:
    """Whether the service has neither answered nor gone away."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--size", type=size, default=5 * GIB, help="of the upload (5GiB)")
    parser.add_argument("--forms", nargs="*", choices=FORMS, default=FORMS)
    parser.add_argument("--stalls", type=int, default=2, help="rounds of stalled uploads (2)")
    options = parser.parse_args()
    on_each(options, lambda running, verdict: measure(running, verdict, options))


if __name__ == "__main__":
    main()
