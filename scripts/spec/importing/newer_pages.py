"""Recognize a page that is another one under a new name, such as the second download of a browser: `jobs (1).md`."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from spec.documents import Problem
from spec.fragments import Fragment
from spec.importing.fragment_names import operations_of, route
from spec.importing.pages import Page
from spec.importing.provenance import PageRecord

# The recorded pages, by group and name.
Records = Mapping[tuple[str, str], PageRecord]


def copied_page(path: Path, page: Page, records: Records) -> str | None:
    """Return which recorded page of another name has the same text, if there is one."""
    same = (key for key, record in records.items() if record.sha256 == page.sha256 and record.name != path.name)
    return next((f"{name} in group {group}" for group, name in same), None)


def repeated_pages(new: Iterable[Fragment], old: Iterable[Fragment], records: Records) -> Iterator[Problem]:
    """Yield a problem for each new page with operations that a page has which is not imported.

    Args:
        new: The fragments of the imported pages.
        old: All others.
        records: The pages of the others.
    """
    pages = {f"{key[0]}/{file}": key for key, record in records.items() for file in record.fragments}
    owners = {key: pages[fragment.name] for fragment in old if fragment.name in pages for key in _keys(fragment)}
    found = {(each.source.file, owners[key]): None for each in new for key in _keys(each) if key in owners}
    for file, (group, name) in found:
        advice = f"if it is a newer version, save it as {name} and import again"
        yield Problem(file, None, f"it describes the operations of {name} (group {group})", advice)


def _keys(fragment: Fragment) -> Iterator[tuple[str, str]]:
    """Yield what identifies each operation."""
    return (route(method, path) for path, method, _ in operations_of(fragment.document))
