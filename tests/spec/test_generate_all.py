"""A package of the whole API, beside the facade, in a folder of the user's choice."""

import asyncio
import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from generate import ROOT
from generate_all import main
from impact_jobs.sandbox import Sandbox
from spec import whole_api
from spec.build import Build
from spec.documents import render
from spec.trees import read_files
from spec.whole_api import RECORD

from tests.spec.made_up_api import write_pages
from tests.spec.published import overlay_of_jobs

SCHEDULED = {"type": "object", "properties": {"QueuedUri": {"type": "string"}, "Status": {"type": "string"}}}
PAGE: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Exports", "version": "1"},
    "paths": {
        "/Agencies/{AccountSID}/ReportExport/{ReportId}": {
            "get": {
                "operationId": "exportReport",
                "tags": ["Export"],
                "parameters": [
                    {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                    for name in ("AccountSID", "ReportId")
                ],
                "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": SCHEDULED}}}},
            }
        }
    },
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the package of the operations of jobs, and of a page of ours."""
    folder = tmp_path_factory.mktemp("all")
    shutil.copytree(ROOT / "openapi" / "jobs", folder / "spec" / "jobs")
    (folder / "spec" / "overlay.json").write_bytes(render(overlay_of_jobs()))
    page = folder / "exports.json"
    page.write_text(json.dumps(PAGE), encoding="utf-8")
    tree = state(ROOT / "openapi"), state(ROOT / "generated")
    assert main(["--spec", str(folder / "spec"), str(folder / "agency_api"), str(page)]) == 0
    assert (state(ROOT / "openapi"), state(ROOT / "generated")) == tree
    return folder / "agency_api"


def state(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Return the contents and times of all files."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*.*") if path.is_file()}


@pytest.fixture
def imported(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(package.parent))
    yield importlib.import_module("agency_api")
    for name in [name for name in sys.modules if name.partition(".")[0] == "agency_api"]:
        del sys.modules[name]


def test_it_has_the_modules_of_the_project_s_package_and_those_of_the_page(package: Path) -> None:
    ours, found = read_files(ROOT / "generated" / "impact_agency_api"), read_files(package)
    jobs = {name for name in ours if name.startswith(("api/jobs/", "models/job"))}
    assert len(jobs) > 6
    assert {name: found[name] for name in jobs} == {name: ours[name] for name in jobs}
    assert "api/export/export_report.py" in found


def test_its_functions_run_over_the_connections_of_the_facade(imported: ModuleType, sandbox: Sandbox) -> None:
    names = ("jobs.list_jobs", "jobs.get_job", "jobs.replay_job", "export.export_report")
    list_jobs, get_job, replay_job, export_report = (
        importlib.import_module(f"agency_api.api.{name}") for name in names
    )
    account = sandbox.account_sid
    job_id = UUID(sandbox.add_job())
    with sandbox.client() as facade:
        # mypy accepts no other client than that of the package; it may have the facade's connections.
        client = imported.AuthenticatedClient(base_url="", token="").set_httpx_client(
            facade.generated.get_httpx_client()
        )
        for usable in (client, facade.generated):
            assert job_id in [job.id for job in list_jobs.sync(account, client=usable)]
            assert get_job.sync(account, job_id, client=usable).id == job_id
            assert replay_job.sync(account, job_id, client=usable).id != job_id
            scheduled = export_report.sync(account, "agency_action_listing", client=usable)
            assert scheduled.queued_uri.startswith(f"/Agencies/{account}/Jobs/")


def test_its_asynchronous_functions_run_too(imported: ModuleType, sandbox: Sandbox) -> None:
    get_job = importlib.import_module("agency_api.api.jobs.get_job")
    job_id = UUID(sandbox.add_job())

    async def found() -> object:
        async with sandbox.async_client() as facade:
            connections = facade.generated.get_async_httpx_client()
            client = imported.AuthenticatedClient(base_url="", token="").set_async_httpx_client(connections)
            return (await get_job.asyncio(sandbox.account_sid, job_id, client=client)).id

    assert asyncio.run(found()) == job_id


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("agency-api", "is not a name for a Python package"),
        ("class", "is not a name for a Python package"),
        ("json", "is the name of a module"),
        ("httpx", "is the name of a module"),
        ("impact_jobs", "is the name of a module"),
    ],
)
def test_a_folder_that_can_be_no_package_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    assert main([str(tmp_path / name)]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_a_folder_with_files_of_others_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    assert main([str(tmp_path / "notes")]) == 1
    assert "has files that were not generated" in capsys.readouterr().err
    assert read_files(tmp_path / "notes") == {"a.txt": b"mine"}


def test_a_generated_folder_with_files_of_the_user_or_edits_is_refused(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = shutil.copytree(package, tmp_path / "agency_api")
    (into / "client.py").write_text("# edited\n")
    (into / "errors.py").unlink()
    for name in ("mine.py", "api/mine.py", "README.md", "__pycache__/mine.pyc"):
        (into / name).parent.mkdir(exist_ok=True)
        (into / name).write_text("mine")
    before = read_files(into)
    assert main([str(into)]) == 1
    refused = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(" ")]
    assert [line.removeprefix("generate-all: ").removeprefix(f"{into}/") for line in refused] == [
        "README.md: was not generated",
        "api/mine.py: was not generated",
        "client.py: was edited after it was generated",
        "mine.py: was not generated",
    ]
    assert read_files(into) == before


def test_a_folder_of_an_earlier_run_is_generated_again(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_api, "build_package", lambda *_, **__: Build({"agency_api/new.py": b""}, []))
    into = shutil.copytree(package, tmp_path / "agency_api")
    spec = package.parent / "spec"
    (into / "models" / "__pycache__").mkdir(exist_ok=True)
    assert main(["--spec", str(spec), str(into)]) == 0
    assert read_files(into).keys() == {"new.py", RECORD}
    assert main(["--spec", str(spec), str(into)]) == 0


@pytest.mark.parametrize("folder", [ROOT / "generated" / "impact_agency_api", ROOT / "generated" / "other"])
def test_the_project_s_own_folders_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 1
    assert "belongs to the project" in capsys.readouterr().err


def test_pages_that_contradict_change_nothing_and_are_named_with_what_would_settle_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = write_pages(tmp_path / "pages", seed=1, operations=60)
    assert main(["--spec", str(tmp_path / "none"), str(tmp_path / "library"), *map(str, made.pages)]) == 1
    error = capsys.readouterr().err
    assert 'schemas/Money: "rename: FlutesMoney in flutes"' in error
    assert {path.name for path in tmp_path.iterdir()} == {"pages"}


def test_a_missing_file_of_rules_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rules", str(tmp_path / "merge.yml"), str(tmp_path / "library")]) == 1
    assert "merge.yml: No such file or directory" in capsys.readouterr().err


def test_the_pages_of_a_made_up_api_follow_from_the_seed(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        write_pages(tmp_path / name, seed=seed, operations=30)
    assert read_files(tmp_path / "one") == read_files(tmp_path / "same") != read_files(tmp_path / "other")
