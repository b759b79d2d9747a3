"""schemathesis, with all its checks, tests the sandbox against the operations of openapi/agency-api.json.

All fourteen checks are on, as they are by default, and all phases but the examples, of which the description has none:

- not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
  positive_data_acceptance, negative_data_rejection, missing_required_header, ignored_auth, unsupported_method and
  allow_header_conformance are shown below to find planted faults. response_headers_conformance checks the Location of
  the redirect.
- An export answers wrong input by 200 and ERROR, so negative_data_rejection is off there. The id of the report
  is fixed, because the description does not say how the metadata of an unknown report is answered.
- use_after_free, ensure_resource_availability and object_level_authorization have nothing to check yet: the API deletes
  nothing, creates nothing by POST, and the sandbox has one account.

The runs are deterministic: requests are sequential, and the clock advances with each of them.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from impact_jobs.sandbox import Sandbox

DESCRIPTION = Path(__file__).parents[2] / "openapi" / "agency-api.json"

# The credentials belong to the security scheme, not to a fixed header, so that schemathesis can leave them out.
CONFIGURATION = """
[parameters]
"path.AccountSID" = "{sid}"
"path.ReportId" = "agency_action_listing"

[auth.openapi.BasicAuth]
username = "{sid}"
password = "{token}"

[[operations]]
include-operation-id = "exportReport"
checks.negative_data_rejection.enabled = false
"""


def run_schemathesis(sandbox: Sandbox, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    configuration = CONFIGURATION.format(sid=sandbox.account_sid, token=sandbox.auth_token)
    (folder / "schemathesis.toml").write_text(configuration)
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", str(DESCRIPTION)),
        *("--url", sandbox.base_url, "--header", "Accept: application/json"),
        # The description may have operations that the sandbox lacks.
        *("--include-path-regex", r"/(Jobs|ReportExport|Reports)(/|$)"),
        *("--generation-deterministic", "--workers", "1", "--no-color", *options),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603


def create_sandbox(**options: object) -> Sandbox:
    """Create a sandbox with a job in every state, whose clock advances a second whenever it is read."""
    ticks = itertools.count(1_780_000_000)
    arguments = {
        "clock": lambda: float(next(ticks)),
        "job_seconds": 30.0,
        "hourly_budget": None,
        "rows_per_day": 1,
    } | options
    sandbox = Sandbox(result_bytes=1_000, **arguments)  # type: ignore[arg-type]
    for status in ("COMPLETED", "FAILED", "ERROR", "CANCELLED", "RUNNING", "QUEUED"):
        sandbox.add_job(status=status, seconds=0)
    return sandbox


def assert_no_findings(sandbox: Sandbox, folder: Path, *options: str) -> None:
    with sandbox:
        done = run_schemathesis(sandbox, folder, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
    assert len(sandbox.requests) > 80
    assert {request.origin for request in sandbox.requests} == {"api"}  # it follows no redirect to the storage


def test_the_sandbox_conforms_to_the_description(tmp_path: Path) -> None:
    assert_no_findings(create_sandbox(), tmp_path, "--max-examples", "3")


def test_a_sandbox_that_sends_strings_conforms_too(tmp_path: Path) -> None:
    assert_no_findings(create_sandbox(stringly=True), tmp_path, "--phases", "coverage")


def test_schemathesis_finds_each_planted_fault(tmp_path: Path) -> None:
    download, replay = re.compile("/Jobs/[^/]+/Download"), re.compile("/Jobs/[^/]+/Replay$")
    with create_sandbox() as sandbox:
        sandbox.answer_next("GET", "/Jobs", status=200, body='[{"Id": 1}]', times=500)
        sandbox.answer_next("DELETE", "/Jobs", status=200, times=500)
        sandbox.answer_next("GET", re.compile("/Jobs/[^/]+$"), status=500, times=500)
        sandbox.answer_next("GET", download, status=200, body="<a/>", content_type="application/xml", times=500)
        sandbox.answer_next("PUT", replay, status=400, times=500)
        sandbox.answer_next("OPTIONS", replay, status=405, headers={"Allow": "POST"}, times=500)
        done = run_schemathesis(sandbox, tmp_path, "--phases", "coverage", "--continue-on-failure")
    assert done.returncode == 1
    found = findings_by_operation(done.stdout)
    assert found["GET /Jobs"] == {
        "Response violates schema",
        "API accepts requests without authentication",
        "Missing required header accepted",
        "Schema-violating request accepted",
    }
    assert found["DELETE /Jobs"] == {"Wrong response to undeclared method"}
    assert found["GET /Jobs/{JobId}"] >= {"Server error", "Undocumented status code"}
    assert found["GET /Jobs/{JobId}/Download"] >= {"Undocumented Content-Type"}
    assert found["PUT /Jobs/{JobId}/Replay"] >= {"Schema-valid request rejected"}
    assert found["OPTIONS /Jobs/{JobId}/Replay"] == {"Allow header mismatch"}


def findings_by_operation(report: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    operation = ""
    for line in report.splitlines():
        if heading := re.fullmatch(r"_+ ([A-Z]+) /Agencies/{AccountSID}(/\S+) _+", line):
            operation = f"{heading[1]} {heading[2]}"
        elif finding := re.fullmatch(r"- ST\d+ (.*)", line):
            found[operation].add(finding[1])
    return found
