"""Three accounts as three sandboxes, and plans for them; a module takes the fixtures over by their names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pytest
from attrs import frozen
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import Plan, SyncPreview, SyncReport
from impact_jobs.toolkit import use_clock

from tests.support.virtual_clock import VirtualClock

NAMES: Final = ("north", "south", "west")
PLAN: Final = """
[defaults]
into = "data/{account}/{report}/{start:%Y-%m}.csv"
[[report]]
id = "agency_action_listing"
name = "actions"
accounts = ["north", "south", "west"]
from = "2026-03-01"
to = "2026-05-28"
"""
Mode: TypeAlias = Literal["blocking", "asynchronous"]


@pytest.fixture(autouse=True)
def clock() -> Iterator[VirtualClock]:
    clock = VirtualClock()  # 2026-05-29
    with use_clock(clock):
        yield clock


@pytest.fixture
def sandboxes(clock: VirtualClock) -> Iterator[dict[str, Sandbox]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Sandbox(seed=seed, job_seconds=0, rows_per_day=2, clock=clock.time))
            for seed, name in enumerate(NAMES)
        }


@pytest.fixture(params=["blocking", "asynchronous"])
def plans(request: pytest.FixtureRequest, tmp_path: Path) -> Plans:
    return Plans(mode=request.param, folder=tmp_path)


@pytest.fixture
def blocking_plans(tmp_path: Path) -> Plans:
    """For what does not depend on the kind of client."""
    return Plans(mode="blocking", folder=tmp_path)


@frozen(kw_only=True)
class Plans:
    """Runs plans in a folder, by either kind of client."""

    mode: Mode
    folder: Path

    def run(self, sandboxes: Mapping[str, Sandbox] | None, plan: str = PLAN, **options: Any) -> SyncReport:
        """Run a plan; without sandboxes, with the clients of profiles and of the environment."""
        report: SyncReport = self._call("run", plan, sandboxes, **options)
        return report

    def preview(self, sandboxes: Mapping[str, Sandbox] | None, plan: str = PLAN) -> SyncPreview:
        preview: SyncPreview = self._call("preview", plan, sandboxes)
        return preview

    def _call(
        self,
        method: str,
        plan: str,
        sandboxes: Mapping[str, Sandbox] | None,
        *,
        tokens: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Any:
        parsed, given = Plan.parse(plan, folder=self.folder), {} if sandboxes is None else sandboxes
        account_options = {name: {"auth_token": token} for name, token in (tokens or {}).items()}

        def call(clients: Mapping[str, Any]) -> Any:
            name = method if self.mode == "blocking" else f"{method}_async"
            return getattr(parsed, name)(clients=None if sandboxes is None else clients, **options)

        async def call_async() -> Any:
            async with AsyncExitStack() as stack:
                return await call(
                    {
                        name: await stack.enter_async_context(each.async_client(**account_options.get(name, {})))
                        for name, each in given.items()
                    }
                )

        if self.mode == "asynchronous":
            return asyncio.run(call_async())
        with ExitStack() as stack:
            return call(
                {
                    name: stack.enter_context(each.client(**account_options.get(name, {})))
                    for name, each in given.items()
                }
            )
