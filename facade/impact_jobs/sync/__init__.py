"""Keep a folder of reports up to date, as a plan in a file describes it: `impact-jobs sync`, as a library.

    from impact_jobs.sync import Plan

    report = Plan.load("reports.toml").run()

docs/howto/sync.md is the guide.
"""

from impact_jobs._operations.planned_files.values import FileAction, FileStep, PlannedFile
from impact_jobs.sync._errors import PlanError, PlanProblem
from impact_jobs.sync._metrics import write_metrics
from impact_jobs.sync._plan import Plan
from impact_jobs.sync._planned_report import PlannedReport
from impact_jobs.sync._preview import AccountPreview, SyncPreview
from impact_jobs.sync._report import AccountUse, FileState, OnUpdate, SyncedFile, SyncReport

__all__ = [
    "AccountPreview",
    "AccountUse",
    "FileAction",
    "FileState",
    "FileStep",
    "OnUpdate",
    "Plan",
    "PlanError",
    "PlanProblem",
    "PlannedFile",
    "PlannedReport",
    "SyncPreview",
    "SyncReport",
    "SyncedFile",
    "write_metrics",
]
