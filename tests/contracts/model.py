"""`storage.interfaces.Collection` as a plain dict: what every back end must be equal to."""

from collections.abc import Mapping, Sequence
from operator import eq, ge, gt, le, lt
from typing import Any

from storage.interfaces import CollectionSpec, Conflict, Document, Order, Page, Where

_OPERATORS = {"eq": eq, "gt": gt, "gte": ge, "lt": lt, "lte": le}


class DictCollection:
    """Documents in memory, by their key."""

    def __init__(self, spec: CollectionSpec) -> None:
        self._spec = spec
        self.documents: dict[str, Document] = {}

    def _taken(self, document: Document) -> bool:
        others = [d for key, d in self.documents.items() if key != document[self._spec.key]]
        return any(
            all(document[field] == other[field] for field in fields)
            for fields in self._spec.unique
            for other in others
        )

    def insert(self, document: Document) -> Document:
        key = document[self._spec.key]
        if key in self.documents or self._taken(document):
            raise Conflict
        self.documents[key] = {**document, "version": 1}
        return self.documents[key]

    def get(self, **equals: str) -> Document | None:
        found = (d for d in self.documents.values() if all(d[f] == v for f, v in equals.items()))
        return next(found, None)

    def _current(self, document: Document) -> None:
        stored = self.documents.get(document[self._spec.key])
        if stored is None or stored["version"] != document["version"]:
            raise Conflict

    def replace(self, document: Document) -> Document:
        self._current(document)
        if self._taken(document):
            raise Conflict
        stored = {**document, "version": document["version"] + 1}
        self.documents[document[self._spec.key]] = stored
        return stored

    def delete(self, document: Document) -> None:
        self._current(document)
        del self.documents[document[self._spec.key]]

    def page(
        self,
        equals: Mapping[str, str],
        where: Sequence[Where],
        order: Order,
        after: tuple[Any, ...] | None,
        limit: int,
        scan: int,
    ) -> Page:
        def values(document: Document) -> tuple[Any, ...]:
            return tuple(document[field] for field in order.fields)

        bounds = [w for w in where if w.field == order.fields[0] and w.op != "contains"]
        run = [
            d
            for d in self.documents.values()
            if all(d[f] == v for f, v in equals.items())
            and all(matches(d, w) for w in bounds)
            and (after is None or (values(d) < after if order.descending else values(d) > after))
        ]
        run.sort(key=values, reverse=order.descending)
        found: list[Document] = []
        for examined, document in enumerate(run, start=1):
            if all(matches(document, w) for w in where):
                found.append(document)
            if len(found) == limit or examined == scan:
                return Page(found, values(document))
        return Page(found, None)


def matches(document: Document, where: Where) -> bool:
    parent, _, key = where.field.partition(".")
    value = document.get(parent)
    if key:
        value = value.get(key) if isinstance(value, dict) else None
    if value is None:
        return False
    if where.op == "contains":
        return str(where.value) in value
    return bool(_OPERATORS[where.op](value, where.value))
