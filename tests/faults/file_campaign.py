"""Runs a scenario of file calls many times, and collects what goes wrong instead of ending at the first violation."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any, Final, TypeVar

import pytest
from attrs import define, field
from impact_jobs import JobsError

from tests.faults.file_faults import Handler, Watch
from tests.faults.file_scenarios import Account, Scenario
from tests.faults.harness import running
from tests.support.tally import Tally

_ALL: Final = 1600  # with so many `--examples`, everything is tried

_PATIENT_SECONDS: Final = 5.0

T = TypeVar("T")


@define
class Campaign:
    """The runs of one scenario, each in a folder of its own."""

    scenario: Scenario
    account: Account
    folder: Path
    tally: Tally
    _violations: dict[str, list[str]] = field(factory=dict, init=False)
    _number: int = 0

    def prepared(self) -> Path:
        """Return a folder in which the scenario's earlier call has been made."""
        folder = self.new_folder()
        self.scenario.prepare(self.account, folder)
        self.scenario.run_before(self.account, folder)
        return folder

    def new_folder(self) -> Path:
        """Return the path of a folder that does not exist yet."""
        self._number += 1
        return self.folder / str(self._number)

    def run(self, handler: Handler, folder: Path) -> Any:
        """Make the call, and return what it returned or raised."""
        watch = Watch(folder, handler)
        with watch.installed():
            try:
                outcome = self.scenario.run(self.account.options, self.account.ids, folder)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - which errors are allowed is the question
                outcome = error
            watch.has_returned = True
            _wait_for_threads()
        assert not watch.late, f"a thread goes on after the call: {watch.late[0].function}"
        return outcome

    @contextmanager
    def attempt(self, what: object, folder: Path) -> Iterator[None]:
        """Count a run, and note if it fails, or a thread of it; remove its folder."""
        failures = list[str]()
        try:
            with self.tally.session(self.scenario.name), pytest.MonkeyPatch.context() as patch:
                patch.setattr(threading, "excepthook", lambda failed: failures.append(failed.exc_type.__name__))
                yield
                assert not failures, f"an error in a thread: {failures[0]}"
        except AssertionError as error:
            self._note(str(error).partition("\n")[0], what)
        except JobsError as error:
            self._note(f"a later call fails: {type(error).__name__}", what)
        finally:
            rmtree(folder)
            self.account.sandbox.forget_requests()

    def _note(self, problem: str, what: object) -> None:
        self._violations.setdefault(problem, []).append(f"{what}")

    def finish(self) -> None:
        """Fail if anything was violated."""
        lines = [
            f"{len(found)} times: {problem}: {'; '.join(found[:3])}"
            for problem, found in sorted(self._violations.items())
        ]
        assert not lines, "\n".join((f"{self.scenario.name}:", *lines))


def _wait_for_threads() -> None:
    """Wait for threads that sync and digest files, which may need a moment to end."""
    deadline = time.monotonic() + _PATIENT_SECONDS
    while any(name.startswith("impact-jobs-") for name in running()) and time.monotonic() < deadline:
        time.sleep(0.001)


def sample(everything: Sequence[T], request: pytest.FixtureRequest) -> list[T]:
    """Draw the share that `--examples` asks for; it follows from `--sessions-seed` and the name of the test."""
    option = request.config.option
    share = option.examples / _ALL
    # Half of the share, because `make test` has to stay short and the campaign tries everything.
    count = math.ceil(len(everything) * (1 if share >= 1 else share / 2))
    rng = random.Random(f"{option.sessions_seed}/{request.node.name}")  # noqa: S311 - no secret
    return rng.sample(everything, count)
