"""gunicorn's threaded worker, made safe against clients that stall or are refused early.

Added: connections that lose patience, `100 Continue` only when the body is wanted, a close
that lets the client read an early answer, and the HTTP parser's errors in the shape of all
others (SPEC sections 7 and 8).
"""

import uuid
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors as http
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from connection import Connection
from errors import ApiError, render

LINGER_SECONDS, FIRST_BYTE_SECONDS = 5.0, 0.05
CODES = (
    (http.LimitRequestLine, "uri_too_long"),
    (http.LimitRequestHeaders, "headers_too_large"),
    (http.UnsupportedTransferCoding, "not_implemented"),
    (http.ExpectationFailed, "expectation_failed"),
    (http.ParseException, "bad_request"),
    (Exception, "internal_error"),
)


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
            conn.sock = Connection(fileno=conn.sock.detach())
        # gunicorn would hold a thread for 5 s for a client that says nothing.
        if not (conn.initialized or conn.wait_for_data(FIRST_BYTE_SECONDS)):
            return _DEFER
        conn.sock.expect_head()
        kept = super().handle(conn)
        if kept is False:
            whole = not conn.sock.awaits_head and _came_whole(conn.parser.mesg.body)
            conn.sock.linger(0 if whole else LINGER_SECONDS)
        return kept

    def handle_request(self, req, conn):
        conn.sock.head_is_in(expects_continue=req._expected_100_continue)
        req._expected_100_continue = False  # gunicorn would answer it before the app has decided
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


def _came_whole(body: Any) -> bool:
    """Whether nothing of the request is left on the wire."""
    return getattr(body.reader, "length", 0) == 0 and getattr(body.reader, "parser", None) is None
