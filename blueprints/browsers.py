"""What a browser must not be made to do by a page of somebody else (SPEC section 10).

Where access is open, whoever can reach the service may use it; but a web page that is open on
the same machine must not, be it by a host name that it makes resolve to a loopback address
(DNS rebinding), by a form, or by a script (Fetch standard, "CORS protocol").
"""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Response, current_app, request

from blueprints.context import services
from blueprints.forwarded import ASKED_HOST
from errors import ApiError

SAFE = ("GET", "HEAD", "OPTIONS")
PREFLIGHT_SECONDS = 600
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{0,5})?")
_REQUEST_HEADERS = (
    "Authorization, Content-Digest, Content-Disposition, Content-MD5, Content-Type, If-Match, "
    "If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Range, Repr-Digest, "
    "X-Request-Id"
)
_EXPOSED = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Link, Location, "
    "Repr-Digest, Retry-After, WWW-Authenticate, X-Request-Id"
)


def check() -> None:
    """Raises `wrong_host`, `foreign_origin`."""
    settings = services().settings
    if settings.is_open and not _is_our_host(settings.allowed_hosts):
        raise ApiError("wrong_host")
    if request.method not in SAFE and _is_foreign():
        raise ApiError("foreign_origin")


def _is_our_host(allowed: tuple[str, ...]) -> bool:
    """Names that no page can make up. Without a name, as in HTTP/1.0, it is no browser."""
    hosts = (
        request.headers.get("Host", ""),
        request.environ.get(ASKED_HOST, ""),
        _target_host(request.environ.get("RAW_URI", "")),
    )
    names = [_host_name(host) for host in hosts if host]
    return all(n in allowed or n == "localhost" or _is_loopback(n) for n in names)


def _target_host(target: str) -> str:
    """The host in a target in absolute form, which counts before Host (RFC 9112 3.2.2)."""
    match = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)", target)
    return match[1] if match else ""


def _host_name(host: str) -> str:
    """The name in a Host field (RFC 9110 7.2), `""` where it is none: nothing is guessed."""
    match = _HOST.fullmatch(host.lower())
    return (match[1] or match[2]).removesuffix(".") if match else ""


@lru_cache(maxsize=100)
def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_foreign() -> bool:
    """Whether a page of another origin made the browser send this."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site") == "cross-site"
    return origin not in services().settings.cors_origins and not _is_own(origin)


def _is_own(origin: str) -> bool:
    """The same scheme, host and port as the service is asked under (RFC 6454 section 5)."""
    ours = _origin(f"{request.scheme}://{request.headers.get('Host', '')}")
    return ours is not None and _origin(origin) == ours


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname or "", port)


def add_headers(response: Response) -> Response:
    """What lets pages of the origins in `CORS_ORIGINS` use the service, and no others."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    origins = services().settings.cors_origins
    if not origins:
        return response
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin not in origins:
        return response
    response.headers["Access-Control-Allow-Origin"] = str(origin)
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = ", ".join(_methods())
        response.headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return response


def _methods() -> list[str]:
    """What may be asked of the path, whatever was asked now."""
    adapter = current_app.create_url_adapter(request)
    return sorted(adapter.allowed_methods()) if adapter is not None else []
