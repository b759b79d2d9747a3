"""What the operators that write a file share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from impact_jobs.airflow import _assets
from impact_jobs.airflow._delivery import FILE_KEY, UPLOAD_KEY, Delivered, Delivery
from impact_jobs.airflow._values import as_flag, as_path, as_text, optional
from impact_jobs.airflow.operators._base import ImpactOperator, Outcome, Reader

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath


class ImpactFileOperator(ImpactOperator):
    """The base of the operators that write a file: its destination, its delivery, and its announcement."""

    readers: ClassVar[Mapping[str, Reader]] = {
        **ImpactOperator.readers,
        "path": as_path,
        "storage_conn_id": optional(as_text),
        "overwrite": as_flag,
        "verify": as_flag,
    }

    def __init__(
        self,
        *,
        path: str | ObjectStoragePath,
        storage_conn_id: str | None = None,
        overwrite: bool = False,
        verify: bool = True,
        **kwargs: Any,  # noqa: ANN401 - those of the base classes, down to Airflow's own
    ) -> None:
        super().__init__(**kwargs)
        self.path: Any = path
        self.storage_conn_id = storage_conn_id
        self.overwrite = overwrite
        self.verify = verify
        self._delivered: Delivered | None = None
        _assets.declare(self)

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any] | None:
        """Return the file for OpenLineage, if its provider is installed.

        Args:
            task_instance: The task instance; it is not needed.
        """
        del task_instance
        return _assets.lineage(self._delivered)

    def _start(self, context: Context) -> Outcome:
        with self._errors():
            self._delivery(context).check()
        return super()._start(context)

    def _delivery(self, context: Context) -> Delivery:
        """Return the delivery to the destination.

        Raises:
            ConfigurationError: The path does not name a file, or the store's package or connection is missing.
        """
        from impact_jobs.airflow._storage import Destination  # noqa: PLC0415 - no DAG needs fsspec while it is parsed

        return Delivery(
            target=Destination.create(self.path, self.storage_conn_id),
            file=self._memory(context, FILE_KEY),
            upload=self._memory(context, UPLOAD_KEY),
            overwrite=self.overwrite,
            verify=self.verify,
            late_seconds=self._late_seconds,
            clears=context["ti"].max_tries,
            may_be_there=context["ti"].try_number > 1,
        )

    def _announce(self, context: Context, delivered: Delivered, **extra: object) -> Outcome:
        """Emit the asset event of a file; return what the operator returns."""
        self._delivered = delivered
        about = {**delivered.as_dict(), **extra}
        _assets.emit(self, context, uri=delivered.uri, extra=about)
        return {"path": self.path, **about}
