"""Find the job that a task has scheduled before, or schedule it: one job, over kills, retries and clears.

What the task is about to send is written to its state first, and the job's id right after. So a state without an id
means that a process has ended in between: an export is then sent again, because the server returns the job of an equal
export, and a replay is looked for in the list of jobs.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from attrs import asdict, evolve, frozen
from impact_jobs import (
    ApiError,
    Job,
    JobFailedError,
    JobNotFoundError,
    JobsClient,
    JobsError,
    JobStatus,
    NotReplayableError,
    PermissionDeniedError,
    ReplayUncertainError,
    TransportError,
    WaitTimeoutError,
)
from impact_jobs.client import find_lost_replay

from impact_jobs.airflow._task_state import Memory, TaskState

logger: logging.Logger = logging.getLogger("impact_jobs")

JOB_KEY: Final = "impact_jobs"
"""The key of the task's job in its state."""

_CLOCKS: Final = timedelta(seconds=60)
"""How far the clocks of this machine and the server may differ."""
