"""Build `openapi/agency-api.json` and `generated/` in memory, and write them or compare them with the tree."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spec.checks import check_document
from spec.documents import JsonObject, SpecError, render
from spec.folders import replace_folder, set_files
from spec.fragments import Fragment, read_fragments
from spec.generating.generator import PACKAGE, generate_package, require_pinned_tools
from spec.merging.merge import merge
from spec.merging.rules import Rules, read_rules
from spec.overlays.overlay import corrected
from spec.references import Locate
from spec.trees import Files, differences, read_files

DOCUMENT = "openapi/agency-api.json"
GENERATED = "generated"


@dataclass(frozen=True)
class Description:
    """The description of an API.

    Attributes:
        document: The merged and corrected OpenAPI document.
        locate: Gives the file and the line that a place of the document is from.
        notes: What differed in the fragments and was settled by the rule.
    """

    document: JsonObject
    locate: Locate
    notes: list[str]


@dataclass(frozen=True)
class Build:
    """All generated files, by their path in the tree, and what they leave out or settle."""

    files: Files
    notes: list[str]


def describe(openapi: Path, fragments: Iterable[Fragment] | None = None, *, rules: Rules | None = None) -> Description:
    """Merge the fragments of a folder, and apply its overlay if it has one.

    Args:
        openapi: The folder, such as `openapi`.
        fragments: Its fragments; by default those on disk.
        rules: How fragments become one; by default those of the folder.

    Raises:
        SpecError: The fragments contradict each other, or the overlay does not fit them.
    """
    merged = merge(read_fragments(openapi) if fragments is None else fragments, rules or read_rules(openapi))
    return Description(corrected(merged.document, openapi), merged.locate, merged.notes)


def build(root: Path, description: Description | None = None) -> Build:
    """Build all generated files in memory from a tree's openapi/.

    Args:
        root: The tree.
        description: The description; by default that of the files in openapi/.

    Raises:
        SpecError: The fragments, the overlay or the generator fail, or a tool is not the pinned one.
    """
    require_pinned_tools(root / "pyproject.toml")
    openapi = root / "openapi"
    description = description or describe(openapi)
    package = build_package(description, openapi / "generator.yml")
    files = {f"{GENERATED}/{path}": content for path, content in package.files.items()}
    return Build({DOCUMENT: render(description.document)} | files, package.notes)


def build_package(description: Description, config: Path, *, name: str = PACKAGE) -> Build:
    """Generate the package of a description.

    Args:
        description: The description.
        config: The generator's configuration.
        name: The name of the package, which begins the paths of its files.

    Raises:
        SpecError: The package would lack an operation or break; with all reasons.
    """
    notes = check_document(description.document, description.locate)
    package = generate_package(description.document, config, locate=description.locate, name=name)
    return Build(package.files, [*description.notes, *notes, *package.notes])


def current(root: Path) -> Files:
    """Read the generated files of a tree, and any other files among them."""
    document = root / DOCUMENT
    package = {f"{GENERATED}/{path}": content for path, content in read_files(root / GENERATED).items()}
    return ({DOCUMENT: document.read_bytes()} if document.exists() else {}) | package


def write(root: Path, built: Files) -> tuple[list[str], list[str]]:
    """Replace the generated files of a tree, and remove all others in generated/.

    An interruption leaves the old or the new package, and the old or the new document.

    Returns:
        The files that were written because they are new or differ, and those that were removed.

    Raises:
        OSError: A folder can't be prepared.
    """
    old = current(root)
    document = root / DOCUMENT
    package = {name.removeprefix(f"{GENERATED}/"): content for name, content in built.items() if name != DOCUMENT}
    if not document.exists() or document.read_bytes() != built[DOCUMENT]:
        replace_folder(document.parent, written={document.name: built[DOCUMENT]}, removed=())
    set_files(root / GENERATED, package)
    return [name for name in built if old.get(name) != built[name]], sorted(old.keys() - built.keys())


def check(root: Path) -> None:
    """Compare the generated files of a tree with a fresh build, byte for byte.

    Raises:
        SpecError: They differ; the message says where, and what to do.
    """
    if found := list(differences(expected=build(root).files, found=current(root))):
        listed = "\n".join(f"  {line}" for line in found)
        raise SpecError(
            f"the generated files are out of date: run `make generate`, and do not edit them by hand\n{listed}"
        )
