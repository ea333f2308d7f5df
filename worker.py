"""gunicorn's threaded worker, made safe against clients that stall or are refused early.

Added: connections that lose patience, `100 Continue` only when the body is wanted, a close
that lets the client read an early answer, and the HTTP parser's errors in the shape of all
others (SPEC sections 7 and 8).
"""

import uuid
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http import errors as http
from gunicorn.http.body import Body, LengthReader
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from connection import Connection
from errors import ApiError, render

LINGER_SECONDS, FIRST_BYTE_SECONDS, NEXT_REQUEST_SECONDS = 5.0, 0.05, 0.01
CODES = (
    (http.LimitRequestLine, "uri_too_long"),
    (http.LimitRequestHeaders, "headers_too_large"),
    (http.UnsupportedTransferCoding, "not_implemented"),
    (http.ExpectationFailed, "expectation_failed"),
    (http.ParseException, "bad_request"),
    (Exception, "internal_error"),
)


class ServerLogger(Logger):
    """gunicorn's own messages; each request has a line of the application's already."""

    def access(self, resp, req, environ, request_time):
        """Nothing: even a line that nobody wants would be put together first."""


class Worker(ThreadWorker):
    """The worker class of `gunicorn.conf.py`."""

    wsgi: Any

    def load_wsgi(self):
        super().load_wsgi()
        application = self.wsgi

        def closing_early(environ, start_response):
            response = start_response.__self__

            def start(status, headers, exc_info=None):
                if response.sock.ended or not _came_whole(response.req.body):
                    response.force_close()
                return start_response(status, headers, exc_info)

            return application(environ, start)

        self.wsgi = closing_early

    def set_accept_enabled(self, enabled):
        super().set_accept_enabled(enabled)
        if not self.alive:  # stopping: who comes now is refused at once, not left waiting
            for listener in self.sockets:
                listener.close()

    def handle(self, conn):
        if not isinstance(conn.sock, Connection):
            conn.sock = Connection(conn.sock.detach())
        # gunicorn would hold a thread for 5 s for a client that says nothing.
        if not (conn.initialized or conn.wait_for_data(FIRST_BYTE_SECONDS)):
            return _DEFER
        kept = self._handle_next(conn)
        while kept is True and self._comes_more(conn):
            kept = self._handle_next(conn)
        if kept is False:
            whole = not conn.sock.awaits_head and _came_whole(conn.parser.mesg.body)
            conn.sock.linger(0 if whole else LINGER_SECONDS)
        return kept

    def _handle_next(self, conn):
        conn.sock.expect_head()
        return super().handle(conn)

    def _comes_more(self, conn):
        """Whether the next request is there at once, as from a client that has many: to hand
        the connection back to gunicorn's loop costs more than a small request itself."""
        if not self.alive or self.nr_conns > self.cfg.threads:
            return False
        came_with_last = conn.parser.unreader.buf.getvalue()
        return bool(came_with_last) or conn.sock.is_readable_within(NEXT_REQUEST_SECONDS)

    def handle_request(self, req, conn):
        conn.sock.head_is_in(expects_continue=req._expected_100_continue)
        req._expected_100_continue = False  # gunicorn would answer it before the app has decided
        req.body = StraightBody(req.body, req.unreader, conn.sock)
        return super().handle_request(req, conn)

    def handle_error(self, req, client, addr, exc):
        code = next(code for kind, code in CODES if isinstance(exc, kind))
        failure, request_id = ApiError(code), uuid.uuid4().hex
        # Not its text, which has what the client sent, credentials perhaps among it.
        extra = {"request_id": request_id, "why": type(exc).__name__}
        if failure.status == 500:
            self.log.error("unhandled exception", exc_info=exc, extra=extra)
        else:
            self.log.info("malformed request", extra=extra)
        body = render(failure, request_id).encode()
        head = (
            f"HTTP/1.1 {failure.status} {HTTPStatus(failure.status).phrase}\r\n"
            "Connection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"Cache-Control: no-store\r\nX-Request-Id: {request_id}\r\n\r\n"
        )
        with suppress(OSError):
            client.sendall(head.encode("ascii") + body)


class StraightBody(Body):
    """A request's body that is received straight into the memory where it is wanted.

    gunicorn copies each byte three times on its way, and asks for fresh memory each time.
    """

    def __init__(self, body, unreader, connection):
        super().__init__(body.reader)
        self._unreader = unreader
        self._connection = connection

    def readinto(self, buffer):
        """Fill `buffer`, a memoryview, from its beginning; 0 at the end, and where the client
        left early. Raises what `Connection` and gunicorn's readers raise."""
        if not isinstance(self.reader, LengthReader):
            piece = self.read(len(buffer))
            buffer[: len(piece)] = piece
            return len(piece)
        count = self._receive(buffer[: self.reader.length])
        self.reader.length -= count
        return count

    def _receive(self, buffer):
        came_with_head = self._unreader.take_buffered() if buffer else b""
        if not came_with_head:
            return self._connection.recv_into(buffer) if buffer else 0
        count = min(len(buffer), len(came_with_head))
        buffer[:count] = came_with_head[:count]
        self._unreader.unread(came_with_head[count:])
        return count


def _came_whole(body: Any) -> bool:
    """Whether nothing of the request is left on the wire."""
    return getattr(body.reader, "length", 0) == 0 and getattr(body.reader, "parser", None) is None
