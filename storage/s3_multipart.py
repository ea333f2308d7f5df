"""A multipart upload to S3: its parts are sent while the next is read."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import faults
from storage.interfaces import NotFound, StorageError, Unavailable, Written
from storage.parts import Part
from storage.s3_client import Clients, NoAnswer, read_back, translated

PARTS_IN_FLIGHT = 2


class Senders:
    """The threads of a process that send parts, a few at a time over all its transfers.

    When the store stops answering, what is queued fails together with what was under way, so
    that the last client in the queue hears of it as soon as the first.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="part")
        self._failed_at = 0.0

    def submit(self, send: Callable[[], str]) -> Future[str]:
        """Run `send` when it is its turn. Its errors and `Unavailable` are the future's."""
        return self._pool.submit(self._run, send, time.monotonic())

    def _run(self, send: Callable[[], str], queued_at: float) -> str:
        if queued_at < self._failed_at:
            raise Unavailable("S3: the store stopped answering while a part was queued")
        try:
            return send()
        except NoAnswer:
            self._failed_at = time.monotonic()
            raise


class MultipartUpload:
    """One multipart upload, given up unless it is completed."""

    def __init__(self, clients: Clients, senders: Senders, bucket: str, key: str) -> None:
        self._clients = clients
        self._senders = senders
        self._bucket, self._key = bucket, key
        self._target = {"Bucket": bucket, "Key": key}
        self._in_flight: deque[Future[str]] = deque()
        self._etags: list[str] = []
        self._size = 0
        self._sent = 0

    def begin(self, content_type: str) -> None:
        """Raises `Unavailable`, and then there is nothing to give up."""
        with translated():
            answer = self._clients.usual.create_multipart_upload(
                **self._target, ContentType=content_type
            )
        self._target["UploadId"] = answer["UploadId"]
        faults.reached("object.begun")

    def send(self, part: Part) -> None:
        """Hand a part to a sender once fewer than two are on their way; it is closed when it
        has been sent."""
        while len(self._in_flight) >= PARTS_IN_FLIGHT:
            self._await_oldest()
        self._sent += 1
        self._size += part.size
        self._in_flight.append(self._senders.submit(partial(self._send, self._sent, part)))

    def _await_oldest(self) -> None:
        try:
            self._etags.append(self._in_flight[0].result())
        except NotFound:
            raise Unavailable(f"S3: the upload of {self._key} was given up by another") from None
        self._in_flight.popleft()

    def _send(self, number: int, part: Part) -> str:
        try:
            with translated():
                answer = self._clients.usual.upload_part(
                    **self._target, PartNumber=number, Body=part.body()
                )
        finally:
            part.close()
        faults.reached("object.part_sent")
        return str(answer["ETag"])

    def complete(self) -> Written:
        """Make the parts an object. Raises `Unavailable`, and then it may still become one."""
        while self._in_flight:
            self._await_oldest()
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(self._etags, start=1)]
        faults.reached("object.written")
        try:
            with translated():
                answer = self._clients.patient.complete_multipart_upload(
                    **self._target, MultipartUpload={"Parts": parts}
                )
            etag = str(answer["ETag"])
        except (Unavailable, NotFound):  # not found: it was completed, or given up, before
            etag = read_back(self._clients, self._bucket, self._key, self._size)
        faults.reached("object.committed")
        return Written(self._size, etag.strip('"'))

    def __enter__(self) -> "MultipartUpload":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        # A part that arrives after the abort would keep the upload alive: wait for them first.
        for future in self._in_flight:
            if not future.cancel():
                future.exception()
        try:
            with translated():
                self._clients.brief.abort_multipart_upload(**self._target)
        except StorageError as failed:
            error.add_note(f"the multipart upload is left to the sweep: {failed}")
