"""`sync`: keep the files of many reports up to date, as a plan describes them."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from impact_jobs import ConfigurationError, JobsError
from impact_jobs.cli import exit_codes, options, output
from impact_jobs.cli.columns import cut, distinct_width
from impact_jobs.cli.command import Command
from impact_jobs.cli.file_groups import days_of
from impact_jobs.cli.resume_hint import hint_resume
from impact_jobs.cli.state import CliState
from impact_jobs.cli.sync_preview import emit_preview
from impact_jobs.cli.sync_report import emit_report
from impact_jobs.cli.watch_table import BESIDE_NAME
from impact_jobs.cli.window_progress import RowNames, row_progress_on
from impact_jobs.models import Secret
from impact_jobs.sync import FileAction, Plan, PlanError, PlannedFile, SyncReport, write_metrics
from impact_jobs.toolkit import heartbeat_url, send_heartbeat

_OF_ONE_ACCOUNT = {"profile": "--profile", "account_kind": "--account-kind", "advertiser": "--advertiser"}
_GAP = "  "


def _heartbeat(text: str | Secret) -> Secret:
    try:
        return text if isinstance(text, Secret) else heartbeat_url(text)
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from None


def _in_folder(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not path.absolute().parent.is_dir():
        raise click.BadParameter(f"the folder {str(path.parent)!r} does not exist: create it first.")
    return path


@click.command(
    cls=Command,
    examples=(
        "impact-jobs sync reports.toml --dry-run",
        "impact-jobs sync reports.toml",
        "impact-jobs sync reports.toml --quiet --metrics reports.prom",
        "impact-jobs sync reports.toml --only agency_action_listing --json | jq -r 'select(.error) | .path'",
        "impact-jobs sync --schema",
    ),
)
@click.argument("plan", required=False, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would be exported, why, and what it takes; export nothing.")
@click.option("--only", "reports", multiple=True, metavar="REPORT", help="Only this report; may be repeated.")
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="Only this account; may be repeated.")
@options.timeout_of("4h")
@click.option(
    "--heartbeat-url",
    "heartbeat",
    type=_heartbeat,
    envvar="IMPACT_JOBS_HEARTBEAT_URL",
    show_envvar=True,
    metavar="URL",
    help="Send a GET request there after a run with exit code 0; https only.",
)
@click.option(
    "--metrics",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_in_folder,
    metavar="PATH",
    help="Write the outcome there as OpenMetrics text, such as for node_exporter; name it *.prom.",
)
@click.option("--schema", is_flag=True, help="Print the JSON schema of plans.")
@click.pass_obj
def sync(
    state: CliState,
    /,
    plan: Path | None,
    *,
    dry_run: bool,
    reports: Sequence[str],
    accounts: Sequence[str],
    timeout: float | None,
    heartbeat: Secret | None,
    metrics: Path | None,
    schema: bool,
) -> int:
    """Keep the files of many reports up to date, as a plan describes them.

    PLAN is a TOML file. Exports what is missing, and replays what may have been corrected since. Run it again at any
    time, such as every night: it requests only what is not up to date, the newest days first, and leaves for the next
    run what the account's limits do not allow. A file is replaced only by a complete one.

    On a terminal, shows the reports with news; in a pipe, writes a line for each file that is new or changed: the job's
    id, the path, size in bytes and SHA-256, separated by tabs. With --json, each file that was not up to date is one
    object, and the last object is a summary. The exit code is 0 also if files are left because of a limit.
    """
    if schema:
        output.write_line(state.out, _schema())
        return exit_codes.OK
    if plan is None:
        raise click.UsageError("pass the path of a plan, such as reports.toml; --schema prints what it may hold.")
    _check_shared_options(state)
    hint_resume([])
    try:
        if dry_run:
            return emit_preview(state, Plan.load(plan).select(reports=reports, accounts=accounts).preview())
        with _metrics_of_failure(state, metrics, plan):
            report = _run(state, Plan.load(plan).select(reports=reports, accounts=accounts), timeout)
    except PlanError as error:
        return _emit_problems(state, error)
    if metrics is not None:
        _write_metrics(state, metrics, report, plan)
    code = emit_report(state, report)
    if heartbeat is not None and code == exit_codes.OK:
        try:
            send_heartbeat(heartbeat)
        except JobsError as error:
            output.note(state.err, f"warning: {output.error_message(error)}")
    return code


def _run(state: CliState, plan: Plan, timeout: float | None) -> SyncReport:
    """Run the plan, and show its progress."""
    total = 0
    if not state.quiet and output.is_live(state.err):
        total = sum(step.action is not FileAction.KEEP for step in plan.steps())
    names = file_names(plan.files(), width=state.err.width - BESIDE_NAME)
    with row_progress_on(state, names, total=total) as show:
        return plan.run(timeout=timeout, on_update=show)


def file_names(files: Sequence[PlannedFile], *, width: int) -> RowNames[PlannedFile]:
    """Return what files are called in a table: account, report and days, which are aligned.

    If that is wider than `width`, the names of reports are cut, as far as they still differ.
    """
    account = max([len("ACCOUNT"), *(len(file.account) for file in files)])
    days = max((len(days_of([file])) for file in files), default=0)
    reports = {file.report for file in files}
    longest = max([len("REPORT"), *map(len, reports)])
    report = min(longest, max(distinct_width(reports, least=len("REPORT")), width - account - days - 2 * len(_GAP)))

    def name(file: PlannedFile) -> str:
        cells = f"{file.account:<{account}}", f"{cut(file.report, report):<{report}}", days_of([file])
        return output.printable(_GAP.join(cells))

    # Files that fail alike have one line at the end.
    title = _GAP.join([f"{'ACCOUNT':<{account}}", f"{'REPORT':<{report}}", "DAYS"])
    return RowNames(title=title, name=name, has_failure_lines=False)


def _check_shared_options(state: CliState) -> None:
    """Raise UsageError for options that name one account."""
    for attribute, option in _OF_ONE_ACCOUNT.items():
        if getattr(state, attribute):
            raise click.UsageError(f"leave out {option}: the plan names the accounts, each by its profile.")


def _schema() -> str:
    schema = importlib.resources.files("impact_jobs.sync") / "reports.schema.json"
    return schema.read_text(encoding="utf-8").rstrip()


@contextmanager
def _metrics_of_failure(state: CliState, path: Path | None, plan: Path) -> Iterator[None]:
    """Write the metrics of a run that has failed if the block raises an error or is interrupted."""
    try:
        yield
    except BaseException:
        if path is not None:
            _write_metrics(state, path, None, plan)
        raise


def _write_metrics(state: CliState, path: Path, report: SyncReport | None, plan: Path) -> None:
    try:
        write_metrics(path, report, plan=plan)
    except OSError as error:
        reason = error.strerror or error
        output.note(state.err, f"warning: {output.printable(path)} cannot be written ({reason}): check its folder.")


def _emit_problems(state: CliState, error: PlanError) -> int:
    """Write each mistake of a plan on a line of its own, or all as one object; return the exit code."""
    code = exit_codes.code_of(error)
    if state.json:
        problems = [output.attributes(problem) for problem in error.problems]
        output.write_json(state.err, output.error_object(error, code=code) | {"problems": problems})
    else:
        for line in str(error).splitlines():
            output.note(state.err, output.printable(line))
    return code
