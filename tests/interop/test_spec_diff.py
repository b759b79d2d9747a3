"""`make spec-diff` agrees with the generator and with mypy on all planted changes; its published table is current."""

import json
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from spec.comparing.signatures import SignatureChange, compare_packages
from spec.documents import SpecError, pointer
from spec.generating.generator import PACKAGE, generate_package
from spec.trees import Files

from tests.interop.redocly_diff import PAGE, rewritten, rows, table
from tests.spec.planted import FILES, PLANTED, Document, Planted

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"jobs": "jobs.txt", "made-up": "nursery.txt"}
# The generator refuses the new description, so there is no package to compare.
INEXPRESSIBLE: set[str] = set()
# The types fit, but the program does something else when it runs.
AT_RUN_TIME = {
    "value Stream of parameter Mode becomes stream",
    "field Job.Status becomes any string",
    "default of parameter limit changes",
    "default of field Label.colour is dropped",
    "field Job.status is added",
    "value completed of JobStatus is added before COMPLETED",
    "number 5 is added to the values of field NewSeedling.pot",  # the program does not use the field
    "value 0.5 of field NewSeedling.pot is added before 1.5",
}
# The new module itself does not type-check, although its signature is fine.
UNIMPORTABLE: set[str] = set()


def generated(document: Document) -> Files | None:
    try:
        config = ROOT / "openapi" / "generator.yml"
        return generate_package(document, config, locate=lambda place: (pointer(*place), 1)).files
    except SpecError:
        return None


@pytest.fixture(scope="module")
def old() -> dict[str, Files]:
    packages = {name: generated(json.loads(path.read_text(encoding="utf-8"))) for name, path in FILES.items()}
    return {name: files for name, files in packages.items() if files is not None}


@pytest.fixture(scope="module")
def new() -> dict[str, Files | None]:
    with ThreadPoolExecutor(2) as pool:
        packages = pool.map(lambda planted: generated(planted.new()), PLANTED)
        return dict(zip((it.name for it in PLANTED), packages, strict=True))


def signatures(planted: Planted, old: dict[str, Files], new: dict[str, Files | None]) -> list[SignatureChange]:
    files = new[planted.name]
    return [] if files is None else compare_packages(old[planted.document], files)


def test_the_generator_refuses_what_we_say(new: dict[str, Files | None]) -> None:
    assert {name for name, files in new.items() if files is None} == INEXPRESSIBLE


def test_no_signature_breaks_without_a_change_that_does(old: dict[str, Files], new: dict[str, Files | None]) -> None:
    breaking = {it.name for it in PLANTED if any(each.breaks for each in signatures(it, old, new))}
    assert breaking <= {it.name for it in PLANTED if it.breaks_generated}
    assert len(breaking) > 40


def test_mypy_rejects_a_program_if_and_only_if_a_signature_breaks(
    old: dict[str, Files], new: dict[str, Files | None], tmp_path: Path
) -> None:
    cases = {f"old_{name.replace('-', '_')}": (name, files) for name, files in old.items()}
    for index, planted in enumerate(PLANTED):
        if (files := new[planted.name]) is not None:
            cases[f"planted_{index:03}"] = (planted.document, files)
    for package, (document, files) in cases.items():
        for path, content in files.items():
            target = tmp_path / path.replace(PACKAGE, package, 1)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        program = (ROOT / "tests" / "spec" / "programs" / PROGRAMS[document]).read_text(encoding="utf-8")
        (tmp_path / f"use_{package}.py").write_text(program.replace(PACKAGE, package), encoding="utf-8")
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    command = [sys.executable, "-m", "mypy", "--config-file=mypy.ini", "--no-error-summary"]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*command, *(f"use_{package}.py" for package in cases)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    errors = defaultdict(list)
    for line in done.stdout.splitlines():
        package = Path(line.partition(":")[0]).parts[0].removeprefix("use_").removesuffix(".py")
        errors[package].append(line)
    assert [errors[package] for package in cases if package.startswith("old_")] == [[]] * len(old)
    names = {f"planted_{index:03}": planted for index, planted in enumerate(PLANTED)}
    rejected = {names[package].name for package, found in errors.items() if found}
    breaking = {it.name for it in names.values() if any(each.breaks for each in signatures(it, old, new))}
    assert rejected == breaking - AT_RUN_TIME | UNIMPORTABLE


def test_the_table_beside_redoclys_verdicts_is_current_and_all_of_ours_are_right() -> None:
    found = rows()
    assert [row.planted.name for row in found if not row.is_right] == []
    page = PAGE.read_text(encoding="utf-8")
    assert page == rewritten(page, lambda: table(found)), "run `python -m tests.interop.redocly_diff`"
