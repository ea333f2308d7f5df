"""What `storage.interfaces.Collection` promises, on every store of documents."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from storage.interfaces import Collection, Conflict, Document, Order, Page, Where
from tests.contracts.databases import DatabaseUnderTest, thing

BY_TITLE, BY_WEIGHT = ("title", "thing_id"), ("weight", "thing_id")
MANY = 200  # pages that no test here comes near to
LARGEST, SMALLEST = 2**63 - 1, -(2**63)


# --- insert, get, replace, delete ----------------------------------------------------------


def test_a_document_comes_back_as_it_was_put_in(things: Collection, owner: str) -> None:
    document = thing(
        owner,
        title="Grüße, 世界 😀 \u202f\ufeff\\ \" ' % $ \x01",
        weight=LARGEST,
        due_at=None,
        metadata={"a-b_1": "x", "empty": "", "ä": "$eq"},
        nested=[{"deep": [1, "2", None, True, False, SMALLEST, 2**53 + 1]}, [], {}],
        zero=0,
    )
    before = repr(document)
    inserted = things.insert(document)
    assert inserted == {**document, "version": 1}
    found = things.get(thing_id=document["thing_id"])
    assert found == inserted
    assert found is not None and found["nested"][0]["deep"][3] is True
    assert repr(document) == before


@pytest.mark.parametrize("asked", ["a\0", "a\0b", "\0", "\0a"])
def test_a_nul_ends_nothing(things: Collection, owner: str, asked: str) -> None:
    """No document has one, so what asks for one finds nothing, and nothing shorter."""
    for text in ("a", ""):
        things.insert(thing(owner, title=text, kind=text, metadata={"k": text}))
    for field in ("title", "kind", "metadata.k"):
        assert walk(things, owner, [Where(field, "eq", asked)]) == []
    assert things.get(shelf=owner, slot=asked) is None


def test_get_by_a_unique_key(things: Collection, owner: str) -> None:
    document = things.insert(thing(owner))
    other = things.insert(thing(owner))
    by_place = things.get(shelf=owner, slot=document["slot"])
    assert by_place == document != other
    assert things.get(shelf=owner, owner=owner, label=other["label"]) == other


def test_get_what_does_not_match_whole(things: Collection, owner: str) -> None:
    document = things.insert(thing(owner))
    assert things.get(thing_id=document["thing_id"], owner=owner) == document
    assert things.get(thing_id=document["thing_id"], owner="somebody") is None
    assert things.get(thing_id="absent") is None
    assert things.get(shelf=owner, slot="absent") is None
    label = document["label"]
    assert things.get(owner="somebody", label=label, shelf=owner) is None
    assert things.get(owner=owner, label=label, shelf="absent") is None


def test_a_taken_key_is_a_conflict(things: Collection, owner: str) -> None:
    first = things.insert(thing(owner, title="first"))
    for second in (
        thing(owner, thing_id=first["thing_id"]),
        thing(owner, slot=first["slot"]),
        thing(owner, label=first["label"]),
    ):
        with pytest.raises(Conflict):
            things.insert(second)
    assert things.get(thing_id=first["thing_id"]) == first
    assert walk(things, owner) == [first]


def test_part_of_a_unique_key_is_no_conflict(things: Collection, owner: str) -> None:
    first = things.insert(thing(owner))
    things.insert(thing(owner, slot=first["slot"], shelf=f"{owner}-2"))
    things.insert(thing(owner, label=first["label"], shelf=f"{owner}-2"))
    things.insert(thing(f"{owner}-2", label=first["label"], shelf=first["shelf"]))
    assert len(walk(things, owner)) == 3


def test_replace(things: Collection, owner: str) -> None:
    first = things.insert(thing(owner, extra="goes", metadata={"a": "1"}))
    changed = {**first, "title": "new", "metadata": {"b": "2"}}
    del changed["extra"]
    second = things.replace(changed)
    assert second == {**changed, "version": 2}
    assert things.get(thing_id=first["thing_id"]) == second
    assert things.replace(second) == {**second, "version": 3}


def test_replace_may_move_to_a_free_place(things: Collection, owner: str) -> None:
    document = things.insert(thing(owner))
    moved = things.replace({**document, "slot": "elsewhere"})
    assert things.get(shelf=owner, slot="elsewhere") == moved
    assert things.get(shelf=owner, slot=document["slot"]) is None
    things.insert(thing(owner, slot=document["slot"]))


def test_the_slower_change_loses(things: Collection, owner: str) -> None:
    read = things.insert(thing(owner))
    faster = things.replace({**read, "title": "faster"})
    with pytest.raises(Conflict):
        things.replace({**read, "title": "slower"})
    with pytest.raises(Conflict):
        things.delete(read)
    for version in (0, 3):
        with pytest.raises(Conflict):
            things.replace({**read, "version": version})
        with pytest.raises(Conflict):
            things.delete({**read, "version": version})
    assert things.get(thing_id=read["thing_id"]) == faster


@pytest.mark.parametrize("gone", [True, False], ids=["deleted", "never there"])
def test_what_is_not_there_cannot_be_changed(things: Collection, owner: str, gone: bool) -> None:
    document = {**thing(owner), "version": 1}
    if gone:
        things.delete(things.insert(document))
    for change in (things.replace, things.delete):
        with pytest.raises(Conflict):
            change(document)
    assert things.get(thing_id=document["thing_id"]) is None


@pytest.mark.parametrize("field", ["slot", "label"])
def test_replace_to_a_taken_place(things: Collection, owner: str, field: str) -> None:
    first, second = things.insert(thing(owner)), things.insert(thing(owner))
    with pytest.raises(Conflict):
        things.replace({**second, field: first[field]})
    assert walk(things, owner) == [first, second]


def test_a_deleted_key_is_free_again(things: Collection, owner: str) -> None:
    document = thing(owner)
    things.delete(things.replace(things.insert(document)))
    assert things.get(thing_id=document["thing_id"]) is None
    assert things.insert(document) == {**document, "version": 1}


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    begin = threading.Barrier(count)

    def wait_and_work(number: int) -> Any:
        begin.wait(10)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_and_work, range(count)))


def test_eight_threads_compare_and_swap(things: Collection, owner: str) -> None:
    counter = things.insert(thing(owner))["thing_id"]

    def count(_: int) -> None:
        for _ in range(15):
            while True:
                document = things.get(thing_id=counter)
                assert document is not None
                try:
                    things.replace({**document, "weight": document["weight"] + 1})
                    break
                except Conflict:
                    continue

    at_once(8, count)
    document = things.get(thing_id=counter)
    assert document is not None
    assert (document["weight"], document["version"]) == (120, 121)


def test_of_eight_threads_one_has_the_place(things: Collection, owner: str) -> None:
    def insert(number: int) -> bool:
        try:
            things.insert(thing(owner, thing_id=f"{owner}-{number}", slot="the one"))
        except Conflict:
            return False
        return True

    assert sorted(at_once(8, insert)) == [False] * 7 + [True]
    assert len(walk(things, owner)) == 1


def test_of_eight_threads_one_has_the_name(things: Collection, owner: str) -> None:
    """Each would give it to a document of its own that is there already."""
    made = [things.insert(thing(owner)) for _ in range(8)]

    def rename(number: int) -> bool:
        try:
            things.replace({**made[number], "label": "the one"})
        except Conflict:
            return False
        return True

    assert sorted(at_once(8, rename)) == [False] * 7 + [True]
    assert [d["label"] for d in walk(things, owner)].count("the one") == 1


# --- pages ---------------------------------------------------------------------------------


def pages(
    things: Collection,
    owner: str,
    where: list[Where],
    order: Order,
    limit: int,
    scan: int,
    between: Callable[[], None] = lambda: None,
) -> list[Page]:
    """All pages from the first to the last."""
    after, found = None, []
    for _ in range(MANY):
        page = things.page({"owner": owner}, where, order, after, limit, scan)
        assert len(page.documents) <= limit
        found.append(page)
        if page.last is None:
            return found
        after = page.last
        between()
    raise AssertionError("the pages do not end")


def walk(
    things: Collection,
    owner: str,
    where: list[Where] | None = None,
    fields: tuple[str, ...] = BY_WEIGHT,
    descending: bool = False,
    limit: int = 100,
    scan: int = 1000,
) -> list[Document]:
    every = pages(things, owner, where or [], Order(fields, descending), limit, scan)
    return [document for page in every for document in page.documents]


def titles(found: list[Document]) -> list[str]:
    return [document["title"] for document in found]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 12, 13])
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("fields", [BY_TITLE, BY_WEIGHT], ids=["title", "weight"])
def test_pages_in_order_with_equal_sort_values(
    things: Collection, owner: str, fields: tuple[str, str], descending: bool, limit: int
) -> None:
    made = [
        things.insert(
            thing(owner, title="abc"[n % 3], weight=n % 4, thing_id=f"{owner}-{n * 5 % 12}")
        )
        for n in range(12)
    ]
    things.insert(thing("somebody else"))
    ordered = sorted(made, key=lambda d: tuple(d[f] for f in fields), reverse=descending)
    assert walk(things, owner, [], fields, descending, limit) == ordered


def test_nothing_to_page_through(things: Collection, owner: str) -> None:
    page = things.page({"owner": owner}, [], Order(BY_TITLE, False), None, 5, 10)
    assert page == Page([], None)


def test_the_last_row_says_where_to_go_on(things: Collection, owner: str) -> None:
    made = [things.insert(thing(owner, weight=n)) for n in range(4)]
    order = Order(BY_WEIGHT, False)
    page = things.page({"owner": owner}, [], order, None, 3, 10)
    assert page == Page(made[:3], (2, made[2]["thing_id"]))
    assert things.page({"owner": owner}, [], order, page.last, 3, 10) == Page(made[3:], None)


def test_a_page_goes_on_after_values_that_no_row_has_any_more(
    things: Collection, owner: str
) -> None:
    made = [things.insert(thing(owner, weight=n)) for n in range(4)]
    things.delete(made[1])
    for descending, rest in ((False, made[2:]), (True, made[:1])):
        after = (1, made[1]["thing_id"])
        page = things.page({"owner": owner}, [], Order(BY_WEIGHT, descending), after, 9, 10)
        assert page.documents == rest


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
def test_what_stays_appears_once_however_others_come_and_go(
    things: Collection, owner: str, descending: bool
) -> None:
    stay = [things.insert(thing(owner, title="stays", weight=n % 5)) for n in range(20)]
    go = [things.insert(thing(owner, title="goes", weight=n % 5)) for n in range(10)]
    come = itertools.count()

    def between() -> None:
        things.insert(thing(owner, title="comes", weight=next(come) % 5))
        if go:
            things.delete(go.pop(len(go) // 2))

    order = Order(BY_WEIGHT, descending)
    every = pages(things, owner, [], order, 3, 100, between)
    ids = [d["thing_id"] for page in every for d in page.documents if d["title"] == "stays"]
    assert sorted(ids) == sorted(d["thing_id"] for d in stay)


def test_a_change_of_what_is_not_sorted_by_moves_nothing(things: Collection, owner: str) -> None:
    newest = {d["thing_id"]: d for d in (things.insert(thing(owner, weight=1)) for _ in range(9))}

    def between() -> None:
        for key, document in newest.items():
            newest[key] = things.replace({**document, "kind": document["kind"] + "!"})

    every = pages(things, owner, [], Order(BY_WEIGHT, False), 2, 100, between)
    assert [d["thing_id"] for page in every for d in page.documents] == sorted(newest)


def test_a_unique_key_serves_pages_too(things: Collection, owner: str) -> None:
    """Where part of it is known, and the rest sorts."""
    made = [things.insert(thing(owner, slot=slot)) for slot in ("c", "a", "d", "b")]
    others = [
        things.insert(thing(owner, label=made[0]["label"], shelf=f"{owner}-{n}")) for n in "21"
    ]

    def every(equals: dict[str, str], order: Order) -> list[Document]:
        after, found = None, []
        while True:
            page = things.page(equals, [], order, after, 1, 1)
            found += page.documents
            if (after := page.last) is None:
                return found

    by_slot = every({"shelf": owner}, Order(("slot",), descending=False))
    assert [document["slot"] for document in by_slot] == ["a", "b", "c", "d"]
    labelled = {"owner": owner, "label": made[0]["label"]}
    same = [made[0], *sorted(others, key=lambda d: str(d["shelf"]))]
    assert every(labelled, Order(("shelf",), descending=False)) == same


# --- conditions ----------------------------------------------------------------------------

ODD = "a.c\\d'\"[x]$^(*)+?{}|"
SHELF = {
    "apple": {"weight": 1, "kind": "fruit", "metadata": {"colour": "red", "a-b_9": "x"}},
    "Apple pie": {"weight": 5, "kind": "cake", "metadata": {"colour": "brown"}},
    "100% a_c": {"weight": 5, "kind": "fruit/x", "metadata": {"other": "red"}},
    ODD: {"weight": 9, "kind": "fruit/z", "metadata": {"colour": ""}},
    "äpfel 世界 😀": {"weight": -3, "kind": "fruit0", "metadata": {}},
    "two\nlines": {"weight": 0, "kind": "", "metadata": {"colour": "Red"}},
}

CONDITIONS: list[tuple[list[Where], list[str]]] = [
    ([Where("kind", "eq", "fruit")], ["apple"]),
    ([Where("kind", "eq", "")], ["two\nlines"]),
    ([Where("kind", "eq", "Fruit")], []),
    ([Where("weight", "eq", 5)], ["Apple pie", "100% a_c"]),
    ([Where("weight", "gt", 5)], [ODD]),
    ([Where("weight", "gte", 5)], ["Apple pie", "100% a_c", ODD]),
    ([Where("weight", "lt", 0)], ["äpfel 世界 😀"]),
    ([Where("weight", "lte", 0)], ["äpfel 世界 😀", "two\nlines"]),
    ([Where("weight", "gte", 0), Where("weight", "lt", 5)], ["apple", "two\nlines"]),
    (
        [Where("kind", "gte", "fruit/"), Where("kind", "lt", "fruit0")],
        ["100% a_c", ODD],
    ),
    ([Where("title", "contains", "pp")], ["apple", "Apple pie"]),
    ([Where("title", "contains", "App")], ["Apple pie"]),
    ([Where("title", "contains", "%")], ["100% a_c"]),
    ([Where("title", "contains", "a_c")], ["100% a_c"]),
    ([Where("title", "contains", "a.c")], [ODD]),
    ([Where("title", "contains", "c\\d'\"[x]$^(*)+?{}|")], [ODD]),
    ([Where("title", "contains", "\\")], [ODD]),
    ([Where("title", "contains", "界 😀")], ["äpfel 世界 😀"]),
    ([Where("title", "contains", "😀")], ["äpfel 世界 😀"]),
    ([Where("title", "contains", "o\nl")], ["two\nlines"]),
    ([Where("title", "contains", "^a")], []),
    ([Where("title", "contains", "nothing")], []),
    ([Where("metadata.colour", "eq", "red")], ["apple"]),
    ([Where("metadata.colour", "eq", "")], [ODD]),
    ([Where("metadata.a-b_9", "eq", "x")], ["apple"]),
    ([Where("metadata.absent", "eq", "")], []),
    ([Where("metadata.colour", "eq", "red"), Where("kind", "eq", "fruit")], ["apple"]),
    ([Where("metadata.colour", "eq", "red"), Where("kind", "eq", "cake")], []),
    ([Where("title", "eq", "apple")], ["apple"]),
    ([Where("title", "gt", "b")], ["two\nlines", "äpfel 世界 😀"]),
]


@pytest.fixture(scope="module")
def shelf(things: Collection) -> str:
    for title, fields in SHELF.items():
        things.insert(thing("shelf", title=title, **fields))
    things.insert(thing("somebody else", title="apple", **SHELF["apple"]))
    return "shelf"


@pytest.mark.parametrize("fields", [BY_TITLE, BY_WEIGHT], ids=["title", "weight"])
@pytest.mark.parametrize(("where", "expected"), CONDITIONS)
def test_conditions(
    things: Collection, shelf: str, where: list[Where], expected: list[str], fields: tuple[str, str]
) -> None:
    for descending, limit, scan in ((False, 100, 100), (True, 1, 2)):
        found = walk(things, shelf, where, fields, descending, limit, scan)
        assert sorted(titles(found)) == sorted(expected)


@pytest.mark.parametrize(
    "value", ["$where", "$gt", "' OR 1=1 --", '"', "a.b", "{$ne: null}", "\u2028", "?"]
)
def test_a_value_is_only_ever_a_value(things: Collection, owner: str, value: str) -> None:
    match = things.insert(thing(owner, kind=value, title=f"<{value}>", metadata={"k": value}))
    things.insert(thing(owner))
    for where in (
        Where("kind", "eq", value),
        Where("title", "contains", value),
        Where("metadata.k", "eq", value),
    ):
        assert walk(things, owner, [where]) == [match]
    assert things.get(thing_id=value) is None
    assert things.get(thing_id=match["thing_id"], kind=value) == match


def test_a_filter_that_matches_little_gives_short_pages(things: Collection, owner: str) -> None:
    for n in range(50):
        things.insert(thing(owner, weight=n, kind="rare" if n % 20 == 7 else "plain"))
    where, order = [Where("kind", "eq", "rare")], Order(BY_WEIGHT, False)
    every = pages(things, owner, where, order, 5, 10)
    assert [[d["weight"] for d in page.documents] for page in every] == [
        [7],
        [],
        [27],
        [],
        [47],
        [],
    ]
    assert [page.last and page.last[0] for page in every] == [9, 19, 29, 39, 49, None]


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize(("limit", "scan"), [(1, 1), (1, 2), (2, 3), (3, 3), (5, 7), (50, 51)])
def test_following_short_pages_finds_each_match_once(
    things: Collection, owner: str, descending: bool, limit: int, scan: int
) -> None:
    made = [
        things.insert(thing(owner, weight=n // 4, kind="rare" if n % 7 in (0, 1) else "plain"))
        for n in range(40)
    ]
    rare = [d["thing_id"] for d in made if d["kind"] == "rare"]
    where = [Where("kind", "eq", "rare")]
    found = walk(things, owner, where, BY_WEIGHT, descending, limit, scan)
    assert [d["thing_id"] for d in found] == (rare[::-1] if descending else rare)


def test_a_page_examines_no_more_rows_than_it_may(things: Collection, owner: str) -> None:
    made = [things.insert(thing(owner, weight=n)) for n in range(6)]
    page = things.page({"owner": owner}, [], Order(BY_WEIGHT, False), None, 5, 2)
    assert page == Page(made[:2], (1, made[1]["thing_id"]))


@pytest.mark.parametrize(
    ("bounds", "descending", "weights"),
    [
        ([Where("weight", "gte", 27)], False, [27, 28, 29]),
        ([Where("weight", "gt", 26)], True, [29, 28, 27]),
        ([Where("weight", "lte", 2)], True, [2, 1, 0]),
        ([Where("weight", "lt", 3)], False, [0, 1, 2]),
        ([Where("weight", "eq", 20)], False, [20]),
        ([Where("weight", "gt", 10), Where("weight", "lt", 14)], False, [11, 12, 13]),
    ],
)
def test_conditions_on_the_order_bound_the_rows(
    things: Collection, owner: str, bounds: list[Where], descending: bool, weights: list[int]
) -> None:
    """With room for four rows only, the first page has all: the others were not examined."""
    for n in range(30):
        things.insert(thing(owner, weight=n))
    where = [*bounds, Where("kind", "eq", "plain")]
    page = things.page({"owner": owner}, where, Order(BY_WEIGHT, descending), None, 4, 4)
    assert [document["weight"] for document in page.documents] == weights
    assert page.last is None


def test_to_contain_something_bounds_no_rows(things: Collection, owner: str) -> None:
    """Not even by the first field of the order: each row is looked at, and counts."""
    for n in range(10):
        things.insert(thing(owner, title=f"{n}{'x' if n == 7 else ''}"))
    where, order = [Where("title", "contains", "x")], Order(BY_TITLE, False)
    every = pages(things, owner, where, order, 3, 4)
    assert [titles(page.documents) for page in every] == [[], ["7x"], []]


def test_null_is_never_due(databases: DatabaseUnderTest) -> None:
    """As the sweep asks: over all owners, by a field that most documents have as null."""
    things = databases.fresh()
    for n in range(5):
        things.insert(thing("due", due_at=f"2026-01-0{n + 1}"))
        things.insert(thing("not due", due_at=None))
        absent = thing("not due")
        del absent["due_at"]
        things.insert(absent)
    order = Order(("due_at", "thing_id"), False)
    for op, value, expected in (
        ("lte", "2026-01-03", 3),
        ("lt", "2026-01-03", 2),
        ("lte", "9999", 5),
        ("gt", "", 5),
        ("gte", "2026-01-05", 1),
    ):
        found, after = [], None
        for _ in range(MANY):
            page = things.page({}, [Where("due_at", op, value)], order, after, 2, 2)  # type: ignore[arg-type]
            found += page.documents
            if (after := page.last) is None:
                break
        assert [d["owner"] for d in found] == ["due"] * expected
        assert [d["due_at"] for d in found] == sorted(d["due_at"] for d in found)


# --- values at the ends --------------------------------------------------------------------


def test_integers_of_64_bits(things: Collection, owner: str) -> None:
    weights = [
        SMALLEST,
        -(2**53) - 1,
        -(2**53),
        -1,
        0,
        2**31,
        2**53,
        2**53 + 1,
        LARGEST - 1,
        LARGEST,
    ]
    for weight in weights[::-1]:
        things.insert(thing(owner, weight=weight))
    for limit in (1, 3):
        assert [d["weight"] for d in walk(things, owner, limit=limit)] == weights
        downwards = walk(things, owner, descending=True, limit=limit)
        assert [d["weight"] for d in downwards] == weights[::-1]
    for n, weight in enumerate(weights):
        for op, expected in (("eq", weights[n : n + 1]), ("gt", weights[n + 1 :])):
            found = walk(things, owner, [Where("weight", op, weight)])  # type: ignore[arg-type]
            assert [d["weight"] for d in found] == expected
            elsewhere = walk(things, owner, [Where("weight", op, weight)], BY_TITLE)  # type: ignore[arg-type]
            assert sorted(d["weight"] for d in elsewhere) == expected


ORDERED = ["", " ", "!", "0", "10", "9", "A", "Z", "a", "aa", "ab", "z", "~", "\x7f", "\x80"]
ORDERED += ["Ä", "ä", "é", "ß", "Ω", "п", "あ", "世", "\ud7ff"]
BEYOND = ["\ue000", "ﬁ", "\uffee", "\U00010000", "😀", "\U0010fffd"]


def test_text_sorts_by_code_point(
    databases: DatabaseUnderTest, things: Collection, owner: str
) -> None:
    expected = sorted(ORDERED + (BEYOND if databases.orders_astral else []))
    for title in sorted(expected, key=hash):
        things.insert(thing(owner, title=title))
    for limit in (1, 4):
        assert titles(walk(things, owner, fields=BY_TITLE, limit=limit)) == expected
    assert titles(walk(things, owner, fields=BY_TITLE, descending=True)) == expected[::-1]


@pytest.mark.parametrize("title", [*BEYOND, "e\u0301", "é"])
def test_text_is_compared_as_it_is(things: Collection, owner: str, title: str) -> None:
    match = things.insert(thing(owner, title=f"-{title}-"))
    things.insert(thing(owner, title="-e-"))
    for fields in (BY_TITLE, BY_WEIGHT):
        assert walk(things, owner, [Where("title", "eq", f"-{title}-")], fields) == [match]
        assert walk(things, owner, [Where("title", "contains", title)], fields) == [match]
