"""Whole sessions as a state machine: clients come and go, call this and that, and meet what was played for them."""

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
from impact_jobs.sandbox import ResultFile, Sandbox

from tests.faults.actors import (
    NEVER,
    Act,
    Outcome,
    Player,
    Settings,
    Stop,
    Stopper,
    listed,
    streamed,
)
from tests.faults.exchanges import CALL_HEADER, Fault
from tests.faults.harness import Leaks, bytes_of
from tests.faults.plans import (
    CONNECTIONS,
    MODES,
    PLANS,
    SETTINGS_OF_CLIENTS,
    SEVERAL,
    TIMEOUTS,
    WHICH,
    WORLDS,
    Mode,
    Plan,
    World,
    faults,
    stops,
)
from tests.faults.replay_oracle import Ledger
from tests.faults.session_harness import WholeStage
from tests.support.driving import by_generated_code
from tests.support.tally import WHOLE

_GRACE_SECONDS: Final = 1.0  # the issue's own: no call outlives its deadline by more
_MOST_CLIENTS: Final = 3
_THREADS_IN_TURN: Final = 3  # the client's, the proxy's and the sandbox's: each may have been as late as the canary
_PATIENT: Final = Settings("blocking", tls=False, attempts=1, request_timeout=30.0)
_HALVES: Final = (".part", ".part.json")


