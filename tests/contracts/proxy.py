"""A server between client and store that cuts answers off, or says nothing at all."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit


class Cutting:
    """Passes bytes on to `target`; answer n ends after `limits[n]` bytes, None being no end."""

    def __init__(self, target: str, limits: Sequence[int | None]) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._limits = list(limits)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut = threading.Event()
        self.connections = 0

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                limit = self._limits[self.connections] if self._limits else None
                self.connections += 1
                threading.Thread(target=self._serve, args=(client, limit), daemon=True).start()

    def _serve(self, client: socket.socket, limit: int | None) -> None:
        with client, socket.create_connection(self._target) as server:
            up = threading.Thread(target=_copy, args=(client, server, None), daemon=True)
            up.start()
            _copy(server, client, limit)
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            up.join()
        if limit is not None:
            self.cut.set()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _copy(source: socket.socket, sink: socket.socket, left: int | None) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece[:left])
            if left is not None and (left := left - len(piece)) <= 0:
                break


@contextlib.contextmanager
def cutting(target: str, limits: Sequence[int | None]) -> Iterator[Cutting]:
    proxy = Cutting(target, limits)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
