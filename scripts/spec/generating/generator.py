"""Run the pinned generator, which turns an OpenAPI document into a Python package, with the same bytes everywhere."""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from spec.documents import JsonObject, SpecError, render
from spec.generating.generatable import Generatable, Note, generatable
from spec.generating.generator_warnings import problems_of
from spec.references import Locate
from spec.texts.sources import read_source
from spec.trees import Files, read_files

# Notes of one kind, of which all are printed; of more, only the first and their number.
_SHOWN = 3
_NAME = re.compile(r"'[^']*'|[\w.+*-]+/[\w.+*-]+")
PACKAGE = "impact_agency_api"
GENERATOR = "openapi-python-client"
# Do not resolve the path: in a virtual environment it is a link, and the tools are in the folder of the link.
TOOLS = Path(sys.executable).parent


@dataclass(frozen=True)
class Package:
    """A generated package.

    Attributes:
        files: Its files by their path, which begins with the package's name.
        notes: What its types do not say although the document does.
    """

    files: Files
    notes: list[str]


def generate_package(document: JsonObject, config: Path, *, locate: Locate, name: str = PACKAGE) -> Package:
    """Generate the package in an empty folder.

    Args:
        document: The OpenAPI document.
        config: The generator's configuration.
        locate: Gives the file and the line of a place of the document.
        name: The name of the package.

    Raises:
        SpecError: The generator failed, or would leave out a part of the document; with all such parts.
    """
    prepared = generatable(document)
    with tempfile.TemporaryDirectory() as scratch:
        source, settings, output = Path(scratch, "api.json"), Path(scratch, "config.json"), Path(scratch, "output")
        source.write_bytes(render(prepared.document))
        settings.write_bytes(render(_configuration(config, prepared, name)))
        output.mkdir()
        program = Path(__file__).with_name("process.py")
        printed = _run(sys.executable, program, source, settings, output / name, cwd=output)
        problems, unused = problems_of(json.loads(printed), document, locate)
        if problems:
            raise SpecError(*problems)
        # The generator omits the marker for type checkers (PEP 561).
        (output / name / "py.typed").touch()
        return Package(read_files(output), [*note_lines(prepared.notes, locate), *unused])


def note_lines(notes: list[Note], locate: Locate) -> list[str]:
    """Return a line for each note, but one for all that differ in names only if there are many."""
    kinds: dict[str, list[Note]] = {}
    for note in notes:
        kinds.setdefault(_NAME.sub("", note.sentence), []).append(note)
    lines: list[str] = []
    for same in kinds.values():
        shown = same if len(same) <= _SHOWN else same[:1]
        names = dict.fromkeys(name for note in same[1:] for name in _NAME.findall(note.sentence)[:1])
        more = (
            f" ({len(same) - 1} more like this: {', '.join(names)})" if names else f" ({len(same) - 1} more like this)"
        )
        more = more if len(same) > _SHOWN else ""
        lines += [f"{':'.join(map(str, locate(note.place)))}: {note.sentence}{more}" for note in shown]
    return lines


def _configuration(base: Path, prepared: Generatable, name: str) -> JsonObject:
    """Return the project's configuration, and what the document needs besides."""
    return read_source(base).parse() | {
        "project_name_override": name,
        "package_name_override": name,
        "content_type_overrides": dict(prepared.content_types),
        "class_overrides": {class_: {"module_name": module} for class_, module in prepared.modules.items()},
    }


def require_pinned_tools(pyproject: Path) -> None:
    """Refuse any generator or ruff but the pinned ones, because each release writes different bytes.

    Raises:
        SpecError: A pin or a tool is missing, or they differ.
    """
    try:
        installed = {GENERATOR: version(GENERATOR), "ruff": _run(TOOLS / "ruff", "--version").split()[-1]}
    except PackageNotFoundError as error:
        raise SpecError(f"{GENERATOR} is not installed for {sys.executable}: run `make setup`") from error
    pins = _pins(pyproject)
    for tool, found in installed.items():
        if tool not in pins:
            raise SpecError(f"{pyproject} pins no {tool} in its dev group")
        if pins[tool] != found:
            raise SpecError(f"{tool} {found} is installed, {pins[tool]} is pinned: run `make setup`")


def _pins(pyproject: Path) -> dict[str, str]:
    try:
        group = tomllib.loads(pyproject.read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    except (OSError, KeyError, ValueError) as error:
        raise SpecError(f"{pyproject} has no readable dev group: {error!r}") from error
    pinned = (entry.partition("==") for entry in group if isinstance(entry, str) and "==" in entry)
    return {name: number for name, _, number in pinned}


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a tool without the caller's environment, which might change its output."""
    environment = {
        # The generator looks for ruff on PATH; the shell that it starts needs the system's directories.
        "PATH": os.pathsep.join([str(TOOLS), os.defpath]),
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError as error:
        raise SpecError(f"{command[0]} can't be run ({error.strerror}): run `make setup`") from error
    if done.returncode:
        # The last line of a traceback says what is wrong; the others say where in a foreign program.
        printed = (done.stdout + done.stderr).decode("utf-8", "replace").split("\n")
        reason = next((line for line in reversed(printed) if line.strip()), "it printed nothing")
        raise SpecError(f"{Path(command[min(1, len(command) - 1)]).name} exited with {done.returncode}: {reason}")
    return done.stdout.decode("utf-8", "replace")
