"""The API description: the published fragments, our corrections, and the resulting document."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from generate import ROOT
from openapi_spec_validator import OpenAPIV31SpecValidator
from spec.build import describe
from spec.documents import Place, value_at
from spec.fragments import PROVENANCE, read_fragments
from spec.importing.provenance import read_records
from spec.merging.merge import merge
from spec.merging.rules import read_rules
from spec.overlays.targets import json_path
from spec.texts.sources import read_source

OPENAPI = ROOT / "openapi"
FRAGMENTS = {
    "list-jobs.json": "listJobs",
    "get-job.json": "getJob",
    "download-job-result.json": "downloadJobResult",
    "replay-job.json": "replayJob",
}
DATES = [
    "CreatedDate",
    "StartedDate",
    "CompletedDate",
    "AbandonedDate",
    "CancelledDate",
    "FailedDate",
    "LastProgressUpdateDate",
]


def load(name: str) -> Any:
    return read_source(OPENAPI / ("jobs" if name in FRAGMENTS else "") / name).parse()


def operations(document: Any) -> dict[str, Any]:
    found = [operation for item in document["paths"].values() for operation in item.values()]
    by_id = {operation["operationId"]: operation for operation in found}
    assert len(by_id) == len(found)
    return by_id


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the places of all texts, numbers, booleans and nulls."""
    if not isinstance(value, dict | list):
        yield place
        return
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(child, (*place, key))


@pytest.fixture(scope="module")
def document() -> Any:
    return load("agency-api.json")


@pytest.fixture(scope="module")
def published() -> Any:
    """Give the properties of a job as published; the merge ensures that all four fragments agree."""
    return load("get-job.json")["components"]["schemas"]["Job"]["properties"]


@pytest.fixture(scope="module")
def job(document: Any) -> Any:
    return document["components"]["schemas"]["Job"]["properties"]


def test_there_is_one_fragment_per_operation_and_no_other_file() -> None:
    assert {path.name for path in OPENAPI.glob("jobs/*")} == {*FRAGMENTS, PROVENANCE}


def test_the_fragments_are_those_of_the_recorded_page() -> None:
    records = read_records(OPENAPI / "jobs" / PROVENANCE, PROVENANCE)
    assert {name: record.fragments for name, record in records.items()} == {"jobs.md": tuple(FRAGMENTS)}


@pytest.mark.parametrize(("name", "operation_id"), FRAGMENTS.items())
def test_each_fragment_holds_only_the_operation_in_its_name(name: str, operation_id: str) -> None:
    assert list(operations(load(name))) == [operation_id]


@pytest.mark.parametrize("path", sorted(OPENAPI.rglob("*.json")), ids=lambda path: path.name)
def test_every_document_has_the_same_format(path: Path) -> None:
    laid_out = json.dumps(read_source(path).parse(), indent=2, ensure_ascii=False) + "\n"
    assert path.read_text(encoding="utf-8") == laid_out


def test_every_action_states_its_reason() -> None:
    for action in load("overlay.json")["actions"]:
        assert len(action["description"].split()) > 3, action["target"]


def test_every_action_that_removes_records_it() -> None:
    assert all("x-removes" in action for action in load("overlay.json")["actions"] if action.get("remove"))


def test_nothing_published_is_replaced_that_is_not_recorded(document: Any) -> None:
    recorded = {path for action in load("overlay.json")["actions"] for path in action.get("x-removes", ())}
    merged = merge(read_fragments(OPENAPI), read_rules(OPENAPI)).document
    lost = [
        json_path(place)
        for place in leaves(merged)
        if place[-1] != "operationId" and value_at(document, place) != value_at(merged, place)
    ]
    assert lost
    assert [path for path in lost if not path.startswith(tuple(recorded))] == []


def test_the_document_is_built_from_the_fragments_and_the_overlay(document: Any) -> None:
    assert describe(ROOT / "openapi").document == document
    assert operations(document).keys() >= set(FRAGMENTS.values())


