"""Decide whether the answers to a session's replay calls can be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import define, field, frozen


@frozen
class ReceivedReplay:
    """A replay request that the origin answered: the call that sent it, the job, and the new job if there is one."""

    call: str
    source: str
    new_job: str | None


@define
class ReplayCall:
    """A call of `replay`.

    Attributes:
        name: The name that its request carries.
        source: The job to replay.
        group: Shared by calls that ran at the same time.
        answered: The id of the job that it returned, if it returned one.
    """

    name: str
    source: str
    group: int
    answered: str | None = None


@define
class ReplayOracle:
    """All replay calls of a session."""

    calls: list[ReplayCall] = field(factory=list)

    @property
    def answered_jobs(self) -> set[str]:
        """The jobs that calls have returned."""
        return {call.answered for call in self.calls if call.answered is not None}

    def start(self, sources: Iterable[tuple[str, str]]) -> list[ReplayCall]:
        """Record calls that are about to run at the same time, each by its name and source."""
        group = len(self.calls)
        started = [ReplayCall(name, source, group) for name, source in sources]
        self.calls += started
        return started

    def check(self, received: Sequence[ReceivedReplay], sent: Iterable[str]) -> None:
        """Assert that no call made two jobs, and that none returned a job that cannot be its own.

        Args:
            received: The replay requests that the origin answered.
            sent: The name of the call behind each replay request that reached the origin.
        """
        by_new_job = {replay.new_job: replay for replay in received if replay.new_job is not None}
        by_name = {call.name: call for call in self.calls}
        counts = Counter(sent)
        repeated = [name for name, count in counts.items() if count > 1]
        assert not repeated, f"replay requests sent more than once by calls {repeated}"
        assert counts.keys() <= by_name.keys(), "a replay request that no call sent"
        answered = [(call, call.answered) for call in self.calls if call.answered is not None]
        assert len(self.answered_jobs) == len(answered), "two calls returned the same job"
        for call, job_id in answered:
            replay = by_new_job.get(job_id)
            assert replay is not None, f"call {call.name} returned {job_id}, which no replay made"
            assert replay.source == call.source, f"call {call.name} returned the replay of another job"
            # It may be the job of another call that replayed the same job, if that one returned none or ran meanwhile.
            maker = by_name[replay.call]
            may_swap = maker.answered is None or maker.group == call.group
            assert maker is call or may_swap, f"call {call.name} returned the job of call {replay.call}"
