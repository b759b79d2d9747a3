"""A result arrives once, and not over a file of another origin, whenever the task is killed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from impact_jobs import ConfigurationError, DestinationExistsError, DownloadError
from impact_jobs.airflow._delivery import FILE_KEY, UPLOAD_KEY, Delivered, Delivery
from impact_jobs.airflow._task_state import Memory
from impact_jobs.pytest_plugin import ImpactClock
from impact_jobs.sandbox import Sandbox

from tests.provider.scheduling import FragileState, Killed, Killer, sandbox_of


@define
class Store:
    """An object store that holds one object, in memory."""

    content: bytes | None = None
    uri: str = "s3://reports/may report.csv"
    is_local: bool = False
    puts: int = 0
    killer: Killer = field(factory=Killer)

    @property
    def name(self) -> str:
        return self.uri.rpartition("/")[2]

    @property
    def local_path(self) -> Path:
        raise AssertionError("it is not on this machine")

    def exists(self) -> bool:
        return self.content is not None

    def sha256(self) -> str | None:
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()

    def put(self, source: Path, *, sha256: str, memory: Memory, verify: bool = True, overwrite: bool = True) -> None:
        assert source.name == self.name
        assert overwrite or self.content is None
        assert verify
        memory.set({"upload": "1"})
        self.killer.point()
        self.content = source.read_bytes()
        self.killer.point()
        self.puts += 1
        assert self.sha256() == sha256
        memory.delete()

    def abandon(self, memory: Memory) -> None:
        memory.delete()


@define
class LocalFile:
    local_path: Path
    is_local: bool = True

    @property
    def uri(self) -> str:
        return self.local_path.as_uri()

    @property
    def name(self) -> str:
        return self.local_path.name

    def exists(self) -> bool:
        return self.local_path.exists()

    def sha256(self) -> str | None:
        return hashlib.sha256(self.local_path.read_bytes()).hexdigest() if self.exists() else None

    def put(self, *_: Any, **__: Any) -> None:
        raise AssertionError("it is downloaded to its path")

    def abandon(self, memory: Memory) -> None:
        assert memory.get() is None


def delivery(target: Any, state: FragileState | None = None, **options: Any) -> Delivery:
    used = state or FragileState()
    return Delivery(target=target, file=Memory(used, FILE_KEY), upload=Memory(used, UPLOAD_KEY), **options)


def deliver(each: Delivery, sandbox: Sandbox, job: str, result_format: str = "CSV") -> Delivered:
    each.check()
    with sandbox.client() as jobs:
        return each.deliver(jobs, job, result_format=result_format)


@pytest.fixture
def job(sandbox: Sandbox) -> str:
    return sandbox.add_job(content=b"Id,Note\n1,a\n2,b\n")


@pytest.fixture(params=["local", "remote"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return LocalFile(tmp_path / "new" / "may report.csv") if request.param == "local" else Store()


def read(target: Any) -> bytes | None:
    if isinstance(target, Store):
        return target.content
    return target.local_path.read_bytes() if target.exists() else None


def fill(target: Any, content: bytes) -> None:
    if isinstance(target, Store):
        target.content = content
    else:
        target.local_path.parent.mkdir(exist_ok=True)
        target.local_path.write_bytes(content)


def test_a_result_is_described(target: Any, sandbox: Sandbox, job: str) -> None:
    found = deliver(delivery(target), sandbox, job)
    content = read(target)
    assert content == b"Id,Note\n1,a\n2,b\n"
    assert found.uri == target.uri
    assert found.as_dict() == {
        "job_id": job,
        "rows": 2,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "unchanged": False,
    }


def test_a_completed_job_is_not_asked_for_again(target: Any, sandbox: Sandbox, job: str) -> None:
    deliver(delivery(target), sandbox, job)
    assert [request.path.rpartition("/")[2] for request in sandbox.requests] == ["Download", f"{job}.csv"]


def test_a_file_of_another_origin_stays(target: Any, sandbox: Sandbox, job: str) -> None:
    fill(target, b"precious")
    each = delivery(target)
    with pytest.raises(DestinationExistsError, match=r"overwrite=True"):
        each.check()
    with sandbox.client() as jobs, pytest.raises(DestinationExistsError):
        each.deliver(jobs, job, result_format="CSV")
    assert read(target) == b"precious"


def test_a_file_of_another_origin_is_replaced_on_request(target: Any, sandbox: Sandbox, job: str) -> None:
    fill(target, b"precious")
    assert not deliver(delivery(target, overwrite=True), sandbox, job).unchanged
    assert read(target) != b"precious"


def test_a_second_delivery_is_unchanged(target: Any, sandbox: Sandbox, job: str) -> None:
    state = FragileState()
    first = deliver(delivery(target, state), sandbox, job)
    second = deliver(delivery(target, state, clears=1), sandbox, job)
    assert second.unchanged
    assert second.sha256 == first.sha256
    assert not isinstance(target, Store) or target.puts == 1


def test_what_the_task_has_not_succeeded_with_is_not_unchanged(target: Any, sandbox: Sandbox, job: str) -> None:
    """Each number is how often the task was cleared before a try; all but the last of a number have failed."""
    state, newer = FragileState(), sandbox.add_job(content=b"Id,Note\n1,c\n")
    tries = [(0, job), (0, job), (0, job), (1, job), (2, newer), (2, newer), (3, newer)]
    found = [deliver(delivery(target, state, clears=clears), sandbox, each).unchanged for clears, each in tries]
    assert found == [False, False, False, True, False, False, True]


def test_a_file_whose_writer_was_killed_is_not_unchanged(sandbox: Sandbox, job: str) -> None:
    state, store = FragileState(), Store(killer=Killer(2))  # after the upload
    with pytest.raises(Killed):
        deliver(delivery(store, state), sandbox, job)
    assert store.content is not None
    for clears, unchanged in [(1, False), (1, False), (2, True)]:
        assert deliver(delivery(store, state, clears=clears), sandbox, job).unchanged == unchanged
    assert store.puts == 0


def test_the_tasks_own_file_is_replaced_by_a_newer_result(target: Any, sandbox: Sandbox, job: str) -> None:
    state = FragileState()
    deliver(delivery(target, state), sandbox, job)
    newer = sandbox.add_job(content=b"Id,Note\n1,c\n")
    assert not deliver(delivery(target, state), sandbox, newer).unchanged
    assert read(target) == b"Id,Note\n1,c\n"


def test_the_tasks_own_file_that_another_has_replaced_stays(target: Any, sandbox: Sandbox, job: str) -> None:
    state = FragileState()
    deliver(delivery(target, state), sandbox, job)
    fill(target, b"precious")
    with pytest.raises(DestinationExistsError):
        delivery(target, state).check()


def test_the_state_of_another_path_is_not_used(sandbox: Sandbox, job: str) -> None:
    state, first = FragileState(), Store()
    deliver(delivery(first, state), sandbox, job)
    with pytest.raises(DestinationExistsError):
        delivery(Store(first.content, uri="s3://reports/other.csv"), state).check()


def test_without_a_lasting_state_an_equal_file_is_recognised(target: Any, sandbox: Sandbox, job: str) -> None:
    deliver(delivery(target), sandbox, job)
    assert not deliver(delivery(target, may_be_there=True), sandbox, job).unchanged, "no note says who knows of it"
    fill(target, b"precious")
    with pytest.raises(DestinationExistsError):
        deliver(delivery(target, may_be_there=True), sandbox, job)
    assert read(target) == b"precious"


@pytest.mark.parametrize("earlier", [False, True], ids=["new", "replaced"])
def test_a_task_that_is_killed_at_any_point_delivers_once(
    target: Any, sandbox: Sandbox, job: str, tmp_path: Path, *, earlier: bool
) -> None:
    newer = sandbox.add_job(content=b"Id,Note\n1,c\n")
    for kill_at in range(1, 100):
        state = FragileState()
        if isinstance(target, Store):
            target = Store(uri=target.uri)
        else:
            target = LocalFile(tmp_path / str(kill_at) / "may report.csv")
        if earlier:
            deliver(delivery(target, state), sandbox, job)
        state.killer = Killer(kill_at)
        if isinstance(target, Store):
            target.killer = state.killer
        try:
            deliver(delivery(target, state), sandbox, newer)
        except Killed:
            assert read(target) in (None, b"Id,Note\n1,a\n2,b\n", b"Id,Note\n1,c\n")
        else:
            break
        deliver(delivery(target, state), sandbox, newer)
        assert read(target) == b"Id,Note\n1,c\n", f"killed at point {kill_at}"
        assert state.get(UPLOAD_KEY) is None
    assert kill_at >= 5, "the points of two notes"


@pytest.mark.parametrize("name", ["may.jsonl", "a?b.jsonl", "a%2Fb#c.jsonl"])
@pytest.mark.parametrize("is_local", [True, False])
def test_json_lines_have_all_pages(clock: ImpactClock, tmp_path: Path, name: str, *, is_local: bool) -> None:
    target = LocalFile(tmp_path / name) if is_local else Store(uri=f"s3://reports/{name}")
    with sandbox_of(1, json_shape="pages", json_page_rows=3, rows_per_day=9, clock=clock.time) as sandbox:
        with sandbox.client() as jobs:
            job = jobs.export_report(
                "agency_action_listing", result_format="JSON", start_date="2026-05-01", end_date="2026-05-01"
            )
        found = deliver(delivery(target), sandbox, job.id, "JSON")
    assert found.rows == len((read(target) or b"").splitlines()) > 3


def test_a_folder_that_cannot_be_made_is_said_before_any_request(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made: Not a directory"):
        delivery(LocalFile(tmp_path / "file" / "folder" / "may.csv")).check()


def test_a_failed_upload_leaves_what_the_next_try_needs(sandbox: Sandbox, job: str, monkeypatch: Any) -> None:
    state, store = FragileState(), Store()

    def fail(*_: Any, memory: Memory, **__: Any) -> None:
        memory.set({"upload": "1"})
        raise DownloadError("the store is busy")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", fail)
        with pytest.raises(DownloadError):
            deliver(delivery(store, state), sandbox, job)
    assert state.get(UPLOAD_KEY) == {"upload": "1"}
    deliver(delivery(store, state), sandbox, job)
    assert store.puts == 1
