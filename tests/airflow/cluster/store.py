"""The object store of the run: nanio, a real S3 server over a plain folder, behind a relay."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.airflow.cluster.relay import UploadRelay
from tests.interop.processes import HOST, free_port, serving
from tests.interop.stores.s3_store import S3Store
from tests.interop.stores.sigv4 import Keys

BUCKET = "reports"


@frozen(kw_only=True)
class ReportStore:
    """A bucket, and the relay on the way to it.

    Attributes:
        folder: Where the server keeps its data.
        relay: The relay.
        keys: The credentials.
    """

    folder: Path
    relay: UploadRelay
    keys: Keys

    @property
    def connection(self) -> str:
        """The value of AIRFLOW_CONN_AWS_DEFAULT."""
        return json.dumps({
            "conn_type": "aws",
            "login": self.keys.access,
            "password": self.keys.secret,
            "extra": {"endpoint_url": f"http://{HOST}:{self.relay.port}", "region_name": "us-east-1"},
        })  # fmt: skip

    def digests(self, prefix: str) -> dict[str, str]:
        """Return the SHA-256 of each object below a prefix, by key, from the server's own files."""
        bucket = self.folder / BUCKET
        files = [path for path in (bucket / prefix).rglob("*") if path.is_file()]
        return {path.relative_to(bucket).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def unfinished(self) -> int:
        """Return how many multipart uploads were neither completed nor aborted."""
        return sum(1 for _ in (self.folder / ".nanio" / "multipart").iterdir())


@contextmanager
def report_store(folder: Path) -> Iterator[ReportStore]:
    """Start the server and the relay, and create the bucket."""
    keys, port = Keys("reports", "secret-of-the-reports"), free_port()
    data = folder / "data"
    command = [str(Path(sys.executable).with_name("nanio")), "serve", f"--data-dir={data}", "--no-access-log"]
    environ = {"NANIO_ACCESS_KEY": keys.access, "NANIO_SECRET_KEY": keys.secret}
    address = [f"--host={HOST}", f"--port={port}"]
    with serving([*command, *address], port, folder=folder, environ=environ), UploadRelay(port) as relay:
        S3Store(port=port, keys=keys, bucket=BUCKET).make_bucket()
        yield ReportStore(folder=data, relay=relay, keys=keys)
