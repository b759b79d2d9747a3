from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from impact_jobs._transport.run_sync import run_sync
from impact_jobs._transport.thread_group import GroupCancelled, GroupLock, ThreadGroup, current


def in_a_thread(crew: ThreadGroup, function: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
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
    with ThreadGroup(lambda: None, within=None) as crew:
        threads = [in_a_thread(crew, lambda: crew.sleep(60)) for _ in range(5)]
        crew.stop()
        for thread, failures in threads:
            thread.join()
            assert [type(error) for error in failures] == [GroupCancelled]


def test_a_sleep_that_nobody_stops_ends_in_time() -> None:
    with ThreadGroup(lambda: None, within=None) as crew:
        crew.sleep(0)
        crew.check()
        assert not crew.is_stopped


def test_who_waits_for_the_lock_is_stopped_when_its_turn_comes() -> None:
    lock, is_held, free = GroupLock(), threading.Event(), threading.Event()
    entered = []

    async def hold() -> None:
        async with lock:
            is_held.set()
            free.wait()

    async def enter() -> None:
        async with lock:
            entered.append(True)

    with ThreadGroup(lambda: None, within=None) as crew:
        holder, _ = in_a_thread(crew, lambda: run_sync(hold()))
        is_held.wait()
        waiters = [in_a_thread(crew, lambda: run_sync(enter())) for _ in range(3)]
        crew.stop()
        free.set()
        holder.join()
        for thread, failures in waiters:
            thread.join()
            assert [type(error) for error in failures] == [GroupCancelled]
    assert entered == []


def test_the_lock_is_given_back_whatever_happens() -> None:
    lock = GroupLock()

    async def enter(*, fails: bool) -> None:
        async with lock:
            if fails:
                raise KeyError

    with pytest.raises(KeyError):
        run_sync(enter(fails=True))
    run_sync(enter(fails=False))


def test_a_part_is_stopped_with_the_whole_but_not_the_other_way_round() -> None:
    told: list[str] = []
    outer = ThreadGroup(lambda: told.append("outer"), within=None)
    middle = ThreadGroup(lambda: told.append("middle"), within=outer)
    middle.__enter__()
    with ThreadGroup(lambda: told.append("inner"), within=middle) as inner:
        inner.stop()
        assert (outer.is_stopped, middle.is_stopped, told) == (False, False, ["inner"])
    outer.stop()
    assert middle.is_stopped
    assert told == ["inner", "outer", "middle"], "who is done is not told again"


def test_a_part_that_was_stopped_from_above_is_not_done_though_it_ended_in_order() -> None:
    outer = ThreadGroup(lambda: None, within=None)
    with pytest.raises(GroupCancelled), ThreadGroup(lambda: None, within=outer):
        outer.stop()


def test_a_part_that_comes_too_late_does_not_begin() -> None:
    outer = ThreadGroup(lambda: None, within=None)
    outer.stop()
    with pytest.raises(GroupCancelled), ThreadGroup(lambda: None, within=outer):
        pytest.fail("it began")


def test_what_went_wrong_in_a_part_is_told_rather_than_that_it_was_stopped() -> None:
    outer = ThreadGroup(lambda: None, within=None)

    def fail() -> None:
        outer.stop()
        raise KeyError

    with pytest.raises(KeyError), ThreadGroup(lambda: None, within=outer):
        fail()


def test_nobody_who_handles_failures_can_hold_it_up() -> None:
    assert not issubclass(GroupCancelled, Exception)


def begun_threads(monkeypatch: pytest.MonkeyPatch, fail: Callable[[int], None]) -> list[threading.Thread]:
    """The threads that begin from now on, `fail` being called with the number of each."""
    real, begun = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        real(thread)
        begun.append(thread)
        fail(len(begun))

    monkeypatch.setattr(threading.Thread, "start", start)
    return begun


@pytest.mark.parametrize("number", [1, 3, 8])
def test_ctrl_c_while_threads_are_started_ends_them_all(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[bool] = []

    def fail(count: int) -> None:
        if count == number:
            raise KeyboardInterrupt

    with ThreadGroup(lambda: None, within=None) as crew:
        begun = begun_threads(monkeypatch, fail)

        def task() -> None:
            try:
                crew.sleep(60)
            finally:
                done.append(True)

        with pytest.raises(KeyboardInterrupt):
            crew.work([task] * 8)
        at_the_end = len(done)
        assert len(begun) == number
        assert not any(thread.is_alive() for thread in begun)
    assert len(done) == at_the_end <= number, "nothing is done behind our back"


def test_a_thread_that_begins_after_the_end_finds_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C came in the middle of its start: nobody can join it, and what it would write to is closed."""
    late: list[threading.Thread] = []
    begun: list[bool] = []

    def start(thread: threading.Thread) -> None:
        late.append(thread)
        raise KeyboardInterrupt

    with ThreadGroup(lambda: None, within=None) as crew, monkeypatch.context() as patching:
        patching.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            crew.work([lambda: begun.append(True)] * 2)
    (thread,) = late
    thread.start()
    thread.join()
    assert not begun


def test_the_first_failure_stops_the_others_and_is_told() -> None:
    with ThreadGroup(lambda: None, within=None) as crew:

        def fail() -> None:
            raise KeyError("on purpose")

        with pytest.raises(KeyError, match="on purpose"):
            crew.work([lambda: crew.sleep(60), fail, lambda: crew.sleep(60)])
        assert crew.is_stopped


def test_work_that_ends_in_order_stops_nothing() -> None:
    seen = []
    with ThreadGroup(lambda: pytest.fail("it was stopped"), within=None) as crew:
        crew.work([lambda: seen.append(current.get())] * 3)
        assert seen == [crew] * 3
        assert current.get() is None
