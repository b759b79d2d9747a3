"""End a command on Ctrl-C with one sentence and exit code 130.

A script imports this module before the others, because their import takes most of a second.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

_ONLY_READS = {"spec_diff"}


def end(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print an exception that ends the process; an interruption without its traceback.

    Raises:
        SystemExit: It is an interruption.
    """
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    consequence = "" if Path(sys.argv[0]).stem in _ONLY_READS else "; nothing has changed"
    print(f"interrupted{consequence}", file=sys.stderr)
    raise SystemExit(130)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Run the last step of a command, which takes a moment, to its end: a request to stop comes too late then."""
    requests = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = [signal.signal(number, signal.SIG_IGN) for number in requests]
    try:
        yield
    finally:
        for number, handler in zip(requests, previous, strict=True):
            signal.signal(number, handler)


sys.excepthook = end
