"""The promises that must hold for any input."""

from __future__ import annotations

import logging
import math
import os
import pickle
import re
import time
import tracemalloc
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from impact_jobs import Job, JobsError
from impact_jobs._account import is_job_id
from impact_jobs._policy.durations import learn_history
from impact_jobs._policy.polling import JobProgress, Polling
from impact_jobs._policy.rate_limit_headers import RateLimitHeaders
from impact_jobs.errors import ApiError

SECONDS_A_KILOBYTE = 0.010
SECONDS_IN_ANY_CASE = 0.020
BYTES_A_BYTE = 64  # an empty JSON object of two bytes becomes a Python object of about fifty
BYTES_IN_ANY_CASE = 2 * 1024 * 1024

_LONGEST_MESSAGE = 4096
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NOW = datetime(2026, 5, 29, tzinfo=UTC)
_LARGEST = 2**63 - 1


def check_message(text: str) -> None:
    """Check a text for people: not empty, not long, printable, and without secrets of URLs."""
    assert 0 < len(text) <= _LONGEST_MESSAGE, f"{len(text)} characters"
    assert not _UNPRINTABLE.search(text), ascii(text)
    check_no_secret(text)


def check_no_secret(text: str) -> None:
    text = re.sub(r"\\(?:[nrt]|x..|u....)", " ", text)  # escapes in a repr
    assert not re.search(r"\?(?!\*\*\*)[\w=&%]", text), ascii(text)
    assert not re.search(r"//(?!\*\*\*@)[^\s\"<>?]*@", text), ascii(text)


def check_error(error: JobsError) -> None:
    """Check that an error can be printed and pickled, and discloses nothing."""
    check_message(str(error))
    if isinstance(error, ApiError):
        texts = [
            error.message,
            error.body,
            error.request_id or "",
            *(text for e in error.errors for text in (e.field, e.message)),
        ]
        for text in texts:
            check_no_secret(text)
            assert len(text) <= _LONGEST_MESSAGE, len(text)
        assert len(error.errors) <= 100
        wait = getattr(error, "retry_after", None)
        assert wait is None or 0 <= wait < math.inf
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), str(copy)) == (type(error), str(error))


def check_job(job: Job) -> None:
    """Check that a job has the annotated types, and that polling and repr accept it."""
    assert is_job_id(job.id)
    assert job.status
    for text in (job.status, job.type, job.program_id, job.created_by, job.status_message, job.result_uri):
        assert text is None or isinstance(text, str)
    for number in (job.records_processed, job.percentage_complete):
        assert number is None or (isinstance(number, int) and abs(number) <= _LARGEST)
    assert isinstance(job.replayable, bool)
    for moment in (job.created_date, job.started_date, job.completed_date, job.last_progress_update_date):
        assert moment is None or (moment - _NOW).total_seconds() == (moment - _NOW).total_seconds()
    assert repr(job)
    progress = JobProgress()
    progress.update(job, waited=1.0)
    pause = Polling(history=learn_history([job])).pause(1.0, progress=progress, random=lambda: 0.5)
    assert 0 < pause < math.inf


def check_limits(limits: RateLimitHeaders) -> None:
    for number in (limits.limit, limits.remaining, limits.reset, limits.retry_after):
        assert number is None or 0 <= number < math.inf


def check_moment(moment: datetime) -> None:
    """Check that a server's time allows arithmetic."""
    assert moment.utcoffset() is not None
    assert moment - timedelta(days=1) < moment


def check_name(name: str, folder: Path) -> None:
    """Check that a file name is safe and valid on any file system."""
    assert 0 < len(os.fsencode(name)) <= 200
    assert not set('/\\:*?"<>|') & set(name)
    assert all(unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"} for char in name), ascii(name)
    assert not name.startswith(".")
    assert name == name.strip()
    path = folder / name
    path.touch()
    try:
        assert [found.name for found in folder.iterdir()] == [name]
    finally:
        path.unlink()


class Logged(logging.Handler):
    """Checks each log record."""

    def __init__(self) -> None:
        super().__init__()
        self.character_count = 0

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        check_message(text)
        self.character_count += len(text)


@contextmanager
def logged() -> Iterator[Logged]:
    logger, handler = logging.getLogger("impact_jobs"), Logged()
    level, spreads = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = spreads


def check_time(target: Callable[[bytes], None], data: bytes) -> None:
    """Check the CPU time; measure again if it is too long, because a garbage collection may have run."""
    most = SECONDS_IN_ANY_CASE + SECONDS_A_KILOBYTE * len(data) / 1024
    fastest = math.inf
    for _ in range(4):
        started = time.process_time()
        target(data)
        fastest = min(fastest, time.process_time() - started)
        if fastest <= most:
            return
    raise AssertionError(f"{fastest:.3f} s for {len(data)} bytes, at most {most:.3f} s allowed")


def check_memory(target: Callable[[bytes], None], data: bytes) -> None:
    target(data)  # memory of imports on first use does not count
    tracemalloc.start()
    try:
        target(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= BYTES_IN_ANY_CASE + BYTES_A_BYTE * len(data), f"{peak} bytes for {len(data)}"
