"""Rebuild openapi/agency-api.json and generated/ from the published fragments, or check that they are up to date.

Run it with `make generate` and `make check-generated`. Do not edit its output by hand: a correction of the API's
description belongs in openapi/overlay.json.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from documents import BuildError, JsonObject, read_object, render
from generator import generate_package, require_pinned_tools
from merge import Fragment, merge
from overlay import OverlayError, apply
from trees import Files, differences, read_files

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = "openapi/agency-api.json"
OVERLAY = "openapi/overlay.json"
GENERATED = "generated"


def build_document(root: Path) -> JsonObject:
    """Merge the fragments of a tree and apply its overlay.

    Raises:
        BuildError: The fragments contradict each other, or the overlay doesn't fit them.
    """
    others = {root / DOCUMENT, root / OVERLAY}
    paths = [path for path in (root / "openapi").glob("*.json") if path not in others]
    published = merge(Fragment(path.relative_to(root).as_posix(), read_object(path)) for path in paths)
    try:
        return apply(published, read_object(root / OVERLAY))
    except OverlayError as error:
        raise BuildError(f"{OVERLAY}: {error}") from error


def build(root: Path) -> Files:
    """Build all generated files in memory from a tree's openapi/.

    Raises:
        BuildError: The fragments, the overlay or the generator fail, or a tool is not the pinned one.
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
        BuildError: They differ; the message says where, and what to do.
    """
    if found := list(differences(expected=build(root), found=current(root))):
        listed = "\n".join(f"  {line}" for line in found)
        raise BuildError(
            f"the generated files are out of date: run `make generate`, and do not edit them by hand\n{listed}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a byte would change")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to work on (default: this one)")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            check(options.root)
        else:
            write(options.root, build(options.root))
    except (BuildError, OSError) as error:
        print(f"generate: {error}", file=sys.stderr)
        return 1
    print(f"{DOCUMENT} and {GENERATED}/ are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
