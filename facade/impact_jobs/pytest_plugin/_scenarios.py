"""Ready-made scenarios: a job in a sandbox, and the faults around it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from impact_jobs.sandbox import Sandbox

Scenario: TypeAlias = Literal[
    "completed", "empty_result", "big_result", "slow", "queued_for_ever", "running", "stuck_at_99", "unknown_status",
    "failed", "error", "error_then_completed", "cancelled", "odd_fields", "malformed", "not_found",
    "expired_link", "link_expires_mid_download", "cut_download", "result_changes_mid_download", "corrupt_download",
    "result_gone", "storage_down",
    "not_replayable", "replay_answer_lost", "replay_lost", "replay_not_permitted",
    "rate_limited", "rate_limited_once", "server_error", "server_error_once", "no_answer", "unauthorized",
    "permission_denied", "xml_answer", "html_answer",
]  # fmt: skip
"""The names of all scenarios; docs/testing.md describes each of them and how a client reacts."""

_ALWAYS: Final = 5000  # requests; more than any test sends, because the API allows a thousand an hour
_HOUR: Final = 3600.0
_SHA256: Final = "x-amz-checksum-sha256"


def arrange(sandbox: Sandbox, name: Scenario) -> str:
    """Set up a scenario. Several can share a sandbox, except those that concern the API as a whole.

    Args:
        sandbox: The sandbox.
        name: The scenario.

    Returns:
        The id of the scenario's job.

    Raises:
        ValueError: There is no scenario of that name.

    Example:
        >>> job_id = arrange(sandbox, "stuck_at_99")
    """
    if name not in _ARRANGEMENTS:
        raise ValueError(f"unknown scenario {name!r}; the scenarios are: {', '.join(_ARRANGEMENTS)}.")
    return _ARRANGEMENTS[name](sandbox)


# Jobs


def completed(sandbox: Sandbox) -> str:
    """The job has completed; its result has the sandbox's default size."""
    return sandbox.add_job(seconds=0)


def empty_result(sandbox: Sandbox) -> str:
    """The job has completed; its result is empty."""
    return sandbox.add_job(seconds=0, result_bytes=0)


def big_result(sandbox: Sandbox) -> str:
    """The job has completed; its result is 32 MiB."""
    return sandbox.add_job(seconds=0, result_bytes=32 * 1024 * 1024)


def slow(sandbox: Sandbox) -> str:
    """The job has just been scheduled and takes an hour."""
    return sandbox.add_job(seconds=_HOUR)


def queued_for_ever(sandbox: Sandbox) -> str:
    """The job stays QUEUED."""
    return sandbox.add_job(status="QUEUED")


def running(sandbox: Sandbox) -> str:
    """The job stays RUNNING at 50 %."""
    return sandbox.add_job(seconds=_HOUR, age=_HOUR, stuck_at=50)


def stuck_at_99(sandbox: Sandbox) -> str:
    """The job stays RUNNING at 99 %."""
    return sandbox.add_job(seconds=_HOUR, age=_HOUR, stuck_at=99)


def unknown_status(sandbox: Sandbox) -> str:
    """The job has the undocumented status PAUSED."""
    return sandbox.add_job(seconds=0, status="PAUSED")


def failed(sandbox: Sandbox) -> str:
    """The job has FAILED; its `StatusMessage` is "The date range holds too many records."."""
    return sandbox.add_job(seconds=0, status="FAILED", message="The date range holds too many records.")


def error(sandbox: Sandbox) -> str:
    """The job has ended in ERROR."""
    return sandbox.add_job(seconds=0, status="ERROR")


def error_then_completed(sandbox: Sandbox) -> str:
    """The job is in ERROR; the server retries by itself and completes it after 15 minutes."""
    return sandbox.add_job(seconds=0, status="ERROR", recovers_after=_HOUR / 4)


def cancelled(sandbox: Sandbox) -> str:
    """The job was CANCELLED."""
    return sandbox.add_job(seconds=0, status="CANCELLED")


