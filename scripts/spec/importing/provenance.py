"""Where fragments come from: `source.json` in each folder below `openapi/` records the pages that were imported."""

from dataclasses import dataclass
from pathlib import Path

from spec.documents import Json, Problem, SpecError, render
from spec.texts.sources import read_source


@dataclass(frozen=True)
class PageRecord:
    """An imported page.

    Attributes:
        name: The name of its file.
        sha256: The hash of its text, without a byte order mark and with LF line ends.
        day: The day (UTC) on which this text was imported first.
        fragments: The files that it became, in its order.
    """

    name: str
    sha256: str
    day: str
    fragments: tuple[str, ...]


def read_records(path: Path, file: str) -> dict[str, PageRecord]:
    """Read the records of a group, by the names of the pages; none if there is no such file.

    Args:
        path: The file.
        file: Its name in messages.

    Raises:
        SpecError: The file can't be read, or an entry records no page.
    """
    if not path.exists():
        return {}
    source = read_source(path, file)
    pages = source.parse().get("pages")
    records = {}
    for index, page in enumerate(pages if isinstance(pages, list) else [pages]):
        record = _record(page)
        if record is None:
            advice = "restore the file, or delete it and import the pages again"
            raise SpecError(Problem(file, source.line("pages", index), "this entry does not describe a page", advice))
        records[record.name] = record
    return records


def _record(page: Json) -> PageRecord | None:
    match page:
        case {"name": str(name), "sha256": str(sha256), "day": str(day), "fragments": [*files]}:
            names = tuple(file for file in files if isinstance(file, str) and file == Path(file).name)
            return PageRecord(name, sha256, day, names) if len(names) == len(files) else None
    return None


def render_records(records: dict[str, PageRecord]) -> bytes:
    """Return the bytes of `source.json`, with the pages in the order of their names."""
    pages: list[Json] = [
        {"name": name, "sha256": record.sha256, "day": record.day, "fragments": [*record.fragments]}
        for name, record in sorted(records.items())
    ]
    return render({"pages": pages})
