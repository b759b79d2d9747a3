from __future__ import annotations

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
    assert background._thread is not None
    background._thread.join()
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
