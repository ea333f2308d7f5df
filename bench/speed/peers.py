"""How each server is asked to take, give and remove a file: all that works need to know of it."""

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.speed.content import ContentFile, WrongBytes, check, check_file
from bench.speed.cpu import Processes
from bench.speed.load import Answer, Load, Request, load
from bench.wire import BOUNDARY, FORM_HEAD, FORM_TAIL
from tests.servers.processes import wait_until

BINARY = {"Content-Type": "application/octet-stream"}
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
REMOVERS = 8
SIGNED_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Peer(ABC):
    """A server that is measured. Files are the first bytes of `content`.

    `own` are its processes, `behind` those of the stores that it uses. A `place` is what it
    calls a file that it has: the path of its URL, or the key that this is signed for.
    """

    name: str
    address: tuple[str, int]
    content: ContentFile
    own: Processes
    behind: Processes

    @abstractmethod
    def put(self, name: str, length: int) -> Request:
        """A request that uploads."""

    @abstractmethod
    def placed(self, name: str, length: int, sha256: str, answer: Answer) -> str:
        """Where that is now. Raises `WrongBytes` if the answer says something else."""

    @abstractmethod
    def get(self, place: str, length: int, first: int | None = None) -> Request:
        """A request for the whole file or, from `first`, for `length` bytes of it."""

    @abstractmethod
    def remove(self, places: Sequence[str]) -> None:
        """Off the clock; nothing of it goes on afterwards."""

    def check(self, place: str, length: int, sha256: str) -> None:
        """Whether it is what was uploaded. Raises `WrongBytes`."""
        check(self.address, self.get(place, length), sha256)

    def store(self, names: Sequence[str], length: int, sha256: str) -> list[str]:
        """Upload off the clock; the places."""
        done = self.load([self.put(name, length) for name in names], REMOVERS)
        pairs = zip(names, done.answers, strict=True)
        return [self.placed(name, length, sha256, answer) for name, answer in pairs]

    def load(self, requests: Sequence[Request], clients: int, total: int | None = None) -> Load:
        return load(self.address, requests, clients, self.content.path, total)


def _got(path: str, length: int, first: int | None, host: str | None = None) -> Request:
    headers = {} if host is None else {"Host": host}
    if first is None:
        return Request("GET", path, headers, size=length)
    headers["Range"] = f"bytes={first}-{first + length - 1}"
    return Request("GET", path, headers, status=206, size=length)


@dataclass(frozen=True)
class Service(Peer):
    """FILE DROP, which is given raw bodies. `objects` counts the files in its store."""

    objects: Callable[[], int]

    def put(self, name: str, length: int) -> Request:
        path = f"/files/upload?file_name={name}"
        return Request("POST", path, BINARY, length=length, status=201)

    def placed(self, name: str, length: int, sha256: str, answer: Answer) -> str:
        document = json.loads(answer.head)
        if (document["file_size"], document["sha256"]) != (length, sha256):
            raise WrongBytes(f"{self.name} has {document['file_size']} bytes, {document['sha256']}")
        return answer.location or ""

    def get(self, place: str, length: int, first: int | None = None) -> Request:
        return _got(place, length, first)

    def remove(self, places: Sequence[str]) -> None:
        """The bytes go after the answer, which is waited for."""
        staying = self.objects() - len(places)
        self.load([Request("DELETE", place) for place in places], REMOVERS)
        wait_until(lambda: self.objects() <= staying, f"{self.name} still has deleted files")


class ServiceByForm(Service):
    """FILE DROP, which is given forms."""

    def put(self, name: str, length: int) -> Request:
        return Request("POST", "/files/upload", FORM, FORM_HEAD, length, FORM_TAIL, 201)


