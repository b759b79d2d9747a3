"""Run the pinned generator: one OpenAPI document in, one Python package out, the same bytes everywhere."""

import os
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from documents import BuildError
from trees import Files, read_files

PACKAGE = "impact_agency_api"
GENERATOR = "openapi-python-client"
# Not resolved: in a virtual environment this is a link, and the tools lie beside the link.
TOOLS = Path(sys.executable).parent


def generate_package(document: bytes, config: Path) -> Files:
    """Generate the package from nothing.

    Args:
        document: The OpenAPI document, as written to the tree.
        config: The generator's configuration.

    Returns:
        The package's files by their path, which starts with the package's name.

    Raises:
        BuildError: The generator failed, or left out a part of the document.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source, output = Path(scratch, "agency-api.json"), Path(scratch, "output")
        source.write_bytes(document)
        output.mkdir()
        # --fail-on-warning: the generator drops what it doesn't understand, with a warning and exit code 0.
        _run(
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            f"--path={source}",
            f"--config={config.resolve()}",
            "--meta=none",
            f"--output-path={output / PACKAGE}",
            cwd=output,
        )
        # With `--meta none` there is no marker that the package has types (PEP 561).
        (output / PACKAGE / "py.typed").touch()
        return read_files(output)


def require_pinned_tools(pyproject: Path) -> None:
    """Refuse any generator or ruff but the pinned one: each release of either writes other bytes.

    Raises:
        BuildError: A pin or a tool is missing, or they differ.
    """
    try:
        installed = {GENERATOR: version(GENERATOR), "ruff": _run(TOOLS / "ruff", "--version").split()[-1]}
    except PackageNotFoundError as error:
        raise BuildError(f"{GENERATOR} is not installed for {sys.executable}: run `make setup`") from error
    pins = _pins(pyproject)
    for tool, found in installed.items():
        if tool not in pins:
            raise BuildError(f"{pyproject} pins no {tool} in its dev group")
        if pins[tool] != found:
            raise BuildError(f"{tool} {found} is installed, {pins[tool]} is pinned: run `make setup`")


def _pins(pyproject: Path) -> dict[str, str]:
    try:
        group = tomllib.loads(pyproject.read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    except (OSError, KeyError, ValueError) as error:
        raise BuildError(f"{pyproject} has no readable dev group: {error!r}") from error
    pinned = (entry.partition("==") for entry in group if isinstance(entry, str) and "==" in entry)
    return {name: number for name, _, number in pinned}


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a tool with nothing of the caller's environment, for whatever is in it may change the bytes."""
    environment = {
        # The generator looks for ruff on PATH; the directories after ours are for the shell it starts.
        "PATH": os.pathsep.join([str(TOOLS), os.defpath]),
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
    }
    try:
        done = subprocess.run(  # noqa: S603 - every argument is ours
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError as error:
        raise BuildError(f"{command[0]} can't be run ({error.strerror}): run `make setup`") from error
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
        raise BuildError(f"{Path(command[0]).name} ended with {done.returncode}; it said:\n{said}")
    return done.stdout.decode("utf-8", "replace")
