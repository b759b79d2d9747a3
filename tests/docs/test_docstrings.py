"""Every public name says its units, its errors and an example; the examples run, and come to what they state."""

from __future__ import annotations

import base64
import doctest
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from impact_jobs import FieldError, JobsError, Retry
from impact_jobs import sandbox as sandbox_package
from impact_jobs.sandbox import Sandbox

from tests.docs.public import ALL, Documented, documented

EVERYTHING = {each.name: each for each in documented()}
# The asynchronous client has the docstrings of the blocking one (tests/operations/test_parity.py), whose examples run.
RUN = {name: each for name, each in EVERYTHING.items() if not name.startswith("AsyncJobsClient")}
EXAMPLE_ID = "3f6c1a52-7a5d-4f0e-9d53-0c5f4dd2a6b1"
NOON = 1_780_056_000.0  # 2026-05-29T12:00:00Z: the examples ask for May
RESULT_BYTES = 52_428_800
# What cannot raise anything of its own: they compute, or forget.
NEVER_RAISES = {
    "FieldError", "Job", "DownloadResult", "FetchReport", "RecordedRequest", "RecordedRequest.from_scope",
    "AsyncJobsClient.aclose", "JobsClient.close", "Sandbox.close", "Sandbox.cut_next_download",
    "Sandbox.forget_requests", "JobFailedError.of", "Polling.pause", "Polling.together", "Retry.delay", "Retry.pause",
}  # fmt: skip
UNITS = re.compile(
    r"seconds?|bytes?|how (many|often|long)|in all|0 to 100|records so far|status|port\b|percentage|position"
    r"|jobs on a page|size|length|requests an hour|decides|number|failures",
    re.IGNORECASE,
)


def entries_of(each: Documented) -> dict[str, str]:
    return each.entries("Args") | each.entries("Attributes")


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_parameter_is_explained(name: str) -> None:
    each = EVERYTHING[name]
    assert each.docstring
    assert set(each.parameters) <= set(entries_of(each))


@pytest.mark.parametrize("name", EVERYTHING)
def test_numbers_have_units(name: str) -> None:
    each = EVERYTHING[name]
    numbers = {
        parameter
        for parameter, annotation in each.parameters.items()
        if {"int", "float"} & set(re.findall(r"\w+", getattr(annotation, "__name__", "") + str(annotation)))
        and "Callable" not in str(annotation)
    }
    said = entries_of(each)
    assert [parameter for parameter in numbers if not UNITS.search(said[parameter])] == []


@pytest.mark.parametrize("name", [name for name, each in EVERYTHING.items() if not each.is_property])
def test_errors_and_an_example_are_there(name: str) -> None:
    each = EVERYTHING[name]
    assert ">>> " in each.sections.get("Example", "")
    if isinstance(each.subject, type) and issubclass(each.subject, JobsError):
        assert name == "JobsError" or "What to do: " in each.docstring
    elif name not in NEVER_RAISES:
        assert each.entries("Raises")


@pytest.mark.parametrize("name", [name for name, each in RUN.items() if "Example" in each.sections])
def test_the_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = RUN[name]
    monkeypatch.chdir(tmp_path)
    with Sandbox(job_seconds=0, result_bytes=RESULT_BYTES, clock=lambda: NOON) as sandbox:
        job_id = SETTINGS.get(name, completed)(sandbox)
        for variable, value in sandbox.environ.items():
            monkeypatch.setenv(variable, value)
        token = TOKENS.get(name, own_token)(sandbox)
        with sandbox.client(auth_token=token, retry=Retry(attempts=1)) as jobs:
            names = names_for(each, sandbox, job_id) | {"jobs": jobs}
            with raised_in_passing(each.subject, monkeypatch):
                run(each, job_id, names)


def names_for(each: Documented, sandbox: Sandbox, job_id: str) -> dict[str, object]:
    """Give what an example may use without an introduction."""
    uri = f"/Agencies/{sandbox.account_sid}/Jobs/{job_id}"
    names: dict[str, object] = dict(ALL)
    if isinstance(each.subject, type) and issubclass(each.subject, JobsError | FieldError):
        job = None  # their first answer is the fault
    else:
        with sandbox.client() as jobs:
            job = jobs.get(job_id)
    names |= {public: getattr(sandbox_package, public) for public in sandbox_package.__all__}
    names |= {"account_sid": sandbox.account_sid, "queued_uri": uri, "queued_uris": [uri]}
    return names | {"job_id": job_id, "job": job, "yesterday": [job]}


@contextmanager
def raised_in_passing(subject: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hold the example of an error to meeting it, for one that catches it runs in its absence, too."""
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


def run(each: Documented, job_id: str, names: dict[str, object]) -> None:
    text = each.sections["Example"].replace(EXAMPLE_ID, job_id)
    example = doctest.DocTestParser().get_doctest(text, names, each.name, None, 0)
    told = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example, out=told.write).failed == 0, told.getvalue()


def completed(sandbox: Sandbox) -> str:
    return sandbox.add_job(age=3600)


def running(sandbox: Sandbox) -> str:
    return sandbox.add_job(age=3600, seconds=60, stuck_at=40)


def failed(sandbox: Sandbox) -> str:
    return sandbox.add_job(status="FAILED", message="Too many records.")


def own_token(sandbox: Sandbox) -> str:
    return sandbox.auth_token


def beside_a_file(sandbox: Sandbox) -> str:
    Path("actions.csv").touch()
    return sandbox.add_job()


def answering(method: str, path: str, *, status: int | None, **options: object) -> Callable[[Sandbox], str]:
    def prepare(sandbox: Sandbox) -> str:
        job_id = sandbox.add_job()
        sandbox.answer_next(method, re.compile(path), status=status, **options)  # type: ignore[arg-type]
        return job_id

    return prepare


WRONG = b"half a report"
INVALID = (
    '{"Status":"ERROR","Message":"Validation Failed","Errors":[{"Field":"AccountId","Message":"Not a numeric value"}]}'
)
OTHER_SHA256 = base64.b64encode(bytes(32)).decode()
# What the sandbox is to do for an example; the others find one completed job.
SETTINGS: dict[str, Callable[[Sandbox], str]] = {
    "ApiError": answering("GET", "/Jobs/", status=400, body=INVALID),
    "FieldError": answering("GET", "/Jobs/", status=400, body=INVALID),
    "DestinationExistsError": beside_a_file,
    "DownloadError": answering("GET", "/Download", status=302, headers={"Location": "http://files.example/report.csv"}),
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
    "ResultExpiredError": answering("GET", "/results/", status=403, times=2),
    "ResultNotReadyError": running,
    "ServerError": answering("GET", "/Jobs/", status=503),
    "TransportError": answering("GET", "/Jobs/", status=None),
    "UnexpectedResponseError": answering(
        "GET", "/Jobs/", status=200, body="<html>Please log in</html>", content_type="text/html"
    ),
    "WaitTimeoutError": running,
}
TOKENS: dict[str, Callable[[Sandbox], str]] = {
    "AuthenticationError": lambda _: "revoked",
    "PermissionDeniedError": lambda sandbox: sandbox.read_only_token,
}
