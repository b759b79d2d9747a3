"""`python -m tests.fuzzing TARGET|all [--seconds N]`: looks for bytes that break a promise, by atheris.

What breaks one is kept in tests/fuzzing/findings/TARGET/, is tried first by the next run, and becomes a part of the
corpus once it is mended. What merely reaches new code is kept in .cache/fuzzing/, so that a run goes on from the last.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped] # only where `make fuzz` runs

CORPUS = Path(__file__).parent / "corpus"
FINDINGS = Path(__file__).parent / "findings"
REACHED = Path(__file__).parents[2] / ".cache" / "fuzzing"
LONGEST = 64 * 1024
_MEASURED = 500  # of how many inputs one has its memory measured


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("target", help="a target's name, or all")
    parser.add_argument("--seconds", type=int, default=60, help="for how long, each of them")
    parser.add_argument("--keep", action="store_true", help="add to the corpus what reaches new code")
    options = parser.parse_args()
    if options.target != "all":
        fuzz(options.target, seconds=options.seconds, keep=options.keep)  # never returns

    from tests.fuzzing.targets import TARGETS  # noqa: PLC0415 - not before `fuzz`, which instruments what is imported

    failed = []
    for name in TARGETS:
        command = [sys.executable, "-m", "tests.fuzzing", name, "--seconds", str(options.seconds)]
        if subprocess.run([*command, *["--keep"] * options.keep], check=False).returncode:  # noqa: S603
            failed.append(name)
    sys.stdout.write(f"findings: {', '.join(failed) or 'none'}\n")
    sys.stdout.writelines(f"  {path}\n" for path in sorted(FINDINGS.glob("*/*")))
    return bool(failed)


def fuzz(name: str, *, seconds: int, keep: bool) -> None:
    """Run one target; libFuzzer ends the process."""
    with atheris.instrument_imports(include=["impact_jobs", "dateutil", "email", "urllib", "json"]):
        from tests.fuzzing.targets import TARGETS  # noqa: PLC0415 - instrumented on import
    from tests.fuzzing.invariants import check_memory, check_time, logged  # noqa: PLC0415

    target = TARGETS[name]
    count = 0

    def one(data: bytes) -> None:
        nonlocal count
        count += 1
        check_time(target, data)
        if count % _MEASURED == 0:
            check_memory(target, data)

    known, found, reached = CORPUS / name, FINDINGS / name, REACHED / name
    for folder in (known, found, reached):
        folder.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={found}{os.sep}", f"-max_len={LONGEST}"]
    folders = [str(folder) for folder in ((known, found, reached) if keep else (reached, known, found))]
    with logged():
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", *folders], one)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
