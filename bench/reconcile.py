"""A reconcile of a large bucket with a large catalog (issue 4, point 7).

As many objects as documents, with a hundredth of them in differences of each kind. The real
command runs in a process of its own: a look that changes nothing, a run that mends and prunes
while clients upload, replace and delete files of their own through the running service, and
another one while they go on. On local files a stand-in lists, beside the files that are really
there, the objects that only others could have put into a bucket; on servers boto3 puts them.
"""

import argparse
import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pymongo

from bench.pairings import Pairing, Verdict, arguments, on_each, shown
from storage.s3_client import clients
from tests.reconcile.command import STAND_IN, Done, reconcile
from tests.reconcile.plan import Plan
from tests.reconcile.standin_app import PLAN
from tests.reconcile.stock import Stock, settings_of
from tests.reconcile.traffic import Traffic

SIZES = {"embedded": 100_000, "servers": 10_000}
SHARE = 100
MEMORY_TARGET = 120e6
# A warning of the service while its stores are filled would not be about this.
SETTLE_SECONDS = 20.0
SHOWN = 5


class Bench:
    """One pairing, filled, and the command on it."""

    def __init__(self, running: Pairing, verdict: Verdict, plan: Plan, limit: float) -> None:
        self._running = running
        self._verdict = verdict
        self._limit = limit
        self.stock = Stock(settings_of(dict(running.settings), running.drop.data), plan)
        self._env = {**running.settings, "DATA_DIR": str(running.drop.data)}
        self._application = ""
        if running.name == "embedded":
            self._env[PLAN] = f"{plan.total},{plan.each}"
            self._application = STAND_IN

    def fill(self) -> None:
        begun = time.perf_counter()
        self.stock.fill()
        seconds = time.perf_counter() - begun
        plan = self.stock.plan
        self._verdict.line(
            f"  {plan.total} objects, {plan.total} documents and a few that are no difference, "
            f"{plan.each} differences of each kind: filled in {seconds:.1f} s"
        )

    def run(self, what: str, *options: str) -> Done:
        """The command; its memory is a target each time."""
        done = reconcile(self._env, *options, application=self._application, seconds=self._limit)
        command = " ".join(("flask reconcile", *options))
        self._verdict.line(f"  {what}: {command}: {done.seconds:.1f} s, exit status {done.code}")
        if done.code not in (0, 1) or done.err:
            self._verdict.target("it runs and says nothing but its summary", False, done.err[:500])
        else:
            self._verdict.line(f"        {done.out.strip()}")
        peak = done.peak < MEMORY_TARGET
        self._verdict.target(f"memory under {shown(MEMORY_TARGET)}", peak, shown(done.peak))
        return done

    def counted(self, what: str, found: "Counter[str]", expected: "Counter[str]") -> None:
        """The same of each kind."""
        same = found == expected
        wrong = ", ".join(
            f"{found[kind]} {kind}, not {expected[kind]}"
            for kind in sorted(found.keys() | expected.keys())
            if found[kind] != expected[kind]
        )
        each = f"{expected.total()} in {len(+expected)} kinds" if +expected else "none"
        self._verdict.target(what, same, each if same else wrong)

    def traffic(self) -> Traffic:
        return Traffic(self._running.drop.url)

    def unharmed(self, traffic: Traffic, during: str, changes: dict[str, int]) -> None:
        """Call it when the clients have stopped."""
        problems = traffic.verify()
        told = ", ".join(f"{count} x {what}" for what, count in sorted(traffic.counts.items()))
        self._verdict.line(f"  clients: {told}")
        busy = ", ".join(f"{count} x {what}" for what, count in changes.items())
        self._verdict.target(f"there were changes during {during}", all(changes.values()), busy)
        what = "every file is what its client last heard of it, and no deleted one came back"
        self._verdict.target(what, not problems, f"{len(problems)} problems")
        self._list(problems)

    def agree(self) -> None:
        """Bucket and catalog, compared without the reconciler; bytes go after the answer."""
        until = time.monotonic() + SETTLE_SECONDS
        while (wrong := self.stock.disagreements()) and time.monotonic() < until:
            time.sleep(0.5)
        self._verdict.target("bucket and catalog agree", not wrong, f"{len(wrong)} keys do not")
        self._list(wrong)

    def _list(self, lines: list[str]) -> None:
        for line in lines[:SHOWN]:
            self._verdict.line(f"        {line[:300]}")


def measure(running: Pairing, verdict: Verdict, options: argparse.Namespace) -> None:
    total = options.size or SIZES[running.name]
    each = total // SHARE if options.each is None else options.each
    with removed_at_the_end(running):
        bench = Bench(running, verdict, Plan(total, each), options.limit)
        bench.fill()
        expected, none = bench.stock.expected, Counter[str]()

        looked = bench.run("look", "--dry-run")
        bench.counted("all differences are found", looked.found, expected)
        bench.counted("nothing is mended", looked.mended, none)

        with bench.traffic() as traffic:
            pruned = bench.run("with traffic", "--prune")
            during = traffic.changes()
            bench.counted("all differences are found", pruned.found, expected)
            bench.counted("all that were found are mended", pruned.mended, pruned.found)
            again = bench.run("with traffic", "--prune")
            bench.counted("a second run finds nothing", again.found, none)
        bench.unharmed(traffic, "the run that mended", during)
        bench.agree()

        last = bench.run("afterwards")
        bench.counted("nothing is left to find", last.found, none)
        verdict.target("exit statuses", *_codes(looked, pruned, again, last))


def _codes(*runs: Done) -> tuple[bool, str]:
    codes = [done.code for done in runs]
    return codes == [1, 0, 0, 0], ", ".join(map(str, codes))


@contextlib.contextmanager
def removed_at_the_end(running: Pairing) -> Iterator[None]:
    """Servers that were there before the run are left as they were; others are thrown away."""
    try:
        yield
    finally:
        if running.settings and running.s3_data is None:
            _remove(dict(running.settings), running.drop.data)


def _remove(env: dict[str, str], data: Path) -> None:
    settings = settings_of(env, data)
    s3, bucket = clients(settings).patient, settings.s3_bucket
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    for page in pages:
        if keys := [{"Key": entry["Key"]} for entry in page.get("Contents", ())]:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    s3.delete_bucket(Bucket=bucket)
    client: pymongo.MongoClient[dict[str, object]]
    with pymongo.MongoClient(settings.mongo_uri) as client:
        client.drop_database(client.get_default_database().name)


def main() -> None:
    parser = arguments(__doc__)
    sizes = ", ".join(f"{size} on {pairing}" for pairing, size in SIZES.items())
    parser.add_argument("--size", type=int, help=f"objects, and documents ({sizes})")
    parser.add_argument("--each", type=int, help="differences of each kind (a hundredth)")
    parser.add_argument("--limit", type=float, default=900, help="seconds a run may take (900)")
    options = parser.parse_args()
    os.environ.pop(PLAN, None)
    on_each(options, lambda running, verdict: measure(running, verdict, options))


if __name__ == "__main__":
    main()
