"""``python -m impact_jobs.sandbox``: run a sandbox as a process, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from impact_jobs.sandbox._account_rules import RULES

if TYPE_CHECKING:
    from impact_jobs.sandbox import Sandbox

_HINT: Final = """\
The sandbox is running; press Ctrl-C to stop it. In another terminal, paste the lines above. Then, for example:
  impact-jobs reports
  curl -u "$IMPACT_ACCOUNT_SID:$IMPACT_AUTH_TOKEN" "$IMPACT_BASE_URL/{collection}/$IMPACT_ACCOUNT_SID/Jobs.json"
"""


def number_or_none(text: str) -> int | None:
    """Parse a limit: a number of requests, or ``none`` for no limit."""
    if text.lower() != "none" and not text.isdecimal():
        raise ValueError(f"{text!r} is neither a number of requests nor none.")
    return None if text.lower() == "none" else int(text)


@frozen
class Option:
    """An option that sets the parameter `name` of `Sandbox`; a default of False makes it a switch.

    A default of None, and a switch that is off, leave the parameter's own default.

    ``impact-jobs sandbox`` offers the same options. Only "empty" is not a parameter of `Sandbox`.
    """

    name: str
    flag: str
    default: object = field(kw_only=True)
    help: str = field(kw_only=True)
    type: Callable[[str], object] = field(kw_only=True, default=str)
    choices: tuple[str, ...] = field(kw_only=True, default=())


OPTIONS: Final = (
    Option(
        "account",
        "--account",
        default="agency",
        help="kind of the account",
        choices=("agency", "brand", "partner"),
    ),
    Option("port", "--port", default=0, help="port of the API; 0 takes a free one", type=int),
    Option("storage_port", "--storage-port", default=0, help="port of the storage; 0 takes a free one", type=int),
    Option("job_seconds", "--job-seconds", default=2.0, help="how long a job takes", type=float),
    Option(
        "result_bytes",
        "--result-bytes",
        default=1_000_000,
        help="size of the result of a job that is not an export",
        type=int,
    ),
    Option("link_seconds", "--link-seconds", default=300.0, help="how long a signed link is valid", type=float),
    Option(
        "hourly_budget",
        "--hourly-budget",
        default="1000",
        help="requests an hour, or none for no limit",
        type=number_or_none,
    ),
    Option(
        "budget_headers",
        "--budget-headers",
        default="plain",
        help="which headers state what is left of the hourly budget",
        choices=("plain", "hour", "epoch", "none"),
    ),
    Option(
        "daily_exports",
        "--daily-exports",
        default="100",
        help="exports a day, or none for no limit",
        type=number_or_none,
    ),
    Option("rows_per_day", "--rows-per-day", default=40, help="average rows of a report for each day", type=int),
    Option(
        "json_shape",
        "--json-shape",
        default="records",
        help="form of JSON results",
        choices=("records", "array", "pages"),
    ),
    Option(
        "json_page_rows", "--json-page-rows", default=1000, help="records on a page of --json-shape pages", type=int
    ),
    Option(
        "report_list",
        "--report-list",
        default="array",
        help="form of the list of reports",
        choices=("array", "reports", "pages"),
    ),
    Option("seed", "--seed", default=0, help="seed of the credentials, job ids and result contents", type=int),
    Option(
        "list_shape",
        "--shape",
        default=None,
        help="form of the job list; by default that of the kind of account",
        choices=("array", "jobs", "pages"),
    ),
    Option("page_size", "--page-size", default=100, help="jobs or reports on a page", type=int),
    Option("stringly", "--stringly", default=False, help="send numbers and booleans of jobs as strings"),
    Option("replay_same_id", "--replay-same-id", default=False, help="make a replay queue the same job again"),
    Option("checksums", "--checksums", default=False, help="make the storage state each file's SHA-256"),
    Option("empty", "--empty", default=False, help="start without the three example jobs"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, by default that of the process, and run a sandbox; return the exit code."""
    return run(vars(_parser().parse_args(arguments)), announce=write_exports)


def run(options: Mapping[str, Any], *, announce: Callable[[dict[str, str]], None]) -> int:
    """Run a sandbox until Ctrl-C or SIGTERM, and return the exit code: 0, or 1 if the sandbox cannot start.

    Once it is running, `announce` is called with the environment variables that point a client at it.
    """
    stop = threading.Event()
    # Installed before anything is written, because a parent process may signal as soon as it has read the output.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        from impact_jobs.sandbox import Sandbox  # noqa: PLC0415 - raises ImportError if the extra is missing

        arguments = {name: value for name, value in options.items() if name != "empty"}
        arguments["replay_same_id"] = options["replay_same_id"] or None
        with Sandbox(**arguments) as sandbox:
            if not options["empty"]:
                add_example_jobs(sandbox)
            announce(sandbox.environ)
            sys.stderr.write(_HINT.format(collection=RULES[sandbox.account].collection))
            stop.wait()
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"impact_jobs.sandbox: {error}\n")
        return 1
    return 0


def add_example_jobs(sandbox: Sandbox) -> None:
    """Add three jobs: one that has completed, one that has failed and one that has just been scheduled."""
    sandbox.add_job(seconds=0, age=3600)
    sandbox.add_job(seconds=60, age=3600, status="FAILED", message="The date range holds too many records.")
    sandbox.add_job()


def write_exports(environ: Mapping[str, str]) -> None:
    """Write the variables as lines that a shell can evaluate."""
    for name, value in environ.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m impact_jobs.sandbox",
        description="Run a stand-in for impact.com's Jobs API and its file storage on this machine.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for option in OPTIONS:
        if option.default is False:
            parser.add_argument(option.flag, dest=option.name, action="store_true", help=option.help)
        else:
            parser.add_argument(
                option.flag,
                dest=option.name,
                type=option.type,
                default=argparse.SUPPRESS if option.default is None else option.default,
                choices=option.choices or None,
                help=option.help,
            )
    return parser


if __name__ == "__main__":
    sys.exit(main())
