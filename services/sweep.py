"""What clears away after processes that died: one at a time over all workers and machines.

- documents that are due: garbage whose deletion did not work, tombstones whose time is over;
- keys of ours without a document, each looked at once, a day after its upload began, from
  where the last sweep stopped: the cost follows the uploads, not the catalog;
- multipart uploads and temporary files that nobody will finish.
"""

import logging
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

from services import clock
from services.files import Files
from storage.interfaces import (
    Collection,
    Conflict,
    Document,
    Order,
    StorageError,
    Where,
)

LEASE = timedelta(minutes=2)
ROUND_SECONDS = 60.0
KEYS_EVERY = timedelta(hours=1)
KEY_AGE = timedelta(days=1)
# 5 TiB at 10 MB/s take six days: an upload that is merely slow must not be taken from it.
UPLOAD_AGE = timedelta(days=7)
BATCH = 100
SHARDS = tuple(f"{shard:02x}" for shard in range(256))
_NEVER = "1970-01-01T00:00:00.000Z"

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another process has taken over, because this one was too slow to renew its lease."""


class Sweep:
    """The sweep of one catalog. `run` may be called by any process at any time."""

    def __init__(self, files: Files, jobs: Collection) -> None:
        self._files = files
        self._jobs = jobs
        self._now = files.now
        self._holder = str(uuid.uuid4())

    def run(self) -> bool:
        """Sweep, if nobody else is at it; says whether it did. Raises `StorageError`."""
        lease = self._take_lease()
        if lease is None:
            return False
        try:
            self._due_documents()
            if lease["keys_at"] <= clock.timestamp(self._now()):
                lease = self._keys(lease)
                self._abandoned_uploads()
                lease["keys_at"] = clock.timestamp(self._now() + KEYS_EVERY)
            self._renew({**lease, "until": _NEVER})
        except LeaseLost:
            log.warning("the sweep lost its lease")
        return True

    def _take_lease(self) -> Document | None:
        lease = self._jobs.get(name="sweep")
        mine = {"holder": self._holder, "until": clock.timestamp(self._now() + LEASE)}
        try:
            if lease is None:
                return self._jobs.insert(
                    {"name": "sweep", "keys_at": _NEVER, "positions": {}, **mine}
                )
            if lease["until"] > clock.timestamp(self._now()):
                return None
            return self._jobs.replace({**lease, **mine})
        except Conflict:
            return None

    def _renew(self, lease: Document) -> Document:
        try:
            return self._jobs.replace(lease)
        except Conflict:
            raise LeaseLost from None

    def _due_documents(self) -> None:
        due = Where("sweep_at", "lte", clock.timestamp(self._now()))
        after = None
        while True:
            page = self._files.collection.page(
                {}, [due], Order(("sweep_at", "file_id"), False), after, BATCH, BATCH
            )
            for document in page.documents:
                self._files.clean(document)
            after = page.last
            if after is None:
                return

    def _keys(self, lease: Document) -> Document:
        """Every shard from where it was left; the lease remembers that and is renewed by it."""
        for shard in SHARDS:
            begun = lease["positions"].get(shard, "")
            position = begun
            for key in self._old_keys(shard, begun):
                self._files.bury(key)
                position = key
            if position != begun or lease["until"] < clock.timestamp(self._now() + LEASE / 2):
                positions = {**lease["positions"], shard: position}
                until = clock.timestamp(self._now() + LEASE)
                lease = self._renew({**lease, "positions": positions, "until": until})
        return lease

    def _old_keys(self, shard: str, after: str) -> Iterator[str]:
        newest = self._now() - KEY_AGE
        for listed in self._files.objects.list(f"{self._files.prefix}/{shard}/", after):
            begun = self._files.upload_began(listed.key)
            if begun is not None and begun > newest:
                return
            if begun is not None:
                yield listed.key

    def _abandoned_uploads(self) -> None:
        objects = self._files.objects
        for upload in list(objects.abandoned(self._now() - UPLOAD_AGE)):
            if not upload.key or self._files.is_own_key(upload.key):
                objects.abandon(upload)


def start(sweep: Sweep) -> Callable[[], None]:
    """Sweep in a thread of this process from now on; returns what stops it."""
    stopped = threading.Event()

    def work() -> None:
        # The workers of a machine start together and should not all ask at once for ever.
        while not stopped.wait(ROUND_SECONDS * random.uniform(0.5, 1.5)):
            try:
                sweep.run()
            except StorageError as error:
                log.warning("the sweep stopped early", extra={"why": str(error)})
            except Exception:  # a bug must not end the sweep of this process for ever
                log.exception("the sweep failed")

    threading.Thread(target=work, name="sweep", daemon=True).start()
    return stopped.set
