"""Generate the whole API of an account kind as a package of its own, in a folder of the user's choice."""

import keyword
from collections.abc import Sequence
from pathlib import Path

from spec.build import describe
from spec.documents import Problem, SpecError
from spec.folders import replace_tree
from spec.generator import generate_package, require_pinned_tools
from spec.importing import plan_import
from spec.trees import read_files

# Every generated package has these, and a package that a person wrote hardly has both.
_MARKS = ("client.py", "types.py")


def generate_all(root: Path, into: Path, *, pages: Sequence[Path] = (), spec: Path | None = None) -> tuple[int, list[str]]:
    """Generate a package from a folder of fragments and from pages, which are imported in memory only.

    Args:
        root: The project's tree, which gives the pinned tools and their configuration; it is not changed.
        into: The folder of the package; its name is the package's name.
        pages: Pages to import in addition.
        spec: A folder like `openapi`; by default the tree's own.

    Returns:
        The number of operations, and what the package leaves out.

    Raises:
        SpecError: The folder is not ours, a page is damaged, the parts contradict each other, or the generator fails.
    """
