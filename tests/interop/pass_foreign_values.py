"""Call the client with values of numpy and pandas, for `test_dataframes`; print what was accepted by mistake.

Argument: the id of a job that has completed. The credentials are in the environment.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from impact_jobs import ConfigurationError, JobsClient, Polling, Retry

np: Any = importlib.import_module("numpy")
pd: Any = importlib.import_module("pandas")

NO_NUMBERS: tuple[Any, ...] = (
    pd.NaT, pd.NA, np.nan, np.float32("nan"), np.array(5), np.array([5]), pd.Series([5]),
    np.timedelta64(5, "ns"), np.timedelta64(5, "m"), pd.Timedelta(5, "s"), np.datetime64("2026-05-29", "ns"),
    np.bool_(1), np.str_("5"), np.complex64(5), pd.DataFrame({"a": range(1000)}),
)  # fmt: skip
NO_DATES: tuple[Any, ...] = (
    pd.NaT, pd.NA, np.nan, np.datetime64("NaT"), np.datetime64("2026-05"), np.int64(20_602),
    np.array("2026-05-29", dtype="M8[D]"), pd.Series([pd.Timestamp("2026-05-29")]), pd.Period("2026-05-29"),
)  # fmt: skip


def use_good_values(jobs: JobsClient, job_id: str, folder: str) -> list[object]:
    ids = pd.Series([job_id])
    dates: tuple[Any, ...] = (
        pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-01", tz="Europe/Berlin"), pd.Timestamp.min,
        np.datetime64("2020-01-01"), np.datetime64(0, "ns"),
    )  # fmt: skip
    found = {len(list(jobs.list(date, pd.Timestamp.max))) for date in dates}
    assert found == {1}, found
    assert list(jobs.wait_all(ids, {np.str_(job_id): np.int64(5)})) == [job_id]
    assert [job.id for job in jobs.as_completed(np.array([job_id]), np.float32(5))] == [job_id]
    done = jobs.download(np.str_(job_id), np.str_(f"{folder}/a"), connections=np.uint8(2))
    assert done.bytes_written > 0
    assert jobs.fetch_all(ids, folder, concurrency=np.int64(2), connections=np.uint8(2)).files
    settings = jobs.with_options(
        request_timeout=np.int64(20),
        retry=Retry(attempts=np.int64(3), base_delay=np.float32(0.5)),
        polling=Polling(minimum=np.float16(0.5)),
    )._context
    return [settings.request_timeout, settings.retry.attempts, settings.retry.base_delay, settings.polling.minimum]


def accepted(jobs: JobsClient, job_id: str, folder: str) -> list[str]:
    numbers: dict[str, Callable[[Any], object]] = {
        "timeout": lambda bad: jobs.wait(job_id, bad),
        "timeouts": lambda bad: jobs.wait_all([job_id], {job_id: bad}),
        "connections": lambda bad: jobs.download(job_id, f"{folder}/b", connections=bad),
        "concurrency": lambda bad: jobs.fetch_all([job_id], folder, concurrency=bad),
        "request_timeout": lambda bad: jobs.with_options(request_timeout=bad),
        "attempts": lambda bad: Retry(attempts=bad),
        "minimum": lambda bad: Polling(minimum=bad),
    }
    dates: dict[str, Callable[[Any], object]] = {
        "created_after": lambda bad: list(jobs.list(bad)),
        "created_before": lambda bad: list(jobs.list(None, bad)),
    }
    return [
        f"{name}={type(bad).__name__}"
        for calls, values in ((numbers, NO_NUMBERS), (dates, NO_DATES))
        for name, call in calls.items()
        for bad in values
        if not is_refused(call, bad)
    ]


def is_refused(call: Callable[[Any], object], bad: object) -> bool:
    try:
        call(bad)
    except ConfigurationError as error:
        return "\n" not in str(error)
    return False


def main(job_id: str) -> None:
    with JobsClient.from_env() as jobs, tempfile.TemporaryDirectory() as folder:
        kept = use_good_values(jobs, job_id, folder)
        sys.stdout.write(json.dumps({"kept": kept, "accepted": accepted(jobs, job_id, folder)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
