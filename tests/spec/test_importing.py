"""The command that imports pages: the files that it writes, and that a fault leaves the tree as it was."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from generate import ROOT
from import_pages import main
from spec import folders
from spec.documents import JsonObject, SpecError, render
from spec.importing import plan as importing
from spec.importing.fragment_names import fragment_name, kebab
from spec.importing.pages import Document
from spec.importing.plan import plan_import
from spec.texts.sources import LARGEST, Source

from tests.spec.published import models, operation, page

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


@pytest.fixture
def openapi(tmp_path: Path) -> Path:
    return tmp_path / "tree" / "openapi"


@pytest.fixture(autouse=True)
def _unmerged(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge only into the project's tree, because the documents of most tests repeat each other."""
    if "tree" not in request.fixturenames:
        monkeypatch.setattr(importing, "check", lambda *_, **__: [])


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


def test_json_yaml_and_a_page_of_the_same_document_give_the_same_fragment(tmp_path: Path, openapi: Path) -> None:
    texts = {"a.json": json.dumps(GET), "b.yaml": yaml.safe_dump(GET, sort_keys=False), "c.md": page(GET)}
    imported(openapi, *(write(tmp_path / name, text) for name, text in texts.items()))
    assert {(openapi / f"{group}/get-boat.json").read_bytes() for group in "abc"} == {render(GET)}


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


def test_fragments_that_no_page_owns_are_taken_over(tmp_path: Path, openapi: Path) -> None:
    write(openapi / "boats/list-boats.json", render(LIST))
    report = imported(openapi, write(tmp_path / "boats.md", page(LIST)))
    assert report.splitlines()[1:] == ["added    openapi/boats/source.json"]


def good(folder: Path) -> Path:
    return write(folder / "boats.md", page(LIST))


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


def changed_job(tree: Path) -> JsonObject:
    job: Any = json.loads((tree / "openapi/jobs/get-job.json").read_bytes())
    job["components"]["schemas"]["Job"]["properties"]["Id"] = {"type": "integer"}
    return dict(job)


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
