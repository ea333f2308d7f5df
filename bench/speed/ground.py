"""Where the works of one pairing run: ours, its stores, and each rival once it is wanted."""

import argparse
import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pymongo

from bench.pairings import Pairing, pairing
from bench.speed import rivals
from bench.speed.boto import Boto3, boto3_child, store_client
from bench.speed.content import ContentFile
from bench.speed.cpu import Processes
from bench.speed.peers import (
    Folder,
    FolderReadOnly,
    Peer,
    Presigned,
    Service,
    ServiceByForm,
    Straightforward,
    Tusd,
)
from bench.speed.rivals import Server

OURS, OURS_BY_FORM = "FILE DROP", "FILE DROP, form"
MINIO, BOTO3 = "MinIO presigned", "boto3"
PROXY, TUNED_PROXY = "nginx proxy to MinIO", "nginx proxy, 256 KiB buffers"
StartProxy = Callable[[Path, tuple[str, int]], contextlib.AbstractContextManager[Server]]
TUSD, STRAIGHTFORWARD = "tusd", "straightforward"
NGINX, COPYPARTY, DUFS = "nginx sendfile", "copyparty", "dufs"
EVENTS_TOKEN = "bench"  # of a server on the loopback address, for minutes


class Effort(NamedTuple):
    """How much of the small: `seconds` that reads go on, `writes` files that are written, as many
    for each contender (some stores become slower with what they hold)."""

    seconds: float
    writes: int


