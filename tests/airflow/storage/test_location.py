from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath
from impact_jobs import ConfigurationError
from impact_jobs.airflow._storage import Destination
from impact_jobs.airflow._storage.location import parse
from impact_jobs.airflow._values import as_path


@pytest.mark.parametrize(
    ("path", "conn_id", "expected"),
    [
        ("s3://b/a.csv", None, ("s3://b/a.csv", "b/a.csv", None)),
        ("s3://c@b/x/a.csv", None, ("s3://b/x/a.csv", "b/x/a.csv", "c")),
        ("s3://c@b/a.csv", "c", ("s3://b/a.csv", "b/a.csv", "c")),
        ("S3://b/a?b#c@d.csv", "c", ("s3://b/a?b#c@d.csv", "b/a?b#c@d.csv", "c")),
        ("/x/a b.csv", None, ("file:///x/a%20b.csv", "/x/a b.csv", None)),
        ("file:///x/a#b.csv", None, ("file:///x/a%23b.csv", "/x/a#b.csv", None)),
        ("memory://a/b.csv", "c", ("memory://a/b.csv", "a/b.csv", "c")),
    ],
)
def test_a_path_is_parsed(path: str, conn_id: str | None, expected: tuple[str, str, str | None]) -> None:
    found = parse(path, conn_id)
    assert (found.uri, found.path, found.conn_id) == expected


@pytest.mark.parametrize("url", ["s3://c@b/a#b?c d.csv", "file:///x/a b.csv", "memory:///x/a.csv"])
def test_airflows_own_path_is_parsed_as_its_url(url: str) -> None:
    assert parse(as_path("path", ObjectStoragePath(url)), None) == parse(url, None)


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = Destination.create("a.csv")
    assert found.local_path == tmp_path / "a.csv"
    assert found.name == "a.csv"


@pytest.mark.parametrize(
    ("path", "conn_id", "message"),
    [
        ("s3://b", None, "does not name a file"),
        ("s3://b/", None, "does not name a file"),
        ("s3://b/x/", None, "does not name a file"),
        ("s3://b/x/..", None, "does not name a file"),
        ("s3:///a.csv", None, "names no bucket"),
        ("s3://a@b/a.csv", "c", "name one of them only"),
        ("s3://key:hunter2@b/a.csv", None, "credentials do not belong in a URL"),
        ("abfs://c@account.dfs.core.windows.net/a.csv", None, "abfs://conn_id@container"),
        ("file://x/a.csv", None, "three slashes"),
        ("x/a.csv", "c", "needs no connection"),
        ("/x/", None, "does not name a file"),
        ("/x/..", None, "does not name a file"),
        ("", None, "does not name a file"),
        ("s3://b/a\nb", None, "control character"),
        ("gs://b/a.csv", None, "install 'apache-airflow-providers-google'"),
        ("nosuch://b/a.csv", None, "no filesystem for nosuch://"),
    ],
)
def test_what_names_no_file_is_refused(path: str, conn_id: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Destination.create(path, conn_id)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
