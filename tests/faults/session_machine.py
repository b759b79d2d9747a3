"""Whole sessions as a state machine: clients open, call, meet faults, and close."""

from __future__ import annotations

import fcntl
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.errors import StopTest, UnsatisfiedAssumption
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from impact_agency_api.api.jobs import get_job
from impact_jobs import DestinationExistsError, IntegrityError, Job, JobsError, ReplayUncertainError
from impact_jobs.sandbox import Sandbox
from impact_jobs.sandbox._result import Result

from tests.faults.actors import (
    NEVER,
    Act,
    Actor,
    Outcome,
    Settings,
    Stop,
    Stopper,
    list_jobs,
    read_stream,
)
from tests.faults.exchange_proxy import CALL_HEADER
from tests.faults.faults import Fault
from tests.faults.harness import Leaks, bytes_of
from tests.faults.replay_oracle import ReplayOracle
from tests.faults.session_harness import SessionHarness
from tests.faults.session_strategies import (
    CLIENT_SETTINGS,
    CONNECTIONS,
    INDICES,
    JOB_PLANS,
    MODES,
    SANDBOX_OPTIONS,
    SEVERAL_INDICES,
    TIMEOUTS,
    JobPlan,
    Mode,
    SandboxOptions,
    faults,
    stops,
)
from tests.support.driving import by_generated_code
from tests.support.tally import WHOLE

_GRACE_SECONDS: Final = 1.0  # the most by which a call may overrun its deadline
_MOST_CLIENTS: Final = 3
_THREADS_PER_CALL: Final = 3  # the client's, the proxy's and the sandbox's: each may lag as much as the monitor
_PATIENT: Final = Settings("blocking", tls=False, attempts=1, request_timeout=30.0)
_PARTIAL_SUFFIXES: Final = (".part", ".part.json")


