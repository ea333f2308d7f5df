"""boto3 clients for S3, and what every use of them shares: our errors, and reading back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from config import Settings
from storage.interfaces import Changed, NoSpace, NotFound, ObjectStat, Unavailable

# awscrt, where it happens to be installed, would take over signing and checksums.
os.environ["BOTO_DISABLE_CRT"] = "true"

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_expect_header

POOL_SIZE = 160
_ABSENT = (
    *("404", "NoSuchKey", "NoSuchUpload"),
    # MinIO's answers for keys that it cannot hold.
    *("XMinioInvalidObjectName", "XMinioInvalidResourceName"),
)
_OTHER = ("412", "PreconditionFailed")
_NO_SPACE = ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "507")


class NoAnswer(Unavailable):
    """The store did not answer at all, as against one that answered with an error."""


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
        made = session.client("s3", endpoint_url=endpoint or None, config=config)
        # A store that hangs would cost a second more with each attempt; parts can be sent again.
        made.meta.events.unregister("before-call.s3", add_expect_header)
        return made

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
def translated(key: str = "") -> Iterator[None]:
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
    except BotoCoreError as error:
        raise NoAnswer(f"S3: {error}") from error


def head(client: Any, bucket: str, key: str) -> ObjectStat:
    """What the store says about an object. Raises `NotFound`."""
    with translated(key):
        try:
            answer = client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 400:
                raise
            # HEAD cannot say what was wrong with it, GET can.
            client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
            raise
    return ObjectStat(
        answer["ContentLength"], answer["ETag"].strip('"'), answer.get("ContentType", "")
    )


def read_back(clients: Clients, bucket: str, key: str, size: int) -> str:
    """After a write without an answer: the ETag if it was applied, else `Unavailable`."""
    try:
        found = head(clients.brief, bucket, key)
    except NotFound:
        raise Unavailable(f"S3: {key} was not stored") from None
    if found.size != size:
        raise Unavailable(f"S3: {key} was stored with another length")
    return found.etag
