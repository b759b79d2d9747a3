"""Each scenario is what docs/testing.md says, and gives the outcomes that the page lists, with either client."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from impact_jobs import Job, JobsError
from impact_jobs.pytest_plugin import Arrange, ImpactClock, Sandbox, Scenario, _scenarios, arrange

from tests.support.driving import AnyClient, MakeClient, clients

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
NAMES = get_args(Scenario)


@pytest.fixture(params=clients, ids=lambda make: make.__name__)
def client(request: pytest.FixtureRequest, impact_sandbox: Sandbox) -> Iterator[AnyClient]:
    make: MakeClient = request.param
    with asyncio.Runner() as runner, make(impact_sandbox, runner) as made:
        yield made


def fetch(jobs: AnyClient, job_id: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path: Path = jobs.wait_and_download(job_id, Path(folder) / "a.csv", timeout=70 * 60).path
        return path.read_bytes()


VERBS: dict[str, Callable[[AnyClient, str], Any]] = {
    "get": lambda jobs, job_id: jobs.get(job_id),
    "wait_and_download": fetch,
    "replay": lambda jobs, job_id: jobs.replay(job_id),
}


def outcome(verb: str, jobs: AnyClient, job_id: str, sandbox: Sandbox) -> str:
    """Return the outcome as the page words it."""
    try:
        found = VERBS[verb](jobs, job_id)
    except JobsError as error:
        return f"`{type(error).__name__}`"
    if isinstance(found, Job):
        return f"`{found.status}`" if found.id == job_id else "a new job"
    assert found == b"".join(sandbox.result(job_id).read()), "not the job's result"
    return "the result"


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def expected_rows() -> list[str]:
    table = PAGE.read_text().partition("| scenario |")[2].partition("\n\n")[0]
    return [line for line in table.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("impact_clock", "impact_offline")
def test_a_scenario_has_the_outcomes_on_the_page(name: Scenario, impact_sandbox: Sandbox, client: AnyClient) -> None:
    description = " ".join((_scenarios._ARRANGEMENTS[name].__doc__ or "").split())
    cells = [outcome(verb, client, arrange(impact_sandbox, name), impact_sandbox) for verb in VERBS]
    assert row([f"`{name}`", description, *cells]) in expected_rows()


def test_the_page_lists_all_scenarios_in_their_order() -> None:
    assert [line.split("`")[1] for line in expected_rows()] == list(NAMES) == list(_scenarios._ARRANGEMENTS)


def test_an_unknown_name_is_refused_with_the_list_of_scenarios(impact_scenario: Arrange) -> None:
    with pytest.raises(ValueError, match=r"unknown scenario 'flaky'; the scenarios are: completed, .*html_answer"):
        impact_scenario("flaky")  # type: ignore[arg-type]


def test_scenarios_of_single_jobs_can_share_a_sandbox(
    impact_scenario: Arrange, impact_jobs_client: Any, impact_sandbox: Sandbox, impact_clock: ImpactClock
) -> None:
    of_jobs = NAMES[: NAMES.index("rate_limited")]
    arranged = {name: impact_scenario(name) for name in of_jobs}
    for name in reversed(of_jobs):
        expected = next(line for line in expected_rows() if line.startswith(f"| `{name}` |"))
        found = outcome("wait_and_download", impact_jobs_client, arranged[name], impact_sandbox)
        assert found == expected.split(" | ")[3], name
    assert impact_clock.elapsed > 4 * 3600, "several waits time out, all of them in virtual time"


@pytest.mark.usefixtures("impact_clock")
def test_a_list_skips_the_malformed_job_with_a_warning(
    impact_scenario: Arrange, impact_jobs_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    malformed, good = impact_scenario("malformed"), impact_scenario("completed")
    assert [job.id for job in impact_jobs_client.list()] == [good]
    assert malformed in caplog.text