class WholeSession(RuleBasedStateMachine):
    """One session. What a rule draws never depends on how a call ended, which is a matter of microseconds."""

    def __init__(self, stage: WholeStage) -> None:
        super().__init__()
        self.stage = stage
        self.number = next(stage.numbers)
        self.folder = stage.folder / str(self.number)
        self.folder.mkdir()
        self.stack = ExitStack()
        self.players: list[Player] = []
        self.jobs: list[str] = []
        self.added = 0
        self.ledger = Ledger()
        self.replaced: dict[str, list[ResultFile]] = {}
        self.files: dict[Path, bytes | None] = {}  # what is to stand under each name
        self.wanted: dict[Path, str] = {}  # the job that was last to get it
        self.fetched: set[str] = set()
        self.calls = 0
        self.told: list[str] = []
        stage.api.replays.clear()
        stage.storage.spoilt = stage.api.spoilt = 0

    # The stage

    @initialize(world=WORLDS, plans=st.lists(PLANS, min_size=2, max_size=5), first=SETTINGS_OF_CLIENTS)
    def begin(self, world: World, plans: list[Plan], first: Settings) -> None:
        self.world = world
        self.sandbox = self.stack.enter_context(
            Sandbox(
                seed=self.number,
                job_seconds=0,
                hourly_budget=10**8,
                list_shape=world.list_shape,
                page_size=world.page_size,
                stringly=world.stringly,
                checksums=world.checksums,
            )
        )
        self.stage.api.origin, self.stage.storage.origin = self.sandbox.base_url, self.sandbox.storage_url
        self.sandbox._state.storage_url = self.stage.storage.url(tls=False)  # signed links lead through the proxy
        for number, plan in enumerate(plans):
            self.jobs.append(self._add(number, plan))
        self.leaks = Leaks()
        self._open(first)

    def _add(self, number: int, plan: Plan) -> str:
        self.added += 1
        options: dict[str, Any] = {"result_bytes": plan.size, "result_seed": number, "age": 3600.0}
        match plan.state:
            case "done, not replayable":
                options["replayable"] = False
            case "done, runs again for a while":
                options["seconds"] = 0.03
            # None is new: of two new jobs of one kind a list cannot tell which of them a replay has made.
            case "soon":
                options |= {"seconds": 60.03, "age": 60.0, "replayable": False}  # else its replay would take as long
            case "stuck":
                options["status"] = "RUNNING"
            case "failed":
                options["status"] = "FAILED"
            case _:
                pass
        return self.sandbox.add_job(**options)

    @precondition(lambda self: len(self.players) < _MOST_CLIENTS)
    @rule(settings=SETTINGS_OF_CLIENTS)
    def open_client(self, settings: Settings) -> None:
        WHOLE.steps["open"] += 1
        self._open(settings)

    def _open(self, settings: Settings) -> Player:
        stage = self.stage
        account = {
            "account_sid": self.sandbox.account_sid,
            "auth_token": self.sandbox.auth_token,
            "base_url": stage.api.url(tls=settings.tls),
        }
        player = Player.of(settings, account, stage.runner, stage.client_tls)
        self.players.append(player)
        return player

    @precondition(lambda self: self.players)
    @rule(which=WHICH)
    def close_client(self, which: int) -> None:
        WHOLE.steps["close"] += 1
        self.players.pop(which % len(self.players)).close()
        if not self.players:
            self._check_nothing_leaks()

    @rule(script=faults())
    def play_on_api(self, script: list[Fault]) -> None:
        self.stage.api.play(script)

    @rule(script=faults())
    def play_on_storage(self, script: list[Fault]) -> None:
        self.stage.storage.play(script)

    @rule(on_api=faults(), on_storage=faults())
    def play(self, on_api: list[Fault], on_storage: list[Fault]) -> None:
        self.stage.api.play(on_api)
        self.stage.storage.play(on_storage)

    @rule()
    def somebody_schedules_another(self) -> None:
        """A new job, but of a program that nothing here is of: no replay made it."""
        WHOLE.steps["another scheduled"] += 1
        self.added += 1
        self.sandbox.add_job(program_id="another", replayable=False)

    @rule(job=WHICH, size=st.integers(0, 200_000))
    def replace_result(self, job: int, size: int) -> None:
        WHOLE.steps["result replaced"] += 1
        job_id = self._job(job)
        self.replaced.setdefault(job_id, []).append(self.sandbox.result(job_id))
        self.sandbox.replace_result(job_id, result_bytes=size)

    # Calls

    @precondition(lambda self: self.players)
    @rule(which=WHICH, stop=stops())
    def list_jobs(self, which: int, stop: Stop) -> None:
        before = set(self.sandbox.job_ids)
        outcome = self._call("list", which, lambda jobs, _: listed(jobs), stop, limit=self._seconds_of_list(which))
        if outcome.is_success:
            found = [job.id for job in outcome.answer]
            assert len(found) == len(set(found)), "a job is listed twice"
            assert before <= set(found) <= set(self.sandbox.job_ids), "the list is wrong"

    @precondition(lambda self: self.players)
    @rule(which=WHICH, job=WHICH, stop=stops())
    def get(self, which: int, job: int, stop: Stop) -> None:
        job_id = self._job(job)
        outcome = self._call("get", which, lambda jobs, _: jobs.get(job_id), stop, limit=self._seconds_of_get(which))
        self._check_job(outcome, job_id)

    @precondition(lambda self: self.players)
    @rule(which=WHICH, job=WHICH, stop=stops())
    def get_by_generated_code(self, which: int, job: int, stop: Stop) -> None:
        job_id, limit = self._job(job), self.players[which % len(self.players)].settings.request_timeout

        def act(jobs: Any, _: Stopper) -> Any:
            return by_generated_code(jobs, get_job, job_id)

        outcome = self._call("generated", which, act, stop, limit=limit)
        assert not outcome.is_success or str(outcome.answer.id) == job_id

    @precondition(lambda self: self.players)
    @rule(which=WHICH, job=WHICH, timeout=TIMEOUTS, stop=stops())
    def wait(self, which: int, job: int, timeout: float, stop: Stop) -> None:
        job_id = self._job(job)

        def act(jobs: Any, stopper: Stopper) -> Any:
            return jobs.wait(job_id, timeout, on_update=stopper.callback)

        outcome = self._call("wait", which, act, stop, waits=timeout, limit=timeout)
        self._check_job(outcome, job_id, is_done=True)

    @precondition(lambda self: self.players)
    @rule(which=WHICH, several=SEVERAL, timeout=TIMEOUTS, stop=stops())
    def wait_all(self, which: int, several: Sequence[int], timeout: float, stop: Stop) -> None:
        ids = self._several(several)

        def act(jobs: Any, stopper: Stopper) -> Any:
            return jobs.wait_all(ids, timeout, on_update=stopper.callback, return_exceptions=True)

        outcome = self._call("wait_all", which, act, stop, waits=timeout, limit=timeout)
        if outcome.is_success:
            assert [*outcome.answer] == ids
            for job_id, found in outcome.answer.items():
                assert isinstance(found, JobsError) or (found.id == job_id and found.status == "COMPLETED")

    @precondition(lambda self: self.players)
    @rule(which=WHICH, job=WHICH, mode=MODES, stop=stops())
    def stream(self, which: int, job: int, mode: Mode, stop: Stop) -> None:
        job_id, data = self._job(job), bytearray()
        outcome = self._call("stream", which, lambda jobs, _: streamed(jobs, job_id, mode, data), stop, verifies=False)
        right = bytes_of(self.sandbox.result(job_id))
        assert right.startswith(data), f"{len(data)} bytes, and wrong ones"
        assert not outcome.is_success or len(data) == len(right), "an end that is none"

    @precondition(lambda self: self.players)
    @rule(
        which=WHICH, job=WHICH, name=st.integers(0, 2), overwrite=st.booleans(), resume=st.booleans(),
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

    @precondition(lambda self: self.players)
    @rule(which=WHICH, job=WHICH, name=st.integers(0, 2), overwrite=st.booleans(), timeout=TIMEOUTS, stop=stops())
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

    @precondition(lambda self: self.players)
    @rule(which=WHICH, several=SEVERAL, concurrency=st.integers(1, 3), timeout=TIMEOUTS, mode=MODES, stop=stops())
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
                assert found.sha256 in {version.sha256 for version in self._versions(job_id)}, "another file's digest"

    @precondition(lambda self: self.players)
    @rule(which=WHICH, job=WHICH, stop=stops(), if_replayable=st.booleans())
    def replay(self, which: int, job: int, stop: Stop, *, if_replayable: bool) -> None:
        self._replay(which, [job], stop, if_replayable=if_replayable)

    @precondition(lambda self: self.players)
    @rule(which=WHICH, several=st.lists(st.integers(0, 1), min_size=2, max_size=3), if_replayable=st.booleans())
    def replay_at_once(self, which: int, several: Sequence[int], *, if_replayable: bool) -> None:
        self._replay(which, several, NEVER, if_replayable=if_replayable)

    def _replay(self, which: int, several: Sequence[int], stop: Stop, *, if_replayable: bool) -> None:
        sources = {f"{number}": self._job(job) for number, job in enumerate(several, self.calls + 1)}
        verb = "replay_if_replayable" if if_replayable else "replay"
        known, begun = self.ledger.known, self.ledger.begin(sources.items())
        acts = {name: lambda jobs, _, source=source: getattr(jobs, verb)(source) for name, source in sources.items()}
        # Its own tries, a look or none at whether it may; then as many looks at the job and the list, if need be.
        look, attempts = self._seconds_of_get(which), self.players[which % len(self.players)].settings.attempts
        limit = 2 * look + attempts * (look + self._seconds_of_list(which))
        for call, outcome in zip(begun, self._calls(verb, which, acts, stop, limit=limit), strict=True):
            if outcome.is_success and outcome.answer is not None:
                call.answered = outcome.answer.id
                self.jobs.append(outcome.answer.id)
            if isinstance(outcome.error, ReplayUncertainError):
                candidates = {job.id for job in outcome.error.candidates}
                assert candidates <= set(self.sandbox.job_ids), "candidates that the server does not have"
                assert not candidates & known, "candidates that other calls were told to be theirs"

    # What must be true whatever happens

    @invariant()
    def all_is_well(self) -> None:
        self.replays_are_single()
        self.files_are_right()
        self.no_lock_is_left()

    def replays_are_single(self) -> None:
        sent = (request.headers[CALL_HEADER] for request in self.sandbox.requests if request.method == "PUT")
        self.ledger.check(self.stage.api.replays, sent)

    def files_are_right(self) -> None:
        for target, right in self.files.items():
            found = target.read_bytes() if target.exists() else None
            assert found == right, f"{target.name} is {len(found or b'')} bytes, and wrong"
        names = {path.name for path in self.folder.iterdir()} - {"set"}
        assert names <= {target.name + half for target in self.files for half in ("", *_HALVES)}, names
        folder = self.folder / "set"
        for path in folder.iterdir() if folder.exists() else ():
            whole = path.name.removesuffix(".json").removesuffix(".part")
            job_id, _, extension = whole.partition(".")
            assert job_id in self.fetched
            assert extension in {"csv", ""}, path.name  # it has none where what suggests it was spoilt on its way
            versions = self._versions(job_id)  # a name is proof enough, so an earlier one stays
            assert whole != path.name or path.read_bytes() in map(bytes_of, versions), path.name

    def no_lock_is_left(self) -> None:
        for part in self.folder.rglob("*.part"):
            with part.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def teardown(self) -> None:
        error = sys.exc_info()[1]
        stage = self.stage
        stage.api.calm()
        stage.storage.calm()
        stage.api.verifies = stage.storage.verifies = True
        try:
            if error is None and self.added:
                self._end_well()
        except BaseException as failure:
            error = failure
            raise
        finally:
            for player in self.players:
                player.close()
            stage.drop()
            self.stack.close()
            for proxy in (stage.api, stage.storage):
                WHOLE.injected += proxy.tally
                proxy.tally.clear()
            WHOLE.sessions["whole sessions"] += 1
            if not isinstance(error, StopTest | UnsatisfiedAssumption | None):
                self._tell_of(error)

    def _tell_of(self, violation: BaseException) -> None:
        """Print the first such session. Hypothesis prints one of fewer steps, where the violation happens again."""
        WHOLE.violations += 1
        if WHOLE.violations > 1:
            return
        print(f"violation in session {self.number}:", *self.told, sep="\n  ")  # noqa: T201 - for pytest
        traceback.print_exception(violation)

    def _end_well(self) -> None:
        """Everything that was wanted is there in the end, by an honest network, and nothing is left."""
        patient = self._open(_PATIENT)
        for target, job_id in self.wanted.items():
            outcome = self._download_honestly(patient, job_id, target)
            assert outcome.is_success, repr(outcome.error)
            self.files[target] = bytes_of(self.sandbox.result(job_id))
        if done := [job_id for job_id in self.fetched if job_id not in self._never_done()]:
            for last in (False, True):
                outcome = patient.perform("", lambda jobs, _: jobs.fetch_all(done, self.folder / "set"))
                report = outcome.answer
                is_spoilt = bool(self.stage.storage.spoilt)
                if report.is_complete:
                    break
                assert is_spoilt, report.errors
                assert not last, report.errors
        self.files_are_right()
        left = sorted(path.name for path in self.folder.rglob("*.part*") if self._is_due(path))
        assert not left, left
        while self.players:
            self.players.pop().close()
        self._check_nothing_leaks()
        self.replays_are_single()
        children = [found.child for found in self.stage.api.replays if found.child is not None]
        assert len(self.sandbox.job_ids) == self.added + len(children), "jobs that no replay answers for"

    def _download_honestly(self, patient: Player, job_id: str, target: Path) -> Outcome:
        def act(jobs: Any, _: Stopper) -> Any:
            return jobs.wait_and_download(job_id, target, overwrite=True)

        outcome = patient.perform("", act)
        # Of a half file that was spoilt on its way the checksum tells only at the end; then it is gone.
        if isinstance(outcome.error, IntegrityError) and self.stage.storage.spoilt:
            outcome = patient.perform("", act)
        return outcome

    def _never_done(self) -> set[str]:
        return {job.id for job in self.sandbox._state.store.all() if job.final_status != "COMPLETED"}

    def _is_due(self, path: Path) -> bool:
        return path.name.partition(".")[0] not in self._never_done()

    def _versions(self, job_id: str) -> list[ResultFile]:
        return [*self.replaced.get(job_id, ()), self.sandbox.result(job_id)]

    # Means to these ends

    def _call(
        self, verb: str, which: int, act: Act, stop: Stop = NEVER, *, waits: float = 0.0, limit: float | None = None,
        verifies: bool = True,
    ) -> Outcome:  # fmt: skip
        """Make a call, and see that it ends in time; see `_calls`."""
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
        """Make calls side by side, and see that they end in time.

        Args:
            verb: Their name.
            which: The client.
            acts: Make them, each by the name of its own.
            stop: What ends them from our side.
            waits: How many seconds of waiting were asked for.
            limit: How many seconds each may take by its own arguments, whatever the network does; None where it may go
                on as long as bytes come.
            verifies: Whether they look at checksums.
        """
        player, stage = self.players[which % len(self.players)], self.stage
        stage.api.verifies = stage.storage.verifies = verifies
        seconds = player.settings.request_timeout
        # Each fault may cost as much as an exchange may take, or as long as bytes trickle.
        to_come = [*stage.api.pending, *stage.storage.pending]
        costs = [seconds if fault.kind == "stall" else fault.seconds for fault in to_come]
        by_faults = waits + sum(costs) + seconds
        deadline = by_faults if limit is None else min(limit, by_faults)
        self.told.append(f"{', '.join(acts)}: {verb} by {player.settings}, {stop}")
        self.told.append(f"with {stage.api.pending} and {stage.storage.pending} to come")
        late = stage.canary.lateness
        outcomes = player.perform_at_once(acts, stop)
        late = stage.canary.lateness - late
        self.calls += len(acts)
        for outcome in outcomes:
            WHOLE.steps[verb] += 1
            WHOLE.outcomes[outcome.name] += 1
            WHOLE.worst = max(WHOLE.worst, outcome.seconds - deadline)
            self.told.append(f"-> {outcome.name} after {outcome.seconds:.3f} s {outcome.error or ''}")
            over = outcome.seconds - deadline - _THREADS_IN_TURN * late
            told = f"{verb} took {outcome.seconds:.2f} s; due were {deadline:.2f}; late {late:.2f}"
            assert over <= _GRACE_SECONDS, told
        return outcomes

    def _seconds_of_get(self, which: int) -> float:
        settings = self.players[which % len(self.players)].settings
        return settings.attempts * settings.request_timeout

    def _seconds_of_list(self, which: int) -> float:
        # One page more, for a job may be added while it is read.
        pages = len(self.sandbox.job_ids) // self.world.page_size + 2 if self.world.list_shape == "pages" else 1
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
            assert job.id == job_id, f"{job.id} in place of {job_id}"
            assert not is_done or job.status == "COMPLETED"

    def _check_file(self, outcome: Outcome, job_id: str, target: Path, *, overwrite: bool) -> None:
        right, before = bytes_of(self.sandbox.result(job_id)), self.files[target]
        if job_id not in self._never_done():
            self.wanted[target] = job_id
        if outcome.is_success:
            assert overwrite or before is None, "it was there, and was not to be overwritten"
            assert outcome.answer.bytes_written == len(right)
            self.files[target] = right
        elif not isinstance(outcome.error, JobsError) and target.exists() and target.read_bytes() == right:
            self.files[target] = right  # too late to be stopped
        if isinstance(outcome.error, DestinationExistsError):
            assert before is not None, "a lock was left behind"
            assert not overwrite, "a lock was left behind"

    def _check_nothing_leaks(self) -> None:
        self.leaks.check(drop=self.stage.drop)
