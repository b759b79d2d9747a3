from __future__ import annotations

import signal
import threading

import pytest
from impact_jobs._download.background import BackgroundThread


def test_only_one_function_runs_at_a_time() -> None:
    background, may_end, results = BackgroundThread("test"), threading.Event(), list[int]()
    assert background.start(lambda: results.append(1) if may_end.wait(60) else None)
    assert not background.start(lambda: results.append(2))
    may_end.set()
    background.join()
    assert background.start(lambda: results.append(3))
    background.join()
    assert results == [1, 3]


def fail() -> None:
    raise OSError("disk failure")


@pytest.mark.parametrize("call", ["start", "join"])
def test_an_error_is_raised_once_by_the_next_call(call: str) -> None:
    background = BackgroundThread("test")
    background.start(fail)
    assert background._task is not None
    background._task.wait()
    with pytest.raises(OSError, match="disk failure"):
        background.join() if call == "join" else background.start(fail)
    background.join()


def test_a_thread_that_cannot_be_started_can_be_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    background = BackgroundThread("test")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            background.start(fail)
    background.join()


def test_a_wait_that_ctrl_c_interrupted_can_be_repeated() -> None:
    background, results = BackgroundThread("test"), list[int]()
    is_started, is_interrupted, may_end = threading.Event(), threading.Event(), threading.Event()

    def interrupt(_number: int, _frame: object) -> None:
        if not is_interrupted.is_set():
            is_interrupted.set()
            raise KeyboardInterrupt

    def work() -> None:
        is_started.wait(60)
        while not is_interrupted.wait(0.01):  # again, because a signal just before a lock's wait does not end that wait
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        may_end.wait(60)
        results.append(1)

    def wait() -> None:
        is_started.set()
        background.join()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        background.start(work)
        with pytest.raises(KeyboardInterrupt):
            wait()
        assert not background.start(fail), "the function still runs"
        may_end.set()
        background.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert results == [1]
