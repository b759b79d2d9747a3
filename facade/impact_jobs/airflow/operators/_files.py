"""What the operators that write a file share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from impact_jobs.airflow._delivery import FILE_KEY, UPLOAD_KEY, Delivery
from impact_jobs.airflow._task_state import Memory

if TYPE_CHECKING:
    from airflow.sdk import Context


class FileWriter(Protocol):
    """An operator with the arguments of a destination."""

    path: Any
    storage_conn_id: Any
    overwrite: Any
    verify: Any

    def _memory(self, context: Context, key: str) -> Memory: ...


def delivery_of(operator: FileWriter, context: Context) -> Delivery:
    """Return the delivery to an operator's destination.

    Raises:
        ConfigurationError: The path does not name a file, or the store's package or connection is missing.
    """
    from impact_jobs.airflow._storage import Destination  # noqa: PLC0415 - no DAG needs fsspec while it is parsed

    return Delivery(
        target=Destination.create(operator.path, operator.storage_conn_id),
        file=operator._memory(context, FILE_KEY),  # noqa: SLF001 - of our own operators
        upload=operator._memory(context, UPLOAD_KEY),  # noqa: SLF001 - the same
        overwrite=operator.overwrite,
        verify=operator.verify,
        may_be_there=context["ti"].try_number > 1,
        clears=context["ti"].max_tries,
    )
