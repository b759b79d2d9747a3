"""A page that was imported before, or that describes what another one does: what changes, and what is refused."""

import json
from pathlib import Path

import pytest
from spec.documents import render

from tests.spec.imports import GET, LIST, SECOND_DAY, changed_job, fails, good, imported, record, state, write
from tests.spec.published import operation, page


def test_importing_a_page_again_changes_nothing(tmp_path: Path, openapi: Path) -> None:
    path = write(tmp_path / "boats.md", page(LIST, GET))
    imported(openapi, path)
    before = state(tmp_path)
    assert imported(openapi, path, today=SECOND_DAY).endswith("openapi/ is up to date")
    assert state(tmp_path) == before


def test_other_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path, openapi: Path) -> None:
    path = write(tmp_path / "boats.md", page(LIST, GET))
    imported(openapi, path)
    before = state(openapi)
    write(path, "\ufeff" + page(LIST, GET).replace("\n", "\r\n"))
    assert imported(openapi, path, today=SECOND_DAY).endswith("openapi/ is up to date")
    assert state(openapi) == before


def test_a_changed_page_replaces_its_own_fragments_only(tmp_path: Path, openapi: Path) -> None:
    boats, oars = tmp_path / "boats.md", tmp_path / "oars.md"
    imported(openapi, write(boats, page(LIST, GET)), group="harbour")
    imported(openapi, write(oars, page(operation("listOars", "/Oars"))), group="harbour")
    write(openapi / "harbour/notes.txt", "kept")
    before = state(openapi)
    changed = operation("getBoat", "/Boats/{Id}", Boat="string")
    report = imported(
        openapi, write(boats, page(changed, operation("addBoat", "/Boats"))), group="harbour", today=SECOND_DAY
    )
    assert report.splitlines()[1:] == [
        "added    openapi/harbour/add-boat.json",
        "changed  openapi/harbour/get-boat.json",
        "removed  openapi/harbour/list-boats.json",
        "changed  openapi/harbour/source.json",
    ]
    assert (openapi / "harbour/get-boat.json").read_bytes() == render(changed)
    after = state(openapi)
    for kept in ("harbour/list-oars.json", "harbour/notes.txt"):
        assert after[kept] == before[kept]
    assert [record(openapi, "harbour", index)["day"] for index in (0, 1)] == ["2026-05-30", "2026-05-29"]


def test_a_change_of_the_prose_changes_the_record_alone(tmp_path: Path, openapi: Path) -> None:
    path = write(tmp_path / "boats.md", page(LIST))
    imported(openapi, path)
    report = imported(openapi, write(path, page(LIST) + "\nMore.\n"), today=SECOND_DAY)
    assert report.splitlines()[1:] == ["changed  openapi/boats/source.json"]
    assert record(openapi, "boats")["day"] == "2026-05-30"


def test_fragments_that_no_page_owns_are_taken_over(tmp_path: Path, openapi: Path) -> None:
    write(openapi / "boats/list-boats.json", render(LIST))
    report = imported(openapi, write(tmp_path / "boats.md", page(LIST)))
    assert report.splitlines()[1:] == ["added    openapi/boats/source.json"]


@pytest.mark.parametrize("group", [None, "boats", "others"])
def test_a_copy_of_a_page_under_another_name_changes_nothing(tmp_path: Path, openapi: Path, group: str | None) -> None:
    imported(openapi, good(tmp_path))
    before = state(openapi)
    copy = write(tmp_path / "boats (1).md", good(tmp_path).read_bytes())
    report = imported(openapi, copy, group=group, today=SECOND_DAY)
    assert report == f"{copy}: the same as boats.md in group boats\nopenapi/ is up to date"
    assert state(openapi) == before


@pytest.mark.parametrize("group", [(), ("--group", "jobs")])
def test_a_newer_version_under_another_name_is_told_apart_from_another_page(
    tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str], group: tuple[str, ...]
) -> None:
    newer = write(tmp_path / "jobs (1).md", page(changed_job(tree)))
    before = state(tree)
    error = fails(capsys, newer, "--root", tree, *group).splitlines()
    assert error[:2] == [
        f"{newer}: it describes the operations of jobs.md (group jobs)",
        "    if it is a newer version, save it as jobs.md and import again",
    ]
    assert "schemas/Job differs" in error[2]
    assert state(tree) == before


def test_a_page_that_repeats_an_operation_without_a_contradiction_gives_a_note(tmp_path: Path, tree: Path) -> None:
    path = write(tmp_path / "more.md", page(json.loads((tree / "openapi/jobs/get-job.json").read_bytes())))
    assert f"{path}: it describes the operations of jobs.md (group jobs): if it" in imported(tree / "openapi", path)
