"""Import published pages, or bare OpenAPI documents, into openapi/.

Run it with `make import PAGE="one.md two.yaml"`. Each page becomes a group of fragments: a folder of its own, with one
file for each document of the page, and `source.json`, which records the page.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spec import interruptions
from spec.documents import SpecError
from spec.importing.plan import plan_import

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE", help="a Markdown page, or a JSON or YAML file")
    parser.add_argument("--group", help="one folder for all pages (default: one for each, named after the page)")
    parser.add_argument("--spec", type=Path, help="the folder of the fragments (default: openapi/ of the tree)")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to work on (default: this one)")
    options = parser.parse_args(arguments)
    try:
        planned = plan_import(options.pages, options.spec or options.root / "openapi", group=options.group)
        with interruptions.uninterrupted():
            planned.apply()
    except (SpecError, OSError) as error:
        print(f"import: {error}", file=sys.stderr)
        return 1
    print(planned)
    return 0


if __name__ == "__main__":
    sys.exit(main())
