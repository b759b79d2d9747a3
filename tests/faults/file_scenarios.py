"""What is done to files while their calls fail, and what must hold afterwards.

Each scenario has the same methods:

- `prepare` creates the folder, and the files of others in it;
- `run_before` makes an earlier call, which meets no fault;
- `run` makes the call itself;
- `check` asserts what holds right after it, even if it raised; the outcome is "killed" if it did neither;
- `check_next` asserts that the next call, without a fault, puts everything right, and returns how many bytes it has
  resumed. With `may_leave`, it may leave a part that it cannot know to be its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pytest
from attrs import define, evolve, field, frozen
from impact_jobs import FetchReport, JobsError, profiles
from impact_jobs._download import checksums, filesystem, part_file, transfer
from impact_jobs._operations import download
from impact_jobs._transport import blocking
from impact_jobs.models import Secret
from impact_jobs.profiles import Profile
from impact_jobs.sandbox import Sandbox

from tests.faults.file_faults import Fault, OutOfTimeError
from tests.faults.harness import OLD, Call, InjectedError, bytes_of, run_download
from tests.faults.sets import SetCall, run_fetch_all

_BLOCKING: Final = Call("blocking")
SIZE: Final = 100_000
_OTHERS_FILES: Final = {"notes.txt": b"the user's", "b.csv.part": b"another program's"}


def shrink_file_thresholds(patch: pytest.MonkeyPatch) -> None:
    """Let a result of 100 kB have room reserved and two journals saved, and what is taken be tried for less long."""
    patch.setattr(blocking, "_JOINED_BYTES", 16 * 1024)
    patch.setattr(filesystem, "_PREALLOCATE_FROM_BYTES", 1)
    patch.setattr(transfer, "_COPY_BYTES", 32 * 1024)
    patch.setattr(part_file, "_CHECKPOINT_BYTES", 40_000)
    patch.setattr(part_file, "_DIGEST_FROM_BYTES", 40_000)
    patch.setattr(checksums, "_READ_BYTES", 64 * 1024)
    patch.setattr(tempfile, "TMP_MAX", 100)
    patch.setattr(download, "HOUR", 0.02)
    patch.setattr(download, "_LOCKED_SECONDS", 0.01)
    patch.setattr(download, "_PAUSE_SECONDS", 0.01)


@define
class Account:
    """A sandbox with three jobs, whose first result has two versions."""

    sandbox: Sandbox
    ids: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.ids = [self.sandbox.add_job(result_bytes=SIZE, result_seed=seed, age=3600) for seed in (1, 2, 3)]

    @property
    def options(self) -> dict[str, Any]:
        return self.sandbox._client_options()

    def use_version(self, seed: int) -> None:
        """Let the first result be the version of that seed."""
        self.sandbox.replace_result(self.ids[0], result_seed=seed)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _check_error(outcome: object) -> None:
    is_ours = not isinstance(outcome, BaseException) or isinstance(
        outcome, JobsError | KeyboardInterrupt | OutOfTimeError
    )
    assert is_ours, f"a raw error: {type(outcome).__name__}"


def _check_left(names: set[str], *, may_leave: bool) -> None:
    is_accepted = may_leave and all(name.endswith(".part") for name in names)
    assert not names or is_accepted, f"the next call leaves {', '.join(sorted(names))}"


def _leave_part(account: Account, job_id: str, target: Path) -> None:
    """Download about half of a result."""

    def stop(done: int, _total: int | None) -> None:
        if done >= SIZE // 2:
            raise InjectedError

    with pytest.raises(InjectedError):
        run_download(_BLOCKING, account.options, job_id, target, on_progress=stop)
    assert target.with_name(f"{target.name}.part").read_bytes() != bytes_of(account.sandbox.result(job_id))


@frozen
class Download:
    """One file, fetched into a folder that holds files of others as well."""

    name: str
    call: Call = _BLOCKING
    before: Literal["nothing", "old file", "part", "part of an older version", "another's part"] = "nothing"

    @property
    def others(self) -> dict[str, bytes]:
        """The files in the folder that are not ours."""
        return _OTHERS_FILES | ({"a.csv.part": b"another program's"} if self.before == "another's part" else {})

    def prepare(self, account: Account, folder: Path) -> None:
        del account
        folder.mkdir()
        for name, data in self.others.items():
            (folder / name).write_bytes(data)
        if self.before == "old file":
            self._target(folder).write_bytes(OLD)

    def run_before(self, account: Account, folder: Path) -> None:
        if self.before in {"part", "part of an older version"}:
            self.use_older_version(account)
            _leave_part(account, account.ids[0], self._target(folder))
            assert names_in(folder) - self.others.keys() == {"a.csv.part", "a.csv.part.json"}
        account.use_version(1)

    def run(self, options: dict[str, Any], ids: Sequence[str], folder: Path) -> Any:
        return self._download(self.call, options, ids, folder)

    def check(self, account: Account, folder: Path, outcome: Any, fault: Fault | None) -> None:
        del fault
        _check_error(outcome)
        target = self._target(folder)
        found, is_new = target.read_bytes() if target.exists() else None, self._is_new(account, folder)
        assert is_new or found == (OLD if self.before == "old file" else None), "a wrong file"
        assert is_new or isinstance(outcome, BaseException) or outcome == "killed", "success without the file"
        assert not (is_new and isinstance(outcome, JobsError)), "an error although the file is there"
        self._check_others(folder)

    def check_next(self, account: Account, folder: Path, *, may_leave: bool = False) -> int:
        target = self._target(folder)
        if self._is_new(account, folder):  # the user edits it in place, removes it, and wants the original again
            with target.open("r+b") as file:
                file.write(b"EDITED")
            target.unlink()
        done = self._download(evolve(self.call, resume=True), account.options, account.ids, folder)
        assert self._is_new(account, folder), "the next call gives a wrong file"
        _check_left(names_in(folder) - self.others.keys() - {target.name}, may_leave=may_leave)
        self._check_others(folder)
        resumed: int = done.resumed_from
        return resumed

    def use_older_version(self, account: Account) -> None:
        """Let the storage hold the result again that the earlier call has met."""
        account.use_version(9 if self.before == "part of an older version" else 1)

    def _download(self, call: Call, options: dict[str, Any], ids: Sequence[str], folder: Path) -> Any:
        return run_download(call, options, ids[0], self._target(folder), on_progress=lambda _done, _total: None)

    def _target(self, folder: Path) -> Path:
        return folder / "a.csv"

    def _is_new(self, account: Account, folder: Path) -> bool:
        target = self._target(folder)
        return target.exists() and target.read_bytes() == bytes_of(account.sandbox.result(account.ids[0]))

    def _check_others(self, folder: Path) -> None:
        kept = {name: (folder / name).read_bytes() for name in self.others if (folder / name).exists()}
        assert kept == self.others, "another's file was changed"


@frozen
class FetchAll:
    """Three files: one is there, one is there in part, and one is missing; or two, in a folder that is missing, too."""

    name: str
    call: SetCall
    is_fresh: bool = False

    def prepare(self, account: Account, folder: Path) -> None:
        account.use_version(1)
        folder.mkdir()
        if not self.is_fresh:
            (folder / "reports").mkdir()
            (folder / "reports" / f"{account.ids[0]}.csv").write_bytes(bytes_of(account.sandbox.result(account.ids[0])))

    def run_before(self, account: Account, folder: Path) -> None:
        if not self.is_fresh:
            _leave_part(account, account.ids[1], folder / "reports" / f"{account.ids[1]}.csv")

    def run(self, options: dict[str, Any], ids: Sequence[str], folder: Path) -> FetchReport:
        return run_fetch_all(self.call, options, self._wanted(ids), folder / "reports")

    def check(self, account: Account, folder: Path, outcome: Any, fault: Fault | None) -> None:
        _check_error(outcome)
        files = self._files(account, folder)
        is_once = fault is not None and fault.kind in {"fails", "fails after its effect"}
        owner = fault.call.name.partition("/")[2][:36] if fault else ""
        if isinstance(outcome, FetchReport):
            assert outcome.files.keys() <= files.keys(), "success without the file"
            # A file that was there before can be unreadable.
            wrong = (outcome.errors.keys() & files.keys()) - (set() if self.is_fresh else {account.ids[0]})
            assert not wrong, "an error although the file is there"
            assert not is_once or len(outcome.errors) <= 1, "one fault has spoilt the files of several jobs"
            assert not (is_once and owner) or outcome.errors.keys() <= {owner}, "a fault has spoilt another job's file"
        elif isinstance(outcome, JobsError):
            assert not (is_once and owner), "a fault of one job has ended the whole call"

    def check_next(self, account: Account, folder: Path, *, may_leave: bool = False) -> int:
        report = self.run(account.options, account.ids, folder)
        assert report.is_complete, "the next call has errors"
        assert self._files(account, folder).keys() == set(self._wanted(account.ids)), "the next call lacks files"
        left = names_in(folder / "reports") - {f"{job_id}.csv" for job_id in account.ids}
        _check_left({f"ID{name[36:]}" for name in left}, may_leave=may_leave)
        return sum(found.resumed_from for found in report.files.values() if found.connections)

    def _wanted(self, ids: Sequence[str]) -> Sequence[str]:
        return ids[1:] if self.is_fresh else ids

    def _files(self, account: Account, folder: Path) -> dict[str, Path]:
        """Return the files by job, and assert that they are right."""
        paths = {job_id: folder / "reports" / f"{job_id}.csv" for job_id in account.ids}
        found = {job_id: path for job_id, path in paths.items() if path.exists()}
        for job_id, path in found.items():
            assert path.read_bytes() == bytes_of(account.sandbox.result(job_id)), "a wrong file"
        return found


_OTHERS: Final = ("alpha", "beta")


def _profile(name: str, token: str) -> Profile:
    return Profile(name, "IR1", Secret(token))


@frozen
class Profiles:
    """The file of the command's profiles, which holds two or is missing."""

    name: str
    does: Literal["add", "replace", "remove"] = "add"
    is_first: bool = False

    def prepare(self, account: Account, folder: Path) -> None:
        del account
        folder.mkdir()
        for name in () if self.is_first else _OTHERS:
            profiles.save(_profile(name, "old-token"), folder=folder / "config")

    def run_before(self, account: Account, folder: Path) -> None:
        """Do nothing: a file of profiles is replaced as a whole, never in part."""

    def run(self, options: dict[str, Any], ids: Sequence[str], folder: Path) -> None:
        del options, ids
        if self.does == "remove":
            profiles.remove("alpha", folder=folder / "config")
        else:
            profile = _profile("alpha" if self.does == "replace" else "new", "new-token")
            profiles.save(profile, folder=folder / "config")

    def check(self, account: Account, folder: Path, outcome: Any, fault: Fault | None) -> None:
        del account, fault
        _check_error(outcome)
        found, before, after = self._stored(folder), self._before(), self._after()
        assert found in (before, after), "wrong profiles"
        assert found == after or isinstance(outcome, BaseException) or outcome == "killed", "success without effect"
        assert found == before or not isinstance(outcome, JobsError), "an error although the profile is stored"

    def check_next(self, account: Account, folder: Path, *, may_leave: bool = False) -> int:
        del account, may_leave
        found = self._stored(folder)
        profiles.save(_profile("next", "next-token"), folder=folder / "config")
        assert self._stored(folder) == found | {"next": "next-token"}, "the next call loses profiles"
        paths = (path for path in (folder / "config").iterdir() if path.name != profiles.FILE_NAME)
        left = [path.name for path in paths if b"-token" in path.read_bytes()]
        assert not left, "the next call leaves a file with tokens"
        return 0

    def _before(self) -> dict[str, str]:
        return {} if self.is_first else dict.fromkeys(_OTHERS, "old-token")

    def _after(self) -> dict[str, str]:
        if self.does == "remove":
            return {"beta": "old-token"}
        return self._before() | {"alpha" if self.does == "replace" else "new": "new-token"}

    def _stored(self, folder: Path) -> dict[str, str]:
        return {found.name: found.auth_token.reveal() for found in profiles.stored(folder / "config")}


Scenario: TypeAlias = Download | FetchAll | Profiles

_ALL: Final[tuple[Scenario, ...]] = (
    Download("default"),
    Download("overwrite", Call("blocking", overwrite=True), "old file"),
    Download("resume", before="part"),
    Download("begun anew", Call("blocking", resume=False), "part"),
    Download("changed result", before="part of an older version"),
    Download("another's part", before="another's part"),
    Download("four connections", Call("blocking", connections=4)),
    Download("stream mode", Call("blocking", mode="stream")),
    Download("async", Call("asynchronous", connections=2)),
    FetchAll("fetch_all", SetCall("blocking", concurrency=2)),
    FetchAll("fetch_all into a new folder", SetCall("asynchronous", concurrency=3), is_fresh=True),
    Profiles("first profile", is_first=True),
    Profiles("profile replaced", "replace"),
    Profiles("profile removed", "remove"),
)
SCENARIOS: Final = {scenario.name: scenario for scenario in _ALL}
