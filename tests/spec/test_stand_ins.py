"""The project's own description of reports, and how pages of the vendor take its place."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from generate import ROOT
from import_pages import main as import_main
from spec import updating
from spec.build import DOCUMENT, GENERATED, Build, describe
from spec.documents import SpecError, render
from spec.importing.plan import plan_import
from spec.importing.stand_ins import MARK
from spec.trees import read_files
from update import main as update_main

from tests.spec.published import models, operation, page

REPORTS = ROOT / "openapi" / "reports"
PREPARED = ROOT / "openapi" / "overlay-of-reports.json"
EXPORT, LIST, METADATA = (f"{name}.json" for name in ("export-report", "list-reports", "get-report-metadata"))

pytestmark = pytest.mark.skipif(
    (REPORTS / "source.json").exists(), reason="pages of the vendor have taken the place of openapi/reports/"
)


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def published(name: str) -> Any:
    """Return a document of ours as the vendor might publish it: other words, another tag and no mark of ours."""
    document = load(REPORTS / name)
    del document[MARK]
    document["tags"] = []
    for item in document["paths"].values():
        item["get"] |= {"tags": ["ReportExport" if name == EXPORT else "Reports (Legacy)"], "summary": "Other words"}
    if name == LIST:
        (item,) = document["paths"].values()
        item["get"]["operationId"] = "listAllReports"
        content = item["get"]["responses"]["200"]["content"]["application/json"]
        content["schema"] = {"type": "array", "items": {"$ref": "#/components/schemas/Report"}}
        del document["components"]["schemas"]["ReportList"]
    for path, values in removed_by_the_prepared_actions().items():
        _, *place, enum = path.split(".")
        if enum == "enum" and place[2] in document["components"]["schemas"]:
            document["components"]["schemas"][place[2]]["properties"][place[4]]["enum"] = values
    return document


def removed_by_the_prepared_actions() -> dict[str, Any]:
    return {path: value for each in load(PREPARED)["actions"] for path, value in each.get("x-removes", {}).items()}


def schemas_of(*documents: Any) -> Any:
    """Return a document that defines the schemas of others, as a page of models does."""
    return models() | {
        "components": {"schemas": {k: v for d in documents for k, v in d["components"]["schemas"].items()}}
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a copy of what an import and an update read and write, without the generator, which takes a second."""
    root = tmp_path / "project"
    for folder in ("openapi", "generated", "docs/changelog.d"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "facade/impact_jobs/__init__.py"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, root / file)

    def build(root: Path, _: object) -> Build:
        package = {f"{GENERATED}/{name}": content for name, content in read_files(root / GENERATED).items()}
        return Build({DOCUMENT: render(describe(root / "openapi").document)} | package, [])

    monkeypatch.setattr(updating, "build", build)
    return root


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, Path]:
    """Give the pages: one of the export, one of the other operations, and one of all models."""
    ours = {name: published(name) for name in (EXPORT, LIST, METADATA)}
    texts = {
        "export.md": page(ours[EXPORT]),
        "legacy.md": page(ours[LIST], operation("runReport", "/Agencies/A/Reports/1"), ours[METADATA]),
        "models.md": page(schemas_of(*ours.values())),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return {name: tmp_path / name for name in texts}


def fragments(root: Path) -> dict[str, bytes]:
    openapi = root / "openapi"
    return {path.relative_to(openapi).as_posix(): path.read_bytes() for path in openapi.rglob("*.json")}


def operations(document: Any) -> dict[str, Any]:
    return {each["operationId"]: each for item in document["paths"].values() for each in item.values()}


def test_each_of_our_documents_says_that_it_is_ours() -> None:
    assert {path.name for path in REPORTS.iterdir()} == {EXPORT, LIST, METADATA}
    assert all("impact-jobs" in load(path)[MARK] for path in REPORTS.iterdir())


def test_only_our_operations_are_marked_in_the_merged_document() -> None:
    document = load(ROOT / DOCUMENT)
    assert MARK not in document
    marked = {name for name, each in operations(document).items() if MARK in each}
    assert marked == {"exportReport", "listReports", "getReportMetadata"}


@pytest.mark.parametrize("group", ["reports", None])
def test_pages_take_the_place_of_our_documents_in_any_group(
    project: Path, pages: dict[str, Path], group: str | None
) -> None:
    planned = plan_import([*pages.values()], project / "openapi", group=group)
    planned.apply()
    assert f"{pages['legacy.md']}: it takes the place of openapi/reports/{LIST}" in planned.notes
    assert not (project / "openapi/reports" / LIST).exists()
    assert not any(MARK.encode() in content for name, content in fragments(project).items() if "/" in name)
    described = describe(project / "openapi").document
    assert operations(described).keys() >= {"exportReport", "listAllReports", "getReportMetadata", "runReport"}
    assert MARK.encode() not in render(described)


def test_a_page_leaves_our_documents_of_other_operations(project: Path, pages: dict[str, Path]) -> None:
    plan_import([pages["export.md"]], project / "openapi", group="reports").apply()
    assert [name for name in (EXPORT, LIST, METADATA) if MARK in load(project / "openapi/reports" / name)] == [
        LIST,
        METADATA,
    ]
    plan_import([pages["legacy.md"]], project / "openapi", group="reports").apply()
    assert not any(MARK.encode() in content for name, content in fragments(project).items() if "/" in name)


def test_an_operation_that_moves_replaces_ours_by_its_name(project: Path, pages: dict[str, Path]) -> None:
    text = pages["export.md"].read_text(encoding="utf-8").replace("/ReportExport/", "/Exports/")
    pages["export.md"].write_text(text, encoding="utf-8")
    planned = plan_import([pages["export.md"]], project / "openapi")
    assert f"reports/{EXPORT}" in planned.removed


def test_a_page_of_models_alone_names_our_documents_and_changes_nothing(
    project: Path, pages: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = fragments(project)
    assert import_main(["--root", str(project), str(pages["models.md"])]) == 1
    error = capsys.readouterr().err
    assert (
        f"it defines Report, which openapi/reports/{LIST} describes for the project\n    import the page with" in error
    )
    assert fragments(project) == before


def test_a_page_of_the_vendor_is_not_replaced_although_it_has_the_mark(
    project: Path, pages: dict[str, Path], tmp_path: Path
) -> None:
    marked = tmp_path / "marked.md"
    marked.write_text(page(published(EXPORT) | {MARK: "Theirs."}), encoding="utf-8")
    plan_import([marked], project / "openapi", group="reports").apply()
    with pytest.raises(SpecError, match=r"it describes the operations of marked\.md"):
        plan_import([pages["export.md"]], project / "openapi", group="other")


def test_an_update_without_the_prepared_actions_stops_with_what_the_facade_needs(
    project: Path, pages: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = fragments(project)
    assert update_main(["--root", str(project), "--tests", "none", "--", *map(str, pages.values())]) == 1
    error = capsys.readouterr().err
    assert "calls listReports (GET /Agencies/{AccountSID}/Reports), but the document names it listAllReports" in error
    assert "imports exportReport from the generated package of the tag Reports, but the document tags it" in error
    assert fragments(project) == before


def test_with_the_prepared_actions_an_update_breaks_nothing(
    project: Path, pages: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    overlay = load(project / "openapi/overlay.json")
    overlay["actions"] += load(PREPARED)["actions"]
    (project / "openapi/overlay.json").write_text(json.dumps(overlay), encoding="utf-8")
    arguments = ["--root", str(project), "--group", "reports", "--tests", "none", "--", *map(str, pages.values())]
    assert update_main(arguments) == 0, capsys.readouterr().err
    assert "Nothing breaks." in capsys.readouterr().out
    assert not any(MARK.encode() in content for name, content in fragments(project).items() if name != PREPARED.name)
