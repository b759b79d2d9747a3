"""`@task.impact_report`: a function that returns the arguments of an `ImpactReportToStorageOperator`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, determine_kwargs, task_decorator_factory
from airflow.sdk.definitions.context import context_merge

from impact_jobs.airflow._errors import AirflowFailException
from impact_jobs.airflow.operators import ImpactReportToStorageOperator
from impact_jobs.airflow.operators._base import Outcome

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import TaskDecorator


class ImpactReportDecoratedOperator(DecoratedOperator, ImpactReportToStorageOperator):
    """Calls a function for the arguments of an `ImpactReportToStorageOperator`, and runs it.

    The function is called when the task starts, and not again when it resumes after a deferral.

    Args:
        python_callable: The function. It returns a dict of arguments, such as `report_id`, `report_start` and `path`,
            whose text may be templates.
        op_args: The function's positional arguments.
        op_kwargs: The function's keyword arguments.
        kwargs: Arguments of `ImpactReportToStorageOperator`, used unless the function returns others.
    """

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *ImpactReportToStorageOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **ImpactReportToStorageOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.impact_report"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Mapping[str, Any]],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        report_id: str = "",
        path: Any = "",  # noqa: ANN401 - text or an ObjectStoragePath
        **kwargs: Any,  # noqa: ANN401 - those of the base classes, down to Airflow's own
    ) -> None:
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            report_id=report_id,
            path=path,
            **kwargs,
        )

    def execute(self, context: Context) -> Outcome:
        """Call the function, and run the operator with what it returns.

        Args:
            context: Airflow's context of the task instance.

        Raises:
            AirflowFailException: The function returned something else than arguments of the operator.
            AirflowException: As for `ImpactReportToStorageOperator`.
        """
        context_merge(context, self.op_kwargs)
        returned = self.python_callable(*self.op_args, **determine_kwargs(self.python_callable, self.op_args, context))
        for name, value in self.render_template(_checked(returned, self.readers), context).items():
            setattr(self, name, value)
        outcome: Outcome = super().execute(context)
        return outcome


def _checked(returned: object, names: Collection[str]) -> dict[str, Any]:
    if not isinstance(returned, Mapping):
        raise AirflowFailException(
            f"the function returned a {type(returned).__name__}: return a dict of arguments, such as report_id."
        )
    for name in returned:
        if name not in names:
            close = get_close_matches(str(name), names, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known are {', '.join(sorted(names))}."
            raise AirflowFailException(f"the function returned an unknown argument {name!r}.{hint}")
    return dict(returned)


def impact_report_task(
    python_callable: Callable[..., Mapping[str, Any]] | None = None,
    **kwargs: Any,  # noqa: ANN401 - those of the operator
) -> TaskDecorator:
    """Make a task of a function that says which report to export, and where to put it: `@task.impact_report`.

    Args:
        python_callable: The function to decorate. It returns a dict of arguments of `ImpactReportToStorageOperator`.
        kwargs: Arguments of `ImpactReportToStorageOperator`, used unless the function returns others; and those of
            every task.

    Returns:
        A decorator, whose result makes a task when it is called.

    Example:
        >>> @task.impact_report(report_id="agency_action_listing", storage_conn_id="aws_default")
        ... def pull(day: str):
        ...     return {"report_start": day, "report_end": day, "path": f"s3://reports/{day}.csv"}
    """
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=ImpactReportDecoratedOperator, **kwargs
    )
