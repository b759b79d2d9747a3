"""How the results of windows become one file: what the machinery for windows needs of a file format."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from impact_jobs._api.context import ClientContext
from impact_jobs._download.joining import count_csv_rows

_GZIP = b"\x1f\x8b"


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


def takes_json_lines(path: Path) -> bool:
    """Return whether the name of a file says that it holds JSON lines, into which all pages of a JSON result fit."""
    return path.suffix.lower() in {".jsonl", ".ndjson"}


def csv_rows(path: Path) -> int | None:
    """Return the number of records in a CSV file below its header; None if the file is compressed."""
    with path.open("rb") as file:
        is_compressed = file.read(len(_GZIP)) == _GZIP
    return None if is_compressed else count_csv_rows(path)
