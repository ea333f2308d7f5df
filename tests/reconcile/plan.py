"""Which objects a bucket has and which documents a catalog, and where the two differ.

Everything follows from two numbers, so that a stand-in for the bucket, whoever fills the
stores and whoever checks them say the same without sharing more than that. This module is
imported by the command whose memory is measured: it holds nothing and imports little.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from storage.interfaces import Listed

# In the order of UTF-8 bytes; the service's own `file-drop/` comes in the middle.
FOLDERS = ("Archive/", "data 1+2/", "in/", "été/", "写真/", "😀/")
TAILS = ("", ".txt", " a+b%20.bin", "/nested.png", "-ü.pdf", "-🎉", '"&<>.json')
DIGITS = 9
# Of all, how many are the service's own.
OWN_SHARE = 20


@dataclass(frozen=True)
class Plan:
    """`total` objects against `total` documents, with `each` differences of each kind."""

    total: int
    each: int

    @property
    def own(self) -> int:
        """How many files of the service's own are as they should be."""
        return (self.total - 3 * self.each) // OWN_SHARE

    @property
    def foreign(self) -> int:
        """How many keys there are that came by the bucket, on either side or on both."""
        return self.total - self.own

    def key(self, number: int) -> str:
        folder = FOLDERS[number * len(FOLDERS) // self.foreign]
        return f"{folder}{number:0{DIGITS}}{TAILS[number % len(TAILS)]}"

    def number(self, key: str) -> int | None:
        """The number that has this key, None where none has."""
        for folder in FOLDERS:
            digits = key.removeprefix(folder)[:DIGITS]
            if key.startswith(folder) and digits.isdecimal():
                number = int(digits)
                return number if number < self.foreign and self.key(number) == key else None
        return None

    def kind(self, number: int) -> str | None:
        """In what way bucket and catalog differ about this number, None where they agree."""
        if not self.each:
            return None
        step = self.foreign // self.each
        assert step > 3, "too many differences"
        place, turn = number % step, number // step
        kinds = ("unknown_object", "changed_object", "missing_object")
        return kinds[place] if place < 3 and turn < self.each else None

    def stored(self, number: int) -> bytes | None:
        """What the bucket has."""
        return None if self.kind(number) == "missing_object" else b"object %d" % number

    def described(self, number: int) -> bytes | None:
        """What the catalog thinks that the bucket has."""
        kind = self.kind(number)
        if kind == "unknown_object":
            return None
        return b"an older object %d" % number if kind == "changed_object" else b"object %d" % number

    def listed(self) -> Iterator[Listed]:
        """The bucket but for the service's own, in order: also what no reconcile may mind,
        a folder and a key with NUL at the beginning of each folder."""
        begun = ""
        for number in range(self.foreign):
            key, content = self.key(number), self.stored(number)
            folder = key[: key.index("/") + 1]
            if folder != begun:
                begun = folder
                yield Listed(folder, 0, etag(b""))
                yield Listed(f"{folder}\0", 1, etag(b"0"))
            if content is not None:
                yield Listed(key, len(content), etag(content))


def etag(content: bytes) -> str:
    """As S3 has it for what was put in one piece."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
