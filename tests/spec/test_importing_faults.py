"""Damaged pages, records and trees: the fault is named, and an import leaves the tree as it was."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spec import folders
from spec.documents import JsonObject, SpecError, render
from spec.texts.sources import LARGEST

from tests.spec.imports import GET, LIST, changed_job, fails, good, imported, names, state, write
from tests.spec.published import models, operation, page


def cyclic_link(folder: Path) -> Path:
    (folder / "link.md").symlink_to(folder / "link.md")
    return folder / "link.md"


def sparse(folder: Path) -> Path:
    path = write(folder / "large.md", page(LIST))
    os.truncate(path, LARGEST + 1)
    return path


BOMB = 'openapi: 3.1.0\nx0: &x0 "some text"\n' + "".join(
    f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 20)
)


PATHS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "absent.md", "absent.md: No such file or directory"),
    "a folder": (lambda folder: folder, ": is not a file"),
    "a device": (lambda _: Path("/dev/zero"), "/dev/zero: is not a file"),
    "a link to itself": (cyclic_link, "link.md: Too many levels of symbolic links"),
    "an address": (
        lambda _: Path("https://boats.example/page.md"),
        "https://boats.example/page.md: is an address, not a file\n    save the page first, and give its file",
    ),
    "binary": (lambda folder: write(folder / "a.md", b"\x89PNG\r\n\x1a\n\0"), "a.md:1: is not text in UTF-8"),
    "empty": (lambda folder: write(folder / "a.md", b""), "a.md: is empty"),
    "too large": (sparse, f"large.md: has {LARGEST + 1} bytes; at most {LARGEST} are read"),
    "a name too long": (lambda folder: folder / f"{'x' * 300}.md", ".md: File name too long"),
    "a name that is not UTF-8": (
        lambda folder: write(folder / os.fsdecode(b"boats\xff.md"), page(LIST)),
        "is not named in UTF-8",
    ),
    "truncated": (
        lambda folder: write(folder / "a.md", page(LIST).partition("Done")[0]),
        "a.md:17: this fence is not closed",
    ),
    "invalid JSON": (
        lambda folder: write(folder / "a.md", page(LIST).replace("}}", "}", 1)),
        "a.md:19: not a JSON document: Expecting ',' delimiter",
    ),
    "a key twice": (
        lambda folder: write(folder / "a.md", page(LIST).replace('"info"', '\n"openapi": "3.1.0", "info"')),
        "a.md:19: the key 'openapi' appears twice in one object",
    ),
    "tabs": (
        lambda folder: write(folder / "a.yaml", "openapi: 3.1.0\npaths:\n\t/a: {}\n"),
        "a.yaml:3: not a YAML document: found character that cannot start any token",
    ),
    "YAML bomb": (lambda folder: write(folder / "a.yaml", BOMB), "a.yaml:6: the aliases make the document grow"),
    "Swagger": (lambda folder: write(folder / "a.yaml", 'swagger: "2.0"\n'), "a.yaml:1: is Swagger 2.0"),
}


@pytest.mark.parametrize(("page_at", "reason"), PATHS.values(), ids=PATHS)
def test_a_page_that_cannot_be_imported_is_named_and_changes_nothing(
    tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str], page_at: Callable[[Path], Path], reason: str
) -> None:
    path = page_at(tmp_path)
    before = state(tree)
    assert reason in fails(capsys, path, good(tmp_path), "--root", tree)
    assert state(tree) == before


def test_all_problems_of_all_pages_are_reported(
    tmp_path: Path, openapi: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [write(tmp_path / f"{name}.md", page(LIST).replace("}}", "}", 1)) for name in "ab"]
    error = fails(capsys, *bad, tmp_path / "c.md", "--spec", openapi)
    assert [line.rsplit("/", 1)[-1].split(": ")[0] for line in error.splitlines()] == ["a.md:19", "b.md:19", "c.md"]
    assert not openapi.exists()


@pytest.mark.parametrize(
    "content",
    ["{}", '{"pages": {}}', '{"pages":\n[1]}', '{"pages": [{"name": "a", "sha256": "", "day": "", "fragments": [1]}]}'],
)
def test_a_damaged_record_is_refused(tmp_path: Path, openapi: Path, content: str) -> None:
    write(openapi / "boats/source.json", content)
    with pytest.raises(SpecError, match=r"openapi/boats/source\.json:\d: this entry does not describe a page"):
        imported(openapi, good(tmp_path))


def test_a_record_cannot_name_files_elsewhere(tmp_path: Path, openapi: Path) -> None:
    entry = {"name": "boats.md", "sha256": "", "day": "", "fragments": ["../overlay.json"]}
    write(openapi / "boats/source.json", json.dumps({"pages": [entry]}))
    with pytest.raises(SpecError, match="this entry does not describe a page"):
        imported(openapi, good(tmp_path))


@pytest.fixture
def two_states(tmp_path: Path, openapi: Path) -> tuple[Path, dict[str, bytes]]:
    """Import a page, and change it; also give the contents of the folder before the change is imported."""
    path = write(tmp_path / "boats.md", page(LIST, GET))
    imported(openapi, path)
    before = {name: (openapi / name).read_bytes() for name in names(openapi)}
    write(path, page(GET, operation("addBoat", "/Boats")))
    return path, before


def test_a_full_disk_leaves_the_old_files(
    openapi: Path, two_states: tuple[Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, before = two_states

    def fail(path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(SpecError, match="No space left on device"):
        imported(openapi, path)
    assert {name: (openapi / name).read_bytes() for name in names(openapi)} == before
    assert [each.name for each in openapi.parent.iterdir()] == ["openapi"]


def test_a_kill_leaves_old_or_new_files_and_the_next_import_cleans_up(
    openapi: Path, two_states: tuple[Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop before and after the exchange, without any clean-up."""
    path, before = two_states
    exchange, remove = folders._exchange, shutil.rmtree
    for exchanged in (False, True):

        def killed(one: Path, other: Path, *, exchanged: bool = exchanged) -> bool:
            assert not exchanged or exchange(one, other)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(folders, "_exchange", killed)
            patch.setattr(shutil, "rmtree", lambda path, **options: None if options else remove(path))
            with pytest.raises(KeyboardInterrupt):
                imported(openapi, path)
        found = {name: (openapi / name).read_bytes() for name in names(openapi)}
        assert (found == before) is not exchanged
        assert (openapi.parent / ".openapi.new").exists()
    assert names(openapi) == [f"boats/{name}.json" for name in ("add-boat", "get-boat", "source")]
    imported(openapi, write(path, page(LIST)))
    assert not (openapi.parent / ".openapi.new").exists()


