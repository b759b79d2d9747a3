"""The ids of an account's reports, kept in the user's cache folder, because a shell's completion sends no request."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from impact_jobs import ConfigurationError
from impact_jobs.cli.state import CliState, state_of
from impact_jobs.models import Secret

_KEPT_SECONDS: Final = 30 * 86_400.0
_MAX_BYTES: Final = 1_000_000
_REPORT_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")  # of a shell word without quotes, because a shell may evaluate it


def remember(state: CliState, names: Mapping[str, str]) -> None:
    """Add reports, their names by id, to the cache of the account; a cache that cannot be written is left as it is."""
    from impact_jobs.profiles import replace_private_file  # noqa: PLC0415 - slow to load, and completion does without

    with suppress(OSError, RuntimeError, ConfigurationError):
        file = _file(state)
        known = _read(file)
        for report, name in names.items():
            known[report] = {"name": name or known.get(report, {}).get("name", ""), "seen": time.time()}
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_private_file(file, Secret(json.dumps(known)))


def complete_report(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the known reports whose ids begin with `incomplete`."""
    with suppress(OSError, RuntimeError, ConfigurationError):
        known = _read(_file(state_of(context)))
        return [
            CompletionItem(each, help=entry["name"]) for each, entry in known.items() if each.startswith(incomplete)
        ]
    return []


def _read(file: Path) -> dict[str, Any]:
    """Return the entries that are well-formed and new enough, by report id."""
    oldest = time.time() - _KEPT_SECONDS
    try:
        with file.open(encoding="utf-8") as opened:
            found = json.loads(opened.read(_MAX_BYTES))
        return {
            name: entry
            for name, entry in found.items()
            if _REPORT_ID.fullmatch(name) and entry["seen"] > oldest and entry["name"].isprintable()
        }
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):  # missing, or broken
        return {}


def _file(state: CliState) -> Path:
    """Return the file of the account that the command uses; its name does not reveal the account."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = sha256("\n".join(state.account_key()).encode()).hexdigest()
    return folder / "impact-jobs" / f"reports-{key[:16]}.json"
