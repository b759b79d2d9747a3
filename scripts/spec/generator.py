"""Run the pinned generator, which turns an OpenAPI document into a Python package, with the same bytes everywhere."""

import os
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from spec.documents import SpecError
from spec.trees import Files, read_files

PACKAGE = "impact_agency_api"
GENERATOR = "openapi-python-client"
# Do not resolve the path: in a virtual environment it is a link, and the tools are in the folder of the link.
TOOLS = Path(sys.executable).parent


def generate_package(document: bytes, config: Path) -> Files:
    """Generate the package in an empty folder.

    Args:
        document: The OpenAPI document, as written to the tree.
        config: The generator's configuration.

    Returns:
        The package's files by their path, which begins with the package's name.

    Raises:
        SpecError: The generator failed, or skipped a part of the document.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source, output = Path(scratch, "agency-api.json"), Path(scratch, "output")
        source.write_bytes(document)
        output.mkdir()
        # Without --fail-on-warning, the generator skips what it doesn't understand, and exits with 0.
        _run(
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            f"--path={source}",
            f"--config={config.resolve()}",
            "--meta=none",
            f"--output-path={output / PACKAGE}",
            cwd=output,
        )
        # `--meta none` omits the marker for type checkers (PEP 561).
        (output / PACKAGE / "py.typed").touch()
        return read_files(output)


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
        output = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
        raise SpecError(f"{Path(command[0]).name} exited with {done.returncode} and printed:\n{output}")
    return done.stdout.decode("utf-8", "replace")
