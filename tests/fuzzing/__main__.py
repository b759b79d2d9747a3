"""`python -m tests.fuzzing TARGET|all [--seconds N] [--keep]`: look for bytes that break a promise, with atheris.

An input that breaks a promise is written to tests/fuzzing/findings/TARGET/, and the next run tries it first. Once the
bug is fixed, move the input to `seeds.py`. Inputs that only reach new code are kept in .cache/fuzzing/, so that each
run goes on from the last; `--keep` adds them to the corpus.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.fuzzing.inputs import add_inputs, read_inputs
from tests.fuzzing.seeds import SEEDS

FINDINGS = Path(__file__).parent / "findings"
CACHE = Path(__file__).parents[2] / ".cache" / "fuzzing"
SCRIPTS = Path(__file__).parents[2] / "scripts"  # their modules import each other from there
MAX_INPUT_BYTES = 64 * 1024
_MEMORY_CHECK_INTERVAL = 500  # inputs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("target", choices=("all", *SEEDS), metavar="TARGET", help="a target's name, or all")
    parser.add_argument("--seconds", type=int, default=60, help="how long to fuzz each target (60)")
    parser.add_argument("--keep", action="store_true", help="add inputs that reach new code to the corpus")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_this_process:
        fuzz(options.target, seconds=options.seconds)  # never returns

    failed = []
    for name in SEEDS if options.target == "all" else [options.target]:
        command = [sys.executable, "-m", "tests.fuzzing", name, "--in-this-process", "--seconds", str(options.seconds)]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - this module
            failed.append(name)
        if options.keep:
            added = add_inputs(name, (path.read_bytes() for path in (CACHE / name).iterdir()))
            sys.stdout.write(f"{name}: added {added} inputs to the corpus\n")
    sys.stdout.write(f"findings: {', '.join(failed) or 'none'}\n")
    sys.stdout.writelines(f"  {path}\n" for path in sorted(FINDINGS.glob("*/*")))
    return bool(failed)


def fuzz(name: str, *, seconds: int) -> None:
    """Fuzz one target; libFuzzer exits the process at the end."""
    import atheris  # type: ignore[import-untyped] # noqa: PLC0415 - only where `make fuzz` runs

    sys.path.insert(0, str(SCRIPTS))
    with atheris.instrument_imports(
        include=["impact_jobs", "spec", "markdown_it", "dateutil", "email", "urllib", "json"]
    ):
        from tests.fuzzing.targets import TARGETS  # noqa: PLC0415 - instrumented when it is imported
    from tests.fuzzing.invariants import check_memory, check_time, logged  # noqa: PLC0415

    target = TARGETS[name]
    count = 0

    def run_one(data: bytes) -> None:
        nonlocal count
        count += 1
        check_time(target, data)
        if count % _MEMORY_CHECK_INTERVAL == 0:
            check_memory(target, data)

    reached, corpus, found = CACHE / name, CACHE / "corpus" / name, FINDINGS / name
    for folder in (reached, corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    _write_files(corpus, read_inputs(name).items())
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={found}{os.sep}", f"-max_len={MAX_INPUT_BYTES}"]
    # libFuzzer writes new inputs to the first folder, and only reads the others.
    folders = [str(folder) for folder in (reached, corpus, found)]
    with logged():
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", *folders], run_one)
        atheris.Fuzz()


def _write_files(folder: Path, inputs: Iterable[tuple[str, bytes]]) -> None:
    for name, data in inputs:
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
