"""Generate the whole API of an account kind as a package of its own, in a folder of the user's choice."""

import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spec.build import build_package, describe
from spec.documents import Problem, SpecError, as_object, object_at
from spec.folders import set_files
from spec.generating.generator import require_pinned_tools
from spec.importing.plan import plan_import
from spec.merging.rules import read_rules
from spec.walk import METHODS

# Files of every generated package.
_OURS = frozenset({"__init__.py", "client.py", "errors.py", "types.py", "py.typed"})


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
        SpecError: The folder is not ours, a page is damaged, parts contradict each other, or the generator fails.
    """
    _refuse_foreign(into, root)
    require_pinned_tools(root / "pyproject.toml")
    openapi = spec or root / "openapi"
    chosen = read_rules(openapi, rules) if rules else None
    fragments = plan_import(pages, openapi, rules=chosen).everything if pages else None
    description = describe(openapi, fragments, rules=chosen)
    package = build_package(description, root / "openapi" / "generator.yml", name=into.name)
    files = {name.partition("/")[2]: content for name, content in package.files.items()}
    set_files(into, files)
    items = object_at(description.document, "paths").values()
    operations = sum(method in as_object(item) for item in items for method in METHODS)
    return WholeApi(operations, len(files), package.notes)


def _refuse_foreign(into: Path, root: Path) -> None:
    """Refuse a folder whose name is no package's, or that something else than this module has filled."""
    name = into.name
    if not name.isidentifier() or keyword.iskeyword(name):
        reason = f"{name!r} is not a name for a Python package"
        raise SpecError(Problem(str(into), None, reason, "choose a folder such as ./agency_api"))
    if into.resolve().is_relative_to(root.resolve() / "generated") or into.resolve() == root.resolve():
        raise SpecError(Problem(str(into), None, "belongs to the project", "choose a folder of your own"))
    if into.exists() and not into.is_dir():
        raise SpecError(Problem(str(into), None, "is not a folder", "choose a folder that is new or empty"))
    if into.is_dir() and (names := {path.name for path in into.iterdir()}) and not names >= _OURS:
        reason = "has files that were not generated"
        raise SpecError(Problem(str(into), None, reason, "choose a folder that is new or empty"))
