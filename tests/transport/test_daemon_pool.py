from __future__ import annotations

import gc
import threading
import weakref

import pytest
from impact_jobs._transport.daemon_pool import DaemonThreads


def test_it_starts_no_more_threads_than_needed_and_none_beyond_its_number() -> None:
    gate = threading.Event()
    with DaemonThreads(2, name="some") as threads:
        assert threads.submit(threading.current_thread).result().name == "some"
        waiting = [threads.submit(gate.wait) for _ in range(5)]
        assert len(threads._threads) <= 2
        gate.set()
        assert all(future.result() for future in waiting)
    assert not any(thread.is_alive() for thread in threads._threads)
    with pytest.raises(RuntimeError, match="shut down"):
        threads.submit(print)


def test_a_failure_is_told_and_the_thread_goes_on() -> None:
    with DaemonThreads(1, name="one") as threads:
        assert isinstance(threads.submit(int, "x").exception(), ValueError)
        assert threads.submit(int, "1").result() == 1
        assert len(threads._threads) == 1


def test_what_was_not_begun_can_be_cancelled() -> None:
    begun, gate = threading.Event(), threading.Event()
    threads = DaemonThreads(1, name="one")

    def hold() -> bool:
        begun.set()
        return gate.wait()

    first, second = threads.submit(hold), threads.submit(print)
    begun.wait()
    threads.shutdown(wait=False, cancel_futures=True)
    gate.set()
    threads.shutdown()
    assert first.result()
    assert second.cancelled()


def test_a_pool_that_nobody_holds_any_more_ends_and_keeps_nothing() -> None:
    class Thing:
        pass

    threads, thing = DaemonThreads(1, name="one"), Thing()
    threads.submit(repr, thing).result()
    (thread,), gone = threads._threads, weakref.ref(thing)
    del threads, thing
    gc.collect()
    thread.join()
    assert gone() is None


def test_ctrl_c_while_a_thread_is_started_leaves_none_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    real, gate = threading.Thread.start, threading.Event()
    started: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        real(thread)
        started.append(thread)
        if len(started) == 3:
            raise KeyboardInterrupt

    threads = DaemonThreads(8, name="one")
    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(2):
        threads.submit(gate.wait)
    with pytest.raises(KeyboardInterrupt):
        threads.submit(gate.wait)
    threads.shutdown(wait=False)  # while the third, which the pool does not know of, is the only one that listens
    gate.set()
    for thread in started:
        thread.join(60)
        assert not thread.is_alive()
