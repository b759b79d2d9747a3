"""Build `openapi/agency-api.json` and `generated/` in memory, and write them or compare them with the tree."""

import shutil
from pathlib import Path

from spec.documents import JsonObject, SpecError, render
from spec.fragments import read_fragments
from spec.generator import generate_package, require_pinned_tools
from spec.merge import merge
from spec.overlay import apply
from spec.rules import read_rules
from spec.sources import read_source
from spec.trees import Files, differences, read_files

DOCUMENT = "openapi/agency-api.json"
OVERLAY = "openapi/overlay.json"
GENERATED = "generated"


def build_document(root: Path) -> JsonObject:
    """Merge the fragments of a tree and apply its overlay.

    Raises:
        SpecError: The fragments contradict each other, or the overlay doesn't fit them.
    """
    openapi = root / "openapi"
    published = merge(read_fragments(openapi), read_rules(openapi)).document
    return apply(published, read_source(root / OVERLAY, OVERLAY))


def build(root: Path) -> Files:
    """Build all generated files in memory from a tree's openapi/.

    Raises:
        SpecError: The fragments, the overlay or the generator fail, or a tool is not the pinned one.
    """
    require_pinned_tools(root / "pyproject.toml")
    document = render(build_document(root))
    package = generate_package(document, root / "openapi" / "generator.yml")
    return {DOCUMENT: document} | {f"{GENERATED}/{path}": content for path, content in package.items()}


def current(root: Path) -> Files:
    """Read the generated files of a tree, and any other files among them."""
    document = root / DOCUMENT
    package = {f"{GENERATED}/{path}": content for path, content in read_files(root / GENERATED).items()}
    return ({DOCUMENT: document.read_bytes()} if document.exists() else {}) | package


def write(root: Path, built: Files) -> None:
    """Replace the generated files of a tree, and remove all others in generated/."""
    if (root / GENERATED).exists():
        shutil.rmtree(root / GENERATED)
    for name, content in built.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check(root: Path) -> None:
    """Compare the generated files of a tree with a fresh build, byte for byte.

    Raises:
        SpecError: They differ; the message says where, and what to do.
    """
    if found := list(differences(expected=build(root), found=current(root))):
        listed = "\n".join(f"  {line}" for line in found)
        raise SpecError(
            f"the generated files are out of date: run `make generate`, and do not edit them by hand\n{listed}"
        )
