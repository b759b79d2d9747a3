"""An Apache Airflow provider: exports, waits, downloads and replays that keep no worker busy while a job runs.

    from impact_jobs.airflow import ImpactReportToStorageOperator

Install it with the extra `airflow`, beside Airflow 3.2 or later. docs/howto/airflow.md is the guide. Airflow stores the
module paths of triggers in its database, so those stay the same.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impact_jobs.airflow._plans.dag import dags_from_plan
    from impact_jobs.airflow._windows import windows
    from impact_jobs.airflow.hook import ImpactHook
    from impact_jobs.airflow.operators import (
        ImpactDownloadOperator,
        ImpactExportOperator,
        ImpactReplayOperator,
        ImpactReportToStorageOperator,
        ImpactWaitOperator,
    )
    from impact_jobs.airflow.sensor import ImpactJobSensor
    from impact_jobs.airflow.trigger import ImpactJobTrigger, ImpactQuotaTrigger

__all__ = [
    "ImpactDownloadOperator",
    "ImpactExportOperator",
    "ImpactHook",
    "ImpactJobSensor",
    "ImpactJobTrigger",
    "ImpactQuotaTrigger",
    "ImpactReplayOperator",
    "ImpactReportToStorageOperator",
    "ImpactWaitOperator",
    "dags_from_plan",
    "windows",
]

_HOMES = {
    "_plans.dag": ("dags_from_plan",),
    "_windows": ("windows",),  # a module of that name would take the place of the function
    "hook": ("ImpactHook",),
    "operators": (
        "ImpactDownloadOperator",
        "ImpactExportOperator",
        "ImpactReplayOperator",
        "ImpactReportToStorageOperator",
        "ImpactWaitOperator",
    ),
    "sensor": ("ImpactJobSensor",),
    "trigger": ("ImpactJobTrigger", "ImpactQuotaTrigger"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # because type checkers would accept any misspelt name

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used, because Airflow takes long to import, or is not installed."""
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            module = import_module(f"{__name__}.{_HOME_OF[name]}")
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "airflow":
                raise
            raise ImportError(
                f"{name} needs Apache Airflow 3.2 or later: pip install 'impact-jobs[airflow]'", name=error.name
            ) from None
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