@dataclass
class Ground:
    """A running pairing. A rival starts when it is first asked for, and ends with the ground."""

    pairing: Pairing
    content: ContentFile
    effort: Effort
    folder: Path
    stack: contextlib.ExitStack
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    _servers: dict[str, Server] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        return dict(self.pairing.settings)

    # --- ours ----------------------------------------------------------------------------

    def service(self) -> Service:
        return self._ours(Service, OURS)

    def service_by_form(self) -> Service:
        return self._ours(ServiceByForm, OURS_BY_FORM)

    def _ours(self, kind: type[Service], name: str) -> Service:
        own = Processes([self.pairing.drop.process.pid])
        address = self.pairing.address
        return kind(name, address, self.content, own, self.stores, self._objects)

    def _objects(self) -> int:
        """How many files of ours the store has; rivals have another bucket."""
        if not self.pairing.settings:
            found = (self.pairing.drop.data / "objects").rglob("*")
            return sum(1 for path in found if path.is_file())
        bucket = self.settings["S3_BUCKET"]
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(len(page.get("Contents", ())) for page in pages)

    def forget_bucket(self, bucket: str) -> None:
        """Remove the documents about another bucket, past the service: by its routes each would
        leave a tombstone."""
        if self.pairing.settings:
            client: pymongo.MongoClient[dict[str, Any]]
            with pymongo.MongoClient(self.settings["MONGO_URI"]) as client:
                client.get_default_database()["files"].delete_many({"bucket": bucket})
            return
        path = self.pairing.drop.data / "catalog.sqlite"
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as catalog, catalog:
            catalog.execute("DELETE FROM files WHERE bucket = ?", (bucket,))

    # --- the stores ----------------------------------------------------------------------

    def rest(self) -> None:
        """MinIO keeps deleted objects for some minutes, and then deletes them all at once."""
        if self.pairing.s3_data is not None:
            for path in (self.pairing.s3_data / ".minio.sys" / "tmp" / ".trash").iterdir():
                shutil.rmtree(path, ignore_errors=True)
        os.sync()

    @cached_property
    def stores(self) -> Processes:
        """MinIO and the Mongo-wire server, where they were started here."""
        if not self.pairing.settings:
            return Processes([])
        document_store = urlsplit(self.settings["MONGO_URI"]).port
        return Processes(_children_at(self.store_address[1], document_store))

    @cached_property
    def client(self) -> Any:
        return store_client(self.settings)

    @cached_property
    def bucket(self) -> str:
        """A bucket for the others, removed with its store."""
        name = f"{self.settings['S3_BUCKET']}-others"
        self.client.create_bucket(Bucket=name)
        return name

    @property
    def store_address(self) -> tuple[str, int]:
        parts = urlsplit(self.settings["S3_ENDPOINT_URL"])
        return parts.hostname or "127.0.0.1", parts.port or 80

    def presigned(self) -> Presigned:
        """The store by itself: what it uses is its own."""
        own = Processes(_children_at(self.store_address[1]))
        client, bucket = self.client, self.bucket
        return Presigned(
            MINIO, self.store_address, self.content, own, Processes([]), client, bucket
        )

    @cached_property
    def boto3(self) -> Boto3:
        return self.stack.enter_context(boto3_child(self.settings, self.bucket))

    # --- the others ----------------------------------------------------------------------

    def proxies(self) -> list[Presigned | None]:
        """nginx as MinIO's own page has it, and with larger buffers."""
        return [
            self._proxy(PROXY, rivals.nginx_proxy),
            self._proxy(TUNED_PROXY, rivals.tuned_nginx_proxy),
        ]

    def _proxy(self, name: str, start: StartProxy) -> Presigned | None:
        server = self._server(name, lambda folder: start(folder, self.store_address))
        if server is None:
            return None
        own = Processes([server.pid])
        behind = self.presigned().own
        address, content = server.address, self.content
        return Presigned(name, address, content, own, behind, self.client, self.bucket)

    def tusd(self) -> Peer | None:
        given = self.settings
        keys = given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]
        server = self._server(
            TUSD,
            lambda folder: rivals.tusd(folder, given["S3_ENDPOINT_URL"], self.bucket, *keys),
        )
        if server is None:
            return None
        behind = self.presigned().own
        return Tusd(TUSD, server.address, self.content, Processes([server.pid]), behind)

    def straightforward(self) -> Peer | None:
        """With as many workers as ours, a bucket and a database of its own."""
        given = self.settings
        settings = {
            **given,
            "S3_BUCKET": self.bucket,
            "MONGO_URI": given["MONGO_URI"].replace(given["S3_BUCKET"], self.bucket),
            "WEB_CONCURRENCY": str(len(self.pairing.drop.workers())),
        }
        server = self._server(
            STRAIGHTFORWARD, lambda folder: rivals.straightforward(folder, settings)
        )
        if server is None:
            return None
        own = Processes([server.pid])
        return Straightforward(STRAIGHTFORWARD, server.address, self.content, own, self.stores)

    def nginx_files(self) -> Peer | None:
        return self._folder(FolderReadOnly, NGINX, rivals.nginx_files)

    def copyparty(self) -> Peer | None:
        return self._folder(Folder, COPYPARTY, rivals.copyparty)

    def dufs(self) -> Peer | None:
        return self._folder(Folder, DUFS, rivals.dufs)

    def _folder(
        self,
        kind: type[Folder],
        name: str,
        start: Callable[[Path], contextlib.AbstractContextManager[Server]],
    ) -> Peer | None:
        server = self._server(name, start)
        if server is None:
            return None
        assert server.root is not None
        own, behind = Processes([server.pid]), Processes([])
        return kind(name, server.address, self.content, own, behind, server.root)

    def _server(
        self,
        name: str,
        start: Callable[[Path], contextlib.AbstractContextManager[Server]],
    ) -> Server | None:
        """The running rival; None, and a word why, where it is not installed."""
        if name not in self._servers:
            folder = Path(tempfile.mkdtemp(prefix="rival-", dir=self.folder))
            try:
                self._servers[name] = self.stack.enter_context(start(folder))
                self.versions[name] = self._servers[name].version
            except rivals.Missing as missing:
                self.missing[name] = str(missing)
        return self._servers.get(name)


def _children_at(*ports: int | None) -> list[int]:
    """Which of this process' children listen there; a program that they became may have another
    name."""
    found = {
        child.pid
        for child in psutil.Process().children()
        for connection in child.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports
    }
    return sorted(found)


@contextlib.contextmanager
def ground(
    name: str, options: argparse.Namespace, content: ContentFile, effort: Effort
) -> Iterator[Ground]:
    """The pairing with everything that its works may want, until the end of the block."""
    with (
        pairing(name, options, EVENTS_TOKEN=EVENTS_TOKEN) as running,
        tempfile.TemporaryDirectory(prefix="file-drop-speed-", dir=options.folder) as folder,
        contextlib.ExitStack() as stack,
    ):
        yield Ground(running, content, effort, Path(folder), stack)
