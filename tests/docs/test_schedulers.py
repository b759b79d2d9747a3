"""The files of docs/schedulers start the command as it is, with a plan that they provide."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from impact_jobs import __version__
from impact_jobs.cli.app import cli
from impact_jobs.cli.commands.sync import sync

from tests.docs.pages import PAGES, ROOT

FOLDER = ROOT / "docs" / "schedulers"
PAGE = PAGES["docs/howto/scheduling.md"].read_text()
TEXTS = {path.name: path.read_text() for path in sorted(FOLDER.iterdir())}
COMMAND = re.compile(r"(?:\S*/)?impact-jobs sync (.*?)(?: >\S+)?$", re.MULTILINE)
SYSTEMD = shutil.which("systemd-analyze")


def job() -> dict[str, Any]:
    """Return what the CronJob says of its jobs."""
    documents = yaml.safe_load_all(TEXTS["kubernetes-cronjob.yaml"])
    (cron_job,) = (each for each in documents if each["kind"] == "CronJob")
    found: dict[str, Any] = cron_job["spec"]["jobTemplate"]["spec"]
    return found


def plan_of(arguments: list[str]) -> str:
    """Parse the arguments of a command line, and return the path of its plan."""
    with sync.make_context("sync", arguments, parent=cli.make_context("impact-jobs", ["sync"])) as context:
        return str(context.params["plan"])


def test_each_command_line_is_one_of_the_command() -> None:
    found = {name: COMMAND.findall(text) for name, text in TEXTS.items()}
    plans = {name: plan_of(shlex.split(line)) for name, lines in found.items() for line in lines}
    assert plans == {
        "crontab": "$HOME/reports.toml",
        "github-actions.yml": "reports.toml",
        "impact-sync.service": "/etc/impact/reports.toml",
    }


def test_the_pod_starts_the_command_with_the_plan_that_is_mounted() -> None:
    pod = job()["template"]["spec"]
    (container,) = pod["containers"]
    command, *arguments = container["args"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert command == "sync"
    assert plan_of(arguments) == f"{mounts['plan']}/reports.toml"
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}


def test_a_person_looks_at_the_same_exit_codes_everywhere() -> None:
    table = re.findall(r"^\| ([\d, ]+) \|.* \| send the message", PAGE, re.MULTILINE)
    codes = sorted(int(code) for row in table for code in row.split(","))
    stop = re.search(r"^RestartPreventExitStatus=(.*)$", TEXTS["impact-sync.service"], re.MULTILINE)
    (rule,) = job()["podFailurePolicy"]["rules"]
    assert stop is not None
    assert codes == [int(code) for code in stop[1].split()] == rule["onExitCodes"]["values"] == [1, 2, 3, 6]


def test_all_start_at_the_same_time_and_install_this_release() -> None:
    workflow = yaml.safe_load(TEXTS["github-actions.yml"])
    (schedule,) = workflow[True]["schedule"]  # because YAML 1.1 reads the key `on` as true
    assert schedule["cron"] == "15 6 * * *"
    assert 'schedule: "15 6 * * *"' in TEXTS["kubernetes-cronjob.yaml"]
    assert "\n15 6 * * * " in TEXTS["crontab"]
    assert "06:15:00 UTC" in TEXTS["impact-sync.timer"]
    for name in ("github-actions.yml", "kubernetes-cronjob.yaml"):
        assert f"impact_jobs-{__version__}-py3-none-any.whl[cli,frames]" in TEXTS[name]


def test_the_page_shows_every_file() -> None:
    assert [name for name in TEXTS if f"```{{literalinclude}} ../schedulers/{name}\n" not in PAGE] == []


@pytest.mark.skipif(SYSTEMD is None, reason="systemd is not installed")
def test_systemd_has_no_complaint(tmp_path: Path) -> None:
    for name in ("impact-sync.service", "impact-sync.timer"):
        text = TEXTS[name].replace("/opt/impact/venv/bin/impact-jobs", sys.executable)  # it must exist
        (tmp_path / name).write_text(text)
    done = subprocess.run(  # noqa: S603 - our own arguments
        [str(SYSTEMD), "verify", "--man=no", tmp_path / "impact-sync.timer", tmp_path / "impact-sync.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
