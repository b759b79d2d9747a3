"""The operators: export, wait, replay, download, and the whole way from a report to a file."""

from impact_jobs.airflow.operators.download import ImpactDownloadOperator
from impact_jobs.airflow.operators.export import ImpactExportOperator
from impact_jobs.airflow.operators.jobs import ImpactReplayOperator, ImpactWaitOperator
from impact_jobs.airflow.operators.report_to_storage import ImpactReportToStorageOperator

__all__ = [
    "ImpactDownloadOperator",
    "ImpactExportOperator",
    "ImpactReplayOperator",
    "ImpactReportToStorageOperator",
    "ImpactWaitOperator",
]
