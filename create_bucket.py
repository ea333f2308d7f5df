"""Make what the service needs of its stores: bucket, notification, folders, indexes.

Safe to run twice.
"""

import sys
from collections.abc import Iterator

from app import prepare
from config import InvalidSettings, Settings, load_settings
from storage.interfaces import StorageError

ADVICE = """\
The bucket notifies nobody: EVENTS_ARN is empty, so objects that are written straight into it
appear only after `flask reconcile`. To have them appear at once:
- MinIO: give the server a webhook target (docker-compose.yml shows MINIO_NOTIFY_WEBHOOK_*),
  and set EVENTS_ARN to its ARN, such as arn:minio:sqs::FILEDROP:webhook.
- AWS: let a Lambda function post the event it gets, as it is, to URL/events/s3 with the header
  `Authorization: Bearer EVENTS_TOKEN`, allow S3 to invoke it, and set EVENTS_ARN to its ARN."""


def main() -> None:
    """Say for each thing whether it was made or was there."""
    try:
        for name, state in _prepared(load_settings()):
            print(f"{name}: {state}")
    except InvalidSettings as error:
        sys.exit(f"create_bucket: {error}")
    except StorageError as error:
        sys.exit(f"create_bucket: a store cannot be used: {error}")


def _prepared(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.s3_bucket:
        yield from _bucket_prepared(settings)
    yield from prepare(settings).items()


def _bucket_prepared(settings: Settings) -> Iterator[tuple[str, str]]:
    from storage.s3_client import clients
    from storage.s3_setup import make_bucket, set_notification

    of_store, bucket = clients(settings), settings.s3_bucket
    yield f"bucket {bucket}", _state(make_bucket(of_store, bucket, settings.s3_region))
    if settings.events_arn:
        changed = set_notification(of_store, bucket, settings.events_arn)
        yield f"notification {settings.events_arn}", _state(changed)
    else:
        print(ADVICE, file=sys.stderr)


def _state(made: bool) -> str:
    return "made" if made else "was there"


if __name__ == "__main__":
    main()
