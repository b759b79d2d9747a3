"""What several tests of operators use."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from impact_jobs.airflow._task_state import MemoryState

from tests.airflow.driving import TaskRun

in_sandbox = pytest.mark.usefixtures("sandbox")
in_each_kind = pytest.mark.parametrize("sandbox", ["agency", "brand", "partner"], indirect=True)


def failing(run: TaskRun) -> str:
    """Run a try that a retry may follow, and return its message."""
    with pytest.raises(AirflowException) as caught:
        run.start()
    assert not isinstance(caught.value, AirflowFailException)
    return str(caught.value)


class KilledAt(MemoryState):
    """A state whose process is killed right after one of its writes."""

    def __init__(self, write: int) -> None:
        super().__init__()
        self.left = write

    def set(self, key: str, value: Any) -> None:
        super().set(key, value)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
