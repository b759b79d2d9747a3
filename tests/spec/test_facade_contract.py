"""The facade's contract over the description: each assumption has a planted change that violates it alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from spec.documents import pointer
from spec.facade.contract import Violation, violations
from spec.facade.source import read_facade
from spec.facade.table import EXPORTED, OPERATIONS, READABLE
from spec.python_names import identifier

from tests.spec.planted import (
    DOWNLOAD,
    FIELDS,
    GET,
    JOB,
    JSON,
    LIST,
    MODE,
    REPLAY,
    SCHEMAS,
    Change,
    Document,
    drop,
    in_every_operation,
    insert,
    put,
    rename,
    rename_component,
    together,
)

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = "or correct the page in openapi/overlay.json"
RERUN = "/Agencies/{AccountSID}/Jobs/{JobId}/Rerun"
ENDPOINTS, PARSING, RESPONSES, SOURCE, MODELS = (
    "_api/endpoints.py",
    "_api/parsing.py",
    "_api/responses.py",
    "_download/source.py",
    "models.py",
)
OF_REPORTS = "_api/reports.py"
REPORTS = ("paths", "/Agencies/{AccountSID}/Reports", "get")
EXPORT = ("paths", "/Agencies/{AccountSID}/ReportExport/{ReportId}", "get")
ARRAY_OF_IDS = {"type": "array", "items": {"type": "string"}}
ENVELOPE = {"type": "object", "properties": {"Items": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}}}
TEXT = {"type": "string"}

# The change, the place, what the facade does, what the document says, and the file to adapt.
CASES: dict[str, tuple[Change, tuple[str | int, ...], str, str, str]] = {
    "another server": (
        put("https://api.invalid/", "servers", 0, "url"), ("servers",),
        "sends its requests to https://api.impact.com", "names https://api.invalid", "_account.py"),
    "no operation": (
        drop(*REPLAY[:2]), ("paths",),
        "calls replayJob (PUT /Agencies/{AccountSID}/Jobs/{JobId}/Replay)", "has neither that name nor that path",
        ENDPOINTS),
    "another operationId": (
        put("readJob", *GET, "operationId"), (*GET, "operationId"),
        "calls getJob (GET /Agencies/{AccountSID}/Jobs/{JobId})", "names it readJob", ENDPOINTS),
    "another path": (
        rename(RERUN, *REPLAY[:2]), ("paths", RERUN, "put"),
        "calls replayJob (PUT /Agencies/{AccountSID}/Jobs/{JobId}/Replay)", f"has it as PUT {RERUN}", ENDPOINTS),
    "another method": (
        rename("patch", *REPLAY), (*REPLAY[:2], "patch"),
        "calls replayJob (PUT /Agencies/{AccountSID}/Jobs/{JobId}/Replay)",
        "has it as PATCH /Agencies/{AccountSID}/Jobs/{JobId}/Replay", ENDPOINTS),
    "another tag": (
        put(["Work", "Jobs"], *LIST, "tags"), (*LIST, "tags"),
        "imports listJobs from the generated package of the tag Jobs", "tags it Work", ENDPOINTS),
    "no tag": (
        drop(*LIST, "tags"), (*LIST, "tags"),
        "imports listJobs from the generated package of the tag Jobs", "tags it default", ENDPOINTS),
    "another operationId of reports": (
        put("listAllReports", *REPORTS, "operationId"), (*REPORTS, "operationId"),
        "calls listReports (GET /Agencies/{AccountSID}/Reports)", "names it listAllReports", OF_REPORTS),
    "another tag of reports": (
        put(["ReportExport"], *EXPORT, "tags"), (*EXPORT, "tags"),
        "imports exportReport from the generated package of the tag Reports", "tags it ReportExport", OF_REPORTS),
    "an export that requires its dates": (
        put(True, *EXPORT, "parameters", 3, "required"), (*EXPORT, "parameters", 3, "required"),  # noqa: FBT003
        "calls exportReport without START_DATE unless it is needed", "requires it", OF_REPORTS),
    "an export of other formats": (
        put(["CSV", "JSON"], *EXPORT, "parameters", 2, "schema", "enum"), (*EXPORT, "parameters", 2, "schema"),
        "sends ResultFormat=XML to exportReport", "lists CSV or JSON there", OF_REPORTS),
    "an export between two moments": (
        put("date-time", *EXPORT, "parameters", 4, "schema", "format"), (*EXPORT, "parameters", 4, "schema"),
        "sends a date as END_DATE to exportReport", "takes a date with a time there", OF_REPORTS),
    "an export in XML": (
        rename("text/xml", *EXPORT, "responses", "200", *JSON), (*EXPORT, "responses", "200"),
        "reads JSON from a 200 of exportReport", "has text/xml there", RESPONSES),
    "an account that is a number": (
        put({"type": "integer"}, "components", "parameters", "AccountSID", "schema"),
        ("components", "parameters", "AccountSID", "schema"), "*", "takes an integer there", ENDPOINTS),
    "an account of another format": (
        put("uuid", "components", "parameters", "AccountSID", "schema", "format"),
        ("components", "parameters", "AccountSID", "schema"), "*", "takes a UUID there", ENDPOINTS),
    "a date that is a time": (
        put("date-time", *LIST, "parameters", 1, "schema", "format"), (*LIST, "parameters", 1, "schema"),
        "sends a date as CreatedAfter to listJobs", "takes a date with a time there", ENDPOINTS),
    "a date that is a number": (
        put({"type": "integer"}, *LIST, "parameters", 2, "schema"), (*LIST, "parameters", 2, "schema"),
        "sends a date as CreatedBefore to listJobs", "takes an integer there", ENDPOINTS),
    "no query parameter": (
        drop(*LIST, "parameters", 1), (*LIST, "parameters"),
        "sends CreatedAfter in the query of listJobs", "has no such parameter", ENDPOINTS),
    "a query parameter in a header": (
        put("header", *MODE, "in"), (*MODE, "in"),
        "sends Mode in the query of downloadJobResult", "has it in the header", ENDPOINTS),
    "a required query parameter": (
        put(True, *MODE, "required"), (*MODE, "required"),  # noqa: FBT003
        "calls downloadJobResult without Mode unless it is needed", "requires it", ENDPOINTS),
    "no value Stream": (
        put(["File", "Link"], *MODE, "schema", "enum"), (*MODE, "schema"),
        "sends Mode=Stream to downloadJobResult", "lists File or Link there", ENDPOINTS),
    "no values of Mode": (
        drop(*MODE, "schema", "enum"), (*MODE, "schema"),
        "sends Mode=Stream to downloadJobResult", "lists no values there", ENDPOINTS),
    "another class for Mode": (
        together(put({"type": "string", "enum": ["Stream"]}, *SCHEMAS, "Mode"),
                 put({"$ref": "#/components/schemas/Mode"}, *MODE, "schema")), (*MODE, "schema"),
        "imports DownloadJobResultMode, the generated class of the parameter Mode", "makes it Mode", ENDPOINTS),
    "one more required parameter": (
        insert({"name": "X-Trace", "in": "header", "required": True, "schema": TEXT}, *GET, "parameters"),
        (*GET, "parameters", 2), "calls getJob without the header parameter X-Trace", "requires it", ENDPOINTS),
    "one more required parameter of the path": (
        put([{"name": "Unit", "in": "query", "required": True, "schema": TEXT}], *LIST[:2], "parameters"),
        (*LIST[:2], "parameters", 0), "calls listJobs without the query parameter Unit", "requires it", ENDPOINTS),
    "a required body": (
        put({"required": True, "content": {"application/json": {"schema": TEXT}}}, *REPLAY, "requestBody"),
        (*REPLAY, "requestBody"), "calls replayJob without a body", "requires one", ENDPOINTS),
    "other credentials": (
        together(put({"type": "apiKey", "in": "header", "name": "Key"}, "components", "securitySchemes", "Key"),
                 put([{"Key": []}, {"BasicAuth": [], "Key": []}], *GET, "security")), (*GET, "security"),
        "sends HTTP Basic to getJob", "requires apikey or http basic with apikey", "_account.py"),
    "other credentials for the whole document": (
        together(in_every_operation("security", remove=True), put([{"Key": []}], "security")), ("security",),
        "*", "requires Key", "_account.py"),
    "no success": (
        drop(*GET, "responses", "200"), (*GET, "responses"),
        "handles a 200 of getJob", "lists 401, 404, 400, 403 or 429 there", RESPONSES),
    "another success of a replay": (
        rename("204", *REPLAY, "responses", "200"), (*REPLAY, "responses"),
        "handles a 200, 201 or 202 of replayJob", "lists 204, 401, 403, 404, 400 or 429 there", RESPONSES),
    "no 202": (
        drop(*DOWNLOAD, "responses", "202"), (*DOWNLOAD, "responses"),
        "handles a 202 of downloadJobResult", "lists 200, 302, 401, 404, 400, 403 or 429 there", SOURCE),
    "no redirect": (
        drop(*DOWNLOAD, "responses", "302"), (*DOWNLOAD, "responses"),
        "handles a 301, 302, 303, 307 or 308 of downloadJobResult",
        "lists 200, 202, 401, 404, 400, 403 or 429 there", SOURCE),
    "a redirect without Location": (
        drop(*DOWNLOAD, "responses", "302", "headers", "Location"), (*DOWNLOAD, "responses", "302"),
        "follows the header Location of a 302 of downloadJobResult", "has no such header", SOURCE),
    "an object as the result": (
        put({"application/json": {"schema": {"type": "object"}}}, *DOWNLOAD, "responses", "200", "content"),
        (*DOWNLOAD, "responses", "200", "content", "application/json", "schema"),
        "saves the bytes of a 200 of downloadJobResult", "has an object as application/json there", SOURCE),
    "an error that is not documented": (
        drop(*GET, "responses", "404"), (*GET, "responses"),
        "handles a 404 of getJob", "lists 200, 401, 400, 403 or 429 there", RESPONSES),
    "an error with a schema": (
        put({"application/json": {"schema": TEXT}}, *LIST, "responses", "401", "content"),
        (*LIST, "responses", "401", "content"), "takes any body with a 401 of listJobs",
        "describes one, which generated code would read into a gateway's page", RESPONSES),
    "XML instead of JSON": (
        rename("text/xml", *GET, "responses", "200", *JSON), (*GET, "responses", "200"),
        "reads JSON from a 200 of getJob", "has text/xml there", RESPONSES),
    "no body": (
        drop(*DOWNLOAD, "responses", "202", "content"), (*DOWNLOAD, "responses", "202"),
        "reads JSON from a 202 of downloadJobResult", "has no body there", RESPONSES),
    "a list in an unknown envelope": (
        put(ENVELOPE, *LIST, "responses", "200", *JSON, "schema"), (*LIST, "responses", "200", *JSON, "schema"),
        "reads an array of jobs, or an object with one called Jobs, from a 200 of listJobs",
        "has an object with Items there", RESPONSES),
    "a list of ids": (
        put(ARRAY_OF_IDS, *LIST, "responses", "200", *JSON, "schema"),
        (*LIST, "responses", "200", *JSON, "schema", "items"),
        "reads a job from a 200 of listJobs", "has text there", RESPONSES),
    "no field": (
        drop(*FIELDS, "ProgramId"), FIELDS, "reads ProgramId of a job", "has no such field", PARSING),
    "no fields": (
        together(put({"type": "object"}, *SCHEMAS, "Ticket"), put(
            {"$ref": "#/components/schemas/Ticket"}, *GET, "responses", "200", *JSON, "schema")),
        (*SCHEMAS, "Ticket", "properties"), "*", "describes no fields", PARSING),
    "no Id": (drop(*FIELDS, "Id"), FIELDS, "reads Id of a job", "has no such field", PARSING),
    "an Id that is a number": (
        put({"type": "integer"}, *FIELDS, "Id"), (*FIELDS, "Id"),
        "reads Id of a job as text", "has an integer there", PARSING),
    "an Id that may be null": (
        put(["string", "null"], *FIELDS, "Id", "type"), (*FIELDS, "Id"),
        "reads Id of a job as text", "has null there", PARSING),
    "an Id that is no UUID": (
        drop(*FIELDS, "Id", "format"), (*FIELDS, "Id"),
        "reads Id of a job as a UUID", "has any text there", PARSING),
    "a date that is a time stamp": (
        put({"type": "integer"}, *FIELDS, "CreatedDate"), (*FIELDS, "CreatedDate"),
        "reads CreatedDate of a job as a date", "has an integer there", PARSING),
    "a number that is an object": (
        insert("object", *FIELDS, "PercentageComplete", "type"), (*FIELDS, "PercentageComplete"),
        "reads PercentageComplete of a job as an integer", "has an object there", PARSING),
    "a boolean that is a number": (
        put({"type": "integer"}, *FIELDS, "Replayable"), (*FIELDS, "Replayable"),
        "reads Replayable of a job as true or false", "has an integer there", PARSING),
    "text that is a list": (
        put(ARRAY_OF_IDS, *FIELDS, "ResultUri"), (*FIELDS, "ResultUri"),
        "reads ResultUri of a job as text", "has an array there", PARSING),
    "a closed Status": (
        drop(*FIELDS, "Status", "anyOf", 1), (*FIELDS, "Status"),
        "reads Status of a job even if its value is a new one", "limits it to the values that it lists", PARSING),
    "a closed Type": (
        put({"$ref": "#/components/schemas/JobType"}, *FIELDS, "Type"), (*FIELDS, "Type"),
        "reads Type of a job even if its value is a new one", "limits it to the values that it lists", PARSING),
    "no class": (
        rename_component("Work", "schemas", "Job"), SCHEMAS,
        "imports the generated class Job", "has no schema of that name", MODELS),
    "no state": (
        put(["QUEUED", "RUNNING", "COMPLETED", "CANCELLED", "ERROR"], *SCHEMAS, "JobStatus", "enum"),
        (*SCHEMAS, "JobStatus"), "relies on FAILED in JobStatus",
        "lists QUEUED, RUNNING, COMPLETED, CANCELLED or ERROR there", MODELS),
    "a parameter that takes the keyword of another one": (
        insert({"name": "createdAfter", "in": "query", "schema": {"type": "string"}}, *LIST, "parameters"),
        (*LIST, "parameters"), "passes created_after to listJobs",
        "makes it CreatedAfter, because another parameter has that name in Python", ENDPOINTS),
    "a value that takes the name of a member": (
        insert("completed", *SCHEMAS, "JobStatus", "enum", at=0), (*SCHEMAS, "JobStatus"),
        "relies on COMPLETED in JobStatus", "lists completed before it, which takes the name of its member", MODELS),
    "no states": (
        drop(*SCHEMAS, "JobStatus", "enum"), (*SCHEMAS, "JobStatus"),
        "relies on the values of JobStatus", "lists none there", MODELS),
    "no type": (
        drop(*SCHEMAS, "JobType", "enum", 0), (*SCHEMAS, "JobType"), "relies on DownloadReport in JobType",
        "lists ApiReport, UploadAds or TermModification there", MODELS),
}  # fmt: skip

HARMLESS: dict[str, Change] = {
    "a title": put("Work", *JOB, "title"),
    "other names of the members, which the generator does not get": put(
        ["WAITING", "RUNNING", "COMPLETED", "CANCELLED", "ERROR", "FAILED"], *SCHEMAS, "JobStatus", "x-enum-varnames"),
    "a value of the same name after that of a member": insert("completed", *SCHEMAS, "JobStatus", "enum"),
    "eleven more operations": lambda document: document["paths"].update(
        {f"/Agencies/{{AccountSID}}/Things{number}": {"get": {"operationId": f"thing{number}"}} for number in range(11)}
    ),
    "optional parameters and bodies": together(
        insert({"name": "Sort", "in": "query", "schema": TEXT}, *LIST, "parameters"),
        insert({"name": "X-Trace", "in": "header", "schema": TEXT}, *DOWNLOAD, "parameters"),
        put({"content": {"application/json": {"schema": TEXT}}}, *REPLAY, "requestBody"),
    ),
    "other names of path parameters": together(
        rename("/Agencies/{Sid}/Jobs/{Key}", *GET[:2]),
        put([{"name": name, "in": "path", "required": True, "schema": TEXT} for name in ("Sid", "Key")],
            "paths", "/Agencies/{Sid}/Jobs/{Key}", "get", "parameters"),
    ),
    "the security of the whole document": in_every_operation("security", remove=True),
    "no credentials asked for": put([], *LIST, "security"),
    "Basic beside another scheme": insert({"Key": []}, *LIST, "security"),
    "closed lists of values in reports, and a bare array of them": together(
        put(["QUEUED", "ERROR"], *SCHEMAS, "ReportExportResponse", "properties", "Status", "enum"),
        put({"type": "array", "items": {"$ref": "#/components/schemas/Report"}},
            *REPORTS, "responses", "200", *JSON, "schema"),
    ),
    "another spelling of an operationId": put("get_job", *GET, "operationId"),
    "another media type of JSON": rename("application/vnd.jobs+json", *GET, "responses", "200", *JSON),
    "another redirect": rename("307", *DOWNLOAD, "responses", "302"),
    "a list in an envelope": put(
        {"type": "object", "properties": {"jobs": ENVELOPE["properties"]["Items"]}},  # type: ignore[index]
        *LIST, "responses", "200", *JSON, "schema"),
    "a scheduled job by its URI": put(
        {"type": "object", "properties": {"Status": TEXT, "QueuedUri": TEXT}},
        *REPLAY, "responses", "200", *JSON, "schema"),
    "new fields, states and statuses": together(
        put(TEXT, *FIELDS, "Priority"), insert("PAUSED", *SCHEMAS, "JobStatus", "enum"),
        insert("ClickExport", *SCHEMAS, "JobType", "enum"), put({"description": "Gone."}, *GET, "responses", "410"),
    ),
    "fields of other types that the parser reads": together(
        put({"type": "number"}, *FIELDS, "PercentageComplete"), put({"type": "string"}, *FIELDS, "Replayable"),
        put({"type": "integer"}, *FIELDS, "ProgramId"), put({"type": ["string", "null"]}, *FIELDS, "StartedDate"),
        put({"type": "string", "nullable": True}, *FIELDS, "ResultUri"),
    ),
    "a schema that contains itself": put([{"$ref": "#/components/schemas/Job"}], *JOB, "allOf"),
}  # fmt: skip


def described() -> Document:
    document: Document = json.loads((ROOT / "openapi" / "agency-api.json").read_text(encoding="utf-8"))
    return document


def found(change: Change) -> list[Violation]:
    document = described()
    change(document)
    return violations(document)


def test_the_facade_can_rely_on_the_description() -> None:
    assert [str(each) for each in violations(described())] == []


@pytest.mark.parametrize("name", CASES)
def test_a_change_that_breaks_the_facade_is_one_violation(name: str) -> None:
    change, place, relies, says, file = CASES[name]
    reported = found(change)
    assert {each.place for each in reported} == {place}
    if relies == "*":  # the part is used by several operations or fields
        assert len(reported) > 1
        assert all(
            f", but the document {says}: adapt facade/impact_jobs/{file}, " in each.sentence for each in reported
        )
    else:
        sentence = f"The facade {relies}, but the document {says}: adapt facade/impact_jobs/{file}, {OVERLAY}."
        assert [each.sentence for each in reported] == [sentence]
        assert str(reported[0]) == f"{pointer(*place)}: {sentence}"


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_a_change_that_does_no_harm_is_no_violation(change: Change) -> None:
    assert [str(each) for each in found(change)] == []


@pytest.mark.parametrize(
    "damage",
    [{"openapi": "3.1.0", "paths": {}}, {"paths": []}, {"paths": {"/": None}}, {"components": {"schemas": []}}],
)
def test_a_document_of_any_shape_has_violations_and_no_crash(damage: Document) -> None:
    assert violations(described() | damage)


def test_the_table_names_what_the_facade_calls() -> None:
    source = read_facade()
    assert source.arguments.keys() == {operation.module for operation in OPERATIONS}
    for tag in {operation.tag for operation in OPERATIONS}:
        modules = {operation.module for operation in OPERATIONS if operation.tag == tag}
        assert source.imports[f"impact_agency_api.api.{tag.lower()}"] == modules
    for operation in OPERATIONS:
        passed = {identifier(query.name) for query in operation.query if not query.is_own}
        assert source.arguments[operation.module] == passed
    enums = {operation.class_of(query) for operation in OPERATIONS for query in operation.query if query.values}
    assert source.imports["impact_agency_api.models"] == enums
    assert set(source.fields.values()) == READABLE.keys()


def test_the_source_is_read_as_the_facade_runs() -> None:
    from impact_jobs import JobStatus, JobType  # noqa: PLC0415 - the contract itself imports nothing of the facade
    from impact_jobs._account import DEFAULT_BASE_URL  # noqa: PLC0415
    from impact_jobs._api import parsing, responses  # noqa: PLC0415
    from impact_jobs._download import source as result_source  # noqa: PLC0415
    from impact_jobs._operations import replay  # noqa: PLC0415

    source = read_facade()
    assert source.base_url == DEFAULT_BASE_URL
    assert source.fields == {name: convert.__name__ for name, (_, _, convert) in parsing._FIELDS.items()}
    assert source.strict_fields == parsing.JOB_FIELDS - source.fields.keys()
    assert source.uris == responses._URIS
    assert source.errors == responses._KINDS.keys()
    assert (source.redirects, source.scheduled) == (result_source._REDIRECTS, replay._SUCCESSES)
    assert source.members["JobStatus"] <= {str(status) for status in JobStatus}
    assert EXPORTED["JobType"] <= {str(kind) for kind in JobType}


def test_the_parser_reads_the_types_of_the_table() -> None:
    from impact_jobs._api import parsing  # noqa: PLC0415

    samples = {"string": "7", "integer": 7, "number": 7.0, "boolean": True, "object": {"a": 1}, "array": [1]}
    samples_of = {"read_datetime": samples | {"string": "2026-05-29"}, "_boolean": samples | {"string": "true"}}
    for _, _, convert in parsing._FIELDS.values():
        readable = set()
        for name, sample in samples_of.get(convert.__name__, samples).items():
            try:
                convert(sample)
            except (ValueError, TypeError, LookupError):
                continue
            readable.add(name)
        assert readable == READABLE[convert.__name__][1], convert.__name__
