"""Generate the whole API of an account kind as a Python package, beside the facade.

Run it with `make generate-all INTO=folder`; PAGE="one.md two.yaml" adds pages without importing them into openapi/, and
SPEC=folder takes the descriptions of another account kind. The folder becomes the package, and gives it its name.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spec import interruptions  # noqa: F401 - the first import of ours, so that it serves the others
from spec.documents import SpecError
from spec.whole_api import generate_all

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("into", type=Path, help="the folder of the package, new or from an earlier run")
    parser.add_argument("pages", type=Path, nargs="*", metavar="PAGE", help="a Markdown page, or a JSON or YAML file")
    parser.add_argument("--spec", type=Path, help="a folder like openapi/ (default: openapi/ of the tree)")
    parser.add_argument("--rules", type=Path, help="a file like openapi/merge.yml (default: that of the folder)")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree with the pinned tools (default: this one)")
    options = parser.parse_args(arguments)
    try:
        done = generate_all(options.root, options.into, pages=options.pages, spec=options.spec, rules=options.rules)
    except (SpecError, OSError) as error:
        print(f"generate-all: {error}", file=sys.stderr)
        return 1
    for note in done.notes:
        print(note)
    print(f"{options.into} is a package with {done.operations} operations in {done.files} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