def test_files_are_replaced_one_by_one_where_folders_cannot_be_exchanged(
    openapi: Path, two_states: tuple[Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = two_states
    monkeypatch.setattr(folders, "_exchange", lambda *_: False)
    imported(openapi, path)
    assert names(openapi) == [f"boats/{name}.json" for name in ("add-boat", "get-boat", "source")]
    assert (openapi / "boats/get-boat.json").read_bytes() == render(GET)
    assert [each.name for each in openapi.parent.iterdir()] == ["openapi"]


def with_schema(name: str, schema: JsonObject) -> JsonObject:
    return models() | {"components": {"schemas": {name: schema}}}


UNMERGED: dict[str, tuple[Callable[[Path], str], str]] = {
    "two pages that contradict": (
        lambda tree: page(changed_job(tree)),
        "others.md:18: schemas/Job differs from that in openapi/jobs/download-job-result.json:",
    ),
    "a reference to nothing": (
        lambda _: page(with_schema("Boat", {"$ref": "#/components/schemas/Oar"})),
        "others.md:18: #/components/schemas/Oar leads to nothing",
    ),
    "circular references": (
        lambda _: page(*(with_schema(a, {"$ref": f"#/components/schemas/{b}"}) for a, b in ("XY", "YX"))),
        "others.md:18: circular references: X → Y → X",
    ),
    "a remote reference": (
        lambda _: page(with_schema("Boat", {"$ref": "https://boats.example/boat.json"})),
        "others.md:18: remote reference 'https://boats.example/boat.json'",
    ),
}


def oars(path: str, *parameters: str, operation_id: str = "listOars") -> JsonObject:
    declared = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parameters]
    document: Any = operation(operation_id, path)
    document["paths"][path]["get"]["parameters"] = declared
    return dict(document)


UNGENERATABLE: dict[str, tuple[list[JsonObject], str]] = {
    "a parameter twice": ([oars("/Oars/{Id}", "Id", "Id")], "the path parameter 'Id' appears twice"),
    "a parameter of the path that is not declared": (
        [oars("/Oars/{OarId}")],
        "GET /Oars/{OarId}: the path has {OarId}, but no parameter of that name",
    ),
    "a declared parameter that is not in the path": ([oars("/Oars", "Id")], "path parameter 'Id' is not in the path"),
    "an empty operationId": ([oars("/Oars", operation_id="")], "the operationId '' of GET /Oars gives no Python name"),
    "an emoji": ([oars("/Oars", operation_id="🚣")], "gives no Python name"),
    "one name in two spellings": (
        [oars("/Oars"), oars("/Oars/All", operation_id="list_oars")],
        "give the same module",
    ),
    "a name too long for a file": (
        [oars("/Oars", operation_id="x" * 300)],
        "has 300 characters; a module's name may have 200",
    ),
    "a schema's name too long for a file": ([models(**{"x" * 300: "object"})], "has 300 characters"),
}


@pytest.mark.parametrize(("documents", "reason"), UNGENERATABLE.values(), ids=UNGENERATABLE)
def test_pages_that_the_generator_would_refuse_are_refused_unless_the_overlay_corrects_them(
    tmp_path: Path,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    documents: list[JsonObject],
    reason: str,
) -> None:
    path = write(tmp_path / "oars.md", page(*documents))
    before = state(tree)
    error = fails(capsys, path, "--root", tree)
    assert error.startswith(f"{path}:")
    assert reason in error
    assert state(tree) == before
    overlay: Any = json.loads((tree / "openapi/overlay.json").read_bytes())
    targets = [f"$.paths['{name}']" for document in documents for name in document.get("paths", ())]  # type: ignore[union-attr]
    targets += ["$.components.schemas." + "x" * 300] if not targets else []
    overlay["actions"] += [{"target": target, "remove": True} for target in targets]
    write(tree / "openapi/overlay.json", json.dumps(overlay))
    imported(tree / "openapi", path)


@pytest.mark.parametrize(("text", "reason"), UNMERGED.values(), ids=UNMERGED)
def test_pages_that_cannot_be_merged_with_the_tree_are_refused(
    tmp_path: Path,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    text: Callable[[Path], str],
    reason: str,
) -> None:
    before = state(tree)
    assert reason in fails(capsys, write(tmp_path / "others.md", text(tree)), "--root", tree)
    assert state(tree) == before


def test_an_overlay_can_define_what_the_pages_do_not(tmp_path: Path, tree: Path) -> None:
    overlay: Any = json.loads((tree / "openapi/overlay.json").read_bytes())
    overlay["actions"].append({"target": "$.components.schemas", "update": {"Oar": {"type": "string"}}})
    write(tree / "openapi/overlay.json", json.dumps(overlay))
    path = write(tmp_path / "boats.md", page(with_schema("Boat", {"$ref": "#/components/schemas/Oar"})))
    assert "added    openapi/boats/boat.json" in imported(tree / "openapi", path)


def test_an_overlay_that_does_not_fit_the_new_pages_is_no_obstacle(tmp_path: Path, tree: Path) -> None:
    (tree / "openapi/merge.yml").unlink()
    for group in [path for path in (tree / "openapi").iterdir() if path.is_dir() and path.name != "jobs"]:
        shutil.rmtree(group)  # those that describe a job as well would contradict
    jobs = [json.loads(path.read_bytes()) for path in (tree / "openapi/jobs").glob("*-job*.json")]
    text = page(*jobs).replace('"enum":', '"examples":')
    text = text.replace('{"name": "JobId", "in": "path"', '{"name": "Id", "in": "path"')
    report = imported(tree / "openapi", write(tmp_path / "jobs.md", text))
    assert "changed  openapi/jobs/get-job.json" in report
    assert "openapi/overlay.json does not fit the new pages" in report
