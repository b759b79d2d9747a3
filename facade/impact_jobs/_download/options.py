"""The options of a download, checked as soon as they are put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from attrs import frozen

from impact_jobs.errors import ConfigurationError

Mode = Literal["redirect", "stream"]
OnProgress = Callable[[int, int | None], object]

MAX_CONNECTIONS = 64
"""The most connections that one call may use, because the asynchronous client reads with that many threads."""


def check_mode(mode: str) -> None:
    """Raise ConfigurationError unless `mode` is one of `Mode`."""
    if mode not in {"redirect", "stream"}:
        raise ConfigurationError(f"mode={mode!r}: give 'redirect' or 'stream'.")


def check_count(name: str, value: int, *, alternative: str = "") -> None:
    """Raise ConfigurationError unless `value` is a number of things that can run side by side."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if not (is_number and 1 <= value <= MAX_CONNECTIONS):
        raise ConfigurationError(f"{name}={value!r}: give a number from 1 to {MAX_CONNECTIONS}{alternative}.")


@frozen(kw_only=True)
class DownloadOptions:
    """How to download a result; `JobsClient.download` documents each option.

    Raises:
        ConfigurationError: `connections` or `mode` is not valid.
    """

    overwrite: bool = False
    resume: bool = True
    connections: int | None = None
    digest: bool = True
    mode: Mode = "redirect"
    on_progress: OnProgress | None = None

    def __attrs_post_init__(self) -> None:
        check_mode(self.mode)
        if self.connections is not None:
            check_count("connections", self.connections, alternative=", or None")
