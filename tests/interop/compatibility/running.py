"""Run the package of one day against the server of another: yesterday's wheel, and what a changed description makes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impact_jobs.sandbox import Sandbox
from spec.documents import SpecError, pointer
from spec.facade.view import View
from spec.generating.generator import generate_package

from tests.interop.compatibility.server import basic_of, serving
from tests.interop.compatibility.shaping import listed_values
from tests.spec.planted import FIELDS, Document, Planted

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
FACADE = ROOT / "facade"
NOW = 1_780_000_000.0  # 28 May 2026; time stands still, so that every run gives the same results
_DAY = 86_400.0
_NOWHERE = "http://127.0.0.1:9"  # nothing listens there
_PROCESSES = 2

Outcomes = dict[str, dict[str, Any]]  # by verb: what it returned or raised


@dataclass(frozen=True)
class Compared:
    """What each combination gave; an outcome of "" means that the package does not start.

    Attributes:
        old_wheel: Yesterday's wheel against the new server: "facade" and "generated".
        new_wheel: The wheel of the new description against yesterday's server.
        program: The failure of a program for the old package with the new one, against the new server; "" if none.
        type_errors: What mypy reports about that program.
    """

    old_wheel: dict[str, Outcomes]
    new_wheel: dict[str, Outcomes]
    program: str
    type_errors: tuple[str, ...]


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this tree, and return a folder in which it is unpacked."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own arguments
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "wheel")
    return folder / "wheel"


def compare_all(changes: Sequence[Planted], folder: Path) -> tuple[dict[str, Outcomes], list[Compared]]:
    """Run every combination for each change.

    Args:
        changes: The changes.
        folder: An empty folder.

    Returns:
        What yesterday's wheel gives against yesterday's server, and what each change makes of it.
    """
    wheel = build_wheel(folder)
    packages = [folder / f"change_{number:02}" for number in range(len(changes))]
    with ThreadPoolExecutor(_PROCESSES) as pool:
        generated = list(pool.map(_generate, changes, packages))
        type_errors = _check_types(folder, packages)
        baseline = _day([wheel], changes[0].old(), changes[0].old())
        rows = list(
            pool.map(
                lambda change, package, problem: _compare(change, wheel, package, problem),
                changes,
                packages,
                generated,
            )
        )
    return baseline, [
        Compared(old, new, program, tuple(type_errors.get(package.name, ())))
        for package, (old, new, program) in zip(packages, rows, strict=True)
    ]


def _generate(change: Planted, package: Path) -> str:
    """Generate a change's package, and return why that is not possible; "" if it is."""
    package.mkdir()
    (package / "__init__.py").touch()
    try:
        config = ROOT / "openapi" / "generator.yml"
        files = generate_package(change.new(), config, locate=lambda place: (pointer(*place), 1)).files
    except SpecError as error:
        return str(error)
    for name, content in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return ""


def _check_types(folder: Path, packages: Sequence[Path]) -> dict[str, list[str]]:
    """Check the program against every generated package in one run of mypy; return the errors by package."""
    program = (HERE / "program.py").read_text(encoding="utf-8")
    for package in packages:
        text = program.replace("from impact_agency_api", f"from {package.name}.impact_agency_api")
        (package / "program.py").write_text(text, encoding="utf-8")
    options = ["--strict", "--config-file=", f"--cache-dir={folder / 'mypy'}", "--no-error-summary", "--no-pretty"]
    programs = [f"{package.name}/program.py" for package in packages]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "mypy", *options, *programs],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stderr:
        raise AssertionError(done.stderr)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        place, _, message = line.partition(": error: ")
        if message:
            found.setdefault(place.partition("/")[0], []).append(message)
    return found


def _compare(
    change: Planted, wheel: Path, package: Path, problem: str
) -> tuple[dict[str, Outcomes], dict[str, Outcomes], str]:
    old, new = change.old(), change.new()
    old_wheel = _day([wheel], old, new)
    if problem:
        stopped = {"": {"error": ["SpecError", problem]}}
        return old_wheel, {"facade": stopped, "generated": stopped}, problem
    return old_wheel, _day([package, FACADE], old, old), _program(package, old, new)


def _day(paths: Sequence[Path], old: Document, new: Document) -> dict[str, Outcomes]:
    """Run a day's package against the server of a description."""
    with _scenario(old, new) as (server, hidden):
        done = _run("day.py", paths, server)
    if done.returncode:
        raise AssertionError(done.stderr)
    found: dict[str, Outcomes] = json.loads(_hide(done.stdout, hidden))
    return found


def _program(package: Path, old: Document, new: Document) -> str:
    with _scenario(old, new) as (server, hidden):
        done = _run("program.py", [package], server)
    return _hide(done.stderr.strip().rpartition("\n")[2], hidden) if done.returncode else ""


def _run(script: str, paths: Sequence[Path], server: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IMPACT_")}
    return subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, HERE / script],
        input=json.dumps(server),
        env=environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def _scenario(old: Document, new: Document) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Serve an account with jobs; give what a program knows of it, and the words that differ from run to run."""
    sandbox = Sandbox(clock=lambda: NOW, job_seconds=0, result_bytes=2_000, hourly_budget=None)
    jobs = {
        "completed": sandbox.add_job(message="All rows are there.", program_id="1000"),
        "cancelled": sandbox.add_job(status="CANCELLED", type="UploadAds"),
        "failed": sandbox.add_job(status="ERROR", type="TermModification"),
        "running": sandbox.add_job(status="RUNNING", type="DownloadReport"),
        "undocumented": sandbox.add_job(status="SUSPENDED", type="ClickExport"),
        "old": sandbox.add_job(age=10 * _DAY),
        "ancient": sandbox.add_job(age=30 * _DAY),
    }
    for status in _added(old, new, "Status"):
        sandbox.add_job(status=status)
    for kind in _added(old, new, "Type"):
        sandbox.add_job(type=kind)
    with serving(sandbox, old, new) as url:
        known = old["servers"][0]["url"]  # where programs expect the API
        server = {
            "base_url": url if known in [each["url"] for each in new["servers"]] else _NOWHERE,
            "account_sid": sandbox.account_sid,
            "auth_token": sandbox.auth_token,
            "basic": basic_of(sandbox).partition(" ")[2],
            "jobs": jobs,
        }
        yield server, {url: known, _NOWHERE: known, sandbox.account_sid: "IR…"}


def _added(old: Document, new: Document, name: str) -> list[str]:
    """Return the values of a job's field that are listed in addition."""
    listed = [listed_values(View(each), (*FIELDS, name)) for each in (old, new)]
    return [value for value in listed[1] if value not in listed[0]] if len(listed[1]) > len(listed[0]) else []


def _hide(text: str, hidden: Mapping[str, str]) -> str:
    for word, replacement in hidden.items():
        text = text.replace(word, replacement)
    text = re.sub(r" \(/[^)]*\.py\)", "", text)  # where a module is that lacks a name
    return re.sub(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "…", text)
