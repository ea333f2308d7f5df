"""Named moments between two effects, at which a test can stop the process.

The code that changes the outside world says where it stands with `reached(name)`.
Nothing happens there in production; `tests/faults` puts its own function in `on_reached`
and kills the process, to show that what is left behind is whole (SPEC section 8).
"""

from collections.abc import Callable

POINTS = (
    "object.begun",
    "object.part_sent",
    "object.written",
    "object.committed",
    "create.before_document",
    "create.after_document",
    "replace.before_document",
    "replace.after_document",
    "delete.after_tombstone",
    "delete.after_object",
    "clean.after_bytes",
    "sweep.after_tombstone",
)


def _carry_on(name: str) -> None:
    """What happens at a fault point outside of tests: nothing."""


on_reached: Callable[[str], None] = _carry_on


def reached(name: str) -> None:
    """Say that the effect before `name` is done and the one after it is not."""
    on_reached(name)
