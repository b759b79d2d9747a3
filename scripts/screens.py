"""Take the pictures in docs/screens: the command in a real terminal (tmux), with the sandbox as the API, as SVG.

.venv/bin/python scripts/screens.py [NAME ...]
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

from attrs import frozen
from impact_jobs.sandbox import Sandbox
from rich.console import Console
from rich.text import Text

SCREENS = Path(__file__).resolve().parents[1] / "docs" / "screens"
COMMAND = "impact-jobs"
_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)  # SVG viewers would fetch them from the internet
_SECONDS = 30.0
_PROMPT = r"\n\$$"
_PLAN = """
[defaults]
into = "data/{account}/{report}/{start:%Y-%m}.csv"
accounts = ["north", "south"]
refresh = "30d"

[[report]]
id = "agency_action_listing"
name = "actions"
from = "2024-01-01"

[[report]]
id = "sandbox_performance_by_day"
name = "performance"
from = "2024-01-01"

[[report]]
id = "sandbox_partner_listing"
name = "partners"
accounts = ["north"]
from = "2024-01-01"
"""


@frozen
class Shot:
    """A picture.

    Attributes:
        command: The arguments of the command.
        until: A pattern; the picture is taken once the screen matches it.
        columns: The width of the terminal.
        lines: The height of the terminal.
        folder: The folder, of files and of credentials, in which the command runs.
    """

    command: str
    until: str
    columns: int = 80
    lines: int = 24
    folder: str = "."


def shots(ids: dict[str, str]) -> dict[str, Shot]:
    """Return the pictures by name."""
    return {
        "help": Shot("--help", _PROMPT, columns=110, lines=60),
        "list-80": Shot("list", _PROMPT),
        "list-200": Shot("list", _PROMPT, columns=200),
        "wait-80": Shot(f"wait {ids['slow']}", r"\d{2}%, .*waited"),
        "download-80": Shot(f"download {ids['large']} actions.csv", r"[4-9]\d\d\.\d MB of .*left"),
        "fetch-80": Shot("fetch --since 1d --status COMPLETED --into reports", r"[2-9] of \d files,"),
        "watch-80": Shot("watch --since 2h", r"RUNNING.*\d\ds"),
        "watch-200": Shot("watch --since 2h", r"RUNNING.*\d\ds.*\d{2}:\d{2}:\d{2}", columns=200),
        "export-80": Shot(
            "export agency_action_listing --from 2026-01-01 --to 2026-06-30 --split month --parquet",
            r"RUNNING.*[4-9]\d%",
        ),
        "doctor-80": Shot("doctor", _PROMPT),
        "sync-dry-run-80": Shot("sync reports.toml --dry-run", _PROMPT, lines=14, folder="plan"),
        "sync-80": Shot("sync reports.toml", r"RUNNING.*[4-9]\d%", lines=18, folder="live"),
        "sync-done-80": Shot("sync reports.toml", _PROMPT, lines=13, folder="plan"),
    }


def add_jobs(sandbox: Sandbox) -> dict[str, str]:
    """Add jobs of every kind, and return their ids by name."""
    ids = {
        "done": sandbox.add_job(seconds=190, age=5400, result_bytes=52_000_000),
        "failed": sandbox.add_job(
            status="FAILED", seconds=60, age=3000, message="The date range holds too many records."
        ),
        "clicks": sandbox.add_job(type="ClickExport", seconds=600, age=2400, result_bytes=400_000_000),
        "large": sandbox.add_job(seconds=300, age=1200, result_bytes=2_000_000_000),
        "slower": sandbox.add_job(seconds=2400, age=1100),
        "slow": sandbox.add_job(seconds=180, age=60),
    }
    for age in (300, 240, 200):
        sandbox.add_job(seconds=30, age=age, result_bytes=300_000_000)
    return ids


def add_plan(folder: Path, accounts: dict[str, Sandbox]) -> None:
    """Make a folder with a plan, and the profiles of its accounts."""
    (folder / "impact-jobs").mkdir(parents=True)
    (folder / "reports.toml").write_text(_PLAN)
    credentials = folder / "impact-jobs" / "credentials.toml"
    credentials.touch(mode=0o600)
    keys = {"account_sid": "IMPACT_ACCOUNT_SID", "auth_token": "IMPACT_AUTH_TOKEN", "base_url": "IMPACT_BASE_URL"}
    for name, sandbox in accounts.items():
        lines = [f"[{name}]", *(f'{key} = "{sandbox.environ[variable]}"' for key, variable in keys.items())]
        credentials.write_text(credentials.read_text() + "\n".join(lines) + "\n")


def main(wanted: list[str]) -> None:
    """Take the named pictures, or all."""
    SCREENS.mkdir(exist_ok=True)
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(job_seconds=6))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("plan", "live"):
            accounts = {account: stack.enter_context(Sandbox(job_seconds=6)) for account in ("north", "south")}
            add_plan(folder / name, accounts)
        for name, shot in shots(add_jobs(sandbox)).items():
            if not wanted or name in wanted:
                print(f"{name}: {COMMAND} {shot.command}")
                screen = take(shot, sandbox.environ, folder / shot.folder)
                (SCREENS / f"{name}.svg").write_text(as_svg(screen, shot, name))


def take(shot: Shot, environ: dict[str, str], folder: Path) -> str:
    """Run the command in a terminal, and return the screen with its colours."""
    server = ["tmux", "-L", f"screens-{os.getpid()}", "-f", os.devnull]
    variables = environ | {
        "LANG": "C.UTF-8",
        "PS1": "$ ",
        "XDG_CONFIG_HOME": str(folder),
        "XDG_CACHE_HOME": str(folder),
    }
    variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = shlex.join(["env", *(f"{name}={value}" for name, value in variables.items()), "bash", "--norc"])
    size = ["-x", str(shot.columns), "-y", str(shot.lines)]
    run([*server, "new-session", "-d", *size, "-c", str(folder), shell])
    try:
        wait_for(r"^\$$", server)
        run([*server, "send-keys", f"{COMMAND} {shot.command}", "Enter"])
        wait_for(shot.until, server)
        return run([*server, "capture-pane", "-p", "-e"]).rstrip("\n").replace(str(folder), "~/reports")
    finally:
        run([*server, "kill-server"])


def wait_for(pattern: str, server: list[str]) -> None:
    """Wait until the screen matches."""
    deadline = time.monotonic() + _SECONDS
    while not re.search(pattern, screen := run([*server, "capture-pane", "-p"]).rstrip()):
        if time.monotonic() > deadline:
            sys.exit(f"{pattern!r} did not appear: {screen}")
        time.sleep(0.05)


def run(command: list[str]) -> str:
    """Run a program, and return its output."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - tmux


def as_svg(screen: str, shot: Shot, name: str) -> str:
    """Return the screen as a picture that loads nothing from elsewhere."""
    console = Console(record=True, width=shot.columns, file=StringIO(), force_terminal=True, color_system="truecolor")
    for line in screen.split("\n"):
        console.print(Text.from_ansi(line), soft_wrap=True)
    return _FONTS.sub("", console.export_svg(title=f"{COMMAND} {shot.command}"[: shot.columns], unique_id=name))


if __name__ == "__main__":
    main(sys.argv[1:])