class WholeSession(RuleBasedStateMachine):
    """One session. Rules never draw from the results of calls, because these depend on timing."""

    def __init__(self, harness: SessionHarness) -> None:
        super().__init__()
        self.harness = harness
        self.number = next(harness.numbers)
        self.folder = harness.folder / str(self.number)
        self.folder.mkdir()
        self.stack = ExitStack()
        self.actors: list[Actor] = []
        self.jobs: list[str] = []
        self.added = 0
        self.oracle = ReplayOracle()
        self.replaced: dict[str, list[Result]] = {}
        self.files: dict[Path, bytes | None] = {}  # the expected content of each target
        self.wanted: dict[Path, str] = {}  # the job that was last downloaded to each target
        self.fetched: set[str] = set()
        self.calls = 0
        self.log: list[str] = []
        harness.api.replays.clear()
        harness.storage.damaged = harness.api.damaged = 0

    # Set-up

    @initialize(options=SANDBOX_OPTIONS, plans=st.lists(JOB_PLANS, min_size=2, max_size=5), first=CLIENT_SETTINGS)
    def start(self, options: SandboxOptions, plans: list[JobPlan], first: Settings) -> None:
        self.options = options
        self.sandbox = self.stack.enter_context(
            Sandbox(
                seed=self.number,
                job_seconds=0,
                hourly_budget=10**8,
                list_shape=options.list_shape,
                page_size=options.page_size,
                stringly=options.stringly,
                checksums=options.checksums,
            )
        )
        self.harness.api.origin, self.harness.storage.origin = self.sandbox.base_url, self.sandbox.storage_url
        self.sandbox._state.storage_url = self.harness.storage.url(tls=False)  # so that signed links lead through it
        for number, plan in enumerate(plans):
            self.jobs.append(self._add(number, plan))
        self.leaks = Leaks()
        self._open(first)

    def _add(self, number: int, plan: JobPlan) -> str:
        self.added += 1
        options: dict[str, Any] = {"result_bytes": plan.size, "result_seed": number, "age": 3600.0}
        match plan.state:
            case "done, not replayable":
                options["replayable"] = False
            case "done, runs again for a while":
                options["seconds"] = 0.03
            # All jobs are old, because a list with two new jobs of one kind cannot show which one a replay made.
            case "soon":
                options |= {
                    "seconds": 60.03,
                    "age": 60.0,
                    "replayable": False,
                }  # a replay would take 60 s
            case "stuck":
                options["status"] = "RUNNING"
            case "failed":
                options["status"] = "FAILED"
            case _:
                pass
        return self.sandbox.add_job(**options)

    @precondition(lambda self: len(self.actors) < _MOST_CLIENTS)
    @rule(settings=CLIENT_SETTINGS)
    def open_client(self, settings: Settings) -> None:
        WHOLE.steps["open"] += 1
        self._open(settings)

    def _open(self, settings: Settings) -> Actor:
        harness = self.harness
        account = {
            "account_sid": self.sandbox.account_sid,
            "auth_token": self.sandbox.auth_token,
            "base_url": harness.api.url(tls=settings.tls),
        }
        actor = Actor.create(settings, account, harness.runner, harness.client_tls)
        self.actors.append(actor)
        return actor

    @precondition(lambda self: self.actors)
    @rule(which=INDICES)
    def close_client(self, which: int) -> None:
        WHOLE.steps["close"] += 1
        self.actors.pop(which % len(self.actors)).close()
        if not self.actors:
            self._check_nothing_leaks()

    @rule(script=faults())
    def break_api(self, script: list[Fault]) -> None:
        self.harness.api.play(script)

    @rule(script=faults())
    def break_storage(self, script: list[Fault]) -> None:
        self.harness.storage.play(script)

    @rule(on_api=faults(), on_storage=faults())
    def break_both(self, on_api: list[Fault], on_storage: list[Fault]) -> None:
        self.harness.api.play(on_api)
        self.harness.storage.play(on_storage)

    @rule()
    def another_user_schedules_a_job(self) -> None:
        """Add a new job of another program, so that no replay can have made it."""
        WHOLE.steps["another scheduled"] += 1
        self.added += 1
        self.sandbox.add_job(program_id="another", replayable=False)

    @rule(job=INDICES, size=st.integers(0, 200_000))
    def replace_result(self, job: int, size: int) -> None:
        WHOLE.steps["result replaced"] += 1
        job_id = self._job(job)
        self.replaced.setdefault(job_id, []).append(self.sandbox.result(job_id))
        self.sandbox.replace_result(job_id, result_bytes=size)

    # Calls

    @precondition(lambda self: self.actors)
    @rule(which=INDICES, stop=stops())
    def list_all(self, which: int, stop: Stop) -> None:
        before = set(self.sandbox.job_ids)
        outcome = self._call("list", which, lambda jobs, _: list_jobs(jobs), stop, limit=self._seconds_of_list(which))
        if outcome.is_success:
            found = [job.id for job in outcome.answer]
            assert len(found) == len(set(found)), "a job was listed twice"
            assert before <= set(found) <= set(self.sandbox.job_ids), "the list lacks jobs or invents some"

    @precondition(lambda self: self.actors)
    @rule(which=INDICES, job=INDICES, stop=stops())
    def get(self, which: int, job: int, stop: Stop) -> None:
        job_id = self._job(job)
        outcome = self._call("get", which, lambda jobs, _: jobs.get(job_id), stop, limit=self._seconds_of_get(which))
        self._check_job(outcome, job_id)

    @precondition(lambda self: self.actors)
    @rule(which=INDICES, job=INDICES, stop=stops())
    def get_by_generated_code(self, which: int, job: int, stop: Stop) -> None:
        job_id, limit = self._job(job), self.actors[which % len(self.actors)].settings.request_timeout

        def act(jobs: Any, _: Stopper) -> Any:
            return by_generated_code(jobs, get_job, job_id)

        outcome = self._call("generated", which, act, stop, limit=limit)
        assert not outcome.is_success or str(outcome.answer.id) == job_id

    @precondition(lambda self: self.actors)
    @rule(which=INDICES, job=INDICES, timeout=TIMEOUTS, stop=stops())
    def wait(self, which: int, job: int, timeout: float, stop: Stop) -> None:
        job_id = self._job(job)

        def act(jobs: Any, stopper: Stopper) -> Any:
            return jobs.wait(job_id, timeout, on_update=stopper.callback)

        outcome = self._call("wait", which, act, stop, waits=timeout, limit=timeout)
        self._check_job(outcome, job_id, is_done=True)

    @precondition(lambda self: self.actors)
    @rule(which=INDICES, several=SEVERAL_INDICES, timeout=TIMEOUTS, stop=stops())
    def wait_all(self, which: int, several: Sequence[int], timeout: float, stop: Stop) -> None:
        ids = self._several(several)

        def act(jobs: Any, stopper: Stopper) -> Any:
            return jobs.wait_all(ids, timeout, on_update=stopper.callback, return_exceptions=True)

        outcome = self._call("wait_all", which, act, stop, waits=timeout, limit=timeout)
        if outcome.is_success:
            assert [*outcome.answer] == ids
            for job_id, found in outcome.answer.items():
                assert isinstance(found, JobsError) or (found.id == job_id and found.status == "COMPLETED")

    @precondition(lambda self: self.actors)
    @rule(which=INDICES, job=INDICES, mode=MODES, stop=stops())
    def stream(self, which: int, job: int, mode: Mode, stop: Stop) -> None:
        job_id, data = self._job(job), bytearray()
        outcome = self._call(
            "stream", which, lambda jobs, _: read_stream(jobs, job_id, mode, data), stop, verifies=False
        )
        expected = bytes_of(self.sandbox.result(job_id))
        assert expected.startswith(data), f"{len(data)} wrong bytes"
        assert not outcome.is_success or len(data) == len(expected), "the stream ended too early"

    @precondition(lambda self: self.actors)
    @rule(
        which=INDICES, job=INDICES, name=st.integers(0, 2), overwrite=st.booleans(), resume=st.booleans(),
        connections=CONNECTIONS, mode=MODES, stop=stops(),
    )  # fmt: skip
    def download(
        self, which: int, job: int, name: int, *, overwrite: bool, resume: bool, connections: int | None, mode: Mode,
        stop: Stop,
    ) -> None:  # fmt: skip
        job_id, target = self._job(job), self._target(name)

        def act(jobs: Any, stopper: Stopper) -> Any:
            return jobs.download(
                job_id, target, overwrite=overwrite, resume=resume, connections=connections, mode=mode,
                on_progress=stopper.callback,
            )  # fmt: skip

        self._check_file(self._call("download", which, act, stop), job_id, target, overwrite=overwrite)

    @precondition(lambda self: self.actors)
    @rule(which=INDICES, job=INDICES, name=st.integers(0, 2), overwrite=st.booleans(), timeout=TIMEOUTS, stop=stops())
    def wait_and_download(
        self, which: int, job: int, name: int, *, overwrite: bool, timeout: float, stop: Stop
    ) -> None:
        job_id, target = self._job(job), self._target(name)

        def act(jobs: Any, stopper: Stopper) -> Any:
            return jobs.wait_and_download(
                job_id, target, timeout=timeout, overwrite=overwrite, on_update=stopper.callback
            )

        outcome = self._call("wait_and_download", which, act, stop, waits=timeout)
        self._check_file(outcome, job_id, target, overwrite=overwrite)

    @precondition(lambda self: self.actors)
    @rule(
        which=INDICES,
        several=SEVERAL_INDICES,
        concurrency=st.integers(1, 3),
        timeout=TIMEOUTS,
        mode=MODES,
        stop=stops(),
    )
    def fetch_all(
        self, which: int, several: Sequence[int], timeout: float, *, concurrency: int, mode: Mode, stop: Stop
    ) -> None:
        ids, folder = self._several(several), self.folder / "set"
        self.fetched.update(ids)

        def act(jobs: Any, stopper: Stopper) -> Any:
            return jobs.fetch_all(
                ids, folder, concurrency=concurrency, timeout=timeout, mode=mode, on_update=stopper.callback
            )

        outcome = self._call("fetch_all", which, act, stop, waits=timeout)
        if outcome.is_success:
            assert [*outcome.answer.outcomes] == ids
            for job_id, found in outcome.answer.files.items():
                assert found.sha256 in {version.sha256 for version in self._versions(job_id)}, (
                    "the digest of another file"
                )

    @precondition(lambda self: self.actors)
    @rule(which=INDICES, job=INDICES, stop=stops(), if_replayable=st.booleans())
    def replay(self, which: int, job: int, stop: Stop, *, if_replayable: bool) -> None:
        self._replay(which, [job], stop, if_replayable=if_replayable)

    @precondition(lambda self: self.actors)
    @rule(which=INDICES, several=st.lists(st.integers(0, 1), min_size=2, max_size=3), if_replayable=st.booleans())
    def replay_at_once(self, which: int, several: Sequence[int], *, if_replayable: bool) -> None:
        self._replay(which, several, NEVER, if_replayable=if_replayable)

    def _replay(self, which: int, several: Sequence[int], stop: Stop, *, if_replayable: bool) -> None:
        sources = {f"{number}": self._job(job) for number, job in enumerate(several, self.calls + 1)}
        verb = "replay_if_replayable" if if_replayable else "replay"
        known, started = self.oracle.answered_jobs, self.oracle.start(sources.items())
        acts = {name: lambda jobs, _, source=source: getattr(jobs, verb)(source) for name, source in sources.items()}
        # The call may get the job first and send its request; if the answer is lost, it reads the job and the list.
        get, attempts = self._seconds_of_get(which), self.actors[which % len(self.actors)].settings.attempts
        limit = 2 * get + attempts * (get + self._seconds_of_list(which))
        for call, outcome in zip(started, self._calls(verb, which, acts, stop, limit=limit), strict=True):
            if outcome.is_success and outcome.answer is not None:
                call.answered = outcome.answer.id
                self.jobs.append(outcome.answer.id)
            if isinstance(outcome.error, ReplayUncertainError):
                candidates = {job.id for job in outcome.error.candidates}
                assert candidates <= set(self.sandbox.job_ids), "candidates that do not exist"
                assert not candidates & known, "candidates that other calls have returned"

    # Invariants

    @invariant()
    def invariants_hold(self) -> None:
        self.replays_are_single()
        self.files_are_right()
        self.no_lock_is_left()

    def replays_are_single(self) -> None:
        sent = (request.headers[CALL_HEADER] for request in self.sandbox.requests if request.method == "PUT")
        self.oracle.check(self.harness.api.replays, sent)

    def files_are_right(self) -> None:
        for target, expected in self.files.items():
            found = target.read_bytes() if target.exists() else None
            assert found == expected, f"{target.name} has {len(found or b'')} wrong bytes"
        names = {path.name for path in self.folder.iterdir()} - {"set"}
        assert names <= {target.name + suffix for target in self.files for suffix in ("", *_PARTIAL_SUFFIXES)}, names
        folder = self.folder / "set"
        for path in folder.iterdir() if folder.exists() else ():
            name = path.name.removesuffix(".json").removesuffix(".part")
            job_id, _, extension = name.partition(".")
            assert job_id in self.fetched
            assert extension in {"csv", ""}, path.name  # none if the header that suggests it was corrupted
            versions = self._versions(job_id)  # a complete file stays even if the result has changed since
            assert name != path.name or path.read_bytes() in map(bytes_of, versions), path.name

    def no_lock_is_left(self) -> None:
        for part in self.folder.rglob("*.part"):
            with part.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def teardown(self) -> None:
        error = sys.exc_info()[1]
        harness = self.harness
        harness.api.clear_faults()
        harness.storage.clear_faults()
        harness.api.verifies = harness.storage.verifies = True
        try:
            if error is None and self.added:
                self._finish()
        except BaseException as failure:
            error = failure
            raise
        finally:
            for actor in self.actors:
                actor.close()
            harness.drop()
            self.stack.close()
            for proxy in (harness.api, harness.storage):
                WHOLE.injected += proxy.tally
                proxy.tally.clear()
            WHOLE.sessions["whole sessions"] += 1
            if not isinstance(error, StopTest | UnsatisfiedAssumption | None):
                self._report(error)

    def _report(self, violation: BaseException) -> None:
        """Print the first failed session. Hypothesis prints a shorter one if the violation happens again."""
        WHOLE.violations += 1
        if WHOLE.violations > 1:
            return
        print(f"violation in session {self.number}:", *self.log, sep="\n  ")  # noqa: T201 - for pytest
        traceback.print_exception(violation)

    def _finish(self) -> None:
        """Complete all downloads over a faultless network, and assert that nothing else is left."""
        patient = self._open(_PATIENT)
        for target, job_id in self.wanted.items():
            outcome = self._download_without_faults(patient, job_id, target)
            assert outcome.is_success, repr(outcome.error)
            self.files[target] = bytes_of(self.sandbox.result(job_id))
        if done := [job_id for job_id in self.fetched if job_id not in self._unfinished_jobs()]:
            for last in (False, True):
                outcome = patient.perform("", lambda jobs, _: jobs.fetch_all(done, self.folder / "set"))
                report = outcome.answer
                was_damaged = bool(self.harness.storage.damaged)
                if report.is_complete:
                    break
                assert was_damaged, report.errors
                assert not last, report.errors
        self.files_are_right()
        left = sorted(path.name for path in self.folder.rglob("*.part*") if self._can_finish(path))
        assert not left, left
        while self.actors:
            self.actors.pop().close()
        self._check_nothing_leaks()
        self.replays_are_single()
        replayed = [replay.new_job for replay in self.harness.api.replays if replay.new_job is not None]
        assert len(self.sandbox.job_ids) == self.added + len(replayed), "jobs that no replay made"

    def _download_without_faults(self, patient: Actor, job_id: str, target: Path) -> Outcome:
        def act(jobs: Any, _: Stopper) -> Any:
            return jobs.wait_and_download(job_id, target, overwrite=True)

        outcome = patient.perform("", act)
        # A checksum detects a corrupted partial file only at the end; the file is then removed.
        if isinstance(outcome.error, IntegrityError) and self.harness.storage.damaged:
            outcome = patient.perform("", act)
        return outcome

    def _unfinished_jobs(self) -> set[str]:
        return {job.id for job in self.sandbox._state.store.all() if job.final_status != "COMPLETED"}

    def _can_finish(self, path: Path) -> bool:
        return path.name.partition(".")[0] not in self._unfinished_jobs()

    def _versions(self, job_id: str) -> list[Result]:
        return [*self.replaced.get(job_id, ()), self.sandbox.result(job_id)]

    # Helpers

    def _call(
        self, verb: str, which: int, act: Act, stop: Stop = NEVER, *, waits: float = 0.0, limit: float | None = None,
        verifies: bool = True,
    ) -> Outcome:  # fmt: skip
        """Make a call and assert that it ends in time; see `_calls`."""
        acts = {f"{self.calls + 1}": act}
        (outcome,) = self._calls(verb, which, acts, stop, waits=waits, limit=limit, verifies=verifies)
        return outcome

    def _calls(
        self,
        verb: str,
        which: int,
        acts: Mapping[str, Act],
        stop: Stop,
        *,
        waits: float = 0.0,
        limit: float | None = None,
        verifies: bool = True,
    ) -> list[Outcome]:
        """Make calls at the same time, and assert that they end in time.

        Args:
            verb: The name of the method.
            which: The index of the client.
            acts: The calls by name.
            stop: How the test itself ends them.
            waits: The timeout of the wait, if they wait.
            limit: The seconds that each may take by its own arguments; None if it may continue while bytes arrive.
            verifies: Whether they verify checksums.
        """
        actor, harness = self.actors[which % len(self.actors)], self.harness
        harness.api.verifies = harness.storage.verifies = verifies
        seconds = actor.settings.request_timeout
        # Each fault may cost as long as an exchange may take, or as its bytes trickle.
        pending = [*harness.api.pending, *harness.storage.pending]
        costs = [seconds if fault.kind == "stall" else fault.seconds for fault in pending]
        by_faults = waits + sum(costs) + seconds
        deadline = by_faults if limit is None else min(limit, by_faults)
        self.log.append(f"{', '.join(acts)}: {verb} by {actor.settings}, {stop}")
        self.log.append(f"pending: {harness.api.pending} and {harness.storage.pending}")
        lag = harness.lag_monitor.lag_seconds
        outcomes = actor.perform_at_once(acts, stop)
        lag = harness.lag_monitor.lag_seconds - lag
        self.calls += len(acts)
        for outcome in outcomes:
            WHOLE.steps[verb] += 1
            WHOLE.outcomes[outcome.name] += 1
            WHOLE.worst = max(WHOLE.worst, outcome.seconds - deadline)
            self.log.append(f"-> {outcome.name} after {outcome.seconds:.3f} s {outcome.error or ''}")
            over = outcome.seconds - deadline - _THREADS_PER_CALL * lag
            message = f"{verb} took {outcome.seconds:.2f} s of {deadline:.2f} s; the machine lagged {lag:.2f} s"
            assert over <= _GRACE_SECONDS, message
        return outcomes

    def _seconds_of_get(self, which: int) -> float:
        settings = self.actors[which % len(self.actors)].settings
        return settings.attempts * settings.request_timeout

    def _seconds_of_list(self, which: int) -> float:
        # There may be one page more, because a job may be added meanwhile.
        pages = len(self.sandbox.job_ids) // self.options.page_size + 2 if self.options.list_shape == "pages" else 1
        return pages * self._seconds_of_get(which)

    def _job(self, number: int) -> str:
        return self.jobs[number % len(self.jobs)]

    def _several(self, numbers: Sequence[int]) -> list[str]:
        return [*dict.fromkeys(self._job(number) for number in numbers)]

    def _target(self, number: int) -> Path:
        target = self.folder / f"{number}.csv"
        self.files.setdefault(target, None)
        return target

    def _check_job(self, outcome: Outcome, job_id: str, *, is_done: bool = False) -> None:
        if outcome.is_success:
            job: Job = outcome.answer
            assert job.id == job_id, f"{job.id} instead of {job_id}"
            assert not is_done or job.status == "COMPLETED"

    def _check_file(self, outcome: Outcome, job_id: str, target: Path, *, overwrite: bool) -> None:
        expected, before = bytes_of(self.sandbox.result(job_id)), self.files[target]
        if job_id not in self._unfinished_jobs():
            self.wanted[target] = job_id
        if outcome.is_success:
            assert overwrite or before is None, "an existing file was overwritten"
            assert outcome.answer.bytes_written == len(expected)
            self.files[target] = expected
        elif not isinstance(outcome.error, JobsError) and target.exists() and target.read_bytes() == expected:
            self.files[target] = expected  # the interruption came too late
        if isinstance(outcome.error, DestinationExistsError):
            assert before is not None, "a lock was left"
            assert not overwrite, "a lock was left"

    def _check_nothing_leaks(self) -> None:
        self.leaks.check(drop=self.harness.drop)
