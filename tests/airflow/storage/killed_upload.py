"""Upload a file in a process of its own, which kills itself at a given moment: see test_s3_kills.py."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from impact_jobs.airflow._storage import Destination
from impact_jobs.airflow._storage.location import parse

from tests.airflow.storage.stores import FileMemory, HookedS3


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillingMemory(FileMemory):
    """A memory that kills the process before it records the id of an upload."""

    def set(self, value: dict[str, Any]) -> None:
        if value["upload_id"] is not None:
            kill()
        super().set(value)


def main() -> None:
    url, uri, source, sha256, memory_path, part_bytes, moment, operation, count = sys.argv[1:]
    fs = HookedS3(url)
    memory = (KillingMemory if moment == "record" else FileMemory)(Path(memory_path))
    if moment in {"before", "after"}:
        fs.at(operation, int(count), moment, kill)
    if moment == "verification":
        fs.cat_file = lambda *_, **__: kill()
    # Without Airflow, whose import takes most of a second process's time.
    location = parse(uri, "store")
    destination = Destination(location=location, fs=fs, path=location.path, part_bytes=int(part_bytes))
    destination.put(Path(source), sha256=sha256, memory=memory)


if __name__ == "__main__":
    main()
