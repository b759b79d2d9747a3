from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from impact_jobs._transport.run_sync import run_sync
from impact_jobs._transport.thread_group import GroupCancelled, GroupLock, ThreadGroup, current


def in_a_thread(group: ThreadGroup, function: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Start a thread of the group; return it, and a list to which its failure is added."""
    failures: list[BaseException] = []

    def work() -> None:
        current.set(group)
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, failures


def test_stop_wakes_threads_that_sleep() -> None:
    with ThreadGroup(lambda: None, within=None) as group:
        threads = [in_a_thread(group, lambda: group.sleep(60)) for _ in range(5)]
        group.stop()
        for thread, failures in threads:
            thread.join()
            assert [type(error) for error in failures] == [GroupCancelled]


def test_a_sleep_ends_in_time_if_the_group_is_not_stopped() -> None:
    with ThreadGroup(lambda: None, within=None) as group:
        group.sleep(0)
        group.check()
        assert not group.is_stopped


def test_a_stopped_thread_that_waits_for_the_lock_does_not_enter() -> None:
    lock, is_held, free = GroupLock(), threading.Event(), threading.Event()
    entered = []

    async def hold() -> None:
        async with lock:
            is_held.set()
            free.wait()

    async def enter() -> None:
        async with lock:
            entered.append(True)

    with ThreadGroup(lambda: None, within=None) as group:
        holder, _ = in_a_thread(group, lambda: run_sync(hold()))
        is_held.wait()
        waiters = [in_a_thread(group, lambda: run_sync(enter())) for _ in range(3)]
        group.stop()
        free.set()
        holder.join()
        for thread, failures in waiters:
            thread.join()
            assert [type(error) for error in failures] == [GroupCancelled]
    assert entered == []


def test_the_lock_is_released_after_an_error() -> None:
    lock = GroupLock()

    async def enter(*, fails: bool) -> None:
        async with lock:
            if fails:
                raise KeyError

    with pytest.raises(KeyError):
        run_sync(enter(fails=True))
    run_sync(enter(fails=False))


def test_stopping_a_group_stops_inner_groups_but_not_outer_ones() -> None:
    stopped: list[str] = []
    outer = ThreadGroup(lambda: stopped.append("outer"), within=None)
    middle = ThreadGroup(lambda: stopped.append("middle"), within=outer)
    middle.__enter__()
    with ThreadGroup(lambda: stopped.append("inner"), within=middle) as inner:
        inner.stop()
        assert (outer.is_stopped, middle.is_stopped, stopped) == (False, False, ["inner"])
    outer.stop()
    assert middle.is_stopped
    assert stopped == ["inner", "outer", "middle"], "the inner group has ended already"


def test_an_inner_group_that_was_stopped_raises_although_it_ended_in_order() -> None:
    outer = ThreadGroup(lambda: None, within=None)
    with pytest.raises(GroupCancelled), ThreadGroup(lambda: None, within=outer):
        outer.stop()


def test_an_inner_group_of_a_stopped_group_does_not_begin() -> None:
    outer = ThreadGroup(lambda: None, within=None)
    outer.stop()
    with pytest.raises(GroupCancelled), ThreadGroup(lambda: None, within=outer):
        pytest.fail("it began")


def test_a_failure_in_an_inner_group_is_raised_even_if_it_was_stopped() -> None:
    outer = ThreadGroup(lambda: None, within=None)

    def fail() -> None:
        outer.stop()
        raise KeyError

    with pytest.raises(KeyError), ThreadGroup(lambda: None, within=outer):
        fail()


def test_code_that_handles_exceptions_does_not_catch_the_cancellation() -> None:
    assert not issubclass(GroupCancelled, Exception)


def record_started_threads(monkeypatch: pytest.MonkeyPatch, fail: Callable[[int], None]) -> list[threading.Thread]:
    """Return a list of the threads that are started from now on; `fail` is called with the number of each."""
    real, started = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        real(thread)
        started.append(thread)
        fail(len(started))

    monkeypatch.setattr(threading.Thread, "start", start)
    return started


@pytest.mark.parametrize("number", [1, 3, 8])
def test_ctrl_c_while_threads_are_started_ends_all_of_them(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[bool] = []

    def fail(count: int) -> None:
        if count == number:
            raise KeyboardInterrupt

    with ThreadGroup(lambda: None, within=None) as group:
        started = record_started_threads(monkeypatch, fail)

        def task() -> None:
            try:
                group.sleep(60)
            finally:
                done.append(True)

        with pytest.raises(KeyboardInterrupt):
            group.work([task] * 8)
        at_the_end = len(done)
        assert len(started) == number
        assert not any(thread.is_alive() for thread in started)
    assert len(done) == at_the_end <= number, "no thread goes on in the background"


def test_a_thread_that_starts_after_the_end_calls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C interrupted its start, so it cannot be joined, and the files that it would write to are closed."""
    late: list[threading.Thread] = []
    calls: list[bool] = []

    def start(thread: threading.Thread) -> None:
        late.append(thread)
        raise KeyboardInterrupt

    with ThreadGroup(lambda: None, within=None) as group, monkeypatch.context() as patching:
        patching.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            group.work([lambda: calls.append(True)] * 2)
    (thread,) = late
    thread.start()
    thread.join()
    assert not calls


def test_the_first_failure_stops_the_others_and_is_raised() -> None:
    with ThreadGroup(lambda: None, within=None) as group:

        def fail() -> None:
            raise KeyError("on purpose")

        with pytest.raises(KeyError, match="on purpose"):
            group.work([lambda: group.sleep(60), fail, lambda: group.sleep(60)])
        assert group.is_stopped


def test_functions_that_return_stop_nothing() -> None:
    seen = []
    with ThreadGroup(lambda: pytest.fail("it was stopped"), within=None) as group:
        group.work([lambda: seen.append(current.get())] * 3)
        assert seen == [group] * 3
        assert current.get() is None
