"""A table that fits the terminal: the least important columns are dropped, and wide ones share the remaining room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from attrs import frozen
from rich.cells import cell_len
from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

_GAP = 2


@frozen(kw_only=True)
class Column:
    """A column of a table; one of rank 0 is never dropped, the others are dropped from the highest rank down."""

    title: str
    rank: int
    cells: Sequence[RenderableType]
    width: int
    max_width: int = 0
    justify: JustifyMethod = "left"


def text_column(
    title: str,
    rank: int,
    texts: Sequence[str | Text],
    *,
    width: int = 0,
    min_width: int | None = None,
    justify: JustifyMethod = "left",
) -> Column:
    """Create a column as wide as its longest text, and at least `width`; it may shrink to `min_width`."""
    cells = [Text(text) if isinstance(text, str) else text for text in texts]
    wanted = max(width, cell_len(title), *(cell.cell_len for cell in cells), 0)
    least = wanted if min_width is None else min(wanted, min_width)
    return Column(title=title, rank=rank, cells=cells, width=least, max_width=wanted, justify=justify)


number_column: Callable[..., Column] = partial(text_column, justify="right")


def distinct_width(texts: Iterable[str], *, least: int) -> int:
    """Return the width, at least `least`, to which different texts can be cut so that they still differ."""
    different = set(texts)
    longest = max(map(len, different), default=0)
    widths = range(least, longest)
    return next((width for width in widths if len({cut(text, width) for text in different}) == len(different)), longest)


def cut(text: str, width: int) -> str:
    """Return the text, with an ellipsis for its end if it is too wide."""
    return text if len(text) <= width else f"{text[: width - 1]}\u2026"


def fitted_table(columns: Sequence[Column], width: int, *, header_style: str) -> Table:
    """Create a table of the columns that fit into `width`, in the order given."""
    widths: dict[str, int] = {}
    remaining = width + _GAP
    by_rank = sorted(columns, key=lambda column: column.rank)
    for column in by_rank:
        if column.rank == 0 or column.width + _GAP <= remaining:
            widths[column.title] = column.width
            remaining -= column.width + _GAP
    for column in by_rank:
        if column.title in widths:
            growth = max(min(column.max_width - column.width, remaining), 0)
            widths[column.title] += growth
            remaining -= growth
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style=header_style)
    chosen = [column for column in columns if column.title in widths]
    for column in chosen:
        table.add_column(
            column.title, width=widths[column.title], no_wrap=True, overflow="ellipsis", justify=column.justify
        )
    for row in zip(*(column.cells for column in chosen), strict=True):
        table.add_row(*row)
    return table


def folded_table(titles: Sequence[str], rows: Iterable[Sequence[str | Text]], *, show_header: bool = True) -> Table:
    """Create a table whose last column is folded if the terminal is too narrow."""
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold", show_header=show_header)
    for title in titles[:-1]:
        table.add_column(title, no_wrap=True)
    table.add_column(titles[-1], overflow="fold")
    for row in rows:
        table.add_row(*(Text(text) if isinstance(text, str) else text for text in row))
    return table
