"""`python -m tests.benchmarks.waiting`: simulate waiting, without a server and in virtual time."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.benchmarks.rows import table
from tests.benchmarks.waiting import chart, report
from tests.benchmarks.waiting.lives import lives
from tests.benchmarks.waiting.measured import measure


def main() -> None:
    """Run the simulations, print the figures, and write the requested files."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.waiting", description=__doc__)
    parser.add_argument("--lives", type=int, default=10_000, help="number of jobs (default: 10,000)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--chart", type=Path, help="draw the figures to this PNG file")
    arguments = parser.parse_args()
    measured = measure(lives(arguments.lives))
    sys.stdout.write(f"{report.text(measured)}\n{report.more(1000)}\n\n{table(report.rows(measured))}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(measured, arguments.lives), indent=1))
    if arguments.chart:
        chart.draw(measured, arguments.chart)


if __name__ == "__main__":
    main()
