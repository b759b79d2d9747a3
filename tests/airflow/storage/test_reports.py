"""A report on its whole way to an S3-compatible server, by Airflow's connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.io.store import _STORE_CACHE
from impact_jobs.airflow import ImpactReportToStorageOperator
from impact_jobs.airflow._task_state import MemoryState
from impact_jobs.sandbox import Sandbox

from tests.airflow.connections import connection_to, set_connection
from tests.airflow.driving import MAY, TaskRun, of, sent
from tests.airflow.storage.stores import ACCESS, BUCKET, SECRET, S3Server


class KilledAt(MemoryState):
    """A state whose process is killed right after one of its writes or removals."""

    def __init__(self, change: int) -> None:
        super().__init__()
        self.left = change

    def set(self, key: str, value: Any) -> None:
        super().set(key, value)
        self._count()

    def delete(self, key: str) -> None:
        super().delete(key)
        self._count()

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, s3: S3Server) -> Iterator[Sandbox]:
    extra = {"endpoint_url": s3.url}
    aws = {"conn_type": "aws", "login": ACCESS, "password": SECRET, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_TEST", json.dumps(aws))
    _STORE_CACHE.pop("s3-aws_test", None)
    with Sandbox(job_seconds=0.2, hourly_budget=None, rows_per_day=1) as sandbox:
        set_connection(monkeypatch, connection_to(sandbox))
        yield sandbox


def pull(key: str, **changes: Any) -> TaskRun:
    arguments = {**MAY, "path": f"s3://{BUCKET}/{key}", "storage_conn_id": "aws_test", **changes}
    return of(ImpactReportToStorageOperator, **arguments)


def test_a_report_arrives_in_the_store(sandbox: Sandbox, s3: S3Server, key: str) -> None:
    run = pull(key)
    result = run.start()
    assert s3.body(key) == b"".join(sandbox.result(result["job_id"]).read())
    assert result["path"] == f"s3://{BUCKET}/{key}"
    ((uri, extra),) = run.asset_events.items()
    assert (uri, extra["bytes"]) == (f"s3://{BUCKET}/{key}", len(s3.body(key) or b""))
    run.clear()
    assert run.start()["unchanged"]


def test_an_object_storage_path_names_its_connection(sandbox: Sandbox, s3: S3Server, key: str) -> None:
    del sandbox
    path = ObjectStoragePath(f"s3://aws_test@{BUCKET}/{key}")
    result = pull(key, path=path, storage_conn_id=None).start()
    assert len(s3.body(key) or b"") == result["bytes"]


def test_an_object_of_another_origin_stays(sandbox: Sandbox, s3: S3Server, key: str) -> None:
    s3.client.put_object(Bucket=BUCKET, Key=key, Body=b"precious")
    with pytest.raises(AirflowFailException, match="pass overwrite=True"):
        pull(key).start()
    assert s3.body(key) == b"precious"
    assert not sent(sandbox)
    assert not pull(key, overwrite=True).start()["unchanged"]


@pytest.mark.parametrize("change", range(1, 6))
def test_a_killed_task_delivers_once(sandbox: Sandbox, s3: S3Server, key: str, change: int) -> None:
    run, state = pull(key), KilledAt(change)
    run.state = state
    try:
        run.start()
    except KeyboardInterrupt:
        result = run.start()
    else:
        pytest.fail(f"the task makes fewer than {change} changes of its state")
    assert s3.body(key) == b"".join(sandbox.result(result["job_id"]).read())
    assert len(sandbox.job_ids) == 1
    assert not s3.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    assert state.get("impact_jobs_upload") is None


def test_a_store_that_refuses_the_task_is_named_without_its_secret(
    sandbox: Sandbox, key: str, monkeypatch: pytest.MonkeyPatch, s3: S3Server
) -> None:
    wrong = {"conn_type": "aws", "login": ACCESS, "password": "another-secret", "extra": {"endpoint_url": s3.url}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_TEST", json.dumps(wrong))
    with pytest.raises(AirflowException, match="aws_test") as caught:
        pull(key).start()
    assert isinstance(caught.value, AirflowFailException)
    assert "another-secret" not in str(caught.value)
    assert not sent(sandbox)
