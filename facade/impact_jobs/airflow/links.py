"""The link of a task to its report in impact.com's web app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from impact_jobs.airflow._errors import AirflowException
from impact_jobs.airflow.hook import ImpactHook

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class ImpactReportLink(BaseOperatorLink):
    """Links to the page that the connection's extra `report_url` names; empty if it names none.

    An operator that has it needs the attributes `impact_conn_id` and `report_id`. Airflow stores the link when the task
    instance ends, so it may need no access to the connection later.

    Example:
        >>> class MyExport(ImpactExportOperator):
        ...     operator_extra_links = (ImpactReportLink(),)
    """

    name = "Report at impact.com"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the address, or "" if it is not known. A link must not fail a task, so nothing is raised."""
        task: Any = operator  # its class is not imported here, because its module imports this one
        try:
            return ImpactHook(task.impact_conn_id).report_url(task.report_id) or ""
        except AirflowException as error:
            ImpactHook.logger().debug("no link to the report: %s", error)
            return ""
