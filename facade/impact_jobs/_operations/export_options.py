"""The options of `export_and_download`, checked as soon as they are put together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

from attrs import field, frozen, validators

from impact_jobs._api.context import seconds_of
from impact_jobs._policy.polling import Polling
from impact_jobs._policy.windows import Split
from impact_jobs._validators import callback, flag, instance_of, shown
from impact_jobs.errors import ConfigurationError, JobsError
from impact_jobs.models import DownloadResult, Job
from impact_jobs.report_models import ExportWindow

OnWindow: TypeAlias = Callable[[ExportWindow, Job | DownloadResult | JobsError], object]
"""A function that is called with a window and its news: a snapshot of its job, its file, or its error."""


@frozen(kw_only=True)
class ExportOptions:
    """How to export and wait; `JobsClient.export_and_download` documents each option."""

    split: Split | None
    join: bool = field(validator=flag)
    max_age: timedelta | None
    timeout: float | None
    polling: Polling | None = field(validator=validators.optional(instance_of(Polling)))
    on_update: Callable[[Job], object] | None = field(validator=callback)
    on_window: OnWindow | None = field(default=None, validator=callback)

    def __attrs_post_init__(self) -> None:
        seconds_of(self.timeout)
        if self.max_age is not None and not (isinstance(self.max_age, timedelta) and self.max_age >= timedelta(0)):
            raise ConfigurationError(f"max_age={shown(self.max_age)}: give a timedelta, such as timedelta(hours=6).")
