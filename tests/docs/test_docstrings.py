"""Every public name documents its units, errors and an example; the examples run and print what they state."""

from __future__ import annotations

import ast
import asyncio
import base64
import doctest
import io
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path

import pytest
from impact_jobs import AsyncJobsClient, FieldError, JobsError, Retry, toolkit
from impact_jobs import sandbox as sandbox_package
from impact_jobs import sync as sync_package
from impact_jobs._download.export_journal import ExportJournal
from impact_jobs._download.options import DownloadOptions
from impact_jobs._operations.planned_files.steps import journal_folder
from impact_jobs.sandbox import Sandbox

from tests.docs.public import ALL, Documented, documented
from tests.support.virtual_clock import VirtualClock

EVERYTHING = {each.name: each for each in documented()}
EXAMPLE_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
NOON = 1_780_056_000.0  # 2026-05-29T12:00:00Z: the examples ask for May
PLAN = """\
[defaults]
into = "data/{account}/{report}/{start:%Y-%m}.csv"
refresh = "30d"

[[report]]
id = "agency_action_listing"
from = "2026-02-01"
"""
RESULT_BYTES = 300_000
EXAMPLE_BYTES = "52428800"
# These compute or forget something, and raise no error of their own.
NEVER_RAISES = {
    "DataType", "Report", "ReportColumn", "ReportFilter", "ReportMetadata",
    "FieldError", "Job", "DownloadResult", "FetchReport", "ExportReport", "ExportWindow",
    "AccountPreview", "AccountUse", "FileAction", "FileState", "FileStep", "Plan", "PlanProblem", "PlannedFile",
    "PlannedReport", "SyncPreview", "SyncReport", "SyncedFile",
    "RecordedExport", "RecordedRequest",
    "RecordedRequest.from_scope", "ResultFile.page", "ResultFile.replayed",
    "AsyncJobsClient.aclose", "JobsClient.close", "Sandbox.close", "Sandbox.cut_next_download",
    "Sandbox.forget_requests", "JobFailedError.of", "Polling.pause", "Polling.together", "Retry.delay", "Retry.pause",
}  # fmt: skip
UNITS = re.compile(
    r"as for|seconds?|bytes?|how (many|often|long)|in all|0 to 100|records so far|status|port\b|percentage|position"
    r"|jobs on a page|size|length|requests an hour|decides|number|failures",
    re.IGNORECASE,
)


def entries_of(each: Documented) -> dict[str, str]:
    return each.entries("Args") | each.entries("Attributes")


def test_every_parameter_is_explained() -> None:
    assert [name for name, each in EVERYTHING.items() if not each.docstring] == []
    unexplained = {name: set(each.parameters) - set(entries_of(each)) for name, each in EVERYTHING.items()}
    assert {name: missing for name, missing in unexplained.items() if missing} == {}


def test_numbers_have_units() -> None:
    for name, each in EVERYTHING.items():
        numbers = {
            parameter
            for parameter, annotation in each.parameters.items()
            if {"int", "float"} & set(re.findall(r"\w+", getattr(annotation, "__name__", "") + str(annotation)))
            and "Callable" not in str(annotation)
        }
        said = entries_of(each)
        assert [parameter for parameter in numbers if not UNITS.search(said[parameter])] == [], name


def test_errors_and_an_example_are_documented() -> None:
    for name, each in EVERYTHING.items():
        if each.is_property:
            continue
        assert ">>> " in each.sections.get("Example", ""), name
        if isinstance(each.subject, type) and issubclass(each.subject, JobsError):
            assert name == "JobsError" or "What to do: " in each.docstring, name
        elif name not in NEVER_RAISES:
            assert each.entries("Raises"), name


@pytest.mark.parametrize("name", [name for name, each in EVERYTHING.items() if "Example" in each.sections])
def test_the_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = EVERYTHING[name]
    monkeypatch.chdir(tmp_path)
    Path("reports.toml").write_text(PLANS.get(name, PLAN))
    is_of_plans = each.package == sync_package.__name__ or name in HINDRANCES
    with (
        toolkit.use_clock(VirtualClock(now=NOON)) if is_of_plans else nullcontext(),  # files depend on the day
        Sandbox(job_seconds=0, result_bytes=RESULT_BYTES, clock=lambda: NOON) as sandbox,
        HINDRANCES[name](sandbox) if name in HINDRANCES else nullcontext(),
    ):
        job_id = SETTINGS.get(name, completed)(sandbox)
        for variable, value in sandbox.environ.items():
            monkeypatch.setenv(variable, value)
        token = TOKENS.get(name, own_token)(sandbox)
        with asyncio.Runner() as runner, sandbox.client(auth_token=token, retry=Retry(attempts=1)) as jobs:
            names = names_for(each, sandbox, job_id) | {"jobs": jobs}
            if name.startswith("AsyncJobsClient"):
                names["jobs"] = sandbox.async_client(retry=Retry(attempts=1))
            with raised_in_passing(each.subject, monkeypatch):
                run(each, job_id, names, runner)
            if isinstance(names["jobs"], AsyncJobsClient):
                runner.run(names["jobs"].aclose())


def names_for(each: Documented, sandbox: Sandbox, job_id: str) -> dict[str, object]:
    """Return the names that an example may use without defining them."""
    uri = f"/Agencies/{sandbox.account_sid}/Jobs/{job_id}"
    names: dict[str, object] = dict(ALL)
    if isinstance(each.subject, type) and issubclass(each.subject, JobsError | FieldError):
        job = None  # the first response is the error
    else:
        with sandbox.client() as jobs:
            job = jobs.get(job_id)
    for package in (sandbox_package, sync_package):
        names |= {public: getattr(package, public) for public in package.__all__}
    names |= {"account_sid": sandbox.account_sid, "queued_uri": uri, "queued_uris": [uri]}
    return names | {"job_id": job_id, "job": job, "yesterday": [job]}


