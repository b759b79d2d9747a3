from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from impact_jobs.crew import Crew, CrewLock, StoppedError, current
from impact_jobs.stepping import step


def in_a_thread(crew: Crew, function: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Start a thread of the crew, whose failure is put into the list."""
    failures: list[BaseException] = []

    def work() -> None:
        current.set(crew)
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, failures


def test_stopping_ends_those_who_sleep() -> None:
    with Crew(lambda: None, within=None) as crew:
        threads = [in_a_thread(crew, lambda: crew.sleep(60)) for _ in range(5)]
        crew.stop()
        for thread, failures in threads:
            thread.join()
            assert [type(error) for error in failures] == [StoppedError]


def test_a_sleep_that_nobody_stops_ends_in_time() -> None:
    with Crew(lambda: None, within=None) as crew:
        crew.sleep(0)
        crew.check()
        assert not crew.is_stopped


def test_who_waits_for_the_lock_is_stopped_when_its_turn_comes() -> None:
    lock, is_held, free = CrewLock(), threading.Event(), threading.Event()
    entered = []

    async def hold() -> None:
        async with lock:
            is_held.set()
            free.wait()

    async def enter() -> None:
        async with lock:
            entered.append(True)

    with Crew(lambda: None, within=None) as crew:
        holder, _ = in_a_thread(crew, lambda: step(hold()))
        is_held.wait()
        waiters = [in_a_thread(crew, lambda: step(enter())) for _ in range(3)]
        crew.stop()
        free.set()
        holder.join()
        for thread, failures in waiters:
            thread.join()
            assert [type(error) for error in failures] == [StoppedError]
    assert entered == []


def test_the_lock_is_given_back_whatever_happens() -> None:
    lock = CrewLock()

    async def enter(*, fails: bool) -> None:
        async with lock:
            if fails:
                raise KeyError

    with pytest.raises(KeyError):
        step(enter(fails=True))
    step(enter(fails=False))


def test_a_part_is_stopped_with_the_whole_but_not_the_other_way_round() -> None:
    told: list[str] = []
    outer = Crew(lambda: told.append("outer"), within=None)
    middle = Crew(lambda: told.append("middle"), within=outer)
    middle.__enter__()
    with Crew(lambda: told.append("inner"), within=middle) as inner:
        inner.stop()
        assert (outer.is_stopped, middle.is_stopped, told) == (False, False, ["inner"])
    outer.stop()
    assert middle.is_stopped
    assert told == ["inner", "outer", "middle"], "who is done is not told again"


def test_a_part_that_was_stopped_from_above_is_not_done_though_it_ended_in_order() -> None:
    outer = Crew(lambda: None, within=None)
    with pytest.raises(StoppedError), Crew(lambda: None, within=outer):
        outer.stop()


def test_a_part_that_comes_too_late_does_not_begin() -> None:
    outer = Crew(lambda: None, within=None)
    outer.stop()
    with pytest.raises(StoppedError), Crew(lambda: None, within=outer):
        pytest.fail("it began")


def test_what_went_wrong_in_a_part_is_told_rather_than_that_it_was_stopped() -> None:
    outer = Crew(lambda: None, within=None)

    def fail() -> None:
        outer.stop()
        raise KeyError

    with pytest.raises(KeyError), Crew(lambda: None, within=outer):
        fail()


def test_nobody_who_handles_failures_can_hold_it_up() -> None:
    assert not issubclass(StoppedError, Exception)
