"""The collections of the service, declared once for all back ends."""

from storage.interfaces import CollectionSpec

FILES = CollectionSpec(
    name="files",
    key="file_id",
    unique=(("bucket", "object_key"),),
    indexes=(
        ("owner", "state", "created_at", "file_id"),
        ("owner", "state", "updated_at", "file_id"),
        ("owner", "state", "file_name", "file_id"),
        ("owner", "state", "file_size", "file_id"),
        ("sweep_at", "file_id"),
    ),
    fields=(
        "file_id",
        "owner",
        "state",
        "bucket",
        "object_key",
        "created_at",
        "updated_at",
        "file_name",
        "name_folded",
        "file_size",
        "file_type",
        "source",
        "sweep_at",
        "metadata.*",
    ),
)

JOBS = CollectionSpec(name="jobs", key="name", unique=(), indexes=(), fields=("name",))

ALL = (FILES, JOBS)
