"""Rebuild openapi/agency-api.json and generated/ from the published fragments, or check that they are up to date.

Run it with `make generate` and `make check-generated`. Do not edit its output by hand: a correction of the API's
description belongs in openapi/overlay.json.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spec import interruptions
from spec.build import DOCUMENT, GENERATED, build, check, write
from spec.documents import SpecError

ROOT = Path(__file__).resolve().parent.parent
_OUTPUT = f"{DOCUMENT} and {GENERATED}/"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a byte would change")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to work on (default: this one)")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            check(options.root)
            print(f"{_OUTPUT} are up to date")
        else:
            _generate(options.root)
    except (SpecError, OSError) as error:
        print(f"generate: {error}", file=sys.stderr)
        return 1
    return 0


def _generate(root: Path) -> None:
    built = build(root)
    with interruptions.uninterrupted():
        written, removed = write(root, built.files)
    for note in built.notes:
        print(note)
    if written or removed:
        print(f"{_OUTPUT}: {len(written)} of {len(built.files)} files written, {len(removed)} removed")
    else:
        print(f"{_OUTPUT} are up to date; nothing has changed")


if __name__ == "__main__":
    sys.exit(main())
