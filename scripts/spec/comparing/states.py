"""Read what `make spec-diff` compares: the tree, a commit, or a document alone."""

import io
import subprocess
import tarfile
from pathlib import Path

from check_api import VERSION, Version, parse_version

from spec.build import DOCUMENT, GENERATED
from spec.comparing.report import State
from spec.documents import JsonObject, Problem, SpecError
from spec.texts.sources import Source, read_source
from spec.trees import Files, read_files


def state_of_tree(root: Path) -> State:
    """Read the description and the generated package of a tree.

    Raises:
        SpecError: The description is missing, or is not one.
    """
    return State("the tree", _openapi(read_source(root / DOCUMENT, DOCUMENT)), read_files(root / GENERATED))


def state_of_commit(root: Path, ref: str) -> tuple[State, Version]:
    """Read the description, the generated package and the version of a commit.

    Raises:
        SpecError: There is no such commit, or it has no description, or that is not one.
    """
    if _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}") is None:
        raise SpecError(Problem(str(root), None, f"git finds no commit {ref}", "name a branch, a tag or a commit"))
    archive = _git(root, "archive", "--format=tar", ref, "--", DOCUMENT, GENERATED, VERSION)
    if archive is None:
        advice = "compare two files with --old and --new, or name a later commit"
        raise SpecError(Problem(str(root), None, f"{ref} lacks {DOCUMENT}, {GENERATED}/ or {VERSION}", advice))
    files = _unpacked(archive)
    source = Source(f"{ref}:{DOCUMENT}", files[DOCUMENT].decode("utf-8", "replace"))
    package = {path.removeprefix(f"{GENERATED}/"): it for path, it in files.items() if path.startswith(f"{GENERATED}/")}
    return State(ref, _openapi(source), package), _version(
        Source(f"{ref}:{VERSION}", files[VERSION].decode("utf-8", "replace"))
    )


def state_of_file(path: Path) -> State:
    """Read a description alone.

    Raises:
        SpecError: It can't be read, or is not one.
    """
    return State(str(path), _openapi(read_source(path)))


def version_of_tree(root: Path) -> Version:
    """Return the version that a tree states.

    Raises:
        SpecError: It can't be read.
    """
    return _version(read_source(root / VERSION, VERSION))


def _version(source: Source) -> Version:
    try:
        return parse_version(source.text)
    except SystemExit as error:
        raise source.error("has no version such as 1.2.3") from error


def _openapi(source: Source) -> JsonObject:
    document = source.parse()
    if not isinstance(document.get("openapi"), str) or not isinstance(document.get("paths", {}), dict):
        raise source.error("not an OpenAPI document: it has no field `openapi`, or `paths` is not an object",
                           advice="compare merged documents, such as openapi/agency-api.json")  # fmt: skip
    return document


def _unpacked(archive: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        found = {it.name: members.extractfile(it) for it in members.getmembers() if it.isfile()}
        return {name: content.read() for name, content in found.items() if content is not None}


def _git(root: Path, *arguments: str) -> bytes | None:
    """Run git and return its output, or None if it fails."""
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, check=False)  # noqa: S603, S607
    except OSError as error:
        raise SpecError(f"git can't be run ({error.strerror}): compare two files with --old and --new") from error
    return done.stdout if done.returncode == 0 else None
