"""Objects in S3 (AWS, MinIO, ...), through boto3.

What fits into one part is one PUT; anything longer is a multipart upload whose parts are
sent while the next is read.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import faults
from config import Settings
from storage.files import disk_errors
from storage.interfaces import (
    Body,
    Changed,
    NoSpace,
    NotFound,
    ObjectStat,
    Reader,
    StorageError,
    Unavailable,
    Upload,
    Written,
)
from storage.parts import Budget, Part, part_size

# awscrt, where it happens to be installed, would take over signing and checksums.
os.environ["BOTO_DISABLE_CRT"] = "true"

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

PIECE = 2**20
PARTS_IN_FLIGHT = 2
SENDERS = 4
POOL_SIZE = 160
_ABSENT = ("404", "NoSuchKey", "NoSuchUpload")
_OTHER = ("412", "PreconditionFailed")
_NO_SPACE = ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "507")


class Clients(NamedTuple):
    """boto3 clients of one session that differ in their patience; `public` signs URLs."""

    usual: Any
    brief: Any
    patient: Any
    public: Any


def clients(settings: Settings) -> Clients:
    """Make them after the fork. They may be used by all threads of a process.

    Two attempts of 3 s keep an answer within 10 s (SPEC section 7); S3 may take a minute to
    complete a multipart upload; a delete that waits for a reader is not worth waiting for.
    """
    session = boto3.Session(
        aws_access_key_id=settings.aws_access_key_id or None,
        aws_secret_access_key=settings.aws_secret_access_key or None,
        region_name=settings.s3_region,
    )

    def client(endpoint: str, read_timeout: float, attempts: int) -> Any:
        config = Config(
            signature_version="s3v4",
            connect_timeout=1.5,
            read_timeout=read_timeout,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=POOL_SIZE,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                "payload_signing_enabled": False,
                # MinIO and most others answer under one name; AWS wants the bucket in it.
                "addressing_style": "path" if endpoint else "auto",
            },
        )
        return session.client("s3", endpoint_url=endpoint or None, config=config)

    endpoint = settings.s3_endpoint_url
    usual = client(endpoint, 3, 2)
    public = settings.s3_public_endpoint_url
    return Clients(
        usual,
        client(endpoint, 2, 1),
        client(endpoint, 60, 1),
        client(public, 3, 1) if public else usual,
    )


@contextmanager
def _translated(key: str = "") -> Iterator[None]:
    """botocore's errors as ours. HEAD says `404` where GET says `NoSuchKey`."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _ABSENT:
            raise NotFound(key) from error
        if code in _OTHER:
            raise Changed(key) from error
        if code in _NO_SPACE:
            raise NoSpace(str(error)) from error
        raise Unavailable(f"S3: {error}") from error
    except (BotoCoreError, HTTPClientError) as error:
        raise Unavailable(f"S3: {error}") from error


