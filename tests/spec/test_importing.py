"""What an import writes: the fragments of a page, their group and their names."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from generate import ROOT
from spec.documents import JsonObject, SpecError, render
from spec.importing.fragment_names import fragment_name, kebab
from spec.importing.pages import Document
from spec.texts.sources import Source

from tests.spec.imports import (
    GET,
    LIST,
    fails,
    good,
    imported,
    names,
    record,
    state,
    write,
)
from tests.spec.published import models, operation, page


def test_the_page_of_the_jobs_gives_the_fragments_in_the_tree(tmp_path: Path) -> None:
    """Lay out the vendor's page again from the fragments, because it is not part of the project."""
    order = record(ROOT / "openapi", "jobs")["fragments"]
    fragments = [json.loads((ROOT / "openapi/jobs" / name).read_bytes()) for name in order]
    imported(tmp_path / "openapi", write(tmp_path / "jobs.md", page(*fragments)))
    for name in order:
        assert (tmp_path / "openapi/jobs" / name).read_bytes() == (ROOT / "openapi/jobs" / name).read_bytes()
    assert record(tmp_path / "openapi", "jobs")["fragments"] == order


def test_a_page_becomes_fragments_and_a_record(tmp_path: Path, openapi: Path) -> None:
    text = page(LIST, GET, models(Boat="object", Oar="string"))
    report = imported(openapi, write(tmp_path / "My boats.md", text))
    assert names(openapi) == [f"my-boats/{name}.json" for name in ("boat", "get-boat", "list-boats", "source")]
    assert (openapi / "my-boats/get-boat.json").read_bytes() == render(GET)
    assert record(openapi, "my-boats") == {
        "name": "My boats.md",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "day": "2026-05-29",
        "fragments": ["list-boats.json", "get-boat.json", "boat.json"],
    }
    assert report.splitlines()[1:] == [f"added    openapi/{name}" for name in names(openapi)]


def test_json_yaml_and_a_page_of_the_same_document_give_the_same_fragment(tmp_path: Path, openapi: Path) -> None:
    texts = {"a.json": json.dumps(GET), "b.yaml": yaml.safe_dump(GET, sort_keys=False), "c.md": page(GET)}
    imported(openapi, *(write(tmp_path / name, text) for name, text in texts.items()))
    assert {(openapi / f"{group}/get-boat.json").read_bytes() for group in "abc"} == {render(GET)}


@pytest.mark.usefixtures("openapi")  # it merges nothing
def test_the_order_of_the_arguments_makes_no_difference(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.md", page(LIST, GET)) for name in "ab"]
    for folder, order in (("one", paths), ("two", paths[::-1])):
        imported(tmp_path / folder / "openapi", *order, group="boats")
    one, two = ({name: content for name, (*_, content) in state(tmp_path / each).items()} for each in ("one", "two"))
    assert one == two
    assert "openapi/boats/get-boat-2.json" in one


MANY = {"openapi": "3.1.0", "paths": {"/a": {"get": {}, "put": {}, "parameters": []}}}


@pytest.mark.parametrize(
    ("document", "heading", "name"),
    [
        (LIST, "List", "list-boats"),
        (operation("getHTTPStatus2", "/a"), "", "get-http-status2"),
        (operation("Boats_list.all", "/a"), "", "boats-list-all"),
        (operation("é", "/a"), "", "e"),
        (operation("报告", "/Boats/{BoatId}", method="put"), "", "put-boats-boat-id"),
        ({"paths": {"/": {"get": {}}}}, "", "get"),
        ({"paths": {"/a": {"get": {"operationId": 1}}}}, "", "get-a"),
        ({"webhooks": {"hired": {"post": {}}}}, "", "post-hired"),
        (operation("x" * 300, "/a"), "", "x" * 100),
        (models(BoatList="object", Oar="object"), "The boats", "boat-list"),
        ({"components": {"responses": {}}}, "The boats", "the-boats"),
        ({"components": {"schemas": []}}, "", "my-page"),
        (MANY, "The boats", "my-page"),
        ({"paths": []}, "", "my-page"),
    ],
)
def test_a_fragment_is_named_after_what_it_describes(document: JsonObject, heading: str, name: str) -> None:
    assert fragment_name(Document(document, Source("page.md", "{}"), heading), stem="My page") == name


def test_a_name_of_nothing_but_other_letters_is_empty() -> None:
    assert not kebab("报告 - (…)")


def test_equal_names_are_numbered_and_never_that_of_the_record(tmp_path: Path, openapi: Path) -> None:
    text = page(models(Boat="object"), models(Source="object"), models(Boat="object", Oar="string"))
    imported(openapi, write(tmp_path / "boats.md", text))
    assert record(openapi, "boats")["fragments"] == ["boat.json", "source-2.json", "boat-2.json"]
    assert json.loads((openapi / "boats/boat-2.json").read_bytes()) == models(Boat="object", Oar="string")


@pytest.mark.parametrize("group", ["../x", "/x", ".", "", "a/b", "Boats", "a b", "overlay.json", "-a", "x" * 101])
def test_a_group_that_is_no_plain_name_is_refused(
    tmp_path: Path, openapi: Path, capsys: pytest.CaptureFixture[str], group: str
) -> None:
    assert "can't name a group" in fails(capsys, good(tmp_path), f"--group={group}", "--spec", openapi)
    assert not openapi.exists()


def test_a_page_whose_name_gives_no_group_needs_one(tmp_path: Path, openapi: Path) -> None:
    path = write(tmp_path / "报告.md", page(LIST))
    with pytest.raises(SpecError, match="name the group with --group"):
        imported(openapi, path)
    imported(openapi, path, group="reports")
    assert record(openapi, "reports")["name"] == "报告.md"


def test_a_group_that_is_a_file_or_a_link_is_refused(
    tmp_path: Path, openapi: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(openapi / "boats", "")
    (openapi / "linked").symlink_to(tmp_path)
    for group in ("boats", "linked"):
        assert "is not a folder" in fails(capsys, good(tmp_path), "--group", group, "--spec", openapi)
    assert "is not a folder" in fails(capsys, good(tmp_path), "--spec", openapi / "boats")


def test_pages_that_would_share_a_group_have_to_name_it(tmp_path: Path, openapi: Path) -> None:
    one, other = write(tmp_path / "boats.md", page(LIST)), write(tmp_path / "boats.json", json.dumps(GET))
    with pytest.raises(SpecError, match=r"boats\.md: shares the group 'boats' with .*boats\.json\n.*--group NAME"):
        imported(openapi, one, other)
    with pytest.raises(SpecError, match=r"boats\.md: shares the group 'boats' with .*boats\.md\n"):
        imported(openapi, one, one)
    same_name = write(tmp_path / "old" / "boats.md", page(GET))
    with pytest.raises(SpecError, match="rename one of them"):
        imported(openapi, one, same_name, group="boats")
    imported(openapi, one, other, group="boats")
    assert names(openapi) == ["boats/get-boat.json", "boats/list-boats.json", "boats/source.json"]


def test_a_page_of_another_group_has_to_name_it(tmp_path: Path, openapi: Path) -> None:
    imported(openapi, good(tmp_path), group="harbour")
    with pytest.raises(SpecError, match="a page of this name is in the group 'harbour', not in 'boats'"):
        imported(openapi, good(tmp_path))
    imported(openapi, good(tmp_path), group="boats")
    imported(openapi, good(tmp_path))
    assert {name.split("/")[0] for name in names(openapi)} == {"boats", "harbour"}