class Straightforward(Peer):
    """The plain Flask program: forms in; out as a whole only."""

    def put(self, name: str, length: int) -> Request:
        return Request("POST", "/files/upload", FORM, FORM_HEAD, length, FORM_TAIL, 201)

    def placed(self, name: str, length: int, sha256: str, answer: Answer) -> str:
        document = json.loads(answer.head)
        if document["size"] != length:
            raise WrongBytes(f"{self.name} has {document['size']} bytes")
        return f"/files/{document['id']}"

    def get(self, place: str, length: int, first: int | None = None) -> Request:
        return _got(place, length, first)

    def remove(self, places: Sequence[str]) -> None:
        self.load([Request("DELETE", place, status=204) for place in places], REMOVERS)


class Tusd(Peer):
    """tusd, whose uploads may be made and sent with one request."""

    VERSION = {"Tus-Resumable": "1.0.0"}  # noqa: RUF012

    def put(self, name: str, length: int) -> Request:
        headers = {
            **self.VERSION,
            "Upload-Length": str(length),
            "Content-Type": "application/offset+octet-stream",
        }
        return Request("POST", "/files/", headers, length=length, status=201)

    def placed(self, name: str, length: int, sha256: str, answer: Answer) -> str:
        return urlsplit(answer.location or "").path

    def get(self, place: str, length: int, first: int | None = None) -> Request:
        return _got(place, length, first)

    def remove(self, places: Sequence[str]) -> None:
        gone = [Request("DELETE", place, self.VERSION, status=204) for place in places]
        self.load(gone, REMOVERS)


@dataclass(frozen=True)
class Presigned(Peer):
    """The store itself, by URLs that are signed off the clock; or a proxy before it."""

    client: Any
    bucket: str

    def put(self, name: str, length: int) -> Request:
        path, host = self._signed("put_object", name)
        return Request("PUT", path, {"Host": host}, length=length)

    def placed(self, name: str, length: int, sha256: str, answer: Answer) -> str:
        found = self.client.head_object(Bucket=self.bucket, Key=name)["ContentLength"]
        if found != length:
            raise WrongBytes(f"{self.name} has {found} bytes")
        return name

    def get(self, place: str, length: int, first: int | None = None) -> Request:
        path, host = self._signed("get_object", place)
        return _got(path, length, first, host)

    def remove(self, places: Sequence[str]) -> None:
        remove_keys(self.client, self.bucket, places)

    def _signed(self, what: str, key: str) -> tuple[str, str]:
        """Path with query, and the host that it was signed for."""
        parts = urlsplit(
            self.client.generate_presigned_url(
                what, {"Bucket": self.bucket, "Key": key}, ExpiresIn=SIGNED_SECONDS
            )
        )
        return f"{parts.path}?{parts.query}", parts.netloc


def remove_keys(client: Any, bucket: str, keys: Sequence[str]) -> None:
    """Delete objects; S3 takes up to 1000 at once."""
    for begin in range(0, len(keys), 1000):
        batch = [{"Key": key} for key in keys[begin : begin + 1000]]
        client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})


@dataclass(frozen=True)
class Folder(Peer):
    """A server of files in a folder: copyparty, dufs, nginx. PUT makes one, where it can."""

    root: Path

    def put(self, name: str, length: int) -> Request:
        return Request("PUT", f"/{name}", BINARY, length=length, status=201)

    def placed(self, name: str, length: int, sha256: str, answer: Answer) -> str:
        size = (self.root / name).stat().st_size
        if size != length:
            raise WrongBytes(f"{self.name} has {size} bytes")
        return f"/{name}"

    def get(self, place: str, length: int, first: int | None = None) -> Request:
        return _got(place, length, first)

    def check(self, place: str, length: int, sha256: str) -> None:
        super().check(place, length, sha256)
        check_file(self.root / place.removeprefix("/"), length, sha256)

    def remove(self, places: Sequence[str]) -> None:
        for place in places:
            (self.root / place.removeprefix("/")).unlink()


class FolderReadOnly(Folder):
    """nginx: files are put into its folder by others."""

    def store(self, names: Sequence[str], length: int, sha256: str) -> list[str]:
        for name in names:
            path = self.root / name
            if length == self.content.size:
                shutil.copyfile(self.content.path, path)
            else:
                with self.content.path.open("rb") as file:
                    path.write_bytes(file.read(length))
        return [f"/{name}" for name in names]
