"""``python -m impact_jobs.sandbox``: a sandbox as a process, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impact_jobs.sandbox import Sandbox

_HINT = """\
The sandbox runs; Ctrl-C ends it. In another terminal, paste the three lines above. Then, for example:
  curl -u "$IMPACT_ACCOUNT_SID:$IMPACT_AUTH_TOKEN" "$IMPACT_BASE_URL/Agencies/$IMPACT_ACCOUNT_SID/Jobs.json"
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sandbox until told to stop.

    Args:
        argv: The command line's arguments; the process's own by default.

    Returns:
        The exit code: 0 after Ctrl-C or SIGTERM, 1 when the sandbox cannot start.
    """
    arguments = _parser().parse_args(argv)
    # Before anything is printed: whoever starts us may signal as soon as it has read the lines.
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        with _sandbox(arguments) as sandbox:
            if not arguments.empty:
                _add_examples(sandbox)
            for name, value in sandbox.environ.items():
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
            sys.stdout.flush()
            sys.stderr.write(_HINT)
            stop.wait()
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"impact_jobs.sandbox: {error}\n")
        return 1
    return 0


def _sandbox(arguments: argparse.Namespace) -> Sandbox:
    from impact_jobs.sandbox import Sandbox  # noqa: PLC0415 - where a missing extra is caught

    return Sandbox(
        seed=arguments.seed,
        job_seconds=arguments.job_seconds,
        result_bytes=arguments.result_bytes,
        link_seconds=arguments.link_seconds,
        hourly_budget=arguments.hourly_budget,
        budget_headers=arguments.budget_headers,
        list_shape=arguments.shape,
        page_size=arguments.page_size,
        stringly=arguments.stringly,
        replay_same_id=arguments.replay_same_id,
        checksums=arguments.checksums,
        port=arguments.port,
        storage_port=arguments.storage_port,
    )


def _add_examples(sandbox: Sandbox) -> None:
    sandbox.add_job(seconds=0, age=3600)
    sandbox.add_job(seconds=60, age=3600, status="FAILED", message="The date range holds too many records.")
    sandbox.add_job()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m impact_jobs.sandbox",
        description="Run a stand-in for impact.com's Jobs API and its file storage on this machine.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="port of the API; 0 takes a free one")
    add("--storage-port", type=int, default=0, help="port of the storage; 0 takes a free one")
    add("--job-seconds", type=float, default=2.0, help="how long a job takes")
    add("--result-bytes", type=int, default=1_000_000, help="size of a result file")
    add("--link-seconds", type=float, default=300.0, help="how long a signed link is good for")
    add("--hourly-budget", type=_budget, default=1000, help="requests an hour, or none for no limit")
    forms = ("plain", "hour", "epoch", "none")
    add("--budget-headers", choices=forms, default="plain", help="which headers tell what is left of the hour")
    add("--seed", type=int, default=0, help="decides credentials, job ids and result contents")
    add("--shape", choices=("array", "jobs", "pages"), default="array", help="how the list of jobs is wrapped")
    add("--page-size", type=int, default=100, help="jobs on a page of --shape pages")
    add("--stringly", action="store_true", help="numbers and booleans of jobs arrive as strings")
    add("--replay-same-id", action="store_true", help="a replay queues the same job again")
    add("--checksums", action="store_true", help="the storage states each file's SHA-256")
    add("--empty", action="store_true", help="start without the three example jobs")
    return parser


def _budget(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


if __name__ == "__main__":
    sys.exit(main())
