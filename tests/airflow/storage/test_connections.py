"""Destinations through a connection of Airflow and the filesystem of its provider."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

import pytest
from airflow.sdk.io.store import _STORE_CACHE
from impact_jobs import ConfigurationError, JobsError, PermissionDeniedError
from impact_jobs.airflow._storage import Destination

from tests.airflow.storage.stores import ACCESS, BUCKET, SECRET, Bytes, FileMemory, S3Server

Made = Callable[[str, int], Bytes]
Connect = Callable[..., str]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Give a function that defines Airflow's connection `aws_test`."""

    def define(url: str, *, secret: str = SECRET) -> str:
        fields = {"conn_type": "aws", "login": ACCESS, "password": secret, "extra": {"endpoint_url": url}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_TEST", json.dumps(fields))
        return "aws_test"

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    _STORE_CACHE.clear()
    yield define
    _STORE_CACHE.clear()


@pytest.mark.parametrize("form", ["s3://{bucket}/{key}", "s3://{conn}@{bucket}/{key}"])
def test_a_connection_is_named_in_the_url_or_beside_it(
    *, s3: S3Server, connect: Connect, made: Made, memory: FileMemory, key: str, form: str
) -> None:
    file, conn_id = made("file", 1000), connect(s3.url)
    destination = Destination.create(
        form.format(conn=conn_id, bucket=BUCKET, key=key), None if "conn" in form else conn_id
    )
    destination.put(file.path, sha256=file.sha256, memory=memory)
    assert s3.body(key) == file.path.read_bytes()
    assert destination.uri == f"s3://{BUCKET}/{key}"


def test_an_unknown_connection_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"s3://b/a\.csv: Airflow has no connection 'aws_typo'"):
        Destination.create("s3://b/a.csv", "aws_typo")


def test_a_missing_extra_is_named(s3: S3Server, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    conn_id = connect(s3.url)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigurationError, match=r"install 'apache-airflow-providers-amazon\[s3fs\]'"):
        Destination.create("s3://b/a.csv", conn_id)


@pytest.mark.parametrize("action", ["exists", "sha256", "put"])
def test_a_missing_bucket_is_named(s3: S3Server, connect: Connect, made: Made, memory: FileMemory, action: str) -> None:
    error = fails(Destination.create("s3://missing/a.csv", connect(s3.url)), action, made, memory)
    assert isinstance(error, ConfigurationError)
    assert "the bucket 'missing' does not exist" in str(error)


@pytest.mark.parametrize("action", ["exists", "sha256", "put"])
def test_refused_credentials_are_named_but_not_shown(
    s3: S3Server, connect: Connect, made: Made, memory: FileMemory, action: str
) -> None:
    error = fails(
        Destination.create(f"s3://{BUCKET}/a.csv", connect(s3.url, secret="wrong-secret")), action, made, memory
    )
    assert isinstance(error, PermissionDeniedError)
    assert (error.status_code, error.is_from_storage) == (403, True)
    assert "the store refuses the connection 'aws_test'" in str(error)
    assert "wrong-secret" not in f"{error} {error!r} {vars(error)}"
    assert error.__cause__ is error.__context__ is None


def fails(destination: Destination, action: str, made: Made, memory: FileMemory) -> JobsError:
    file = made("file", 10)
    actions: dict[str, Callable[[], object]] = {
        "exists": destination.exists,
        "sha256": destination.sha256,
        "put": lambda: destination.put(file.path, sha256=file.sha256, memory=memory),
    }
    with pytest.raises(JobsError) as caught:
        actions[action]()
    assert "\n" not in str(caught.value)
    return caught.value
