"""API keys: 256 random bits each, shown once, stored only as a hash (SPEC section 10).

A key has so much entropy that a plain SHA-256 protects it, and the look-up by hash tells
nothing about keys that are nearly right.
"""

import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from errors import ApiError
from services import clock
from services.pages import Query, plain_query, take
from services.principals import SCOPES, Principal
from storage.interfaces import Collection as Documents
from storage.interfaces import Conflict, Document, Order, StorageError

PREFIX = "fd_"
SECRET_BYTES = 32
USED_EVERY = timedelta(minutes=1)
ORDER = Order(("name",), descending=False)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SECRET = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43}")
_DURATION = re.compile(r"([1-9][0-9]{0,4})([dh])")

log = logging.getLogger(__name__)


class Keys:
    """The keys of the service. Methods may raise `Unavailable` and `NoSpace`."""

    def __init__(self, keys: Documents, now: Callable[[], datetime] = clock.now) -> None:
        self._keys = keys
        self._now = now

    def create(
        self, name: object, owner: object, scopes: object, expires: object
    ) -> tuple[str, Document]:
        """A new key: its secret, which nobody can be told again, and what is kept of it.

        `expires` is None, a moment of RFC 3339, or a time from now such as `30d` or `12h`.
        Raises `invalid_member`, `key_exists`.
        """
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        document = {
            "key_id": str(uuid4()),
            "name": _checked_name("name", name),
            "hash": _hash(secret),
            "owner": _checked_name("owner", owner),
            "scopes": _checked_scopes(scopes),
            "created_at": clock.timestamp(self._now()),
            "expires_at": self._expiry(expires),
            "last_used_at": None,
        }
        try:
            return secret, public(self._keys.insert(document))
        except Conflict:
            raise ApiError("key_exists", name=document["name"]) from None

    def _expiry(self, expires: object) -> str | None:
        if expires is None:
            return None
        detail = "must be a moment to come, as 2027-01-31T00:00:00Z, or a time such as 30d or 12h"
        try:
            if not isinstance(expires, str):
                raise ValueError(expires)
            moment = _moment(expires, self._now())
            if moment <= self._now():
                raise ValueError(expires)
            return clock.timestamp(moment)
        except (ValueError, OverflowError):
            raise ApiError("invalid_member", name="expires", detail=detail) from None

    def page(self, query: Query) -> tuple[list[Document], str | None]:
        """A page of keys by name, without their hashes, and the cursor of the next one."""
        documents, cursor = take(self._keys, {}, query)
        return [public(document) for document in documents], cursor

    def revoke(self, name: str) -> None:
        """From now on the key is refused everywhere: nobody keeps a copy of it.

        Raises `key_not_found`.
        """
        while True:
            document = self._keys.get(name=name) if _NAME.fullmatch(name) else None
            if document is None:
                raise ApiError("key_not_found")
            try:
                return self._keys.delete(document)
            except Conflict:
                continue

    def authenticate(self, secret: str) -> tuple[Principal, Document] | None:
        """Who has this key, and the key's document; None if nobody has it any more."""
        if not _SECRET.fullmatch(secret):
            return None
        hashed = _hash(secret)
        document = self._keys.get(hash=hashed)
        if document is None or not secrets.compare_digest(document["hash"], hashed):
            return None
        expires = document["expires_at"]
        if expires is not None and expires <= clock.timestamp(self._now()):
            return None
        scopes = frozenset(document["scopes"])
        return Principal(document["name"], document["owner"], scopes), document

    def note_use(self, document: Document) -> None:
        """Remember that the key was used, at most once a minute; it is no harm if it fails."""
        used = document["last_used_at"]
        if used is not None and clock.from_timestamp(used) > self._now() - USED_EVERY:
            return
        try:
            self._keys.replace({**document, "last_used_at": clock.timestamp(self._now())})
        except StorageError as error:
            log.info("use of a key not noted", extra={"key": document["name"], "why": str(error)})


def parse_query(parameters: dict[str, str]) -> Query:
    """`limit` and `cursor` of a listing of keys. Raises their 400s."""
    return plain_query("keys", parameters, ORDER)


def public(document: Document) -> Document:
    """A key as it is shown: everything but the hash."""
    fields = ("name", "owner", "scopes", "created_at", "expires_at", "last_used_at")
    return {field: document[field] for field in fields}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checked_name(member: str, value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        detail = "must be 1 to 64 of letters, digits and . _ @ -, and begin with one of the first"
        raise ApiError("invalid_member", name=member, detail=detail)
    return value


def _checked_scopes(value: Any) -> list[str]:
    given: Sequence[Any] = value if isinstance(value, list | tuple) else ()
    known: Collection[str] = [scope for scope in SCOPES if scope in given]
    if not known or len(known) != len(given):
        detail = f"must be some of {', '.join(SCOPES)}, each once"
        raise ApiError("invalid_member", name="scopes", detail=detail)
    return list(known)


def _moment(text: str, now: datetime) -> datetime:
    match = _DURATION.fullmatch(text)
    if match is None:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return now + int(match[1]) * timedelta(**{"days" if match[2] == "d" else "hours": 1})
