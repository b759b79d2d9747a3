"""The command `impact-jobs`: the client at a prompt and in shell scripts.

``impact-jobs --help`` tells what it can do. It needs ``pip install "impact-jobs[cli]"``.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command, or say in one line how to get what it needs."""
    _open_what_is_closed()
    try:
        from impact_jobs.cli.app import cli  # noqa: PLC0415 - where a missing extra is caught

        cli(prog_name="impact-jobs")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"click", "rich"}:
            raise
        sys.stderr.write('impact-jobs: the command line needs click and rich: pip install "impact-jobs[cli]"\n')
        sys.exit(2)
    except KeyboardInterrupt:  # before, or after, there was anything to interrupt
        sys.exit(130)


def _open_what_is_closed() -> None:
    """Have all three streams lead somewhere: a file that is opened later must not become one of them."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004 - stderr's
        stream = open(number, "r" if number == 0 else "w", closefd=False)  # noqa: SIM115 - until the process ends
        setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
    os.close(number)
