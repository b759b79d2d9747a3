"""What the fuzzer started from and what it found (tests/fuzzing): every promise but the one about time holds for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzzing import targets
from tests.fuzzing.invariants import check_memory, logged

CORPUS = Path(targets.__file__).parent / "corpus"


def test_every_target_has_its_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(targets.TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 1_000_000


@pytest.mark.parametrize("name", targets.TARGETS)
def test_no_promise_is_broken_by_the_corpus(name: str) -> None:
    files = sorted((CORPUS / name).iterdir())
    assert files
    with logged():
        for path in files:
            check_memory(targets.TARGETS[name], path.read_bytes())
