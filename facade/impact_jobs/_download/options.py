"""The options of a download, checked as soon as they are put together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from impact_jobs._download.filesystem import is_of_system
from impact_jobs._validators import callback, flag, plain_number, shown
from impact_jobs.errors import ConfigurationError

logger: logging.Logger = logging.getLogger("impact_jobs")

Mode = Literal["redirect", "stream"]
OnProgress = Callable[[int, int | None], object]

MAX_CONNECTIONS = 64
"""The most connections that one call may use, because the asynchronous client reads with that many threads."""


def check_mode(mode: str) -> None:
    """Raise ConfigurationError unless `mode` is one of `Mode`."""
    if not isinstance(mode, str) or mode not in {"redirect", "stream"}:
        raise ConfigurationError(f"mode={shown(mode)}: give 'redirect' or 'stream'.")


def check_count(name: str, value: int, *, alternative: str = "") -> int:
    """Return a number of connections or workers, as a plain int; raise ConfigurationError if they are too many."""
    count = plain_number(value)
    if not isinstance(count, int) or not 1 <= count <= MAX_CONNECTIONS:
        raise ConfigurationError(f"{name}={shown(value)}: give a number from 1 to {MAX_CONNECTIONS}{alternative}.")
    return count


@frozen(kw_only=True)
class DownloadOptions:
    """How to download a result; `JobsClient.download` documents each option."""

    overwrite: bool = field(default=False, validator=flag)
    resume: bool = field(default=True, validator=flag)
    connections: int | None = None
    digest: bool = field(default=True, validator=flag)
    mode: Mode = "redirect"
    on_progress: OnProgress | None = field(default=None, validator=callback)
    _warned: set[str] = field(factory=set, init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        check_mode(self.mode)
        if self.connections is not None:
            count = check_count("connections", self.connections, alternative=", or None")
            object.__setattr__(self, "connections", count)

    def warn_once(self, path: Path, text: str) -> None:
        """Log what the system could not do, unless it was logged for another file of this call."""
        if text not in self._warned:
            self._warned.add(text)
            logger.warning("%s: %s", path, text)

    @contextmanager
    def warning_if_it_fails(self, path: Path, problem: str) -> Iterator[None]:
        """Log an error of the system within the block, as `warn_once` does, and go on after the block."""
        try:
            yield
        except OSError as error:
            if not is_of_system(error):
                raise
            self.warn_once(path, f"{problem}: {error.strerror}")
