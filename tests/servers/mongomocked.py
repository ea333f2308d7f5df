"""mongomock as a client that `MongoDatabase` takes: with what it lacks, and one thing at a time."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import mongomock
import pymongo


def mocked_client() -> "pymongo.MongoClient[dict[str, Any]]":
    """A client of a database of its own, in this process, with nothing in it."""
    return cast("pymongo.MongoClient[dict[str, Any]]", _Client())


class _Client:
    """A mongomock client and its database in one."""

    def __init__(self) -> None:
        self._client: Any = mongomock.MongoClient("mongodb://mocked/things")
        self._lock = threading.Lock()
        self.admin, self.close = self._client.admin, self._client.close

    def get_default_database(self) -> Any:
        return self

    def with_options(self, **options: object) -> Any:
        """mongomock knows no concerns: it is asked for with them and given without."""
        assert set(options) == {"write_concern", "read_concern", "read_preference"}
        return self

    def __getitem__(self, name: str) -> Any:
        return _Collection(self._client.get_default_database()[name], self._lock)


class _Collection:
    """A collection whose operations are atomic, as a server's are.

    mongomock looks for a document, then changes it in place: two threads that compare and swap
    can both find the old version, and a third can see a document half changed.
    """

    def __init__(self, collection: Any, lock: threading.Lock) -> None:
        self._collection, self._lock = collection, lock

    def find(self, *arguments: Any) -> "_Cursor":
        return _Cursor(self._collection.find(*arguments), self._lock)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._collection, name)

        def whole(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                return operation(*arguments, **options)

        return whole


class _Cursor:
    """A query that is answered whole when it is first asked for a row."""

    def __init__(self, cursor: Any, lock: threading.Lock) -> None:
        self._cursor, self._lock = cursor, lock

    def __getattr__(self, name: str) -> Callable[..., "_Cursor"]:
        """`sort`, `skip` and `limit`, which say more about the query."""
        refine = getattr(self._cursor, name)

        def refined(*arguments: Any) -> "_Cursor":
            refine(*arguments)
            return self

        return refined

    def __iter__(self) -> Iterator[Any]:
        with self._lock:
            return iter(list(self._cursor))
