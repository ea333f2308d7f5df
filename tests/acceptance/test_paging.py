"""GET /files page by page: every file that stays appears exactly once (SPEC 3)."""

from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from .checks import assert_error, assert_status, next_page
from .client import Client, Document
from .drop import Drop, dropping, pages, pages_from

COUNT = 12
SORTS = [
    f"{sign}{field}"
    for field in ("created_at", "updated_at", "file_name", "file_size")
    for sign in ("", "-")
]
any_sort = pytest.mark.parametrize("sort", SORTS)


@pytest.fixture(scope="module")
def library(client: Client) -> Iterator[Drop]:
    """Many files of few sizes, so that pages end in the middle of equal values."""
    with dropping(client) as drop:
        for index in range(COUNT):
            drop.file(b"x" * (index % 3), f"{index % 4}{drop.tag}")
        yield drop


def first_page(drop: Drop, **query: str | int) -> tuple[list[Document], str]:
    """The first page with a file on it, and where the next one is."""
    filters = urlencode({"metadata.run": drop.tag, "limit": 3, **query})
    url = f"{drop.client.base_url}/files?{filters}"
    while True:
        answer = assert_status(drop.client.get(url), 200)
        following = next_page(answer, url)
        assert following, "there is more than one page"
        if answer.json():
            return answer.json(), following
        url = following


def pages_after(drop: Drop, following: str) -> list[Document]:
    """Everything on the next page and those after it."""
    return [document for page in pages_from(drop.client, following) for document in page]


def cursor_of(url: str) -> str:
    (cursor,) = parse_qs(urlsplit(url).query)["cursor"]
    return cursor


@any_sort
@pytest.mark.parametrize("limit", [1, 2, 5, COUNT, COUNT + 1, 1000])
def test_all_pages_together_are_the_listing(library: Drop, sort: str, limit: int) -> None:
    whole = library.listing(sort=sort)
    parts = list(pages(library.client, {"metadata.run": library.tag, "sort": sort, "limit": limit}))
    assert [document for page in parts for document in page] == whole
    assert all(len(page) <= limit for page in parts)
    assert len({document["file_id"] for document in whole}) == COUNT


def test_the_default_is_one_page_of_1000(library: Drop, client: Client) -> None:
    query = f"?metadata.run={library.tag}"
    implicit, explicit = client.get(f"/files{query}"), client.get(f"/files{query}&limit=1000")
    assert implicit.json() == explicit.json()


def test_the_listing_comes_to_an_end(library: Drop) -> None:
    _, following = first_page(library, limit=1)
    assert len(pages_after(library, following)) == COUNT - 1


def test_the_link_is_relative_and_keeps_filters_and_sort(library: Drop, client: Client) -> None:
    path = f"/files?metadata.run={library.tag}&sort=-file_name&limit=2&source=api"
    header = client.get(path).headers["Link"]
    target = header[header.index("<") + 1 : header.index(">")]
    assert not urlsplit(target).scheme and not urlsplit(target).netloc
    url = next_page(client.get(path), client.base_url + path)
    assert url and url.startswith(f"{client.base_url}/files?")
    query = parse_qs(urlsplit(url).query)
    assert query["metadata.run"] == [library.tag]
    assert query["sort"] == ["-file_name"]
    assert query["limit"] == ["2"]
    assert query["source"] == ["api"]
    assert len(query["cursor"]) == 1


def test_the_link_keeps_a_filter_of_many_characters(drop: Drop) -> None:
    name = 'a&b=c#d%e+f g;naïve <名前> "\U0001f600"'
    for _ in range(3):
        drop.file(name=name)
    listing = list(pages(drop.client, {"file_name": name, "metadata.run": drop.tag, "limit": 1}))
    assert [one["file_name"] for page in listing for one in page] == [name] * 3


def test_the_limit_may_change_between_pages(library: Drop) -> None:
    seen, following = first_page(library, limit=1)
    rest = pages_after(library, following.replace("limit=1", "limit=1000"))
    assert seen + rest == library.listing()


def test_a_page_can_be_read_again(library: Drop, client: Client) -> None:
    _, following = first_page(library)
    assert client.get(following).json() == client.get(following).json()


class Shuffle:
    """Reads a listing page by page while other files come and go."""

    def __init__(self, drop: Drop, sort: str) -> None:
        self.drop, self.sort = drop, sort
        self.staying = {self._file(index)["file_id"] for index in range(8)}
        self.leaving = [self._file(index)["file_id"] for index in range(8)]
        self.seen: Counter[str] = Counter()

    def _file(self, index: int) -> Document:
        return self.drop.file(b"x" * (index % 5), f"{index % 5}-{self.drop.tag}")

    def read(self) -> None:
        query: dict[str, str | int] = {"metadata.run": self.drop.tag, "sort": self.sort, "limit": 2}
        for page in pages(self.drop.client, query):
            self.seen.update(document["file_id"] for document in page)
            self._disturb([document["file_id"] for document in page])

    def _disturb(self, page: list[str]) -> None:
        """Remove one file, just seen if it may go, and create one at each end."""
        if self.leaving:
            here = [file_id for file_id in page if file_id in self.leaving]
            gone = here[-1] if here else self.leaving[0]
            self.leaving.remove(gone)
            assert_status(self.drop.client.delete(f"/files/{gone}"), 200)
            self.drop.file(b"", "!" + self.drop.tag)
            self.drop.file(b"x" * 9, "~" + self.drop.tag)


