"""The report of what has changed: its verdict, the next version, and its three forms."""

import json
from typing import Any

import pytest
from markdown_it import MarkdownIt
from spec.comparing.formats import FORMATS, as_json, as_markdown, as_text
from spec.comparing.report import Report, State, report
from spec.trees import Files

from tests.spec.planted import FILES, PLANTED, drop, insert, put, together

JOBS = ("components", "schemas", "Job", "properties")
BY_NAME = {it.name: it for it in PLANTED}
MODEL = "class Job:\n    id: UUID | Unset = UNSET\n    status_message: str | Unset = UNSET\n"
PACKAGE: Files = {"impact_agency_api/models/job.py": MODEL.encode()}


def described(*changes: Any, package: Files | None = PACKAGE, version: tuple[int, int, int] = (0, 2, 0)) -> Report:
    old = json.loads(FILES["jobs"].read_text(encoding="utf-8"))
    new = json.loads(FILES["jobs"].read_text(encoding="utf-8"))
    together(*changes)(new)
    return report(State("v0.2.0", old, package and PACKAGE), State("the tree", new, package), version=version)


NO_MESSAGE: Files = {"impact_agency_api/models/job.py": MODEL.rpartition("    status")[0].encode()}
REMOVE = drop(*JOBS, "StatusMessage")
ADD = insert("PAUSED", "components", "schemas", "JobStatus", "enum")
REWORD = put("Where it stands.", *JOBS, "Status", "description")


@pytest.mark.parametrize(
    ("changes", "version", "following"),
    [
        ((REMOVE,), (0, 2, 5), "0.3.0"),
        ((ADD,), (0, 2, 5), "0.2.6"),
        ((REWORD,), (0, 2, 5), "0.2.6"),
        ((REMOVE,), (1, 2, 5), "2.0.0"),
        ((ADD,), (1, 2, 5), "1.3.0"),
        ((REWORD,), (1, 2, 5), "1.2.6"),
        ((REMOVE, ADD, REWORD), (1, 2, 5), "2.0.0"),
        ((), (1, 2, 5), "1.2.5"),
    ],
)
def test_the_next_version_follows_from_the_greatest_change(
    changes: tuple[Any, ...], version: tuple[int, int, int], following: str
) -> None:
    assert described(*changes, version=version).next_version == following


def test_equal_states_have_nothing_to_report() -> None:
    found = described()
    assert (found.changes, found.signatures, found.is_breaking, found.kind) == ((), (), False, None)
    assert as_text(found) == ("From v0.2.0 to the tree\n\nThe description means the same in v0.2.0 and in the tree.\n")


def test_the_text_says_what_has_changed_what_breaks_and_why() -> None:
    assert as_text(described(REMOVE, ADD, REWORD, package=NO_MESSAGE)) == (
        """\
From v0.2.0 to the tree

Breaking (1)

  Field Job.StatusMessage is removed
      Generated interface: its attribute is gone, or reads what the server no longer sends. Used in
        downloadJobResult, getJob, listJobs, replayJob.
      The facade reads StatusMessage of a job, but the document has no such field: adapt
        facade/impact_jobs/_api/parsing.py, or correct the page in openapi/overlay.json.

Not breaking (1)

  Value PAUSED of JobStatus is added
      The enum is open, so yesterday's package reads the new value as a str. Used in
        downloadJobResult, getJob, listJobs, replayJob.

Descriptions only (1)

  Description of field Job.Status changes

Generated interface (1)

  models.Job.status_message is gone
      Breaking.

This breaks the generated interface and the facade.
After 0.2.0, the next version is 0.3.0 or later (minor).
"""
    )


def test_a_break_that_no_change_of_the_description_accounts_for_is_breaking_and_named() -> None:
    found = described(REWORD, package=NO_MESSAGE)
    assert [it.name for it in found.unexplained] == ["models.Job.status_message"]
    assert (found.breaks_generated, found.breaks_facade, found.next_version) == (True, False, "0.3.0")
    for text in (as_text(found), as_markdown(found)):
        assert "no change of the description accounts for it" in text
        assert "Breaks of the generated interface that no change of the description accounts for: 1." in text


def test_a_break_that_a_change_of_another_class_accompanies_is_not_explained() -> None:
    package = {**NO_MESSAGE, "impact_agency_api/models/job_type.py": b"class JobType(StrEnum):\n    API = 'a'\n"}
    found = described(drop("components", "schemas", "JobType", "enum", 0), package=package)
    assert [it.name for it in found.unexplained] == ["models.Job.status_message"]


def test_functions_of_an_operation_are_one_entry() -> None:
    def module(kind: str) -> Files:
        text = "".join(f"def {name}(job_id: {kind}) -> Job: ...\n" for name in ("sync", "sync_detailed", "asyncio"))
        return {"impact_agency_api/api/jobs/get_job.py": text.encode()}

    document = json.loads(FILES["jobs"].read_text(encoding="utf-8"))
    found = report(State("a", document, module("UUID")), State("b", document, module("str")), version=(0, 2, 0))
    assert found.signatures is not None
    assert len(found.signatures) == 3
    assert as_text(found).count("api.jobs.get_job(job_id) takes another type: UUID → str") == 1


def test_documents_alone_are_compared_without_the_generated_interface() -> None:
    found = described(REMOVE, package=None)
    assert found.signatures is None
    assert "The generated interface was not compared, because only two documents are given." in as_text(found)


def test_the_json_has_stable_keys() -> None:
    found = json.loads(as_json(described(REMOVE, package=NO_MESSAGE)))
    assert {key: value for key, value in found.items() if key not in ("changes", "signatures")} == {
        "format": 1,
        "old": "v0.2.0",
        "new": "the tree",
        "breaks_generated": True,
        "breaks_facade": True,
        "unexplained": [],
        "version": "0.2.0",
        "release": "minor",
        "next_version": "0.3.0",
    }
    assert found["signatures"] == [{"name": "models.Job.status_message", "says": "is gone", "breaks": True}]
    (change,) = found["changes"]
    assert change.pop("facade_why").startswith("The facade reads StatusMessage of a job")
    assert change == {
        "kind": "field-removed",
        "subject": "field Job.StatusMessage",
        "detail": "",
        "place": "/components/schemas/Job/properties/StatusMessage",
        "direction": "response",
        "used_in": ["downloadJobResult", "getJob", "listJobs", "replayJob"],
        "breaks_generated": True,
        "why": "its attribute is gone, or reads what the server no longer sends",
        "breaks_facade": True,
        "says": "field Job.StatusMessage is removed",
    }


def test_markdown_shows_every_character_as_it_is() -> None:
    name = "a_b*c`d<e>[f]|_g_"
    found = described(put({"type": "string"}, *JOBS, name))
    html = MarkdownIt("commonmark").render(as_markdown(found))
    assert "<h2>API changes from v0.2.0 to the tree</h2>" in html
    assert "<strong>Field Job.a_b*c`d&lt;e&gt;[f]|_g_ is added</strong>" in html


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_reports_are_the_same_each_time(form: str) -> None:
    planted = BY_NAME["tag Jobs becomes Tasks"]
    texts = {
        FORMATS[form](report(State("a", planted.old()), State("b", planted.new()), version=(1, 0, 0))) for _ in range(3)
    }
    assert len(texts) == 1
