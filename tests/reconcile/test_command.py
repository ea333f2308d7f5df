"""`flask reconcile` as a person or a cron job has it, on both pairings, and while the service runs.

On local files a stand-in has the objects that only others could have put there; with servers
boto3 puts them straight into the bucket.
"""

import contextlib
import errno
import hashlib
import json
import os
import pty
import random
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from app import prepare
from storage.s3_client import clients
from storage.s3_setup import make_bucket
from tests.conftest import PAIRINGS, pairing_env
from tests.reconcile.command import STAND_IN, Done, argv, environment, reconcile
from tests.reconcile.plan import Plan
from tests.reconcile.standin_app import AHEAD, PAGE, PLAN
from tests.reconcile.stock import Stock, settings_of
from tests.reconcile.traffic import Traffic
from tests.servers.drop import drop
from tests.servers.processes import ROOT, free_port

SMALL = Plan(total=300, each=5)
SECONDS = 6.0
FEW = "3"
TWO_DAYS = str(2 * 24 * 3600)


@dataclass(frozen=True)
class Place:
    """Filled stores, and the command on them."""

    env: dict[str, str]
    stock: Stock
    application: str

    def run(self, *options: str, **env: str) -> Done:
        return reconcile({**self.env, **env}, *options, application=self.application)


@pytest.fixture(params=PAIRINGS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Stores with a few hundred objects and documents, and a few differences of each kind."""
    return filled(request, request.param, tmp_path, SMALL)


def filled(request: pytest.FixtureRequest, pairing: str, folder: Path, plan: Plan) -> Place:
    stores = pairing_env(request, pairing)
    env = {**stores, "DATA_DIR": str(folder / "data")}
    stock = Stock(settings_of(stores, folder / "data"), plan)
    if stores:
        make_bucket(clients(stock.settings), stock.bucket, stock.settings.s3_region)
    prepare(stock.settings)
    stock.fill()
    if stores:
        return Place(env, stock, "")
    return Place({**env, PLAN: f"{plan.total},{plan.each}"}, stock, STAND_IN)


def assert_quiet(done: Done) -> None:
    """Nothing but the summary: a cron job mails whatever else is written."""
    assert done.err == ""
    assert re.fullmatch(r"\{.*\}\n", done.out)
    assert set(done.summary) == {"objects", "documents", "found", "mended", "left"}


# --- what it finds and mends ---------------------------------------------------------------


def test_a_dry_run_changes_nothing(place: Place) -> None:
    before = place.stock.everything()
    for _ in range(2):
        done = place.run("--dry-run")
        assert_quiet(done)
        assert (done.found, done.mended) == (place.stock.expected, Counter())
        assert (done.code, done.summary["left"]) == (1, place.stock.expected.total())
    assert place.stock.everything() == before


def test_a_run_mends_and_a_pruning_one_mends_the_rest(place: Place) -> None:
    expected = place.stock.expected
    risky = Counter({kind: expected[kind] for kind in ("stray_bytes", "lost_bytes")})
    mended = place.run()
    assert_quiet(mended)
    assert (mended.found, mended.mended) == (expected, expected - risky)
    assert (mended.code, mended.summary["left"]) == (1, risky.total())
    again = place.run()
    assert (again.code, again.found, again.mended) == (1, risky, Counter())
    pruned = place.run("--prune")
    assert_quiet(pruned)
    assert (pruned.code, pruned.found, pruned.mended) == (0, risky, risky)
    assert pruned.summary["left"] == 0
    assert place.stock.disagreements() == []


def test_one_pruning_run_makes_all_right(place: Place) -> None:
    done = place.run("--prune")
    assert_quiet(done)
    assert (done.code, done.found, done.mended) == (0, place.stock.expected, place.stock.expected)
    assert place.stock.disagreements() == []
    after = place.stock.everything()
    for option in ((), ("--dry-run",), ("--prune",)):
        done = place.run(*option)
        assert_quiet(done)
        assert (done.code, done.found, done.mended) == (0, Counter(), Counter())
    assert place.stock.everything() == after


def test_a_run_that_leaves_nothing_ends_with_0(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Differences of the kinds that a plain run mends, and no others."""
    place = filled(request, "servers", tmp_path, Plan(total=60, each=0))
    s3 = clients(place.stock.settings).usual
    bucket = place.stock.bucket
    s3.put_object(Bucket=bucket, Key="new ü+.txt", Body=b"new")
    s3.put_object(Bucket=bucket, Key=place.stock.plan.key(3), Body=b"changed")
    s3.delete_object(Bucket=bucket, Key=place.stock.plan.key(5))
    one_each = Counter(unknown_object=1, changed_object=1, missing_object=1)
    looked = place.run("--dry-run")
    assert (looked.code, looked.found) == (1, one_each)
    done = place.run()
    assert_quiet(done)
    assert (done.code, done.found, done.mended) == (0, one_each, one_each)
    assert place.stock.disagreements() == []


def test_the_plain_command_on_local_files(tmp_path: Path) -> None:
    """Without any stand-in: then only the service's own can differ."""
    data = tmp_path / "data"
    stock = Stock(settings_of({}, data), Plan(total=40, each=2))
    prepare(stock.settings)
    stock.fill()
    env = {"DATA_DIR": str(data)}
    own = Counter(stray_bytes=2, lost_bytes=2)
    # What others put into a bucket cannot be here, so all documents about that are too many.
    theirs = Counter(missing_object=stock.plan.foreign - 2)
    done = reconcile(env)
    assert_quiet(done)
    assert (done.code, done.found, done.mended) == (1, own + theirs, theirs)
    pruned = reconcile(env, "--prune")
    assert (pruned.code, pruned.found, pruned.mended) == (0, own, own)
    assert reconcile(env).code == 0


# --- how it is asked, and how it fails -----------------------------------------------------


def test_both_options_are_refused(place: Place) -> None:
    before = place.stock.everything()
    done = place.run("--dry-run", "--prune")
    assert (done.code, done.out) == (2, "")
    assert "Usage:" in done.err and "give one of them" in done.err
    assert place.stock.everything() == before


def assert_failed(done: Done) -> None:
    """Exit status 2 and one line that says it."""
    assert (done.code, done.out) == (2, ""), done
    assert re.fullmatch(r"reconcile: a store failed: .+\n", done.err), done.err


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    done = reconcile({"DATA_DIR": str(tmp_path / "nowhere")})
    assert_failed(done)
    assert "nowhere" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--prune",)])
def test_a_bucket_store_that_is_down(
    request: pytest.FixtureRequest, tmp_path: Path, options: tuple[str, ...]
) -> None:
    place = filled(request, "servers", tmp_path, Plan(total=20, each=0))
    down = f"http://127.0.0.1:{free_port()}"
    done = place.run(*options, S3_ENDPOINT_URL=down)
    assert_failed(done)
    assert down in done.err


def test_a_bucket_that_is_not_there(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """All documents would seem to be about missing objects."""
    place = filled(request, "servers", tmp_path, Plan(total=20, each=0))
    before = place.stock.everything()
    assert_failed(place.run("--prune", S3_BUCKET="no-such-bucket"))
    assert place.stock.everything() == before


def test_a_document_store_that_is_down(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    place = filled(request, "servers", tmp_path, Plan(total=20, each=0))
    done = place.run(MONGO_URI=f"mongodb://someone:pa55word@127.0.0.1:{free_port()}/files")
    assert_failed(done)
    assert "pa55word" not in done.err
    assert done.seconds < 20


def test_settings_that_cannot_be_used_are_not_taken_for_differences(tmp_path: Path) -> None:
    """1 says that differences are left; whoever reads the exit status must not think so."""
    done = reconcile({"DATA_DIR": str(tmp_path), "PORT": "many"})
    assert done.out == ""
    assert re.fullmatch(r"file-drop: PORT.*\n", done.err)
    assert done.code not in (0, 1)


# --- progress ------------------------------------------------------------------------------


MANY = 40_000


@pytest.fixture
def slow(tmp_path: Path) -> dict[str, str]:
    """A bucket of which the catalog knows nothing: a look at it takes some seconds."""
    data = tmp_path / "data"
    prepare(settings_of({}, data))
    return {"DATA_DIR": str(data), PLAN: f"{MANY},0"}


def on_a_terminal(env: dict[str, str], *options: str, out_too: bool) -> tuple[int, str, str]:
    """Exit status, standard output unless it is the terminal too, and what the terminal got."""
    ours, theirs = pty.openpty()
    command = argv(*options, application=STAND_IN)
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=theirs if out_too else subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        try:
            shown = b"".join(iter(lambda: _read(ours), b""))
            out = process.stdout.read() if process.stdout else b""
            process.wait(60)
        finally:
            os.close(ours)
            process.kill()
    return process.returncode, out.decode(), shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 2**16)
    except OSError as error:
        if error.errno == errno.EIO:  # Linux: the other side is closed
            return b""
        raise


def test_no_progress_where_nobody_looks(slow: dict[str, str]) -> None:
    done = reconcile(slow, "--dry-run", application=STAND_IN)
    assert_quiet(done)
    assert done.seconds > 1  # enough for progress, had there been a terminal
    assert (done.code, done.found["unknown_object"]) == (1, Plan(MANY, 0).foreign)


def test_progress_on_a_terminal(slow: dict[str, str]) -> None:
    code, out, shown = on_a_terminal(slow, "--dry-run", out_too=False)
    assert code == 1
    assert json.loads(out)["objects"] == Plan(MANY, 0).foreign
    lines = re.findall(r"\r(\d+) objects, (\d+) documents, (\d+) differences", shown)
    assert len(lines) >= 2
    counts = [int(objects) for objects, _, _ in lines]
    assert counts == sorted(counts) and counts[-1] <= Plan(MANY, 0).foreign


def test_the_summary_is_not_written_behind_the_progress(slow: dict[str, str]) -> None:
    """Standard output on the same terminal, as a person has it who only types the command."""
    code, _, shown = on_a_terminal(slow, "--dry-run", out_too=True)
    assert code == 1
    # What is left to be seen of each line when its end has come.
    seen = [re.sub(r".*(\r|\x1b\[2?K)", "", line) for line in shown.split("\r\n")]
    assert json.loads(seen[-2])["objects"] == Plan(MANY, 0).foreign
    assert seen[-1] == ""


# --- while the service is at work ----------------------------------------------------------


@contextlib.contextmanager
def again_and_again(run: Callable[[], Done]) -> Iterator[list[Done]]:
    """The command in a loop during the block; then how its runs ended."""
    done: list[Done] = []
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            done.append(run())

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()


@pytest.mark.parametrize("options", [(), ("--prune",)])
def test_a_service_at_work_is_not_harmed(
    place: Place, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Nothing that a client does is refused for it, and nothing but the differences is found,
    although what it reads first is old by the time that it reads the other side of it."""

    def run() -> Done:
        env = {**place.env, PAGE: FEW}
        return reconcile(env, *options, application=STAND_IN)

    with drop(tmp_path, place.env) as service:
        with (
            Traffic(service.url) as traffic,
            again_and_again(run) as runs,
        ):
            time.sleep(SECONDS)
        problems = traffic.verify()
        assert problems == []
        assert all(traffic.changes().values()), traffic.counts
        assert_found_once(runs, place.stock.expected, options)
        log = service.log.read_text()
    assert place.run("--prune").code == 0
    assert_agree_soon(place.stock)
    assert "Traceback" not in log
    print(traffic.counts, f"{len(runs)} reconciles")


def assert_found_once(runs: list[Done], expected: "Counter[str]", options: tuple[str, ...]) -> None:
    """Each of the differences, once or until it is pruned, and never any that is none."""
    assert runs
    mended: Counter[str] = Counter()
    for done in runs:
        assert_quiet(done)
        mended += done.mended
        assert not done.found - expected
        assert done.code == (1 if done.summary["left"] else 0)
    risky = () if options else ("stray_bytes", "lost_bytes")
    assert mended == Counter({kind: n for kind, n in expected.items() if kind not in risky})


def assert_agree_soon(stock: Stock) -> None:
    """Bytes are deleted a little after the answer."""
    until = time.monotonic() + 10
    while wrong := stock.disagreements():
        assert time.monotonic() < until, wrong[:10]
        time.sleep(0.2)


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_uploads_under_way_that_are_older_than_a_day(
    request: pytest.FixtureRequest, tmp_path: Path, pairing: str
) -> None:
    """A clock that is two days ahead makes each upload a slow one: between its bytes and its
    document it is taken for stray. It may be refused then, but nothing that was acknowledged
    is lost, and of what was refused nothing is left."""
    place = filled(request, pairing, tmp_path, Plan(total=60, each=0))
    # There are young bytes among what was filled in: for this clock they are old.
    with drop(tmp_path, place.env) as service:
        reconciling = again_and_again(lambda: ahead(place))
        with Traffic(service.url, refused=frozenset({503})) as traffic, reconciling as runs:
            time.sleep(SECONDS)
        problems = traffic.verify()
        assert problems == []
        assert all(traffic.changes().values()), traffic.counts
        assert {done.code for done in runs} == {0}
        assert {done.err for done in runs} == {""}
        taken = sum((done.mended for done in runs), Counter())
        assert not taken.keys() - {"stray_bytes"}
        log = service.log.read_text()
    assert "Traceback" not in log
    assert ahead(place).code == 0
    place.stock.stray += place.stock.young
    place.stock.young.clear()
    assert_agree_soon(place.stock)
    refused = {what: n for what, n in traffic.counts.items() if "503" in what}
    print(traffic.changes(), f"refused {refused}, {taken} in {len(runs)} runs")


def ahead(place: Place) -> Done:
    return reconcile({**place.env, AHEAD: TWO_DAYS}, "--prune", application=STAND_IN)


class Others:
    """Somebody who writes into the bucket past the service, and deletes by both doors."""

    def __init__(self, s3: Any, bucket: str, url: str) -> None:
        self.there: dict[str, str | None] = {}
        self.deleted_by_api: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self._s3, self._bucket, self._url = s3, bucket, url
        self._chance = random.Random(5)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            key = f"others/{self._chance.randrange(40)} ü+"
            chance = self._chance.random()
            if chance < 0.5:
                self._put(key)
            elif chance < 0.7:
                self._s3.delete_object(Bucket=self._bucket, Key=key)
                self.there[key] = None
                self.counts["removed"] += 1
            else:
                self._delete_by_api(key)

    def _put(self, key: str) -> None:
        content = self._chance.randbytes(self._chance.randrange(1, 2000))
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content)
        self.there[key] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self.counts["put"] += 1

    def known(self, key: str) -> dict[str, Any] | None:
        answer = requests.get(
            f"{self._url}/metadata", {"bucket": self._bucket, "key": key}, timeout=30
        )
        assert answer.status_code in (200, 404), answer.text
        found: dict[str, Any] = answer.json()
        return found if answer.status_code == 200 else None

    def _delete_by_api(self, key: str) -> None:
        """What the catalog knows by now and still describes."""
        known = self.known(key)
        if known is None or known["etag"] != self.there.get(key):
            return
        answer = requests.delete(f"{self._url}/files/{known['file_id']}", timeout=30)
        # A reconcile may still be writing down that an older object was gone.
        assert answer.status_code in (200, 404), answer.text
        if answer.status_code == 200:
            self.there[key] = None
            self.counts["deleted"] += 1
            self.deleted_by_api[key] = known["file_id"]


def test_a_bucket_into_which_others_write_meanwhile(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """No reconcile touches what they put there, and the one after them gets all of it right."""
    place = filled(request, "servers", tmp_path, Plan(total=40, each=0))
    s3 = clients(place.stock.settings).usual
    with drop(tmp_path, place.env) as service:
        others = Others(s3, place.stock.bucket, service.url)
        stop = threading.Event()
        thread = threading.Thread(target=others.run, args=(stop,))
        with again_and_again(lambda: place.run("--prune")) as runs, Traffic(service.url) as traffic:
            thread.start()
            time.sleep(SECONDS)
            stop.set()
            thread.join(60)
        assert traffic.verify() == []
        assert {done.code for done in runs} == {0}
        assert all(others.counts[what] for what in ("put", "removed", "deleted")), others.counts
        assert place.run("--prune").code == 0
        for key, etag in others.there.items():
            known = others.known(key)
            assert (known and known["etag"]) == etag, (key, known)
        for file_id in others.deleted_by_api.values():
            assert requests.get(f"{service.url}/files/{file_id}", timeout=30).status_code == 404
    there = {one.key: one.etag for one in place.stock.objects() if one.key.startswith("others/")}
    assert there == {key: etag for key, etag in others.there.items() if etag}
    assert_agree_soon(place.stock)
    assert place.run("--dry-run").found == Counter()
    print(others.counts, traffic.changes(), f"{len(runs)} reconciles")
