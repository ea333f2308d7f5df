"""Time as the documents have it: RFC 3339 in UTC with milliseconds, which sorts as text."""

from datetime import UTC, datetime


def timestamp(moment: datetime) -> str:
    """`2026-03-09T18:00:00.000Z`; what is finer than a millisecond is cut off."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_timestamp(text: str) -> datetime:
    """The moment that `timestamp` wrote down."""
    return datetime.fromisoformat(text)


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)
