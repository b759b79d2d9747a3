"""The plugin in sessions of pytest: what it imports, its messages, and other plugins."""

from __future__ import annotations

import pytest

pytest_plugins = "pytester"

# Only our plugin, because others of this environment import heavy modules.
OURS = ("-p", "impact_jobs", "-p", "no:cacheprovider", "--strict-markers", "-W", "error")


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_without_its_fixtures_the_plugin_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import sys

        def pytest_unconfigure(config):
            assert config.pluginmanager.has_plugin("impact_jobs")
            heavy = ("httpx", "starlette", "uvicorn", "attr", "attrs", "dateutil", "impact_agency_api", "asyncio")
            print("imported:", [name for name in heavy if name in sys.modules])
        """
    )
    pytester.runpytest_subprocess(*OURS, "--collect-only").stdout.fnmatch_lines(["imported: []"])


def test_pytest_lists_the_fixtures_and_the_marker(pytester: pytest.Pytester) -> None:
    listed = pytester.runpytest_subprocess(*OURS, "--fixtures").stdout.str()
    for name in (
        "impact_sandbox", "impact_jobs_client", "async_impact_jobs_client", "impact_scenario", "impact_environ",
        "impact_clock", "impact_offline",
    ):  # fmt: skip
        assert f"\n{name} -- " in listed
    pytester.runpytest_subprocess(*OURS, "--markers").stdout.fnmatch_lines(["@pytest.mark.impact_sandbox(*"])


def test_wrong_options_are_reported_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.impact_sandbox(job_secs=1)
        def test_unknown(impact_sandbox): ...

        @pytest.mark.impact_sandbox(5)
        def test_positional(impact_sandbox): ...

        @pytest.mark.impact_sandbox(clock=None)
        def test_the_clock(impact_sandbox): ...

        @pytest.mark.impact_sandbox(job_seconds=-1)
        def test_out_of_bounds(impact_sandbox): ...
        """
    )
    done = pytester.runpytest_subprocess(*OURS)
    done.assert_outcomes(errors=4)
    done.stdout.fnmatch_lines(
        [
            "@pytest.mark.impact_sandbox: unknown option job_secs; the options are: *hourly_budget*",
            "@pytest.mark.impact_sandbox: unknown option 5; the options are: *",
            "@pytest.mark.impact_sandbox: unknown option clock; the options are: *",
            "@pytest.mark.impact_sandbox: *job_seconds*",
        ]
    )
    done.stdout.no_fnmatch_line("*Traceback*")
    done.stdout.no_fnmatch_line("*pytest_plugin*")


def test_a_missing_extra_is_reported_with_the_command_to_install_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys; sys.modules['starlette'] = None")
    pytester.makepyfile(
        """
        def test_other(): ...
        def test_sandbox(impact_sandbox): ...
        def test_client(impact_jobs_client): ...
        """
    )
    done = pytester.runpytest_subprocess(*OURS)
    done.assert_outcomes(passed=1, errors=2)
    done.stdout.fnmatch_lines(["impact_sandbox: *pip install *[[]sandbox[]]*"])
    done.stdout.no_fnmatch_line("*Traceback*")


def test_the_fixtures_work_with_the_plugin_of_anyio(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import gc
        import pytest

        pytestmark = pytest.mark.anyio

        @pytest.fixture(params=["asyncio"])
        def anyio_backend(request):
            return request.param

        @pytest.fixture
        async def job(impact_scenario, async_impact_jobs_client):
            return await async_impact_jobs_client.get(impact_scenario("completed"))

        async def test_alone(impact_scenario, async_impact_jobs_client, tmp_path):
            job_id = impact_scenario("completed")
            await async_impact_jobs_client.get(job_id)
            await async_impact_jobs_client.download(job_id, tmp_path / "a.csv")

        async def test_with_a_fixture_in_the_same_loop(job, async_impact_jobs_client, impact_clock):
            assert (await async_impact_jobs_client.wait(job.id)).id == job.id

        def test_after_all():
            gc.collect()
        """
    )
    pytester.runpytest_subprocess(*OURS, "-p", "anyio").assert_outcomes(passed=3)