class S3Store:
    """`storage.interfaces.ObjectStore` in one bucket; `spill` is a folder for parts."""

    def __init__(self, clients: Clients, bucket: str, spill: Path, budget: int) -> None:
        self.bucket = bucket
        self._clients = clients
        self._spill = spill
        self._budget = Budget(budget)
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="part")

    def prepare(self) -> None:
        """Make the folder for parts. Raises `Unavailable`."""
        with disk_errors():
            self._spill.mkdir(parents=True, exist_ok=True)

    def write(self, key: str, reader: Reader, content_type: str) -> Written:
        first, more = self._fill(1, reader, b"")
        try:
            if not more:
                return self._put(key, first, content_type)
            upload = _MultipartUpload(self._clients, self._senders, self.bucket, key)
            upload.begin(content_type)
        except BaseException:
            first.close()
            raise
        with upload:
            upload.send(first)
            while more:
                part, more = self._fill(upload.next_number, reader, more)
                upload.send(part)
            return upload.complete()

    def _fill(self, number: int, reader: Reader, begun: bytes) -> tuple[Part, bytes]:
        """A full part and the piece after it, or the last part and `b""`.

        Only the piece after it tells whether a full part is the last one, and only the
        reader's clean end tells that the content is good.
        """
        part = self._new_part(number)
        try:
            piece = begun or reader.read(PIECE)
            while piece and len(piece) <= part.room:
                with disk_errors():
                    part.write(piece)
                piece = reader.read(PIECE)
            return part, piece
        except BaseException:
            part.close()
            raise

    def _new_part(self, number: int) -> Part:
        with disk_errors():
            return Part(part_size(number), self._budget, self._spill)

    def _put(self, key: str, part: Part, content_type: str) -> Written:
        faults.reached("object.written")
        try:
            with _translated(key):
                answer = self._clients.usual.put_object(
                    Bucket=self.bucket, Key=key, Body=part.body(), ContentType=content_type
                )
            etag = answer["ETag"].strip('"')
        except Unavailable:
            etag = self._read_back(key, part.size)
        finally:
            part.close()
        faults.reached("object.committed")
        return Written(part.size, etag)

    def _read_back(self, key: str, size: int) -> str:
        """After a PUT without an answer: the ETag if it was applied, else `Unavailable`."""
        try:
            found = self.stat(key)
        except NotFound:
            raise Unavailable(f"S3: {key} was not stored") from None
        if found.size != size:
            raise Unavailable(f"S3: {key} was stored with another length")
        return found.etag

    def open(self, key: str, start: int, stop: int, if_etag: str) -> Body:
        return S3Body(self._clients.usual, self.bucket, key, start, stop, if_etag)

    def stat(self, key: str) -> ObjectStat:
        with _translated(key):
            head = self._clients.usual.head_object(Bucket=self.bucket, Key=key)
        return ObjectStat(
            head["ContentLength"], head["ETag"].strip('"'), head.get("ContentType", "")
        )

    def delete(self, key: str) -> None:
        with _translated(key):
            self._clients.brief.delete_object(Bucket=self.bucket, Key=key)

    def list(self, prefix: str, after: str) -> Iterator[str]:
        pages = self._clients.usual.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, StartAfter=after
        )
        with _translated():
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"]

    def abandoned(self, older_than: datetime) -> Iterator[Upload]:
        # Without a prefix: MinIO lists uploads by an exact key or not at all.
        pages = self._clients.usual.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket
        )
        with _translated():
            for page in pages:
                for entry in page.get("Uploads", ()):
                    if entry["Initiated"] < older_than:
                        yield Upload(entry["Key"], entry["UploadId"])

    def abandon(self, upload: Upload) -> None:
        try:
            with _translated(upload.key):
                self._clients.brief.abort_multipart_upload(
                    Bucket=self.bucket, Key=upload.key, UploadId=upload.handle
                )
        except NotFound:
            return

    def presign(self, key: str, disposition: str, content_type: str, seconds: int) -> str:
        with _translated(key):
            url: str = self._clients.public.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self.bucket,
                    "Key": key,
                    "ResponseContentDisposition": disposition,
                    "ResponseContentType": content_type,
                },
                ExpiresIn=seconds,
            )
        return url

    def check(self) -> None:
        try:
            with _translated():
                self._clients.usual.head_bucket(Bucket=self.bucket)
        except NotFound:
            raise Unavailable(f"S3: there is no bucket {self.bucket}") from None


