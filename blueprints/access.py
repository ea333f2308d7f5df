"""Who may come in: every request gets a principal before anything of its body is read.

A route says what it needs with `@needs(scope)`, or with `@public` that it needs nothing; the
app does not start with a route that says neither. SPEC section 10.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from flask import Flask, current_app, g, request

from blueprints.context import services
from errors import ApiError
from services.keys import Keys
from services.principals import ANYONE, Principal

View = TypeVar("View", bound=Callable[..., object])
# Of what stands behind `Bearer`: the principal, or None.
Authenticator = Callable[[str], Principal | None]

_SCOPE = "scope"
_NOTHING = ""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="file-drop"'}


def needs(scope: str) -> Callable[[View], View]:
    """The route is for principals with this scope."""

    def mark(view: View) -> View:
        setattr(view, _SCOPE, scope)
        return view

    return mark


def public(view: View) -> View:
    """The route is for all, or has a token of its own."""
    return needs(_NOTHING)(view)


def scope_of(app: Flask, endpoint: str) -> str:
    """What a route needs, `""` for nothing. Raises AttributeError if it does not say."""
    return str(getattr(app.view_functions[endpoint], _SCOPE))


def check_declared(app: Flask) -> None:
    """Raises AttributeError for a route that does not say what it needs."""
    for rule in app.url_map.iter_rules():
        scope_of(app, rule.endpoint)


def authorize() -> None:
    """Let the request in, or raise `unauthorized` or `forbidden`.

    Where there is no such route that is told only to who may come in at all. OPTIONS asks
    what a route could do, and a browser's preflight brings no credentials.
    """
    scope = scope_of(current_app, request.endpoint) if request.endpoint else None
    if scope == _NOTHING or request.method == "OPTIONS":
        return
    g.principal = _authenticated(services().authenticators)
    if scope is not None and not g.principal.may(scope):
        raise ApiError("forbidden", scope=scope)


def _authenticated(authenticators: Iterable[Authenticator]) -> Principal:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    given = credentials.strip() if scheme.lower() == "bearer" else ""
    for authenticate in authenticators:
        principal = authenticate(given)
        if principal is not None:
            return principal
    raise ApiError("unauthorized", CHALLENGE)


def anyone(_: str) -> Principal:
    """`AUTH=none`: all are welcome, whatever they bring."""
    return ANYONE


def by_key(keys: Keys) -> Authenticator:
    """`AUTH=keys`: who has an API key."""

    def authenticate(credentials: str) -> Principal | None:
        found = keys.authenticate(credentials)
        if found is None:
            return None
        principal, document = found
        keys.note_use(document)
        return principal

    return authenticate