@any_sort
def test_files_that_stay_appear_once_while_others_come_and_go(drop: Drop, sort: str) -> None:
    shuffle = Shuffle(drop, sort)
    shuffle.read()
    assert {file_id: shuffle.seen[file_id] for file_id in shuffle.staying} == dict.fromkeys(
        shuffle.staying, 1
    )
    assert max(shuffle.seen.values()) == 1


@any_sort
def test_the_listing_goes_on_after_the_last_file_of_a_page_has_gone(drop: Drop, sort: str) -> None:
    for index in range(6):
        drop.file(b"x" * index, f"{index}{drop.tag}")
    whole = [document["file_id"] for document in drop.listing(sort=sort)]
    seen, following = first_page(drop, sort=sort)
    assert_status(drop.client.delete(f"/files/{seen[-1]['file_id']}"), 200)
    rest = [document["file_id"] for document in pages_after(drop, following)]
    assert rest == whole[len(seen) :]


def test_a_change_of_another_value_does_not_move_a_file(drop: Drop, client: Client) -> None:
    for index in range(6):
        drop.file(name=f"{index}{drop.tag}")
    seen, following = first_page(drop, sort="file_name")
    for document in drop.listing():
        change = {"metadata": {"run": drop.tag, "changed": "yes"}}
        assert_status(client.put_json(f"/files/{document['file_id']}", change), 200)
    listed = seen + pages_after(drop, following)
    names = [document["file_name"].replace(drop.tag, "") for document in listed]
    assert names == list("012345")


OTHER_LISTINGS: dict[str, dict[str, str | int]] = {
    "another sort": {"sort": "file_name"},
    "another direction": {"sort": "created_at"},
    "another filter": {"file_name": "0"},
    "another type": {"file_type": "application/*"},
    "another source": {"source": "api"},
    "another size": {"min_size": 0},
    "another time": {"created_after": "2000-01-01T00:00:00Z"},
    "another pair": {"metadata.colour": "blue"},
}


@pytest.mark.parametrize("label", OTHER_LISTINGS)
def test_a_cursor_is_bound_to_its_sort_and_filters(library: Drop, label: str) -> None:
    _, following = first_page(library)
    query = {"metadata.run": library.tag, "limit": 3, **OTHER_LISTINGS[label]}
    path = f"/files?{urlencode({**query, 'cursor': cursor_of(following)})}"
    assert_error(library.client.get(path), 400)


def test_a_cursor_does_not_work_without_its_filter(library: Drop, client: Client) -> None:
    _, following = first_page(library)
    assert_error(client.get(f"/files?cursor={quote(cursor_of(following))}"), 400)


def test_a_cursor_of_one_value_does_not_work_for_another(library: Drop, client: Client) -> None:
    _, following = first_page(library)
    assert_error(client.get(following.replace(library.tag, "0" * 32)), 400)


MALFORMED = [
    "",
    "x",
    "!!!",
    "null",
    "0",
    "-1",
    "AAAA",
    "A" * 5000,
    "W10",
    "W10=",
    "e30",
    "eyIkbmUiOm51bGx9",
    '{"$ne": null}',
    "bnVsbA",
    "gASVAAAAAAAAAACMAnYxlC4",
    "ü",
    "\0",
    "../../etc/passwd",
]


@pytest.mark.parametrize("cursor", MALFORMED, ids=lambda cursor: ascii(cursor)[:30])
def test_a_malformed_cursor_is_refused(library: Drop, client: Client, cursor: str) -> None:
    path = f"/files?metadata.run={library.tag}&limit=3&cursor={quote(cursor)}"
    assert_error(client.get(path), 400)


def test_half_a_cursor_is_refused(library: Drop, client: Client) -> None:
    _, following = first_page(library)
    cursor = cursor_of(following)
    for part in (cursor[: len(cursor) // 2], cursor[len(cursor) // 2 :]):
        path = f"/files?metadata.run={library.tag}&limit=3&cursor={quote(part)}"
        assert_error(client.get(path), 400)


@pytest.mark.parametrize("position", [0, 1, 5, 10, 20, -2, -1])
def test_a_cursor_with_another_character_breaks_nothing(
    library: Drop, client: Client, position: int
) -> None:
    cursor = list(cursor_of(first_page(library)[1]))
    cursor[position % len(cursor)] = "A" if cursor[position % len(cursor)] != "A" else "B"
    path = f"/files?metadata.run={library.tag}&limit=3&cursor={quote(''.join(cursor))}"
    assert_status(client.get(path), 200, 400)


def test_a_cursor_shows_nothing_of_an_owner(library: Drop) -> None:
    assert "owner" not in cursor_of(first_page(library)[1])
