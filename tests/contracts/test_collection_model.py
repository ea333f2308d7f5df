"""Any sequence of steps does to each back end what it does to a plain dict."""

import uuid
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.interfaces import Collection, Conflict, Document, Order, Where
from tests.contracts.databases import THINGS
from tests.contracts.model import DictCollection

# Text that every server sorts alike: the Java one compares UTF-16 units.
texts = st.text(st.characters(max_codepoint=0xD7FF, exclude_characters="\0"), max_size=3)
small = st.sampled_from([-1, 0, 1, 2**31, 2**63 - 1])
numbers = st.integers(0, 5)
labels = st.integers(0, 9).map(str)

contents = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["", "a", "ab", "b"]) | texts,
        "weight": small | st.integers(-(2**63), 2**63 - 1),
        "kind": st.sampled_from(["plain", "rare"]),
        "metadata": st.dictionaries(st.sampled_from(["k", "a-b"]), texts, max_size=2),
    }
)
conditions = st.one_of(
    st.builds(Where, st.just("weight"), st.sampled_from(["eq", "gt", "gte", "lt", "lte"]), small),
    st.builds(Where, st.just("title"), st.sampled_from(["gte", "lt", "contains"]), texts),
    st.builds(Where, st.just("kind"), st.just("eq"), st.just("rare")),
    st.builds(Where, st.sampled_from(["metadata.k", "metadata.a-b"]), st.just("eq"), texts),
)
pages = st.tuples(
    st.just("page"),
    st.lists(conditions, max_size=2),
    st.sampled_from(["title", "weight"]),
    st.booleans(),
    st.integers(1, 3),
    st.integers(0, 3),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), numbers, numbers, labels, contents),
        st.tuples(st.just("replace"), numbers, st.booleans(), numbers, labels, contents),
        st.tuples(st.just("delete"), numbers, st.booleans()),
        st.tuples(st.just("get"), numbers),
        pages,
    ),
    min_size=5,
    max_size=25,
)


class Pair:
    """The back end and its model, side by side; each run has an owner of its own."""

    def __init__(self, real: Collection) -> None:
        self.real, self.model = real, DictCollection(THINGS)
        self.owner = uuid.uuid4().hex
        self.read: dict[str, Document] = {}

    def key(self, number: int) -> str:
        return f"{self.owner}-{number}"

    def both(self, method: str, *arguments: Any, **named: Any) -> Any:
        """What both do, which is the same; None after a conflict."""
        outcomes: list[Any] = []
        for collection in (self.real, self.model):
            try:
                outcomes.append(getattr(collection, method)(*arguments, **named))
            except Conflict:
                outcomes.append(Conflict)
        assert outcomes[0] == outcomes[1]
        return None if outcomes[0] is Conflict else outcomes[0]

    def place(self, number: int, slot: str, label: str) -> Document:
        names = {"thing_id": self.key(number), "slot": slot, "label": label}
        return {**names, "owner": self.owner, "shelf": self.owner}

    def insert(self, number: int, slot: int, label: str, content: Document) -> None:
        key, place = self.key(number), self.place(number, str(slot), label)
        inserted = self.both("insert", {**place, "due_at": None, **content})
        if inserted is not None:
            self.read[key] = inserted

    def as_read(self, number: int, newest: bool) -> Document:
        """The document as it was read first, or as it is, or one that was never there."""
        key = self.key(number)
        never = self.place(number, "x", "x")
        document = self.model.get(thing_id=key) if newest else self.read.get(key)
        return document or {**never, "title": "", "weight": 0, "metadata": {}, "version": 1}

    def replace(self, number: int, newest: bool, slot: int, label: str, content: Document) -> None:
        place = {"slot": str(slot), "label": label}
        self.both("replace", {**self.as_read(number, newest), **content, **place})

    def delete(self, number: int, newest: bool) -> None:
        self.both("delete", self.as_read(number, newest))

    def get(self, number: int) -> None:
        self.both("get", thing_id=self.key(number))
        self.both("get", shelf=self.owner, slot=str(number))
        self.both("get", owner=self.owner, label=str(number), shelf=self.owner)

    def page(self, where: list[Where], field: str, descending: bool, limit: int, more: int) -> None:
        order, after = Order((field, "thing_id"), descending), None
        while True:
            page = self.both(
                "page", {"owner": self.owner}, where, order, after, limit, limit + more
            )
            if (after := page.last) is None:
                return


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps)
def test_any_sequence_of_steps(things: Collection, steps: list[tuple[Any, ...]]) -> None:
    pair = Pair(things)
    for step, *arguments in steps:
        getattr(pair, step)(*arguments)
    pair.page([], "weight", False, 3, 0)
