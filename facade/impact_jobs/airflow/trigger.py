"""The triggers, which wait in the triggerer while no worker is held. Airflow stores this module's path: it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class ImpactJobTrigger(BaseTrigger):
    """Waits until a job has ended, or the deadline has passed, and fires one event."""

    def __init__(
        self,
        impact_conn_id: str,
        job_id: str,
        *,
        deadline: float | None,
        polling: Mapping[str, float] | None = None,
        advertiser_id: str | None = None,
    ) -> None:
        super().__init__()
        self.impact_conn_id = impact_conn_id
        self.job_id = job_id
        self.deadline = deadline
        self.polling = polling
        self.advertiser_id = advertiser_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments; none of them is a secret."""
        return f"{__name__}.{type(self).__name__}", {
            "impact_conn_id": self.impact_conn_id,
            "job_id": self.job_id,
            "deadline": self.deadline,
            "polling": self.polling,
            "advertiser_id": self.advertiser_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event."""
        raise NotImplementedError
        yield TriggerEvent({})


class ImpactQuotaTrigger(BaseTrigger):
    """Fires one event at a moment, when the account has requests or exports again."""

    def __init__(self, moment: float) -> None:
        super().__init__()
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its argument."""
        return f"{__name__}.{type(self).__name__}", {"moment": self.moment}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event."""
        raise NotImplementedError
        yield TriggerEvent({})
