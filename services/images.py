"""Images by name, as the clients of seed 1 know them (SPEC section 5)."""

from typing import Any

from errors import ApiError
from services.catalog import Catalog
from services.documents import IMAGE, LIVE
from services.files import Files
from services.intake import Submission
from services.names import BUCKET, checked_key
from services.pages import Query, plain_query, take
from services.principals import Principal
from storage.interfaces import Document, Order, Where

ORDER = Order(("created_at", "file_id"), descending=True)
BY_API = "API"
# What an item says of where it came from, unless it was recorded with a source of its own.
SOURCES = {"s3": "S3", "api": BY_API}
# Buckets in which one name is looked for, and files that are looked at for it.
MOST = 1000
MAX_SOURCE = 255


class Images:
    """The image door. Methods may raise `Unavailable` and `NoSpace`."""

    def __init__(self, catalog: Catalog, files: Files) -> None:
        self._catalog = catalog
        self._files = files

    def record(self, principal: Principal, body: dict[str, Any]) -> Document:
        """Record an object by `FileName`, `Bucket` and `Source`, again if it was before.

        Raises `file_name_missing`, `invalid_key`, `reserved_key`, `invalid_member`.
        """
        key = file_name(body)
        bucket = bucket_name(body) or self._files.objects.bucket
        return self._item(self._catalog.record(principal, bucket, key, _source(body)))

    def put(self, principal: Principal, submission: Submission) -> Document:
        """Store a picture under its name. Raises what reading it raises, `not_an_image`,
        `image_too_large` and `file_belongs_to_bucket`."""
        return self._item(self._catalog.put(principal, submission))

    def get_all(self, principal: Principal, query: Query) -> tuple[list[Document], str | None]:
        """A page of items, newest first, and the cursor of the next one."""
        equals = {**principal.whose, "state": LIVE, "kind": IMAGE}
        documents, cursor = take(self._files.collection, equals, query)
        return [self._item(document) for document in documents], cursor

    def get(self, principal: Principal, body: dict[str, Any]) -> Document:
        """The item with this name. Raises `file_name_missing`, `item_not_found`."""
        return self._item(self._find(principal, body))

    def delete(self, principal: Principal, body: dict[str, Any]) -> None:
        """Remove the item with this name, and its object. Raises as `get`."""
        self._catalog.delete(principal, self._find(principal, body)["file_id"])

    def _find(self, principal: Principal, body: dict[str, Any]) -> Document:
        """In the bucket that is named; else in the configured one first, else the newest."""
        name, bucket = file_name(body), bucket_name(body)
        ours = self._files.objects.bucket
        items = self._items(principal, name, bucket)
        found = max(items, key=lambda one: (one["bucket"] == ours, one["file_id"]), default=None)
        if found is None and bucket in (None, ours):
            found = self._newest_file(principal, name)
        if found is None:
            raise ApiError("item_not_found")
        return found

    def _items(self, principal: Principal, name: str, bucket: str | None) -> list[Document]:
        """All that have the name; one in each bucket, for admins also of each owner."""
        narrowed = [] if bucket is None else [Where("bucket", "eq", bucket)]
        fields = ("owner", "bucket") if principal.is_admin else ("bucket",)
        page = self._files.collection.page(
            {"item_name": name, **principal.whose},
            [Where("state", "eq", LIVE), *narrowed],
            Order(fields, descending=False),
            None,
            MOST,
            MOST,
        )
        return [one for one in page.documents if self._files.has_item_name(one)]

    def _newest_file(self, principal: Principal, name: str) -> Document | None:
        """A picture that came by another door, where names are not unique."""
        page = self._files.collection.page(
            {**principal.whose, "state": LIVE, "file_name": name},
            [Where("kind", "eq", IMAGE), Where("source", "eq", "api")],
            Order(("file_id",), descending=True),
            None,
            1,
            MOST,
        )
        return page.documents[0] if page.documents else None

    def _item(self, document: Document) -> Document:
        """A document as seed 1 has it, and more where more is known."""
        shown = {
            "FileName": self._name(document),
            "Bucket": document["bucket"],
            "Source": document["item_source"] or SOURCES[document["source"]],
            "Timestamp": document["updated_at"],
            "FileId": document["file_id"],
        }
        if document["file_size"] is not None:
            shown |= {"FileSize": document["file_size"], "FileType": document["file_type"]}
        if document["image"]:
            shown |= {"Width": document["image"]["width"], "Height": document["image"]["height"]}
        return shown

    def _name(self, document: Document) -> str:
        """What the item is found by; a file of another door may share its name with others."""
        if self._files.has_item_name(document):
            return str(document["item_name"])
        return str(document["object_key"] if document["source"] == "s3" else document["file_name"])


def parse_query(parameters: dict[str, str]) -> Query:
    """`limit` and `cursor` of a listing of images. Raises their 400s."""
    return plain_query("images", parameters, ORDER)


def file_name(body: dict[str, Any]) -> str:
    """The name of an item. Raises `file_name_missing` and `invalid_key`."""
    given = body.get("FileName")
    if given is None or given == "":
        raise ApiError("file_name_missing")
    return checked_key(given)


def bucket_name(body: dict[str, Any]) -> str | None:
    """The bucket that a look-up is narrowed to, None where nothing is said."""
    bucket = _text(body, "Bucket", 255)
    if bucket is not None and not BUCKET.fullmatch(bucket):
        raise ApiError("invalid_member", name="Bucket", detail="must be the name of a bucket")
    return bucket


def _source(body: dict[str, Any]) -> str:
    return _text(body, "Source", MAX_SOURCE) or BY_API


def _text(body: dict[str, Any], name: str, longest: int) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        detail = f"must be text of at most {longest} characters"
        raise ApiError("invalid_member", name=name, detail=detail)
    return value
