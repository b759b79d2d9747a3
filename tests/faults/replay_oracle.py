"""The replays of a session: which call asked for which, what it was answered with, and whether that can be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from attrs import define, field, frozen


@frozen
class Replayed:
    """A replay that the origin was asked for, and the job that it made, if it did."""

    call: str
    source: str
    child: str | None


@define
class ReplayCall:
    """A call of `replay`.

    Attributes:
        name: By which its request is known.
        source: The job that it is to replay.
        group: What calls that were under way at the same time have in common.
        answered: The job that it was answered with, if it was.
    """

    name: str
    source: str
    group: int
    answered: str | None = None


@define
class Ledger:
    """All calls of a session."""

    calls: list[ReplayCall] = field(factory=list)

    @property
    def known(self) -> set[str]:
        """The jobs that calls were told to be theirs."""
        return {call.answered for call in self.calls if call.answered is not None}

    def begin(self, sources: Iterable[tuple[str, str]]) -> list[ReplayCall]:
        """Note calls that are about to be made side by side, each by its name and source."""
        group = len(self.calls)
        begun = [ReplayCall(name, source, group) for name, source in sources]
        self.calls += begun
        return begun

    def check(self, replayed: Sequence[Replayed], sent: Iterable[str]) -> None:
        """See that no call made two jobs, and none was answered with what cannot be its own.

        Args:
            replayed: What became of the requests, by the origin's own word.
            sent: For each request that reached the origin, the call that it belongs to.
        """
        made = {found.child: found for found in replayed if found.child is not None}
        by_name = {call.name: call for call in self.calls}
        asked = Counter(sent)
        twice = [name for name, count in asked.items() if count > 1]
        assert not twice, f"sent more than once: the replays of calls {twice}"
        assert asked.keys() <= by_name.keys(), "a request that no call of replay has made"
        answered = [(call, call.answered) for call in self.calls if call.answered is not None]
        assert len(self.known) == len(answered), "one job for two calls"
        for call, job_id in answered:
            found = made.get(job_id)
            assert found is not None, f"call {call.name} was answered with {job_id}, which no replay made"
            assert found.source == call.source, f"call {call.name} was answered with the replay of another job"
            # Calls that replay the same job are as good as each other, where neither was told which is whose.
            maker = by_name[found.call]
            is_as_good = maker.answered is None or maker.group == call.group
            assert maker is call or is_as_good, f"call {call.name} was answered with call {found.call}'s job"
