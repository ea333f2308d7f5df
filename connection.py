"""A client's connection with a limit to what it may waste (SPEC section 8)."""

import errno
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

LARGEST_RECV = 2**18  # the buffer of a `recv`, which a client that stalls holds
WINDOW_SECONDS, FLOOR = 60.0, 1024  # bytes a second, while the server waits for the client


class Connection(socket.socket):
    """A client's socket that loses patience, whoever reads from it."""

    patience = 30.0
    _expects_continue = False
    _head_until: float | None = None
    _waited, _received = 0.0, 0
    #: Whether the client has said that it will send no more.
    ended = False

    @property
    def awaits_head(self) -> bool:
        """Whether the headers of a request are still to come."""
        return self._head_until is not None

    def expect_head(self) -> None:
        """From here on a request's headers come, which take `patience` seconds at most."""
        self._head_until = time.monotonic() + self.patience
        self._waited, self._received = 0.0, 0

    def head_is_in(self, *, expects_continue: bool) -> None:
        """From here on a body comes: no stall longer than `patience`, no less than `FLOOR`."""
        self._head_until = None
        self._expects_continue = expects_continue
        self.setblocking(True)

    def setblocking(self, flag: bool) -> None:
        """What gunicorn calls before it uses a socket: to block means for `patience`."""
        self.settimeout(self.patience if flag else 0)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Raises TimeoutError for a client that stalls or is too slow."""
        with self._patience():
            piece = super().recv(min(size, LARGEST_RECV), flags)
        self._judge(len(piece))
        return piece

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Raises TimeoutError for a client that stalls or is too slow."""
        with self._patience():
            count = super().recv_into(buffer, nbytes, flags)
        self._judge(count)
        return count

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Wait for the client within its limits, and note for how long."""
        if self._expects_continue:  # RFC 9110 10.1.1: the body is wanted now, and not before
            self._expects_continue = False
            self.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        begun = time.monotonic()
        if self._head_until is not None:
            self.settimeout(max(0.001, self._head_until - begun))
        try:
            yield
        except TimeoutError:  # with a number, so that gunicorn does not take it for a bug
            raise TimeoutError(errno.ECONNRESET, "the client stalls") from None
        self._waited += time.monotonic() - begun

    def _judge(self, count: int) -> None:
        """Note what came; a client that brings too little is too slow."""
        self._received += count
        self.ended = not count
        if self._waited >= WINDOW_SECONDS:
            if self._received < WINDOW_SECONDS * FLOOR:
                raise TimeoutError(errno.ECONNRESET, "the client is too slow")
            self._waited, self._received = 0.0, 0

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send it all. Raises TimeoutError where nothing of it moves for `patience`."""
        view = memoryview(data)  # socket.sendall would bound the time for all of it
        while view:
            view = view[self.send(view, flags) :]

    def is_readable_within(self, seconds: float) -> bool:
        """Wait for the client's next bytes, or its end."""
        poll = select.poll()
        poll.register(self, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def linger(self, seconds: float) -> None:
        """Send what is left, discard what still comes, and end it (RFC 9112 9.6)."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            self._discard(time.monotonic() + seconds)
            # Else gunicorn would wait for the client, in the loop that serves all others.
            self.shutdown(socket.SHUT_RDWR)

    def _discard(self, until: float) -> None:
        with suppress(TimeoutError):
            while (left := until - time.monotonic()) > 0:
                self.settimeout(left)
                if not super().recv(2**18):
                    return
