"""Generate the whole API of an account kind as a package of its own, in a folder of the user's choice."""

import hashlib
import keyword
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from spec.build import build_package, describe
from spec.documents import Json, Problem, SpecError, as_object, object_at, render
from spec.folders import set_files
from spec.generating.generator import require_pinned_tools
from spec.importing.plan import plan_import
from spec.interruptions import uninterrupted
from spec.merging.rules import read_rules
from spec.texts.sources import read_source
from spec.trees import Files, read_files
from spec.walk import METHODS

# A file of the package that records the hashes of the others, so that the next run deletes no file of the user.
RECORD: Final = ".generated.json"


@dataclass(frozen=True)
class WholeApi:
    """What was generated: the number of operations and files, and what the types leave out or the merge settled."""

    operations: int
    files: int
    notes: list[str]


def generate_all(
    root: Path, into: Path, *, pages: Sequence[Path] = (), spec: Path | None = None, rules: Path | None = None
) -> WholeApi:
    """Generate a package from a folder of fragments and from pages, which are imported in memory only.

    Args:
        root: The project's tree, which gives the pinned tools and their configuration. It is not changed.
        into: The folder of the package. Its name is the package's name.
        pages: Pages to import in addition.
        spec: A folder like `openapi`; by default the tree's own.
        rules: A file like `openapi/merge.yml`; by default that of the folder.

    Raises:
        SpecError: The folder has files of the user, a page is damaged, parts contradict each other, or the
            generator fails.
    """
    _refuse_name(into)
    _refuse_foreign(into, root)
    require_pinned_tools(root / "pyproject.toml")
    openapi = spec or root / "openapi"
    chosen = read_rules(openapi, rules) if rules else None
    fragments = plan_import(pages, openapi, rules=chosen).everything if pages else None
    description = describe(openapi, fragments, rules=chosen)
    package = build_package(description, root / "openapi" / "generator.yml", name=into.name)
    files = {name.partition("/")[2]: content for name, content in package.files.items()}
    with uninterrupted():
        set_files(into, files | {RECORD: _record(files)})
    items = object_at(description.document, "paths").values()
    operations = sum(method in as_object(item) for item in items for method in METHODS)
    return WholeApi(operations, len(files), package.notes)


def _refuse_name(into: Path) -> None:
    """Refuse a folder whose name can't be a package's, or that hides another module or is hidden by it."""
    name = into.name
    if not name.isidentifier() or keyword.iskeyword(name):
        reason = f"{name!r} is not a name for a Python package"
        raise SpecError(Problem(str(into), None, reason, "choose a folder such as ./agency_api"))
    if name in sys.stdlib_module_names or _is_installed(name, into):
        reason = f"{name!r} is the name of a module that Python or an installed package has"
        raise SpecError(Problem(str(into), None, reason, "choose another name, such as ./agency_api"))


def _is_installed(name: str, into: Path) -> bool:
    scripts = Path(__file__).resolve().parents[1]
    found = PathFinder.find_spec(name, [entry for entry in sys.path if Path(entry).resolve() != scripts])
    origin = found.origin if found else None
    return origin is not None and not Path(origin).resolve().is_relative_to(into.resolve())


def _refuse_foreign(into: Path, root: Path) -> None:
    """Refuse a folder of the project, or one with files that this module has not written or that were edited."""
    if into.resolve().is_relative_to(root.resolve() / "generated") or into.resolve() == root.resolve():
        raise SpecError(Problem(str(into), None, "belongs to the project", "choose a folder of your own"))
    if into.exists() and not into.is_dir():
        raise SpecError(Problem(str(into), None, "is not a folder", "choose a folder that is new or empty"))
    files = read_files(into)
    if files and RECORD not in files:
        reason = f"has files that were not generated: {', '.join(files)}"
        raise SpecError(Problem(str(into), None, reason, "choose a folder that is new or empty"))
    if problems := [*_foreign(into, files)] if files else []:
        raise SpecError(*problems)


def _foreign(into: Path, files: Files) -> Iterator[Problem]:
    recorded = object_at(read_source(into / RECORD).parse(), "files")
    for name, content in files.items():
        if name != RECORD and name not in recorded:
            advice = "move it out of the folder, because all other files there are generated"
            yield Problem(str(into / name), None, "was not generated", advice)
        elif name != RECORD and recorded[name] != _hash(content):
            advice = "move your version out of the folder, or delete the file; the next run writes it again"
            yield Problem(str(into / name), None, "was edited after it was generated", advice)


def _record(files: Files) -> bytes:
    hashes: dict[str, Json] = {name: _hash(files[name]) for name in sorted(files)}
    return render({"about": "make generate-all wrote these files, and replaces them", "files": hashes})


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
