"""A plan, and the tasks that its DAG would run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import asdict, define, evolve
from impact_jobs._download.manifest import Manifest
from impact_jobs.airflow._plans.file_operator import ImpactPlannedFileOperator
from impact_jobs.airflow._plans.plan_operator import ImpactPlanOperator
from impact_jobs.sandbox import Sandbox
from impact_jobs.sync import Plan, SyncReport

from tests.airflow.driving import REPORT, TaskRun, of, sent


@define
class Planned:
    """A plan's file in a folder, and the account that its files come from."""

    folder: Path
    sandbox: Sandbox

    @property
    def path(self) -> Path:
        return self.folder / "reports.toml"

    def write(self, text: str = "", **changes: object) -> None:
        """Write the plan, with changed keys of its report, and further text."""
        report = {
            "id": REPORT,
            "name": "actions",
            "accounts": ["north"],
            "from": "2026-03-01",
            "to": "2026-05-31",
            "into": "data/{account}/{start:%Y-%m}.csv",
        } | changes
        lines = "".join(f"{key} = {_toml(value)}\n" for key, value in report.items())
        self.path.write_text(f"[[report]]\n{lines}\n{text}")

    def due(self, **options: Any) -> list[dict[str, Any]]:
        """Run the task that lists the files that are not right."""
        run = TaskRun(make=lambda: ImpactPlanOperator(task_id="plan", plan_path=self.path, **options))
        found: list[dict[str, Any]] = run.start()
        return found

    def task(self, arguments: dict[str, Any], **options: Any) -> TaskRun:
        """Return the mapped task of one entry of that list."""
        return of(ImpactPlannedFileOperator, plan_path=str(self.path), polling=None, **arguments, **options)

    def make_all(self) -> list[dict[str, Any]]:
        """Run the whole DAG once; return what the mapped tasks return."""
        return [self.task(arguments).start() for arguments in self.due()]

    def sync(self) -> SyncReport:
        """Run the plan as `impact-jobs sync` does."""
        with self.sandbox.client() as client:
            return Plan.load(self.path).run(clients={"north": client})

    @property
    def exports(self) -> int:
        return sent(self.sandbox)

    @property
    def replays(self) -> int:
        return sent(self.sandbox, "/Replay")

    @property
    def contents(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Each file, and what the manifest says about it, without the time at which that was written."""
        entries = Manifest.read(self.folder / "data" / "north").entries
        return [
            ((self.folder / "data" / "north" / name).read_bytes(), asdict(evolve(entry, written=None)))
            for name, entry in sorted(entries.items())
        ]


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_toml(each)}' for key, each in value.items()) + "}"
    return repr(value).replace("'", '"')