def odd_fields(sandbox: Sandbox) -> str:
    """The job has completed; its type is unknown, its numbers are strings, one of them invalid, and a date is null."""
    return sandbox.add_job(
        seconds=0,
        type="BrandNewExport",
        fields={
            "PercentageComplete": "100",
            "RecordsProcessed": "n/a",
            "Replayable": "true",
            "StartedDate": None,
            "NewField": {"Deep": [1]},
        },
    )


def malformed(sandbox: Sandbox) -> str:
    """The job has no status. Lists skip it and log a warning."""
    return sandbox.add_job(seconds=0, fields={"Status": None})


def not_found(sandbox: Sandbox) -> str:
    """There is no such job."""
    return sandbox.add_job(seconds=0)[:-12] + "000000000000"


# Downloads


def expired_link(sandbox: Sandbox) -> str:
    """The first link to the result has expired; the next one is valid."""
    job_id = completed(sandbox)
    _expire_link(sandbox, job_id)
    return job_id


def link_expires_mid_download(sandbox: Sandbox) -> str:
    """The connection drops in the middle of the result, and the link has expired by then."""
    job_id = cut_download(sandbox)
    _expire_link(sandbox, job_id)
    return job_id


def cut_download(sandbox: Sandbox) -> str:
    """The connection drops in the middle of the result; a second request gets the rest."""
    job_id = completed(sandbox)
    _send_half(sandbox, job_id)
    return job_id


def result_changes_mid_download(sandbox: Sandbox) -> str:
    """The connection drops in the middle of the result, and then the storage has another file."""
    job_id = cut_download(sandbox)
    sandbox.replace_result(job_id)
    return job_id


def corrupt_download(sandbox: Sandbox) -> str:
    """The storage states a checksum that the bytes never match."""
    job_id = completed(sandbox)
    digest = base64.b64encode(bytes.fromhex(sandbox.result(job_id).sha256)).decode()
    body = _bytes_of(sandbox, job_id)[:-1] + b"?"
    _answer_storage(sandbox, job_id, status=200, body=body, headers={_SHA256: digest}, times=_ALWAYS)
    return job_id


def result_gone(sandbox: Sandbox) -> str:
    """The job has completed, but its result is gone from the storage."""
    job_id = sandbox.add_job(seconds=0, age=_HOUR)
    body = _s3_error("NoSuchKey", "The specified key does not exist.")
    _answer_storage(sandbox, job_id, status=404, body=body, times=_ALWAYS)
    return job_id


def storage_down(sandbox: Sandbox) -> str:
    """The storage answers 503 to every request for the result."""
    job_id = completed(sandbox)
    _answer_storage(sandbox, job_id, status=503, body=_s3_error("SlowDown", "Reduce your rate."), times=_ALWAYS)
    return job_id


# Replays


def not_replayable(sandbox: Sandbox) -> str:
    """The job has completed and cannot be replayed."""
    return sandbox.add_job(seconds=0, replayable=False)


def replay_answer_lost(sandbox: Sandbox) -> str:
    """A replay is carried out, but the connection drops before the response."""
    return _answer_replay(sandbox, status=None, perform=True)


def replay_lost(sandbox: Sandbox) -> str:
    """A replay gets no response and is not carried out."""
    return _answer_replay(sandbox, status=None)


def replay_not_permitted(sandbox: Sandbox) -> str:
    """The token may read but not replay."""
    return _answer_replay(sandbox, status=403, body=_error("The Auth Token has no permission to replay jobs."))


# The API as a whole


def rate_limited(sandbox: Sandbox) -> str:
    """Every request to the API is answered 429, with `Retry-After: 30`."""
    headers = {"Retry-After": "30"}
    return _answer_api(sandbox, 429, _error("Rate limit exceeded."), headers=headers)


def rate_limited_once(sandbox: Sandbox) -> str:
    """The next request to the API is answered 429, with `Retry-After: 1`."""
    headers = {"Retry-After": "1"}
    return _answer_api(sandbox, 429, _error("Rate limit exceeded."), headers=headers, times=1)


