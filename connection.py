"""A client's connection with a limit to what it may waste (SPEC section 8)."""

import errno
import os
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

LARGEST_RECV = 2**18  # the buffer of a `recv`, which a client that stalls holds
WINDOW_SECONDS, FLOOR = 60.0, 1024  # bytes a second, while the server waits for the client

Result = TypeVar("Result")


class Connection(socket.socket):
    """A client's socket that loses patience, whoever reads from it or writes to it.

    Each call is tried at once, and only who has to wait asks the system for more: by itself
    a socket with a timeout asks before every call, and there are ten in a small request.
    """

    patience = 30.0
    _expects_continue = False
    _head_until: float | None = None
    _timeout: float | None = None
    _waited, _received = 0.0, 0
    #: Whether the client has said that it will send no more.
    ended = False

    def __init__(self, descriptor: int) -> None:
        super().__init__(fileno=descriptor)
        super().setblocking(False)

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

    def setblocking(self, flag: bool) -> None:
        """Nothing: gunicorn asks for either, and here whoever reads or writes waits."""

    def settimeout(self, value: float | None) -> None:
        """Bound each wait for the client's bytes, beside `patience`, by so many seconds."""
        self._timeout = value

    def gettimeout(self) -> float | None:
        return self._timeout

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Raises TimeoutError for a client that stalls or is too slow."""
        self._ask_for_body()
        piece = _tried(self._wait_for_bytes, super().recv, min(size, LARGEST_RECV), flags)
        self._judge(len(piece))
        return piece

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Raises TimeoutError for a client that stalls or is too slow."""
        self._ask_for_body()
        count = _tried(self._wait_for_bytes, super().recv_into, buffer, nbytes, flags)
        self._judge(count)
        return count

    def _ask_for_body(self) -> None:
        if self._expects_continue:  # RFC 9110 10.1.1: the body is wanted now, and not before
            self._expects_continue = False
            self.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _wait_for_bytes(self) -> None:
        """Wait for the client within its limits, and note for how long."""
        begun = time.monotonic()
        seconds = self.patience if self._head_until is None else self._head_until - begun
        if self._timeout is not None:
            seconds = min(seconds, self._timeout)
        self._wait_for(select.POLLIN, seconds)
        self._waited += time.monotonic() - begun

    def _wait_for_room(self) -> None:
        """Wait until the client has taken some of what it was sent."""
        self._wait_for(select.POLLOUT, self.patience)

    def _wait_for(self, event: int, seconds: float) -> None:
        if not self._comes(event, max(seconds, 0.001)):
            # With a number, so that gunicorn does not take it for a bug.
            raise TimeoutError(errno.ECONNRESET, "the client stalls")

    def _comes(self, event: int, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self, event)
        return bool(poll.poll(seconds * 1000))

    def _judge(self, count: int) -> None:
        """Note what came; a client that brings too little is too slow."""
        self._received += count
        self.ended = not count
        if self._waited >= WINDOW_SECONDS:
            if self._received < WINDOW_SECONDS * FLOOR:
                raise TimeoutError(errno.ECONNRESET, "the client is too slow")
            self._waited, self._received = 0.0, 0

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of it. Raises TimeoutError where nothing of it moves for `patience`."""
        return _tried(self._wait_for_room, super().send, data, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send it all. Raises TimeoutError where nothing of it moves for `patience`."""
        view = memoryview(data)
        while view:
            view = view[self.send(view, flags) :]

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes of a file from `offset`, or what there is of them, by the kernel;
        says how many. Raises TimeoutError where nothing moves for `patience`."""
        if count is None:
            raise ValueError("the service knows how much it sends")
        to, of, sent = self.fileno(), file.fileno(), 0
        while sent < count:
            more = _tried(self._wait_for_room, os.sendfile, to, of, offset + sent, count - sent)
            if not more:
                break
            sent += more
        return sent

    def is_readable_within(self, seconds: float) -> bool:
        """Wait for the client's next bytes, or its end."""
        return self._comes(select.POLLIN, seconds)

    def linger(self, seconds: float) -> None:
        """Send what is left, discard what still comes, and end it (RFC 9112 9.6)."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            self._discard(time.monotonic() + seconds)
            # Else gunicorn would wait for the client, in the loop that serves all others.
            self.shutdown(socket.SHUT_RDWR)

    def _discard(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0 and self.is_readable_within(left):
            with suppress(BlockingIOError):
                if not super().recv(2**18):
                    return


def _tried(wait: Callable[[], None], call: Callable[..., Result], *given: Any) -> Result:
    """What `call` gives, at once or after as many waits as it takes."""
    while True:
        try:
            return call(*given)
        except BlockingIOError:
            wait()