class _MultipartUpload:
    """One multipart upload, given up unless it is completed."""

    def __init__(
        self, clients: Clients, senders: ThreadPoolExecutor, bucket: str, key: str
    ) -> None:
        self._clients = clients
        self._senders = senders
        self._target = {"Bucket": bucket, "Key": key}
        self._in_flight: deque[Future[str]] = deque()
        self._etags: list[str] = []
        self._size = 0
        self.next_number = 1

    def begin(self, content_type: str) -> None:
        with _translated():
            answer = self._clients.usual.create_multipart_upload(
                **self._target, ContentType=content_type
            )
        self._target["UploadId"] = answer["UploadId"]

    def send(self, part: Part) -> None:
        """Hand a part to a sender once fewer than two are on their way; closes it in the end."""
        try:
            while len(self._in_flight) >= PARTS_IN_FLIGHT:
                self._etags.append(self._in_flight.popleft().result())
        except BaseException:
            part.close()
            raise
        self._in_flight.append(self._senders.submit(self._send, self.next_number, part))
        self._size += part.size
        self.next_number += 1

    def _send(self, number: int, part: Part) -> str:
        try:
            with _translated():
                answer = self._clients.usual.upload_part(
                    **self._target, PartNumber=number, Body=part.body()
                )
        finally:
            part.close()
        faults.reached("object.part_sent")
        return str(answer["ETag"])

    def complete(self) -> Written:
        while self._in_flight:
            self._etags.append(self._in_flight.popleft().result())
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(self._etags, start=1)]
        faults.reached("object.written")
        try:
            with _translated():
                answer = self._clients.patient.complete_multipart_upload(
                    **self._target, MultipartUpload={"Parts": parts}
                )
            etag = str(answer["ETag"])
        except (Unavailable, NotFound):
            etag = self._read_back()
        faults.reached("object.committed")
        return Written(self._size, etag.strip('"'))

    def _read_back(self) -> str:
        """After a completion without an answer, or a second one: the ETag if it was applied."""
        target = {name: self._target[name] for name in ("Bucket", "Key")}
        try:
            with _translated():
                head = self._clients.usual.head_object(**target)
        except NotFound:
            raise Unavailable(f"S3: {target['Key']} was not completed") from None
        return str(head["ETag"])

    def __enter__(self) -> "_MultipartUpload":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        # A part that arrives after the abort would keep the upload alive: wait for them first.
        for future in self._in_flight:
            future.exception()
        try:
            with _translated():
                self._clients.brief.abort_multipart_upload(**self._target)
        except StorageError as failed:
            error.add_note(f"the multipart upload is left to the sweep: {failed}")


class S3Body:
    """An object's bytes, taken up again once at the same byte if the store breaks off."""

    def __init__(
        self, client: Any, bucket: str, key: str, start: int, stop: int, etag: str
    ) -> None:
        self._client = client
        self._target = {"Bucket": bucket, "Key": key, "IfMatch": f'"{etag}"'}
        self._position = start
        self._stop = stop
        self._stream = self._request()

    def _request(self) -> Any:
        with _translated(self._target["Key"]):
            answer = self._client.get_object(
                **self._target, Range=f"bytes={self._position}-{self._stop - 1}"
            )
        return answer["Body"]

    def __iter__(self) -> Iterator[bytes]:
        resumed = False
        while self._position < self._stop:
            try:
                piece = self._read()
            except Unavailable:
                if resumed:
                    raise
                resumed = True
                self.close()
                self._stream = self._request()
                continue
            self._position += len(piece)
            yield piece

    def _read(self) -> bytes:
        with _translated():
            piece: bytes = self._stream.read(min(PIECE, self._stop - self._position))
        if not piece:
            raise Unavailable("S3: the object ended early")
        return piece

    def close(self) -> None:
        self._stream.close()


def make_bucket(clients: Clients, bucket: str, region: str) -> bool:
    """Make the bucket unless it is there; says whether it was made. Raises `Unavailable`."""
    try:
        with _translated():
            clients.usual.head_bucket(Bucket=bucket)
        return False
    except NotFound:
        # AWS refuses its oldest region as a constraint (S3 API reference, CreateBucket).
        constraint = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with _translated():
            clients.usual.create_bucket(
                Bucket=bucket, **({} if region == "us-east-1" else constraint)
            )
        return True
