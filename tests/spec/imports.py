"""Import made-up pages into a folder, and see what has changed there."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from import_pages import main
from spec.documents import JsonObject
from spec.importing.plan import plan_import

from tests.spec.published import operation, page

LIST = operation("listBoats", "/Boats")
GET = operation("getBoat", "/Boats/{Id}", Boat="object")
FIRST_DAY, SECOND_DAY = date(2026, 5, 29), date(2026, 5, 30)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return what reveals any write: the contents, times and inodes of all files, and the names of all folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        is_file = path.is_file()
        content = path.read_bytes() if is_file else b""
        found[str(path.relative_to(folder))] = (status.st_mtime_ns if is_file else 0, status.st_ino, content)
    return found


def imported(openapi: Path, *paths: Path, group: str | None = None, today: date = FIRST_DAY) -> str:
    planned = plan_import(paths, openapi, group=group, today=today)
    planned.apply()
    return str(planned)


def names(openapi: Path) -> list[str]:
    return sorted(path.relative_to(openapi).as_posix() for path in openapi.rglob("*") if path.is_file())


def record(openapi: Path, group: str, index: int = 0) -> Any:
    return json.loads((openapi / group / "source.json").read_bytes())["pages"][index]


def fails(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([str(argument) for argument in arguments]) == 1
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.startswith("import: ")
    return captured.err.removeprefix("import: ")


def good(folder: Path) -> Path:
    return write(folder / "boats.md", page(LIST))


def changed_job(tree: Path) -> JsonObject:
    job: Any = json.loads((tree / "openapi/jobs/get-job.json").read_bytes())
    job["components"]["schemas"]["Job"]["properties"]["Id"] = {"type": "integer"}
    return dict(job)
