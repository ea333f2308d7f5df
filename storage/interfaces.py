"""What the service asks of the outside world: a store of bytes and a store of documents.

Two interfaces, a page each. What only some back ends can do is a Protocol of its own, and
what a back end can do decides what the service offers. Only the errors below leave
`storage/`: a driver's own exceptions are translated there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

Document = dict[str, Any]


class StorageError(Exception):
    """The root of everything that a back end raises."""


class NotFound(StorageError):
    """There is no object with this key."""


class Changed(StorageError):
    """There is an object with this key, but not the one that was asked for."""


class Conflict(StorageError):
    """A unique key is taken, or the document is no longer in the version that was read."""


class Unavailable(StorageError):
    """The store did not answer. Whether a write was applied is not known."""


class NoSpace(StorageError):
    """The store answered that it has no room left. Nothing was written."""


# --- bytes ---------------------------------------------------------------------------------


class Reader(Protocol):
    """Bytes on their way in, and the verdict on them."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer`, which has room, from its beginning; says how many bytes came.

        None come only once the content is whole and good, else it raises. Whoever stores the
        bytes owns the memory, so that on their way they are copied as seldom as can be.
        """


class Written(NamedTuple):
    """What the store says about an object it has just taken: bytes, and ETag without quotes."""

    size: int
    etag: str


class ObjectStat(NamedTuple):
    """What the store says about an object: bytes, ETag without quotes, and its media type,
    `application/octet-stream` where the store keeps none."""

    size: int
    etag: str
    content_type: str


class Listed(NamedTuple):
    """An object in a listing: its key, bytes, and ETag without quotes."""

    key: str
    size: int
    etag: str


class Upload(NamedTuple):
    """A write that was begun and not finished: its key, `""` where the store does not tell,
    and the store's own handle for it."""

    key: str
    handle: str


class Body(Protocol):
    """An object's bytes on their way out. Close it."""

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of at most 1 MiB. Raises `Unavailable` if the store breaks off half-way."""

    def close(self) -> None:
        """Give back the connection or file."""


@runtime_checkable
class FileBody(Body, Protocol):
    """A body that is a file positioned at its first byte, so that the kernel can send it."""

    def fileno(self) -> int: ...

    def read(self, size: int, /) -> bytes: ...


class ObjectStore(Protocol):
    """Objects by key in one bucket. Every method may raise `Unavailable`."""

    bucket: str

    def prepare(self) -> None:
        """Make what must be there before the first write, the bucket excepted."""

    def write(self, key: str, reader: Reader, content_type: str) -> Written:
        """Store all that `reader` gives under `key`, which was never written before.

        Nothing is visible before the reader has ended cleanly. If the reader raises, nothing
        stays behind and its error goes on to the caller. Raises `NoSpace`; `Unavailable` if it
        is not known whether the object is there, and then it may be.
        """

    def open(self, key: str, start: int, stop: int, if_etag: str) -> Body:
        """Bytes `start` up to, but not with, `stop` of the object that has this ETag.

        `start < stop`. Raises `NotFound`, and `Changed` if the object has another ETag.
        """

    def stat(self, key: str) -> ObjectStat:
        """Raises `NotFound`."""

    def delete(self, key: str) -> None:
        """Delete, absent is fine. Gives up with `Unavailable` after about 2 s."""

    def list(self, prefix: str, after: str) -> Iterator[Listed]:
        """Objects whose keys begin with `prefix` and come after `after`, in the order of the
        keys' UTF-8 bytes."""

    def abandoned(self, older_than: datetime) -> Iterator[Upload]:
        """Writes that were begun, or at a store that knows it last moved, before `older_than`
        and neither finished nor given up."""

    def abandon(self, upload: Upload) -> None:
        """Throw away a write that was begun, absent is fine."""

    def check(self) -> None:
        """Raises `Unavailable` unless the store answers and has its bucket."""


@runtime_checkable
class Presigns(Protocol):
    """An object store whose objects a client can fetch by itself."""

    def presign(self, key: str, disposition: str, content_type: str, seconds: int) -> str:
        """A URL that gives the object for `seconds`, with these headers signed into it."""


# --- documents -----------------------------------------------------------------------------


class Where(NamedTuple):
    """One condition. `field` may reach into an object with a dot: `metadata.colour`."""

    field: str
    op: Literal["eq", "gt", "gte", "lt", "lte", "contains"]
    value: str | int


class Order(NamedTuple):
    """The fields to sort by, the last of them unique; an index must serve them."""

    fields: tuple[str, ...]
    descending: bool


class Page(NamedTuple):
    """What a page found, and the sort values of the last row examined, None at the end."""

    documents: list[Document]
    last: tuple[Any, ...] | None


@dataclass(frozen=True)
class CollectionSpec:
    """A collection as it is declared: the same in every back end.

    `key` is the field that identifies a document, `unique` the other unique keys, `indexes`
    what queries need: fields compared for equality first, then the order. `fields` are all
    that a query may name; one that ends in `.*` is an object of strings.
    """

    name: str
    key: str
    unique: tuple[tuple[str, ...], ...]
    indexes: tuple[tuple[str, ...], ...]
    fields: tuple[str, ...]


class Collection(Protocol):
    """Documents of one kind; each method is one atomic step and may raise `Unavailable`.

    Storage keeps a `version` in each document, 1 at first and +1 with every write; whoever
    replaces or deletes hands in the document as it was read, and loses with `Conflict` if
    somebody else was faster. Values are strings without NUL, integers of 64 bits, booleans,
    None, and lists and objects of these.
    """

    def insert(self, document: Document) -> Document:
        """Store a new document and return it with its `version`. Raises `Conflict`, `NoSpace`."""

    def get(self, **equals: str) -> Document | None:
        """The document with these values; together they must hold a unique key."""

    def replace(self, document: Document) -> Document:
        """Swap the version that `document` was made from for it. Raises `Conflict`, `NoSpace`."""

    def delete(self, document: Document) -> None:
        """Remove the document if it is still in this version. Raises `Conflict`."""

    def page(
        self,
        equals: Mapping[str, str],
        where: Sequence[Where],
        order: Order,
        after: tuple[Any, ...] | None,
        limit: int,
        scan: int,
    ) -> Page:
        """Up to `limit` documents after the sort values `after`, examining at most `scan` rows.

        An index holds `equals` and then the order, so that the rows examined are consecutive
        in it. Conditions on the first field of the order bound them too; the other conditions
        in `where` are looked at row by row. So a page can be short and yet not the last one:
        `Page.last` says where to go on.
        """


class Database(Protocol):
    """The collections of one store of documents."""

    def collection(self, spec: CollectionSpec) -> Collection:
        """The collection that `spec` declares."""

    def prepare(self, specs: Sequence[CollectionSpec]) -> Mapping[str, str]:
        """Make what is missing of schema and unique indexes; says for each what was done.

        Raises `Unavailable` if they cannot be had: the service does not start without them.
        """

    def check(self) -> None:
        """Raises `Unavailable` unless the store answers a read."""

    def close(self) -> None:
        """Give back connections."""
