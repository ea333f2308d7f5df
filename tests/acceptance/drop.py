"""One test's own corner of the catalog: whatever it creates carries its tag and is removed."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote, urlencode
from uuid import uuid4

from .checks import assert_error, assert_status, next_page
from .client import Answer, Client, Document, Headers
from .forms import file, form, pairs, text


class Drop:
    """Uploads under a unique tag, which stands in names or in `metadata.run`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.tag = uuid4().hex
        self._made: set[str] = set()

    def post(
        self,
        data: bytes | Iterable[bytes],
        headers: Headers | None = None,
        query: str = "",
    ) -> Answer:
        """POST /files/upload, as it is given."""
        return self.note(self.client.post("/files/upload" + query, data, headers))

    def form(self, *parts: bytes, headers: Headers | None = None) -> Answer:
        """Upload a form of these parts."""
        made = form(*parts)
        return self.post(made.body, {"Content-Type": made.content_type, **(headers or {})})

    def raw(
        self,
        content: bytes | Iterable[bytes],
        name: str | None = None,
        headers: Headers | None = None,
    ) -> Answer:
        """Upload a raw body, named by the query."""
        query = "?file_name=" + quote(name or f"{self.tag}.bin", safe="")
        return self.post(content, headers, query)

    def file(
        self,
        content: bytes = b"0123456789",
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Document:
        """A file that exists: uploaded by form, `metadata.run` being the tag."""
        answer = self.form(
            text("file_name", name or f"{self.tag}.bin"),
            pairs({"run": self.tag, **(metadata or {})}),
            file(content, None, content_type),
        )
        return self.document(answer)

    def note(self, answer: Answer) -> Answer:
        """Remember what was created, so that it is removed."""
        if answer.status == 201:
            self._made.add(answer.json()["file_id"])
        return answer

    def document(self, answer: Answer) -> Document:
        """The document of an upload that must have succeeded."""
        document: Document = assert_status(answer, 201).json()
        return document

    def current(self, document: Document) -> Document:
        """The document as it is now."""
        answer = self.client.get(f"/files/{document['file_id']}/metadata")
        now: Document = assert_status(answer, 200).json()
        return now

    def content(self, document: Document) -> bytes:
        """The bytes as they are now."""
        return assert_status(self.client.get(f"/files/{document['file_id']}"), 200).body

    def listing(self, **filters: str | int) -> list[Document]:
        """All pages of GET /files for these filters; `metadata.run` is added."""
        return walk(self.client, {"metadata.run": self.tag, **filters})

    def names(self, **filters: str | int) -> list[str]:
        """The names in such a listing, without the tag."""
        return [one["file_name"].replace(self.tag, "") for one in self.listing(**filters)]

    def leftovers(self) -> list[Document]:
        """Every file that carries the tag, in its name or its metadata."""
        found = self.listing() + walk(self.client, {"file_name": self.tag})
        self._made.update(document["file_id"] for document in found)
        return found

    def refused(self, answer: Answer, *statuses: int) -> Document:
        """SPEC 3: an error in the one shape, and nothing is left behind."""
        assert not self.leftovers()
        return assert_error(answer, *statuses)

    def close(self) -> None:
        """Remove everything that this test made or found."""
        for file_id in self._made:
            assert_status(self.client.delete(f"/files/{file_id}"), 200, 404)


@contextmanager
def dropping(client: Client) -> Iterator[Drop]:
    """A corner of the catalog for as long as the block runs."""
    drop = Drop(client)
    try:
        yield drop
    finally:
        drop.close()


def walk(client: Client, query: Mapping[str, str | int]) -> list[Document]:
    """All pages of a listing, in order."""
    return [document for page in pages(client, query) for document in page]


def pages(client: Client, query: Mapping[str, str | int]) -> Iterator[list[Document]]:
    """The pages of a listing, each fetched when it is asked for."""
    return pages_from(client, f"{client.base_url}/files?{urlencode(query)}")


def pages_from(client: Client, start: str) -> Iterator[list[Document]]:
    """The page at a URL and those that follow it."""
    url: str | None = start
    seen = set()
    while url is not None:
        assert url not in seen, "a page links to itself"
        seen.add(url)
        answer = assert_status(client.get(url), 200)
        yield answer.json()
        url = next_page(answer, url)
