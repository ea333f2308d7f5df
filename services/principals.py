"""Who asks, and for whom: what each request is allowed, and whose things it is about.

An authenticator makes one of these of what a request brings; everything behind it knows only
the principal. The place for another one (`oidc`) is beside `keys` in `blueprints/access.py`.
"""

from dataclasses import dataclass

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)


@dataclass(frozen=True)
class Principal:
    """`name` is who it is in the log, `owner` whose files it makes, `scopes` what it may do."""

    name: str
    owner: str
    scopes: frozenset[str]

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.scopes

    @property
    def whose(self) -> dict[str, str]:
        """Part of every look-up: what it cannot find is not there for this principal."""
        return {} if self.is_admin else {"owner": self.owner}

    def may(self, scope: str) -> bool:
        """Admins may do everything."""
        return scope in self.scopes or self.is_admin


# Everybody, where access is open: what they make belongs to nobody in particular.
ANYONE = Principal("anyone", "", frozenset((READ, WRITE)))
