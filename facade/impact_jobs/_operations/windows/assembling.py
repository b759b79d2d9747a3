"""How the results of windows become one file: what an export in windows needs of a file format."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from impact_jobs._api.context import ClientContext
from impact_jobs._download.joining import join_csv, join_json_lines


class Assemble(Protocol):
    """Builds one file from the results of windows. It runs in a thread, and may raise a `JobsError`."""

    def __call__(self, sources: Sequence[Path], target: Path, /) -> int:
        """Write `target`, a new file, from the results in `sources`, in their order, and return its number of rows.

        The memory that it takes must not grow with the files.
        """
        ...


PrepareAssembly: TypeAlias = Callable[[ClientContext, str], Awaitable[Assemble]]
"""Returns how to assemble the files of a report, given by its id.

It may send requests. It is called once all arguments have been checked, and before the first export is sent.
"""


def assembly_in(result_format: str) -> Assemble:
    """Return how to assemble results without a change of their format."""
    join = join_csv if result_format == "CSV" else join_json_lines

    def assemble(sources: Sequence[Path], target: Path, /) -> int:
        with target.open("wb") as file:
            return join(sources, file)

    return assemble
