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
from impact_jobs.sandbox import Sandbox

from tests.provider.scheduling import FragileState, Killed, Killer


@define
class Store:
    """An object store that holds one object, in memory."""

    content: bytes | None = None
    uri: str = "s3://reports/may%20report.csv"
    name: str = "may report.csv"
    is_local: bool = False
    puts: int = 0
    killer: Killer = field(factory=Killer)

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
    assert deliver(delivery(target, may_be_there=True), sandbox, job).unchanged
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
        assert not deliver(delivery(target, state), sandbox, newer).unchanged, f"killed at point {kill_at}"
        assert read(target) == b"Id,Note\n1,c\n", f"killed at point {kill_at}"
        assert state.get(UPLOAD_KEY) is None
    assert kill_at >= 5, "the points of two notes"


def test_json_lines_have_all_pages(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.client() as jobs:
        job = jobs.export_report("agency_action_listing", result_format="JSON", start_date="2026-05-01").id
    found = deliver(delivery(LocalFile(tmp_path / "may.jsonl")), sandbox, job, "JSON")
    assert found.rows == len((tmp_path / "may.jsonl").read_text().splitlines())


def test_a_name_is_not_cut_as_if_it_were_a_query_or_a_fragment(sandbox: Sandbox) -> None:
    with sandbox.client() as jobs:
        job = jobs.export_report("agency_action_listing", result_format="JSON", start_date="2026-05-01").id
    store = Store(uri="s3://reports/?1#2.jsonl", name="?1#2.jsonl")
    assert deliver(delivery(store), sandbox, job, "JSON").rows == len((read(store) or b"").splitlines())


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
