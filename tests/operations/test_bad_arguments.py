"""An argument of the wrong kind is refused by name, before any request and before any file is made."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from impact_jobs import AsyncJobsClient, ConfigurationError, JobsClient
from impact_jobs.sandbox import Sandbox

from tests.support.driving import AnyClient

Call = Callable[[AnyClient, str, Path, Any], object]

WAITS: dict[str, Call] = {
    "wait": lambda jobs, job, _, options: jobs.wait(job, **options),
    "wait_all": lambda jobs, job, _, options: jobs.wait_all([job], **options),
    "as_completed": lambda jobs, job, _, options: list(jobs.as_completed([job], **options)),
    "wait_and_download": lambda jobs, job, folder, options: jobs.wait_and_download(job, folder / "a.csv", **options),
    "fetch_all": lambda jobs, job, folder, options: jobs.fetch_all([job], folder / "reports", **options),
}
MAY: dict[str, Any] = {"start_date": "2026-05-01", "end_date": "2026-05-31"}
EXPORTS: dict[str, Call] = {
    "export_and_download": lambda jobs, _, folder, options: jobs.export_and_download(
        "agency_action_listing", folder / "{start}.csv", **options
    ),
    "to_parquet": lambda jobs, _, folder, options: jobs.to_parquet(
        "agency_action_listing", folder / "{start}.parquet", **options
    ),
    "read_report": lambda jobs, _, __, options: jobs.read_report("agency_action_listing", **options),
}
DOWNLOADS: dict[str, Call] = {
    "download": lambda jobs, job, folder, options: jobs.download(job, folder / "a.csv", **options),
    "wait_and_download": WAITS["wait_and_download"],
}
STREAMS: dict[str, Call] = {
    "stream": lambda jobs, job, _, options: jobs.stream(job, **options),
    "open": lambda jobs, job, _, options: jobs.open(job, **options),
    "fetch_all": WAITS["fetch_all"],
}


def assert_refused(call: Call, jobs: AnyClient, sandbox: Sandbox, folder: Path, options: dict[str, object]) -> None:
    *_, name = options
    job_id = sandbox.add_job()
    sandbox.forget_requests()
    with pytest.raises(ConfigurationError, match=name):
        call(jobs, job_id, folder, options)
    assert sandbox.requests == ()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("verb", WAITS)
@pytest.mark.parametrize("options", [{"polling": "x"}, {"polling": {}}, {"polling": True}, {"on_update": 1}], ids=str)
def test_options_of_a_wait(
    verb: str, options: dict[str, object], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    assert_refused(WAITS[verb], jobs, sandbox, tmp_path, options)


@pytest.mark.parametrize(
    ("verb", "option"),
    [
        *itertools.product(EXPORTS, ["polling", "on_update"]),
        ("export_and_download", "on_window"),
        ("to_parquet", "on_window"),
    ],
)
def test_options_of_an_export(verb: str, option: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    for split in (None, "month"):
        assert_refused(EXPORTS[verb], jobs, sandbox, tmp_path, {**MAY, "split": split, option: 3})


@pytest.mark.parametrize("verb", ["export_and_download", "to_parquet"])
def test_a_window_needs_dates(verb: str, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    options: dict[str, object] = {"start_date": "2026-05-01", "on_window": print}
    assert_refused(EXPORTS[verb], jobs, sandbox, tmp_path, options)


@pytest.mark.parametrize("timeout", [float("nan"), -1, "60", {"x": 5}, {}], ids=str)
def test_a_timeout_of_fetch_all(timeout: Any, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    job_id = sandbox.add_job()
    with pytest.raises(ConfigurationError):
        jobs.fetch_all([job_id], tmp_path / "reports", timeout=timeout)
    assert sandbox.requests == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", DOWNLOADS)
@pytest.mark.parametrize(
    "options",
    [{"overwrite": "no"}, {"resume": None}, {"digest": []}, {"on_progress": 1}, {"mode": []}, {"mode": "fast"}],
    ids=str,
)
def test_options_of_a_download(
    verb: str, options: dict[str, object], jobs: AnyClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    assert_refused(DOWNLOADS[verb], jobs, sandbox, tmp_path, options)


@pytest.mark.parametrize("verb", STREAMS)
@pytest.mark.parametrize("mode", [[], {}, None, "fast"], ids=str)
def test_a_mode(verb: str, mode: object, jobs: AnyClient, sandbox: Sandbox, tmp_path: Path) -> None:
    assert_refused(STREAMS[verb], jobs, sandbox, tmp_path, {"mode": mode})


def test_a_date_with_control_characters(jobs: AnyClient, sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match=r"created_after.*control characters"):
        list(jobs.list(created_after="2026-01-01\0"))
    assert sandbox.requests == ()


@pytest.mark.parametrize("argument", ["http_client", "storage_client"])
@pytest.mark.parametrize("client", ["x", object(), httpx])
def test_a_client_that_is_none_of_httpx(argument: str, client: Any) -> None:
    for create in (JobsClient, AsyncJobsClient):
        with pytest.raises(ConfigurationError, match=f"{argument} is a .*: give an httpx"):
            create("IRx", "token", **{argument: client})


def test_a_client_of_the_other_kind() -> None:
    with pytest.raises(ConfigurationError, match=r"http_client is a AsyncClient: give an httpx\.Client"):
        JobsClient("IRx", "token", http_client=httpx.AsyncClient())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"http_client is a Client: give an httpx\.AsyncClient"):
        AsyncJobsClient("IRx", "token", http_client=httpx.Client())  # type: ignore[arg-type]