@contextmanager
def raised_in_passing(subject: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that the error occurs, because an example that catches it runs without it as well."""
    if not (isinstance(subject, type) and issubclass(subject, JobsError)):
        yield
        return
    met: list[type] = []
    make = subject.__init__

    def note(error: JobsError, *args: object, **options: object) -> None:
        met.append(type(error))
        make(error, *args, **options)

    monkeypatch.setattr(subject, "__init__", note)
    yield
    assert any(issubclass(kind, subject) for kind in met)


def run(each: Documented, job_id: str, names: dict[str, object], runner: asyncio.Runner) -> None:
    """Run an example as doctest does, with `await` at its top level."""
    checker, options = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    text = each.sections["Example"].replace(EXAMPLE_ID, job_id).replace(EXAMPLE_BYTES, str(RESULT_BYTES))
    for example in doctest.DocTestParser().get_examples(text):
        code = compile(example.source, each.name, "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with redirect_stdout(io.StringIO()) as out:
            pending: Coroutine[object, object, object] | None = eval(code, names)  # noqa: S307 - our own docstrings
            if pending is not None:
                runner.run(pending)
        assert checker.check_output(example.want, out.getvalue(), options), f"{example.source}printed {out.getvalue()}"


def completed(sandbox: Sandbox) -> str:
    return sandbox.add_job(age=3600)


def running(sandbox: Sandbox) -> str:
    return sandbox.add_job(age=3600, seconds=60, stuck_at=40)


def failed(sandbox: Sandbox) -> str:
    return sandbox.add_job(status="FAILED", message="Too many records.")


def with_a_failing_export(sandbox: Sandbox) -> str:
    sandbox.prepare_export(status="FAILED", replayable=False)
    return sandbox.add_job()


def own_token(sandbox: Sandbox) -> str:
    return sandbox.auth_token


def beside_a_file(sandbox: Sandbox) -> str:
    Path("actions.csv").touch()
    return sandbox.add_job()


def answering(
    method: str, path: str, *, status: int | None, age: float = 0.0, **options: object
) -> Callable[[Sandbox], str]:
    def prepare(sandbox: Sandbox) -> str:
        job_id = sandbox.add_job(age=age)
        sandbox.answer_next(method, re.compile(path), status=status, **options)  # type: ignore[arg-type]
        return job_id

    return prepare


WRONG = b"half a report"
INVALID = (
    '{"Status":"ERROR","Message":"Validation Failed","Errors":[{"Field":"AccountId","Message":"Not a numeric value"}]}'
)
OTHER_SHA256 = base64.b64encode(bytes(32)).decode()
# How the sandbox is set up for an example; the others find one completed job.
SETTINGS: dict[str, Callable[[Sandbox], str]] = {
    "ApiError": answering("GET", "/Jobs/", status=400, body=INVALID),
    "FieldError": answering("GET", "/Jobs/", status=400, body=INVALID),
    "ConversionError": answering("GET", "/results/", status=200, body="Note,Sale_Amount\n,1.5\n,much\n", age=3600),
    "DestinationExistsError": beside_a_file,
    "DownloadError": answering("GET", "/Download", status=302, headers={"Location": "http://files.example/report.csv"}),
    "ExportIncompleteError": with_a_failing_export,
    "ExportUncertainError": answering("GET", "/ReportExport/", status=None, age=3600),
    "IntegrityError": answering(
        "GET", "/results/", status=200, body=WRONG, headers={"x-amz-checksum-sha256": OTHER_SHA256}
    ),
    "Job": running,
    "JobCancelledError": lambda sandbox: sandbox.add_job(status="CANCELLED"),
    "JobFailedError": failed,
    "JobsError": failed,
    "NotReplayableError": lambda sandbox: sandbox.add_job(replayable=False),
    "RateLimitError": answering("GET", "/Jobs/", status=429, headers={"Retry-After": "120"}),
    "ReplayUncertainError": answering("PUT", "/Replay", status=None),
    "RequestTimeoutError": answering("GET", "/Jobs/", status=503, delay=0.4),
    "ResultExpiredError": answering("GET", "/results/", age=3600, status=403, times=2),
    "ResultNotReadyError": running,
    "ServerError": answering("GET", "/Jobs/", status=503),
    "TransportError": answering("GET", "/Jobs/", status=None),
    "UnexpectedResponseError": answering(
        "GET", "/Jobs/", status=200, body="<html>Please log in</html>", content_type="text/html"
    ),
    "WaitTimeoutError": running,
}
# The plans of examples that need another one than `PLAN`.
PLANS = {
    "Plan": f'{PLAN}accounts = ["north", "south"]\n',
    "Plan.select": f'{PLAN}accounts = ["north", "south"]\n',
    "PlanError": PLAN.replace("\n\n", '\nformat = "xlsx"\n') + 'spilt = "week"\n',
}


@contextmanager
def beside_another_run(sandbox: Sandbox) -> Iterator[None]:
    with sandbox.client() as jobs:
        folder = journal_folder(jobs._context.account, Path("data").absolute())
    folder.parent.mkdir()
    journal = ExportJournal.open(folder, folder, DownloadOptions())
    try:
        yield
    finally:
        journal.close()


# What is in the way while an example runs.
HINDRANCES: dict[str, Callable[[Sandbox], AbstractContextManager[None]]] = {"AlreadyRunningError": beside_another_run}
TOKENS: dict[str, Callable[[Sandbox], str]] = {
    "AuthenticationError": lambda _: "revoked",
    "PermissionDeniedError": lambda sandbox: sandbox.read_only_token,
}
