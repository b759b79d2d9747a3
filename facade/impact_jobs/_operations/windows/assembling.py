"""How the results of windows become one file: what an export in windows needs of a file format."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

from impact_jobs._api.context import ClientContext
from impact_jobs._download.joining import join_csv, join_json_lines


class Assemble(Protocol):
    """Builds one file from the results of windows. It runs in a thread, and may raise a `JobsError`."""

    def __call__(self, sources: Mapping[Path, int | None], target: Path, /) -> int:
        """Write `target`, a new file, from the results in `sources`, in their order, and return its number of rows.

        `sources` has the number of rows of each, if it is known. The memory that this takes must not grow with the
        files.
        """
        ...


PrepareAssembly: TypeAlias = Callable[[ClientContext, str], Awaitable[Assemble]]
"""Returns how to assemble the files of a report, given by its id.

It may send requests. It is called once all arguments have been checked, and before the first export is sent.
"""


def assembly_in(result_format: str) -> Assemble:
    """Return how to assemble results without a change of their format."""

    def assemble(sources: Mapping[Path, int | None], target: Path, /) -> int:
        known = {path: rows for path, rows in sources.items() if rows is not None}
        with target.open("wb") as file:
            if result_format == "CSV":
                return join_csv(list(sources), file, known_rows=known)
            return join_json_lines(list(sources), file)

    return assemble
