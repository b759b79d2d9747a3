"""The replay oracle accepts every possible outcome, and detects the wrong ones."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from tests.faults.replay_oracle import ReceivedReplay, ReplayOracle


@pytest.mark.parametrize(
    ("answers", "at_once", "complaint"),
    [
        ({"1": "x", "2": "y"}, False, ""),
        ({"1": "y", "2": None}, False, ""),  # call 2 returned no job, so call 1 may return its
        ({"1": None, "2": None}, False, ""),
        ({"1": "y", "2": "x"}, True, ""),
        ({"1": "y", "2": "x"}, False, "the job of call 2"),
        ({"1": "x", "2": "x"}, True, "two calls returned the same job"),
        ({"1": "other", "2": None}, False, "which no replay made"),
        ({"1": "z", "2": None}, False, "the replay of another job"),
    ],
    ids=str,
)
def test_a_call_returns_a_job_that_it_can_have_made(
    answers: dict[str, str | None], complaint: str, *, at_once: bool
) -> None:
    oracle = ReplayOracle()
    sources = {"1": "a", "2": "a", "3": "b"}
    for group in [sources] if at_once else [{name: source} for name, source in sources.items()]:
        for call in oracle.start(group.items()):
            call.answered = answers.get(call.name)
    received = [ReceivedReplay("1", "a", "x"), ReceivedReplay("2", "a", "y"), ReceivedReplay("3", "b", "z")]
    with pytest.raises(AssertionError, match=complaint) if complaint else nullcontext():
        oracle.check(received, sent=["1", "2", "3"])


@pytest.mark.parametrize(
    ("sent", "complaint"), [(["1", "1"], "sent more than once"), (["2"], "a replay request that no call sent")]
)
def test_each_request_belongs_to_one_call(sent: list[str], complaint: str) -> None:
    oracle = ReplayOracle()
    oracle.start([("1", "a")])
    oracle.check([], sent=["1"])
    with pytest.raises(AssertionError, match=complaint):
        oracle.check([], sent)
