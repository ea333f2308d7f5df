"""Make what the service needs of its stores: bucket, folders, indexes. Safe to run twice."""

import sys

from app import prepare
from config import InvalidSettings, load_settings
from storage.interfaces import StorageError


def main() -> None:
    """Say for each thing whether it was made or was there."""
    try:
        settings = load_settings()
        done = {}
        if settings.s3_bucket:
            from storage.s3 import make_bucket
            from storage.s3_client import clients

            made = make_bucket(clients(settings), settings.s3_bucket, settings.s3_region)
            done[f"bucket {settings.s3_bucket}"] = "made" if made else "was there"
        done |= prepare(settings)
    except InvalidSettings as error:
        sys.exit(f"create_bucket: {error}")
    except StorageError as error:
        sys.exit(f"create_bucket: a store cannot be used: {error}")
    for name, state in done.items():
        print(f"{name}: {state}")


if __name__ == "__main__":
    main()
