"""Somebody else's web server: it gives out the page and hears what the page has found."""

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).parent
HTML, SCRIPT, JSON = "text/html; charset=utf-8", "text/javascript", "application/json"
SECONDS = 60.0
Report = dict[str, Any]


class Attacker(ThreadingHTTPServer):
    """Listens on a loopback port. What it is sent is `received`, the page's findings `reports`."""

    daemon_threads = False

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.reports: queue.Queue[Report] = queue.Queue()
        self.received: list[str] = []
        self._task: dict[str, Any] = {}
        self._has_task = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def send_page_to(self, task: dict[str, Any]) -> None:
        """What the page waits for: from now on it does its worst."""
        self._task = task
        self._has_task.set()

    def task(self) -> dict[str, Any]:
        self._has_task.wait()
        return self._task

    def report(self) -> Report:
        """What the page has found, when it is done."""
        report = self.reports.get(timeout=SECONDS)
        assert "failed" not in report, report
        return report

    def has_heard(self, request: str) -> bool:
        return any(one.startswith(request) for one in self.received)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End all connections: a browser holds some in reserve, and would go on using them."""
        self._has_task.set()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: Attacker

    def do_GET(self) -> None:
        self._note("")
        path, _, query = self.path.partition("?")
        if path in ("/page", "/sandboxed", "/reporting"):
            policy = parse_qs(query).get("report", [])
            headers = [f"img-src 'none'; report-uri {url}" for url in policy]
            self._answer(HTML, (HERE / f"pages{path}.html").read_bytes(), *headers)
        elif path.endswith(".js"):
            self._answer(SCRIPT, (HERE / "pages" / Path(path).name).read_bytes())
        elif path == "/task":
            self._answer(JSON, json.dumps(self.server.task()).encode())
        else:
            self._answer(HTML, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/report":
            self.server.reports.put(json.loads(body))
        self._note(body.decode(errors="replace"))
        if path == "/redirect":
            self.send_response(HTTPStatus.TEMPORARY_REDIRECT)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Location", query["to"][0])
            self.end_headers()
            return
        self._answer(HTML, b"")

    def _note(self, body: str) -> None:
        self.server.received.append(f"{self.requestline}\n{self.headers}\n{body}")

    def _answer(self, media_type: str, body: bytes, *policies: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for policy in policies:
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """It says nothing."""


@contextlib.contextmanager
def attacker(port: int = 0) -> Iterator[Attacker]:
    """An attacker's server until the end of the block; then nothing of it listens or talks."""
    with Attacker(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            server.socket.close()
            server.hang_up()
