"""What a proxy says of the client that it speaks for, if it is one of ours.

`X-Forwarded-For`, `-Proto` and `-Host` are anybody's to send: they count only on connections
from `TRUSTED_PROXIES`, and of the addresses the last one that is not a proxy of ours.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Networks = Sequence[IPv4Network | IPv6Network]
# Where the name stays that was asked for at this server: a page that has been given it by DNS
# may claim another one as a proxy would, but it cannot take it away.
ASKED_HOST = "file_drop.asked_host"
_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST")


class Forwarded:
    """A WSGI application behind proxies, some of them trusted."""

    def __init__(self, application: "WSGIApplication", trusted: Networks) -> None:
        self._application = application
        self._trusted = trusted

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        addresses, scheme, host = (environ.pop(name, "") for name in _HEADERS)
        if self._trusted and self._is_ours(environ.get("REMOTE_ADDR", "")):
            self._take(environ, _last(scheme), _last(host))
            environ["REMOTE_ADDR"] = self._client(addresses, environ["REMOTE_ADDR"])
        return self._application(environ, start_response)

    def _take(self, environ: "WSGIEnvironment", scheme: str, host: str) -> None:
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        if host:
            environ[ASKED_HOST] = environ.get("HTTP_HOST", "")
            environ["HTTP_HOST"] = host

    def _client(self, addresses: str, proxy: str) -> str:
        for address in reversed([one.strip() for one in addresses.split(",")]):
            if address and not self._is_ours(address):
                return address
        return proxy

    def _is_ours(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def _last(values: str) -> str:
    """What the proxy nearest to us said."""
    return values.rpartition(",")[2].strip()
