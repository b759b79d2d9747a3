"""Run every input of the corpus once: all promises but the one about time must hold for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzzing import inputs
from tests.fuzzing.invariants import check_memory, logged
from tests.fuzzing.seeds import SEEDS
from tests.fuzzing.targets import TARGETS


def test_every_target_has_seeds_and_every_archive_a_target() -> None:
    assert SEEDS.keys() == TARGETS.keys()
    assert {path.name for path in inputs.CORPUS.iterdir()} <= {f"{name}.zip" for name in TARGETS}
    assert sum(path.stat().st_size for path in inputs.CORPUS.iterdir()) < 1_000_000


@pytest.mark.parametrize("name", TARGETS)
def test_an_archive_is_sorted_and_repeats_no_input(name: str) -> None:
    archive = inputs.read_archive(name)
    assert inputs.archive_bytes(archive) == (inputs.CORPUS / f"{name}.zip").read_bytes()
    every = [*SEEDS[name].values(), *archive.values()]
    assert len(every) == len(set(every))


def test_only_new_inputs_are_added_to_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "CORPUS", tmp_path)
    seed = next(iter(SEEDS["date"].values()))
    assert inputs.add_inputs("date", [seed, b"new", b"new"]) == 1
    assert inputs.add_inputs("date", [b"new", b"newer"]) == 1
    assert {*inputs.read_archive("date").values()} == {b"new", b"newer"}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_breaks_a_promise(name: str) -> None:
    with logged():
        for data in inputs.read_inputs(name).values():
            check_memory(TARGETS[name], data)
