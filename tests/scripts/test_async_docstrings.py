"""The docstrings of the two clients are the same, with the examples in asynchronous form."""

from __future__ import annotations

import pytest
from async_docstrings import SOURCE, TARGET, asynchronous, awaited_methods, synced


def test_async_client_has_the_docstrings_of_client() -> None:
    client, async_client = SOURCE.read_text(), TARGET.read_text()
    assert synced(client, async_client) == async_client, "run: make format"


def test_an_outdated_or_missing_docstring_is_replaced() -> None:
    client, async_client = SOURCE.read_text(), TARGET.read_text()
    outdated = async_client.replace("Return the job's current state.", "Outdated.")
    start = async_client.index('        """Wait until the job has completed, and return it.')
    end = async_client.index('        """\n', start) + len('        """\n')
    assert synced(client, outdated) == async_client
    assert synced(client, async_client[:start] + async_client[end:]) == async_client


@pytest.mark.parametrize(
    ("blocking", "awaited"),
    [
        (">>> job = jobs.wait(jobs.replay(job))", ">>> job = await jobs.wait(await jobs.replay(job))"),
        (">>> with JobsClient.from_env() as jobs:", ">>> async with AsyncJobsClient.from_env() as jobs:"),
        ("... for job in jobs.list():", "... async for job in jobs.list():"),
        ("... for chunk in stream:", "... async for chunk in stream:"),
        (">>> for job in found:", ">>> for job in found:"),
        (">>> with jobs.stream(job) as stream:", ">>> async with jobs.stream(job) as stream:"),
        (">>> with jobs.open(job) as file:", ">>> with jobs.open(job) as file:"),
        (">>> jobs.close()", ">>> await jobs.aclose()"),
        (">>> list_jobs.sync(sid)", ">>> await list_jobs.asyncio(sid)"),
        ("Call jobs.get(job) of `JobsClient`.", "Call jobs.get(job) of `JobsClient`."),
    ],
)
def test_code_is_rewritten_and_prose_is_not(blocking: str, awaited: str) -> None:
    assert asynchronous(blocking, awaited_methods(TARGET.read_text())) == awaited