def test_the_document_is_valid_openapi(document: Any) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_operation_requires_http_basic(document: Any) -> None:
    assert document["components"]["securitySchemes"]["BasicAuth"]["scheme"] == "basic"
    for described in (document, *operations(document).values()):
        assert described["security"] == [{"BasicAuth": []}]


def test_every_operation_has_the_errors_that_all_can_return(document: Any) -> None:
    for name, operation in operations(document).items():
        assert operation["responses"].keys() >= {"400", "403", "429"}, name


@pytest.mark.parametrize("operation_id", FRAGMENTS.values())
def test_no_error_response_of_jobs_describes_a_body(document: Any, operation_id: str) -> None:
    responses = operations(document)[operation_id]["responses"]
    errors = {code: response for code, response in responses.items() if int(code) >= 400}
    assert "401" in errors
    assert all("content" not in response for response in errors.values())


def test_published_responses_are_kept(document: Any) -> None:
    ours = operations(document)
    for name, operation_id in FRAGMENTS.items():
        for code, response in operations(load(name))[operation_id]["responses"].items():
            assert ours[operation_id]["responses"][code].items() >= response.items()


def test_the_redirect_describes_its_location_header(document: Any) -> None:
    redirect = operations(document)["downloadJobResult"]["responses"]["302"]
    assert redirect["headers"]["Location"]["schema"] == {"type": "string", "format": "uri"}


def test_a_job_has_the_published_properties_and_descriptions(
    job: Any,
    published: Any,
) -> None:
    assert job.keys() == published.keys()
    for name, schema in published.items():
        assert job[name]["description"] == schema["description"]


def test_only_the_corrected_properties_differ_from_the_published_ones(job: Any, published: Any) -> None:
    changed = {name for name, schema in published.items() if job[name] != schema}
    assert changed == {*DATES, "Type", "Status", "ProgramId", "RecordsProcessed", "PercentageComplete", "Replayable"}
    assert (job["PercentageComplete"]["minimum"], job["PercentageComplete"]["maximum"]) == (0, 100)


@pytest.mark.parametrize("name", ["Type", "Status"])
def test_type_and_status_have_the_published_values_and_accept_others(
    document: Any,
    job: Any,
    published: Any,
    name: str,
) -> None:
    assert document["components"]["schemas"][f"Job{name}"]["enum"] == published[name]["enum"]
    assert "enum" not in job[name]
    assert job[name]["anyOf"] == [{"$ref": f"#/components/schemas/Job{name}"}, {"type": "string"}]


def test_dates_and_only_dates_may_be_empty_or_null(job: Any, published: Any) -> None:
    assert [name for name, schema in published.items() if schema.get("format") == "date-time"] == DATES
    kinds = [{"type": "string", "format": "date-time"}, {"type": "string", "maxLength": 0}, {"type": "null"}]
    assert [name for name, schema in job.items() if schema.get("anyOf") == kinds] == DATES
    assert [name for name in DATES if "type" in job[name] or "format" in job[name]] == []


@pytest.mark.parametrize(
    ("name", "types", "good", "bad"),
    [
        ("RecordsProcessed", ["integer", "string"], "0 7 120000", "-1 1.5 x"),
        ("PercentageComplete", ["integer", "string"], "0 7 42 100", "007 101 1000 -1 x"),
        ("Replayable", ["boolean", "string"], "true false", "yes truefalse"),
    ],
)
def test_a_number_or_boolean_may_arrive_as_a_string(
    job: Any,
    name: str,
    types: list[str],
    good: str,
    bad: str,
) -> None:
    assert job[name]["type"] == types
    assert all(re.search(job[name]["pattern"], text) for text in good.split())
    assert not any(re.search(job[name]["pattern"], text) for text in bad.split())


def test_a_program_id_may_be_a_number(job: Any) -> None:
    assert job["ProgramId"]["type"] == ["string", "integer"]
