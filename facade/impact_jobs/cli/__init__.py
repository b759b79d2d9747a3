"""The command `impact-jobs`: the client at a prompt and in shell scripts.

It needs ``pip install ".[cli]"`` in a clone; ``impact-jobs --help`` lists what it can do.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command, or print one line that says how to install what it needs."""
    _open_closed_streams()
    try:
        from impact_jobs.cli.app import cli  # noqa: PLC0415 - where a missing extra is caught

        cli(prog_name="impact-jobs")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"click", "rich"}:
            raise
        sys.stderr.write('impact-jobs: the command line needs the extra `cli`: pip install ".[cli]" in the clone\n')
        sys.exit(2)
    except KeyboardInterrupt:  # while the modules load, or after the command has ended
        sys.exit(130)


def _open_closed_streams() -> None:
    """Open /dev/null as each standard stream that is closed, so that no file opened later takes its number."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - stderr's
        stream = open(number, "r" if number == 0 else "w", closefd=False)  # noqa: SIM115 - until the process ends
        setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
    os.close(number)
