"""How a page divides its conditions, alike in every back end."""

from collections.abc import Sequence
from typing import Any

from storage.interfaces import Order, Where


def divide(
    where: Sequence[Where], order: Order, after: tuple[Any, ...] | None
) -> tuple[list[Where], list[Where]]:
    """The conditions that bound the run of index rows, and those looked at row by row.

    Once a page begins after a row, the bound on that side says nothing more; an index takes
    one bound a side, and with the wrong one it would start at the beginning again.
    """
    near = ("lt", "lte") if order.descending else ("gt", "gte")
    bounds: list[Where] = []
    filters: list[Where] = []
    for condition in where:
        on_order = condition.field == order.fields[0] and condition.op != "contains"
        passed = after is not None and condition.op in near
        (bounds if on_order and not passed else filters).append(condition)
    return bounds, filters
