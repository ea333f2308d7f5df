"""The collections of the service, declared once for all back ends."""

from collections.abc import Iterator

from storage.interfaces import CollectionSpec


def _listings(*sorts: str) -> Iterator[tuple[str, ...]]:
    """For each sort the index of an owner's listing, and that of an admin's."""
    for sort in sorts:
        yield ("owner", "state", sort, "file_id")
        yield ("state", sort, "file_id")


FILES = CollectionSpec(
    name="files",
    key="file_id",
    # The first is the object that a document is about; for the image door the second is how
    # it finds an item, of one owner or of all, in one bucket or in any.
    unique=(("place",), ("item_name", "owner", "bucket")),
    indexes=(
        ("bucket", "object_key", "file_id"),
        *_listings("created_at", "updated_at", "file_name", "size_rank"),
        ("owner", "state", "kind", "created_at", "file_id"),
        ("state", "kind", "created_at", "file_id"),
        ("sweep_at", "file_id"),
    ),
    fields=(
        "file_id",
        "owner",
        "state",
        "place",
        "bucket",
        "object_key",
        "created_at",
        "updated_at",
        "file_name",
        "name_folded",
        "size_rank",
        "file_type",
        "kind",
        "item_name",
        "source",
        "sweep_at",
        "metadata.*",
    ),
)

TASKS = CollectionSpec(
    name="tasks",
    key="task_id",
    unique=(),
    indexes=(("user_id", "created_at", "task_id"),),
    fields=("task_id", "user_id", "created_at"),
)

KEYS = CollectionSpec(
    name="keys",
    # Not the name: a key that is made anew under an old name is another one.
    key="key_id",
    unique=(("hash",), ("name",)),
    indexes=(),
    fields=("key_id", "name", "hash"),
)

JOBS = CollectionSpec(name="jobs", key="name", unique=(), indexes=(), fields=("name",))

ALL = (FILES, TASKS, KEYS, JOBS)
