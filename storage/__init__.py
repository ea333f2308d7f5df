"""The back ends, by the settings that select them. Only `app.py` calls this."""

from config import InvalidSettings, Settings
from storage.interfaces import Database, ObjectStore
from storage.local import LocalStore
from storage.sqlite import SqliteDatabase


def open_objects(settings: Settings) -> ObjectStore:
    """The object store that the settings name; drivers of the other are not even imported."""
    if not settings.s3_bucket:
        return LocalStore(settings.data_dir, settings.s3_prefix)
    from storage.s3 import S3Store
    from storage.s3_client import clients

    return S3Store(
        clients(settings), settings.s3_bucket, settings.data_dir / "tmp", settings.buffer_budget
    )


def open_documents(settings: Settings) -> Database:
    """The document store that the settings name."""
    if not settings.mongo_uri:
        return SqliteDatabase(settings.data_dir / "catalog.sqlite")
    from storage.mongo import MongoDatabase, connect

    try:
        return MongoDatabase(connect(settings.mongo_uri))
    except ValueError:  # without its text, which can show a password
        raise InvalidSettings("MONGO_URI: it cannot be used") from None
