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
    background, is_started, may_end, results = (
        BackgroundThread("test"),
        threading.Event(),
        threading.Event(),
        list[int](),
    )

    def work() -> None:
        is_started.wait(60)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        may_end.wait(60)
        results.append(1)

    def wait() -> None:
        is_started.set()
        background.join()

    background.start(work)
    with pytest.raises(KeyboardInterrupt):
        wait()
    assert not background.start(fail), "the function still runs"
    may_end.set()
    background.join()
    assert results == [1]
