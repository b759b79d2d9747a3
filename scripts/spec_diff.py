"""Report what has changed in the API's description, what it breaks, and which version is next.

Run it with `make spec-diff`. It compares openapi/agency-api.json and generated/ with those of a commit, or two
documents.

Exit codes: 0 if nothing breaks, 1 if the generated interface or the facade breaks, 2 if nothing could be compared.
`make` itself turns a 1 into a 2, so a pipeline that needs the difference runs the script.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spec import interruptions  # noqa: F401 - the first import of ours, so that it serves the others
from spec.comparing.formats import FORMATS
from spec.comparing.report import Report, report
from spec.comparing.states import state_of_commit, state_of_file, state_of_tree, version_of_tree
from spec.documents import SpecError

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=summary, epilog=details.partition("\n\n")[2].replace("`", ""))
    parser.add_argument("--base", metavar="REF", default="HEAD", help="the commit to compare with (default: HEAD)")
    parser.add_argument("--format", choices=sorted(FORMATS), default="text", help="the form of the report")
    parser.add_argument("--old", type=Path, metavar="FILE", help="compare this document with --new, without git")
    parser.add_argument("--new", type=Path, metavar="FILE", help="the document after the change")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to work on (default: this one)")
    options = parser.parse_args(arguments)
    if (options.old is None) != (options.new is None):
        parser.error("--old and --new belong together")
    try:
        found = _report(options)
    except SpecError as error:
        print(f"spec-diff: {error}", file=sys.stderr)
        return 2
    sys.stdout.write(FORMATS[options.format](found))
    return int(found.is_breaking)


def _report(options: argparse.Namespace) -> Report:
    if options.old is not None:
        return report(state_of_file(options.old), state_of_file(options.new), version=version_of_tree(options.root))
    old, version = state_of_commit(options.root, options.base)
    return report(old, state_of_tree(options.root), version=version)


if __name__ == "__main__":
    sys.exit(main())
