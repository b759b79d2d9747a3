"""The ledger of replays notices what it is there for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest

from tests.faults.replay_oracle import Ledger, Replayed


def wrong(what: str) -> AbstractContextManager[object]:
    return pytest.raises(AssertionError, match=what)


@pytest.mark.parametrize(
    ("answers", "at_once", "complaint"),
    [
        ({"1": "x", "2": "y"}, False, ""),
        ({"1": "y", "2": None}, False, ""),  # as good as each other: the first was told nothing
        ({"1": None, "2": None}, False, ""),
        ({"1": "y", "2": "x"}, True, ""),
        ({"1": "y", "2": "x"}, False, "with call 2's job"),
        ({"1": "x", "2": "x"}, True, "one job for two calls"),
        ({"1": "other", "2": None}, False, "which no replay made"),
        ({"1": "z", "2": None}, False, "the replay of another job"),
    ],
    ids=str,
)
def test_an_answer_is_a_job_that_the_call_can_have_made(
    answers: dict[str, str | None], complaint: str, *, at_once: bool
) -> None:
    ledger = Ledger()
    sources = {"1": "a", "2": "a", "3": "b"}
    for group in [sources] if at_once else [{name: source} for name, source in sources.items()]:
        for call in ledger.begin(group.items()):
            call.answered = answers.get(call.name)
    with wrong(complaint) if complaint else nullcontext():
        ledger.check([Replayed("1", "a", "x"), Replayed("2", "a", "y"), Replayed("3", "b", "z")], sent=["1", "2", "3"])


@pytest.mark.parametrize(("sent", "what"), [(["1", "1"], "sent more than once"), (["2"], "no call of replay")])
def test_a_request_belongs_to_a_call_and_is_sent_once(sent: list[str], what: str) -> None:
    ledger = Ledger()
    ledger.begin([("1", "a")])
    ledger.check([], sent=["1"])
    with wrong(what):
        ledger.check([], sent)
