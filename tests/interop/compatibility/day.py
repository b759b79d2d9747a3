"""What a day's package does against a server: the verbs of the facade and of the generated package, one after another.

It runs in a process of its own, with that day's package on the path, and imports nothing else of the tests. It reads
the server, the credentials and the jobs as JSON from stdin, and writes what each verb returned or raised.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

# Most jobs of the scenario were created on 28 May 2026, one 10 days earlier, and another one 30 days earlier.
AFTER, BEFORE = date(2026, 5, 10), date(2026, 5, 20)
SINCE = "2026-05-25"
FIRST_ERROR = 400  # generated code returns None for each error
WAIT = 2.0  # seconds; enough for one request on a busy machine
UNKNOWN = "00000000-0000-4000-8000-000000000000"
Verbs = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Server:
    """What a program knows of the server: where it is, the account, and the jobs by a label."""

    base_url: str
    account_sid: str
    auth_token: str
    basic: str  # the credentials in HTTP Basic
    jobs: dict[str, str]

    def label(self, job_id: object) -> str:
        """Return the label of a job; "" for one that the program does not know, because it is new."""
        return next((label for label, known in self.jobs.items() if known in str(job_id)), "")

    def labelled(self, found: Iterable[tuple[object, object]]) -> dict[str, object]:
        """Return values by the labels of their jobs, without those of new jobs."""
        return {label: value for job_id, value in found if (label := self.label(job_id))}


def facade_verbs(server: Server, folder: Path) -> Verbs:
    """Return calls of the facade. Importing it is a part of each."""
    from impact_jobs import JobsClient, JobStatus, JobType, Retry  # noqa: PLC0415 - it may fail

    client = JobsClient(
        server.account_sid,
        server.auth_token,
        base_url=server.base_url,
        retry=Retry(attempts=1),
    )
    ids = server.jobs

    def shown(job: Any) -> dict[str, object]:
        names = [name for name in type(job).__annotations__ if name not in {"id", "raw"}]
        return {name: str(getattr(job, name)) for name in (*names, "is_terminal")}

    def listed(**window: date) -> dict[str, object]:
        return server.labelled((job.id, shown(job)) for job in client.list(**window))

    def files(found: Iterable[Path]) -> dict[str, object]:
        return server.labelled((path.name, digest(path.read_bytes())) for path in found)

    def fetch_all() -> dict[str, object]:
        report = client.fetch_all([ids["completed"], ids["cancelled"]], folder / "all", timeout=WAIT)
        errors = server.labelled((job, type(error).__name__) for job, error in report.errors.items())
        return files(result.path for result in report.files.values()) | errors

    def command() -> dict[str, object]:
        into = folder / "command"
        arguments = ["fetch", "--since", SINCE, "--status", "COMPLETED", "--into", str(into), "--timeout", "0"]
        code, stderr = run_command(arguments)
        if code:
            raise CommandFailedError(code, stderr)
        return files(into.glob("*.csv"))

    return {
        "JobStatus, JobType": lambda: {member.name: str(member) for member in (*JobStatus, *JobType)},
        "list": listed,
        "list with dates": lambda: sorted(listed(created_after=AFTER, created_before=BEFORE)),
        "get": lambda: shown(client.get(ids["completed"])),
        "get of an unknown job": lambda: shown(client.get(UNKNOWN)),
        "wait": lambda: shown(client.wait(ids["completed"], timeout=WAIT)),
        "wait for a cancelled job": lambda: shown(client.wait(ids["cancelled"], timeout=WAIT)),
        "download": lambda: client.download(ids["completed"], folder / "redirect.csv").sha256,
        "download(mode='stream')": lambda: client.download(ids["completed"], folder / "s.csv", mode="stream").sha256,
        "download of a running job": lambda: client.download(ids["running"], folder / "none.csv").sha256,
        "replay": lambda: shown(client.replay(ids["completed"])),
        "replay of a running job": lambda: shown(client.replay(ids["running"])),
        "fetch_all": fetch_all,
        "impact-jobs fetch": command,
    }


def generated_verbs(server: Server, _: Path) -> Verbs:
    """Return calls of the generated package. Each imports what it needs."""
    from impact_agency_api import AuthenticatedClient  # noqa: PLC0415 - it may fail
    from impact_agency_api.types import UNSET  # noqa: PLC0415

    sid = server.account_sid
    client = AuthenticatedClient(
        server.base_url, token=server.basic, prefix="Basic", headers={"Accept": "application/json"}
    )
    completed, running = UUID(server.jobs["completed"]), UUID(server.jobs["running"])

    def shown(job: Any) -> object:
        if not hasattr(job, "to_dict"):
            return typed(job)
        fields = {name: getattr(job, name) for name in type(job).__annotations__ if name != "additional_properties"}
        return {name: typed(value) for name, value in fields.items()}

    def listed(after: Any = UNSET, before: Any = UNSET) -> dict[str, object]:
        from impact_agency_api.api.jobs import list_jobs  # noqa: PLC0415

        found = list_jobs.sync(sid, client=client, created_after=after, created_before=before)
        return server.labelled((job.id, shown(job)) for job in found or ())

    def got(job_id: UUID) -> object:
        from impact_agency_api.api.jobs import get_job  # noqa: PLC0415

        job = get_job.sync(sid, job_id, client=client)
        return job and shown(job)

    def downloaded(job_id: UUID, mode: str = "") -> object:
        from impact_agency_api.api.jobs import download_job_result  # noqa: PLC0415
        from impact_agency_api.models import DownloadJobResultMode  # noqa: PLC0415

        chosen = DownloadJobResultMode[mode] if mode else UNSET
        response = download_job_result.sync_detailed(sid, job_id, client=client, mode=chosen)
        parsed: Any = response.parsed
        return {
            "status": response.status_code.value if response.status_code.value < FIRST_ERROR else "an error",
            "location": "location" in response.headers,
            "parsed": parsed and (digest(parsed.payload.read()) if hasattr(parsed, "payload") else shown(parsed)),
        }

    def replayed() -> object:
        from impact_agency_api.api.jobs import replay_job  # noqa: PLC0415

        job = replay_job.sync(sid, completed, client=client)
        return job and shown(job)

    return {
        "list_jobs": listed,
        "list_jobs with dates": lambda: sorted(listed(AFTER, BEFORE)),
        "get_job": lambda: got(completed),
        "get_job of an unknown job": lambda: got(UUID(UNKNOWN)),
        "download_job_result": lambda: downloaded(completed),
        "download_job_result(mode=STREAM)": lambda: downloaded(completed, "STREAM"),
        "download_job_result of a running job": lambda: downloaded(running),
        "replay_job": replayed,
    }


class CommandFailedError(Exception):
    """The command ended with an exit code other than 0."""

    def __init__(self, code: object, stderr: str) -> None:
        super().__init__(f"exit code {code}: {' '.join(stderr.split())}")


def run_command(arguments: list[str]) -> tuple[object, str]:
    """Run `impact-jobs` in this process, and return its exit code and stderr."""
    from impact_jobs.cli import main  # noqa: PLC0415 - it may fail

    stdout, stderr = io.StringIO(), io.StringIO()
    sys.argv = ["impact-jobs", *arguments]
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            main()
        except SystemExit as ended:
            return ended.code, stderr.getvalue()
    return 0, stderr.getvalue()


def typed(value: object) -> str:
    """Return a value with its type, as a typed program sees it."""
    return f"{type(value).__name__} {value}" if value or value == 0 else type(value).__name__


def digest(data: bytes) -> str:
    """Return the beginning of a SHA-256, which is enough to tell results apart."""
    return hashlib.sha256(data).hexdigest()[:8]


def outcomes(verbs: Callable[[Server, Path], Verbs], server: Server, folder: Path) -> dict[str, object]:
    """Run each verb, and return what it returned or raised; only the entry "" if the package does not start."""
    try:
        calls = verbs(server, folder)
    except Exception as error:  # noqa: BLE001 - any failure is a result
        return {"": {"error": raised(error)}}
    found: dict[str, object] = {}
    for name, call in calls.items():
        try:
            found[name] = {"result": call()}
        except Exception as error:  # noqa: BLE001 - the same
            found[name] = {"error": raised(error)}
    return found


def raised(error: BaseException) -> list[str]:
    """Return an error's class and message."""
    return [type(error).__name__, str(error)]


def main() -> None:
    """Run both halves."""
    server = Server(**json.load(sys.stdin))
    os.environ |= {
        "IMPACT_ACCOUNT_SID": server.account_sid,
        "IMPACT_AUTH_TOKEN": server.auth_token,
        "IMPACT_BASE_URL": server.base_url,
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HOME": folder, "XDG_CONFIG_HOME": folder}
        found = {
            "facade": outcomes(facade_verbs, server, Path(folder)),
            "generated": outcomes(generated_verbs, server, Path(folder)),
        }
    sys.stdout.write(json.dumps(found).replace(folder, "folder"))


if __name__ == "__main__":
    main()