def server_error(sandbox: Sandbox) -> str:
    """Every request to the API is answered 503."""
    return _answer_api(sandbox, 503, "")


def server_error_once(sandbox: Sandbox) -> str:
    """The next request to the API is answered 503."""
    return _answer_api(sandbox, 503, "", times=1)


def no_answer(sandbox: Sandbox) -> str:
    """The API drops every connection without a response."""
    return _answer_api(sandbox, None, "")


def unauthorized(sandbox: Sandbox) -> str:
    """Every request to the API is answered 401."""
    return _answer_api(sandbox, 401, _error("Unauthorized. Check that your Account SID and Auth Token are correct."))


def permission_denied(sandbox: Sandbox) -> str:
    """Every request to the API is answered 403: the token lacks a scope."""
    return _answer_api(sandbox, 403, _error("The Auth Token has no permission to access Jobs."))


def xml_answer(sandbox: Sandbox) -> str:
    """Every request to the API is answered 200, in XML."""
    body = "<ImpactRadiusResponse><Status>OK</Status></ImpactRadiusResponse>"
    return _answer_api(sandbox, 200, body, content_type="application/xml")


def html_answer(sandbox: Sandbox) -> str:
    """Every request to the API is answered 200, with the HTML page of a gateway."""
    return _answer_api(sandbox, 200, "<html><h1>Maintenance</h1></html>", content_type="text/html")


def _answer_api(
    sandbox: Sandbox,
    status: int | None,
    body: str,
    *,
    headers: dict[str, str] | None = None,
    content_type: str = "application/json",
    times: int = _ALWAYS,
) -> str:
    job_id = completed(sandbox)
    for method in ("GET", "PUT") if times > 1 else ("GET",):
        sandbox.answer_next(
            method,
            re.compile("^/(Agencies|Advertisers|Mediapartners)/"),
            status=status,
            body=body,
            headers=headers,
            content_type=content_type,
            times=times,
        )
    return job_id


def _answer_replay(sandbox: Sandbox, *, status: int | None, body: str = "", perform: bool = False) -> str:
    # Each job has its own ProgramId, because a lost replay cannot be told apart from other jobs of the same program.
    job_id = sandbox.add_job(seconds=0, program_id=f"{10_000 + len(sandbox.job_ids)}")
    sandbox.answer_next("PUT", f"/Jobs/{job_id}/Replay", status=status, body=body, perform=perform)
    return job_id


def _expire_link(sandbox: Sandbox, job_id: str) -> None:
    _answer_storage(sandbox, job_id, status=403, body=_s3_error("AccessDenied", "Request has expired"))


def _send_half(sandbox: Sandbox, job_id: str) -> None:
    """Send half of the result, and then drop the connection."""
    result, body = sandbox.result(job_id), _bytes_of(sandbox, job_id)
    headers = {"Content-Length": str(result.size), "ETag": result.etag, "Accept-Ranges": "bytes"}
    _answer_storage(sandbox, job_id, status=200, body=body[: result.size // 2], headers=headers)


def _answer_storage(
    sandbox: Sandbox,
    job_id: str,
    *,
    status: int,
    body: bytes,
    headers: dict[str, str] | None = None,
    times: int = 1,
) -> None:
    content_type = "text/csv" if status == HTTPStatus.OK else "application/xml"
    sandbox.answer_next(
        "GET",
        f"/results/{job_id}.csv",
        status=status,
        body=body,
        headers=headers,
        content_type=content_type,
        times=times,
    )


def _bytes_of(sandbox: Sandbox, job_id: str) -> bytes:
    return b"".join(sandbox.result(job_id).read())


def _error(message: str) -> str:
    return f'{{"Status":"ERROR","Message":"{message}"}}'


def _s3_error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


# Each scenario is set up by the function of its name.
_ARRANGEMENTS: Final[dict[str, Callable[[Sandbox], str]]] = {name: globals()[name] for name in get_args(Scenario)}
