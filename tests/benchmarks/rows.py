"""The rows of the table: two figures, their ratio, and the target of the ratio."""

from __future__ import annotations

import operator
from collections.abc import Callable

from attrs import field, frozen


@frozen
class Row:
    """One line of the table.

    Attributes:
        what: The name of the comparison.
        ours: Our figure.
        peer: The peer's figure.
        ratio: The ratio of the figures, which the target bounds.
        target: The bound of `ratio`, or None if there is none.
        is_floor: Whether a higher ratio is better.
        unit: The unit of both figures.
        peer_name: The name of the peer.
    """

    what: str
    ours: float
    peer: float
    ratio: float
    target: float | None = None
    is_floor: bool = True
    unit: str = "s"
    peer_name: str = field(default="curl")

    @property
    def verdict(self) -> str:
        """Return whether the target is met."""
        if self.target is None:
            return "-"
        within: Callable[[float, float], bool] = operator.ge if self.is_floor else operator.le
        return "met" if within(self.ratio, self.target) else "MISSED"


def table(rows: list[Row]) -> str:
    """Format the rows as text."""
    lines = [f"{'what':<58} {'ours':>10} {'peer':>10}  {'ratio':>7} {'target':>8}  verdict"]
    for row in rows:
        bound = "" if row.target is None else f"{'>=' if row.is_floor else '<='} {row.target:g}"
        figures = f"{row.ours:>8.3f} {row.unit:<2}{row.peer:>8.3f} {row.unit:<2}"
        lines.append(f"{f'{row.what} / {row.peer_name}':<58} {figures} {row.ratio:>7.2f} {bound:>8}  {row.verdict}")
    return "\n".join(lines)
