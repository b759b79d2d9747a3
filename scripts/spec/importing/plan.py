"""Import published pages: their documents become fragment files below `openapi/`, with the pages they came from.

Everything is read and checked in memory first. The folder is then replaced in one step, so that an error, a full disk
or an interruption leaves the old one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from spec.checks import check_document
from spec.documents import Problem, SpecError, render
from spec.folders import replace_folder
from spec.fragments import PROVENANCE, Fragment, read_fragments
from spec.importing.fragment_names import LONGEST_NAME, fragment_name, kebab
from spec.importing.newer_pages import Records, copied_page, repeated_pages
from spec.importing.pages import Page, read_page
from spec.importing.provenance import PageRecord, read_records, render_records
from spec.importing.stand_ins import redefined_schemas, replaced_stand_ins, stand_ins
from spec.merging.merge import MergeError, merge
from spec.merging.rules import Rules, read_rules
from spec.overlays.actions import OverlayError
from spec.overlays.overlay import OVERLAY, corrected
from spec.trees import Files

_GROUP = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Import:
    """What an import would write.

    Attributes:
        openapi: The folder.
        written: The files that are new or differ, by their path below the folder.
        removed: The files that are no longer in a page.
        added: Those of `written` that are new.
        notes: What was skipped or ignored in the pages, and what the rules of the merge settled.
        fragments: The number of fragments in the pages.
        everything: All fragments that the folder would have; the lines of the new ones are those of their pages.
    """

    openapi: Path
    written: Files
    removed: tuple[str, ...]
    added: frozenset[str]
    notes: tuple[str, ...]
    fragments: int
    everything: tuple[Fragment, ...]

    def apply(self) -> None:
        """Write it.

        Raises:
            SpecError: The folder can't be written; it is unchanged.
        """
        if not self.written and not self.removed:
            return
        try:
            replace_folder(self.openapi, written=self.written, removed=self.removed)
        except OSError as error:
            raise SpecError(Problem(str(error.filename or self.openapi), None, f"{error.strerror}")) from error

    def __str__(self) -> str:
        names = sorted([*self.written, *self.removed])
        kinds = {name: "added" if name in self.added else "changed" for name in self.written}
        lines = [f"{kinds.get(name, 'removed'):8} {self.openapi.name}/{name}" for name in names]
        return "\n".join([*self.notes, *(lines or [f"{self.openapi.name}/ is up to date"])])


def plan_import(
    paths: Sequence[Path],
    openapi: Path,
    *,
    group: str | None = None,
    today: date | None = None,
    rules: Rules | None = None,
) -> Import:
    """Read pages, and check what the folder would be with them.

    Args:
        paths: Markdown pages, or OpenAPI documents in JSON or YAML.
        openapi: The folder of fragments, such as `openapi`; it may be missing.
        group: The folder below it for all pages; by default each page has its own, named after it.
        today: The day to record for pages that are new or changed; by default the present one, in UTC.
        rules: How documents become one; by default those of the folder.

    Raises:
        SpecError: A page can't be read or is damaged, or the fragments would contradict each other; with all problems.
    """
    if openapi.exists() and not openapi.is_dir():
        raise SpecError(Problem(str(openapi), None, "is not a folder"))
    problems: list[Problem | str] = []
    pages: list[Page] = []
    groups: dict[str, _Group] = {}
    copies: list[str] = []
    records = _all_records(openapi)
    named = {path.name for path in paths}
    recorded = {key: record for key, record in records.items() if record.name not in named}
    # In the order of names, so that the order of the arguments makes no difference.
    for path in sorted(paths, key=lambda path: (path.name, path)):
        try:
            name = group_of(path, openapi, group=group)
            page = read_page(path)
            if copied := copied_page(path, page, recorded):
                copies.append(f"{path}: the same as {copied}")
                continue
            groups.setdefault(name, _Group.read(openapi, name)).claim(path, is_shared=group is not None)
            pages.append(page)
            groups[name].add(path.name, page, today or datetime.now(UTC).date())
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(*problems)
    found = [fragment for each in groups.values() for fragment in each.fragments]
    written = {name: content for each in groups.values() for name, content in each.files()}
    replaced = {name for each in groups.values() for name in each.replaced}
    old = read_fragments(openapi, without=replaced)
    ours = stand_ins(old, owned=_owned(records))
    replaced_by = replaced_stand_ins(found, ours)
    removed = sorted({*replaced, *replaced_by} - written.keys())
    others = [fragment for fragment in old if fragment.name not in {*written, *replaced_by}]
    repeated = [*repeated_pages(found, others, recorded)]
    everything = (*others, *found)
    try:
        settled = check(everything, openapi, rules=rules)
    except MergeError as error:
        redefined = redefined_schemas(found, [each for each in ours if each in others], openapi.name)
        raise MergeError(*repeated, *redefined, *error.problems, proposals=error.proposals) from error
    except SpecError as error:
        raise SpecError(*repeated, *error.problems) from error
    present = {name: path.read_bytes() for name in written if (path := openapi / name).exists()}
    own = [f"{page}: it takes the place of {openapi.name}/{name}" for name, page in sorted(replaced_by.items())]
    return Import(
        openapi,
        {name: content for name, content in written.items() if present.get(name) != content},
        tuple(removed),
        frozenset(written.keys() - present.keys()),
        (*copies, *(note for page in pages for note in page.notes), *map(_as_note, repeated), *own, *settled),
        len(found),
        everything,
    )


def check(fragments: Iterable[Fragment], openapi: Path, *, rules: Rules | None = None) -> list[str]:
    """Merge fragments and check what is generated from them; return the notes about what the rules settled.

    Args:
        fragments: All fragments.
        openapi: The folder, which may have rules and an overlay.
        rules: Other rules.

    Raises:
        SpecError: The fragments contradict each other, or can't be generated; with all problems.
    """
    merged = merge(fragments, rules or read_rules(openapi))
    try:
        document = corrected(merged.document, openapi)
    except OverlayError:
        # It is adapted to the new pages after the import, and may correct what the checks would refuse.
        return [*merged.notes, f"{openapi.name}/{OVERLAY} does not fit the new pages: `make generate` says what to do"]
    check_document(document, merged.locate)
    return merged.notes


def group_of(path: Path, openapi: Path, *, group: str | None = None) -> str:
    """Return the folder for a page: the one that the user names, or its own.

    Raises:
        SpecError: The name is not one for a folder, something else has it, or the page belongs to another folder.
    """
    if not path.name.isprintable():
        raise SpecError(Problem(ascii(str(path)), None, "is not named in UTF-8, or not in printable characters"))
    name = kebab(path.stem) if group is None else group
    advice = "name the group with --group NAME (GROUP=NAME for make)"
    if not _GROUP.fullmatch(name) or len(name) > LONGEST_NAME:
        reason = f"{name!r} can't name a group: it has to be small letters and digits, in words joined by hyphens"
        raise SpecError(Problem(str(path), None, reason, advice))
    folder = openapi / name
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SpecError(Problem(str(folder), None, "is not a folder, and so can't hold a group of fragments"))
    homes = {home for home, page in _all_records(openapi) if page == path.name}
    if group is None and homes and name not in homes:
        reason = f"a page of this name is in the group {' and '.join(sorted(homes))!r}, not in {name!r}"
        raise SpecError(Problem(str(path), None, reason, advice))
    return name


def _as_note(problem: Problem) -> str:
    return f"{problem.file}: {problem.reason}: {problem.advice}"


def _all_records(openapi: Path) -> dict[tuple[str, str], PageRecord]:
    """Return all recorded pages, by their groups and names."""
    folders = [file.parent for file in sorted(openapi.glob(f"*/{PROVENANCE}"))]
    return {(it.name, name): record for it in folders for name, record in _records(openapi, it).items()}


def _owned(records: Records) -> set[str]:
    """Return the names of the fragments that are from a recorded page."""
    return {f"{group}/{file}" for (group, _), record in records.items() for file in record.fragments}


def _records(openapi: Path, folder: Path) -> dict[str, PageRecord]:
    return read_records(folder / PROVENANCE, f"{openapi.name}/{folder.name}/{PROVENANCE}")


@dataclass
class _Group:
    """The fragments of a folder, while pages are imported into it.

    Attributes:
        name: The folder below `openapi/`.
        records: Its pages, by name.
        fragments: The new fragments.
        replaced: The files of earlier imports of the same pages.
        claims: The pages of this import, by name.
    """

    name: str
    records: dict[str, PageRecord]
    fragments: list[Fragment] = field(default_factory=list)
    replaced: set[str] = field(default_factory=set)
    claims: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def read(cls, openapi: Path, name: str) -> "_Group":
        return cls(name, _records(openapi, openapi / name))

    def claim(self, path: Path, *, is_shared: bool) -> None:
        """Refuse a second page of the same name, or any second page if the user did not name the group.

        Raises:
            SpecError: The page is refused.
        """
        if other := self.claims.get(path.name) or (None if is_shared else next(iter(self.claims.values()), None)):
            advice = "rename one of them" if is_shared else "import them apart, or into one group: --group NAME"
            raise SpecError(Problem(str(path), None, f"shares the group {self.name!r} with {other}", advice))
        self.claims[path.name] = path

    def add(self, name: str, page: Page, today: date) -> None:
        """Replace the fragments of a page."""
        old = self.records.pop(name, None)
        self.replaced |= {f"{self.name}/{file}" for file in (old.fragments if old else ())}
        files = tuple(self._file_names(name, page))
        self.fragments += [
            Fragment(f"{self.name}/{file}", document.content, document.source)
            for file, document in zip(files, page.documents, strict=True)
        ]
        day = old.day if old and old.sha256 == page.sha256 else today.isoformat()
        self.records[name] = PageRecord(name, page.sha256, day, files)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Give the new files of the group, by their path below the folder."""
        for fragment in self.fragments:
            yield fragment.name, render(fragment.document)
        yield f"{self.name}/{PROVENANCE}", render_records(self.records)

    def _file_names(self, name: str, page: Page) -> Iterator[str]:
        taken = {PROVENANCE}.union(*(other.fragments for other in self.records.values()))
        numbers: dict[str, int] = {}
        for document in page.documents:
            base = fragment_name(document, stem=Path(name).stem)
            file = ""
            while not file or file in taken:
                numbers[base] = numbers.get(base, 0) + 1
                file = f"{base}.json" if numbers[base] == 1 else f"{base}-{numbers[base]}.json"
            taken.add(file)
            yield file
