"""Objects in S3 (AWS, MinIO, ...).

What fits into one part is one PUT; anything longer is a multipart upload.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import faults
from storage.files import disk_errors
from storage.interfaces import (
    Body,
    Changed,
    Listed,
    NotFound,
    ObjectStat,
    Reader,
    Unavailable,
    Upload,
    Written,
)
from storage.parts import Budget, Part, Parts
from storage.s3_client import Clients, head, read_back, translated
from storage.s3_multipart import MultipartUpload, Senders

PIECE = 2**20
SENDERS = 4


class S3Store:
    """`storage.interfaces.ObjectStore` in one bucket; `spill` is a folder for parts."""

    def __init__(self, clients: Clients, bucket: str, spill: Path, budget: int) -> None:
        self.bucket = bucket
        self._clients = clients
        self._spill = spill
        self._budget = Budget(budget)
        self._senders = Senders(SENDERS)

    def prepare(self) -> None:
        """Make the folder for parts. Raises `Unavailable`."""
        with disk_errors():
            self._spill.mkdir(parents=True, exist_ok=True)

    def write(self, key: str, reader: Reader, content_type: str) -> Written:
        with Parts(reader, self._budget, self._spill) as parts:
            parts.more()  # content may be empty
            first = parts.filled()
            if not parts.more():
                return self._put(key, first, content_type)
            upload = MultipartUpload(self._clients, self._senders, self.bucket, key)
            upload.begin(content_type)
            with upload:
                upload.send(first)
                upload.send(parts.filled())
                while parts.more():
                    upload.send(parts.filled())
                return upload.complete()

    def _put(self, key: str, part: Part, content_type: str) -> Written:
        faults.reached("object.written")
        try:
            with translated(key):
                answer = self._clients.usual.put_object(
                    Bucket=self.bucket, Key=key, Body=part.body(), ContentType=content_type
                )
            etag = answer["ETag"].strip('"')
        except Unavailable:
            etag = read_back(self._clients, self.bucket, key, part.size)
        faults.reached("object.committed")
        return Written(part.size, etag)

    def open(self, key: str, start: int, stop: int, if_etag: str) -> Body:
        return S3Body(self._clients.usual, self.bucket, key, start, stop, if_etag)

    def stat(self, key: str) -> ObjectStat:
        try:
            return head(self._clients.usual, self.bucket, key)
        except NotFound:
            self.check()  # HEAD does not tell a missing bucket from a missing object
            raise

    def delete(self, key: str) -> None:
        with translated(key):
            self._clients.brief.delete_object(Bucket=self.bucket, Key=key)

    def list(self, prefix: str, after: str) -> Iterator[Listed]:
        pages = self._clients.usual.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, StartAfter=after
        )
        with translated():
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield Listed(entry["Key"], entry["Size"], entry["ETag"].strip('"'))

    def abandoned(self, older_than: datetime) -> Iterator[Upload]:
        # Without a prefix: MinIO lists uploads by an exact key or not at all.
        pages = self._clients.usual.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket
        )
        with translated():
            for page in pages:
                for entry in page.get("Uploads", ()):
                    if entry["Initiated"] < older_than:
                        yield Upload(entry["Key"], entry["UploadId"])

    def abandon(self, upload: Upload) -> None:
        try:
            with translated(upload.key):
                self._clients.brief.abort_multipart_upload(
                    Bucket=self.bucket, Key=upload.key, UploadId=upload.handle
                )
        except NotFound:
            return

    def presign(self, key: str, disposition: str, content_type: str, seconds: int) -> str:
        with translated(key):
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
            with translated():
                self._clients.brief.head_bucket(Bucket=self.bucket)
        except NotFound:
            raise Unavailable(f"S3: there is no bucket {self.bucket}") from None


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
        with translated(self._target["Key"]):
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
                self._resume()
                continue
            self._position += len(piece)
            yield piece

    def _resume(self) -> None:
        self.close()
        try:
            self._stream = self._request()
        except (NotFound, Changed) as error:
            raise Unavailable("S3: the object went away while it was read") from error

    def _read(self) -> bytes:
        with translated():
            piece: bytes = self._stream.read(min(PIECE, self._stop - self._position))
        if not piece:
            raise Unavailable("S3: the object ended early")
        return piece

    def close(self) -> None:
        self._stream.close()
