"""A stranger's opinion: schemathesis, with all its checks, holds the sandbox against openapi/agency-api.json.

All fourteen checks are on (``--checks all``), and all phases but the examples, of which the description has none:

- not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
  positive_data_acceptance, negative_data_rejection, missing_required_header, ignored_auth, unsupported_method and
  allow_header_conformance are shown below to find what is wrong. response_headers_conformance looks at the Location
  of the redirect.
- use_after_free, ensure_resource_availability and object_level_authorization are on but find nothing to look at:
  nothing is deleted, nothing made by POST, and there is one account. They begin to work should that change.

The run is deterministic: requests come one after the other, and the clock moves with them.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from impact_jobs.sandbox import Sandbox

DESCRIPTION = Path(__file__).parents[2] / "openapi" / "agency-api.json"

# Credentials by way of the security scheme, not as a fixed header: schemathesis must be able to leave them out.
CONFIGURATION = """
[parameters]
"path.AccountSID" = "{sid}"

[auth.openapi.BasicAuth]
username = "{sid}"
password = "{token}"
"""


def judge(sandbox: Sandbox, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    configuration = CONFIGURATION.format(sid=sandbox.account_sid, token=sandbox.auth_token)
    (folder / "schemathesis.toml").write_text(configuration)
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", str(DESCRIPTION)),
        *("--url", sandbox.base_url, "--header", "Accept: application/json", "--checks", "all"),
        *("--generation-deterministic", "--workers", "1", "--no-color", *options),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603


def started(**options: object) -> Sandbox:
    """Make a sandbox with a job in every state, whose clock moves a little with each look at it."""
    ticks = itertools.count(1_780_000_000)
    arguments = {"clock": lambda: next(ticks) / 1.0, "job_seconds": 30.0, "hourly_budget": None} | options
    sandbox = Sandbox(result_bytes=1_000, **arguments)  # type: ignore[arg-type]
    for status in ("COMPLETED", "FAILED", "ERROR", "CANCELLED", "RUNNING", "QUEUED"):
        sandbox.add_job(status=status, seconds=0)
    return sandbox


@pytest.mark.parametrize("stringly", [False, True])
def test_schemathesis_finds_nothing(tmp_path: Path, stringly: bool) -> None:  # noqa: FBT001 - a parameter of the test
    with started(stringly=stringly) as sandbox:
        found = judge(sandbox, tmp_path, *(["--phases", "coverage"] if stringly else ["--max-examples", "40"]))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "No issues found" in found.stdout
    assert len(sandbox.requests) > 80
    assert {request.origin for request in sandbox.requests} == {"api"}  # it follows no redirect to the storage


WRONG = {
    "a false success": (
        {"GET": {"status": 200, "body": '[{"Id": 1}]'}, "DELETE": {"status": 200}},
        {
            "Response violates schema",
            "API accepts requests without authentication",
            "Missing required header accepted",
            "Schema-violating request accepted",
            "Wrong response to undeclared method",
        },
    ),
    "a crash": ({"GET": {"status": 500}}, {"Server error", "Undocumented status code"}),
    "XML": ({"GET": {"status": 200, "body": "<a/>", "content_type": "application/xml"}}, {"Undocumented Content-Type"}),
    "a false refusal": (
        {"GET": {"status": 400}, "OPTIONS": {"status": 405, "headers": {"Allow": "POST"}}},
        {"Schema-valid request rejected", "Allow header mismatch"},
    ),
}


@pytest.mark.parametrize(("answers", "findings"), WRONG.values(), ids=WRONG)
def test_it_would_find_what_is_wrong(tmp_path: Path, answers: dict[str, dict[str, object]], findings: set[str]) -> None:
    with started() as sandbox:
        for method, answer in answers.items():
            sandbox.answer_next(method, "/Jobs", times=10_000, **answer)  # type: ignore[arg-type]
        options = ("--phases", "coverage", "--include-operation-id", "listJobs", "--continue-on-failure")
        found = judge(sandbox, tmp_path, *options)
    assert found.returncode == 1
    assert findings <= set(re.findall(r"^- ST\d+ (.*)$", found.stdout, re.MULTILINE))
