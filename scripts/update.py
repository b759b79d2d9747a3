"""Update the project from changed pages, up to the tests and the changelog fragment.

Run it with `make update PAGE="one.md two.yaml"`. It imports, merges, overlays, validates, generates, compares and tests
in a copy. At the first problem it stops with advice, and the tree is as it was; a change that breaks programs is a
problem unless you accept it with BREAKING=accept.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from spec import interruptions  # noqa: F401 - the first import of ours, so that it serves the others
from spec.comparing.formats import as_text
from spec.documents import SpecError
from spec.updating import Update

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE", help="a Markdown page, or a JSON or YAML file")
    parser.add_argument("--group", help="one folder for all pages (default: one for each, named after the page)")
    parser.add_argument("--tests", choices=["none", "quick", "all"], default="all", help="which tests have to pass")
    parser.add_argument(
        "--breaking",
        choices=["refuse", "accept"],
        default="refuse",
        help="whether a change that breaks programs stops the update",
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to work on (default: this one)")
    options = parser.parse_args(arguments)
    update = Update(
        options.root,
        options.pages,
        group=options.group,
        tests=options.tests,
        accepts_breaking=options.breaking == "accept",
    )
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        found = update.run()
    except (SpecError, OSError) as error:
        print(f"update: {error}\nupdate: stopped; nothing has changed", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, previous)
    if found is None:
        print("nothing to do: the pages change nothing")
        return 0
    print(f"\n{as_text(found)}\nChanged files:")
    for name in update.changed:
        print(f"  {name}")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
