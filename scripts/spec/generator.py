"""Run the pinned generator, which turns an OpenAPI document into a Python package, with the same bytes everywhere."""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from spec.complaints import Locate, problems_of
from spec.documents import JsonObject, SpecError, render
from spec.generatable import Generatable, Note, generatable
from spec.trees import Files, read_files

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
    notes: list[Note]


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
        program = Path(__file__).with_name("generator_process.py")
        printed = _run(sys.executable, program, source, settings, output / name, cwd=output)
        if problems := problems_of(json.loads(printed), document, locate):
            raise SpecError(*problems)
        # The generator omits the marker for type checkers (PEP 561).
        (output / name / "py.typed").touch()
        return Package(read_files(output), prepared.notes)


def _configuration(base: Path, prepared: Generatable, name: str) -> JsonObject:
    """Return the configuration of the project with what the document needs."""
    # ...
    return {}
