"""Print what each night has asked for, and what is wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.sync.nights import hostile, quiet
from tests.sync.nights.night import text_of
from tests.sync.nights.world import Settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sync.nights", description=__doc__)
    defaults = Settings()
    for name in ("accounts", "reports", "months", "nights", "seed"):
        default = getattr(defaults, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=f"({default})")
    parser.add_argument("--hostile", action="store_true", help="kill runs, set clocks back and let a window fail")
    parser.add_argument("--kills", type=int, default=30, help="with --hostile, in all nights (30)")
    options = vars(parser.parse_args())
    is_hostile, kills = options.pop("hostile"), options.pop("kills")
    settings, started = Settings(**options), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        if is_hostile:
            rows, seen = hostile.simulate(settings, Path(folder), kills=kills)
        else:
            rows, seen = quiet.simulate(settings, Path(folder)), None
    problems = [f"night {row.number}, {row.account}: {problem}" for row in rows for problem in row.problems]
    seconds = time.monotonic() - started
    lines = [text_of(rows, settings.report_names), *problems, *([str(seen)] if seen is not None else [])]
    sys.stdout.write("\n".join([*lines, f"{len(problems)} problems; {seconds:.0f} s"]) + "\n")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
