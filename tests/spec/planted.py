"""Planted changes of API descriptions, each with the verdict that `make spec-diff` has to reach.

A change breaks the *generated* interface if a correct, type-checked program that used the generated package fails
afterwards: the new server refuses what yesterday's package sends, yesterday's package no longer understands what the
new server sends, or the program does not run or type-check with the package that is generated from the new description.
Models are constructed with keyword arguments, and a match over an enum has a case for other values; a program that does
otherwise is not counted. A change breaks the *facade* if impact_jobs no longer keeps what it documents, be it with
yesterday's package or with a new one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Document = dict[str, Any]
Change = Callable[[Document], None]
Key = str | int

ROOT = Path(__file__).resolve().parents[2]
FILES = {"jobs": ROOT / "openapi" / "agency-api.json", "made-up": Path(__file__).with_name("nursery.json")}


@dataclass(frozen=True)
class Planted:
    """A change and its verdict.

    Attributes:
        name: What changes, in the words of the API; unique.
        change: Edits the document in place.
        document: Which document it edits.
        breaks_generated: Whether it breaks programs that use the generated package.
        breaks_facade: Whether it breaks impact_jobs.
        why: The reason for the verdict, in one sentence.
    """

    name: str
    change: Change
    document: Literal["jobs", "made-up"]
    breaks_generated: bool
    breaks_facade: bool
    why: str

    def old(self) -> Document:
        """Return the document before the change."""
        document: Document = json.loads(_text(self.document))
        return document

    def new(self) -> Document:
        """Return the document after the change."""
        document = self.old()
        self.change(document)
        return document


@cache
def _text(document: str) -> str:
    return FILES[document].read_text(encoding="utf-8")


def find(document: Document, *place: Key) -> Any:
    """Return the value at a place, which has to exist."""
    value: Any = document
    for key in place:
        value = value[key]
    return value


def put(value: Any, *place: Key) -> Change:
    """Return a change that sets a member, which may be new."""

    def change(document: Document) -> None:
        find(document, *place[:-1])[place[-1]] = deepcopy(value)

    return change


def drop(*place: Key) -> Change:
    """Return a change that removes a member, which has to exist."""

    def change(document: Document) -> None:
        del find(document, *place[:-1])[place[-1]]

    return change


def insert(value: Any, *place: Key, at: int | None = None) -> Change:
    """Return a change that inserts a value into a list, at the end by default."""

    def change(document: Document) -> None:
        entries = find(document, *place)
        entries.insert(len(entries) if at is None else at, deepcopy(value))

    return change


def rename(new: str, *place: Key) -> Change:
    """Return a change that renames a member of an object, which keeps its position."""

    def change(document: Document) -> None:
        owner = find(document, *place[:-1])
        members = {new if key == place[-1] else key: value for key, value in owner.items()}
        owner.clear()
        owner.update(members)

    return change


def rename_component(new: str, section: str, old: str) -> Change:
    """Return a change that renames a component and all references to it."""
    before, after = f"#/components/{section}/{old}", f"#/components/{section}/{new}"

    def follow(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("$ref") == before:
                value["$ref"] = after
            for member in value.values():
                follow(member)
        elif isinstance(value, list):
            for member in value:
                follow(member)

    return together(rename(new, "components", section, old), follow)


def move(old: tuple[Key, ...], new: tuple[Key, ...]) -> Change:
    """Return a change that moves a member to another place."""

    def change(document: Document) -> None:
        value = find(document, *old)
        drop(*old)(document)
        put(value, *new)(document)

    return change


def together(*changes: Change) -> Change:
    """Return a change that makes several changes, one after the other."""

    def change(document: Document) -> None:
        for one in changes:
            one(document)

    return change


def in_every_operation(*place: Key, remove: bool = False, value: Any = None) -> Change:
    """Return a change that sets or removes the same member of each operation."""

    def change(document: Document) -> None:
        for item in document["paths"].values():
            for operation in item.values():
                (drop(*place) if remove else put(value, *place))(operation)

    return change


def rename_tag(old: str, new: str) -> Change:
    """Return a change that renames a tag, of the document and of each operation that has it."""

    def change(document: Document) -> None:
        operations = [operation for item in document["paths"].values() for operation in item.values()]
        for operation in operations:
            operation["tags"] = [new if tag == old else tag for tag in operation["tags"]]
        for tag in document["tags"]:
            tag["name"] = new if tag["name"] == old else tag["name"]

    return change


_ACCOUNT = "/Agencies/{AccountSID}"
_PATHS = {name: f"{_ACCOUNT}/Jobs{rest}" for name, rest in {
    "list": "", "get": "/{JobId}", "download": "/{JobId}/Download", "replay": "/{JobId}/Replay"}.items()}  # fmt: skip
LIST = ("paths", _PATHS["list"], "get")
GET = ("paths", _PATHS["get"], "get")
DOWNLOAD = ("paths", _PATHS["download"], "get")
REPLAY = ("paths", _PATHS["replay"], "put")
SCHEMAS = ("components", "schemas")
JOB = (*SCHEMAS, "Job")
FIELDS = (*JOB, "properties")
MODE = (*DOWNLOAD, "parameters", 2)
JSON = ("content", "application/json")
SECTION_OF_JOB_ID = ("components", "parameters", "JobId")

_LOGS = {
    "operationId": "getJobLog",
    "tags": ["Jobs"],
    "parameters": [{"$ref": "#/components/parameters/AccountSID"}, {"$ref": "#/components/parameters/JobId"}],
    "responses": {"200": {"description": "The log.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    "security": [{"BasicAuth": []}],
}
_PROBLEM = {"type": "object", "properties": {"Message": {"type": "string"}}}
_PRIORITY = {"type": "string", "description": "How soon the job runs."}


def _query(name: str, *, required: bool = False) -> Document:
    return {"name": name, "in": "query", "required": required, "schema": {"type": "string"}}


def _split_job(document: Document) -> None:
    """Describe the same job as a base and the rest."""
    job = find(document, *JOB)
    base = {"type": "object", "properties": {"Id": job["properties"].pop("Id")}}
    document["components"]["schemas"]["JobBase"] = base
    rest = {"type": "object", "properties": job.pop("properties")}
    del job["type"]
    job["allOf"] = [{"$ref": "#/components/schemas/JobBase"}, rest]


def _share_account_sid(document: Document) -> None:
    """Move a parameter from an operation to its path."""
    item = document["paths"][_PATHS["list"]]
    item["parameters"] = [item["get"]["parameters"].pop(0)]


def _name_the_modes(document: Document) -> None:
    """Make a component of the enum of a parameter."""
    document["components"]["schemas"]["DownloadMode"] = find(document, *MODE)["schema"]
    find(document, *MODE)["schema"] = {"$ref": "#/components/schemas/DownloadMode"}


def _name_a_parameter(document: Document) -> None:
    """Make a component of an inline parameter."""
    document["components"]["parameters"]["CreatedAfter"] = find(document, *LIST, "parameters", 1)
    find(document, *LIST)["parameters"][1] = {"$ref": "#/components/parameters/CreatedAfter"}


def _inline_the_job(document: Document) -> None:
    """Repeat the job's schema in one response, instead of a reference to it."""
    put(find(document, *JOB), *GET, "responses", "200", *JSON, "schema")(document)


def _add_component_first(name: str) -> Change:
    """Return a change that adds a component before all others."""

    def change(document: Document) -> None:
        find(document, "components")["schemas"] = {name: deepcopy(_PROBLEM), **find(document, *SCHEMAS)}

    return change


_REF = "#/components/schemas"
_JOBS: tuple[tuple[str, Change, bool, bool, str], ...] = (
    # Operations and paths.
    ("operation getJobLog is added", put({"get": _LOGS}, "paths", f"{_PATHS['get']}/Log"), False, False,
     "A new operation is a new module; nobody calls it yet."),
    ("operation replayJob is removed", drop("paths", _PATHS["replay"]), True, True,
     "Its module is gone, and the server answers 404."),
    ("operation getJob becomes retrieveJob", put("retrieveJob", *GET, "operationId"), True, True,
     "The operationId names the module that programs and the facade import."),
    ("operationId getJob becomes GetJob", put("GetJob", *GET, "operationId"), False, False,
     "Both make the module get_job, and the request is the same."),
    ("path of replayJob ends in /Rerun", rename(f"{_PATHS['get']}/Rerun", "paths", _PATHS["replay"]), True, True,
     "Yesterday's package sends its request to a path that is gone."),
    ("path parameter JobId becomes Id in getJob", together(
        rename(f"{_ACCOUNT}/Jobs/{{Id}}", "paths", _PATHS["get"]),
        put({"name": "Id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}},
            "paths", f"{_ACCOUNT}/Jobs/{{Id}}", "get", "parameters", 1)), True, False,
     "The keyword job_id is gone, but the URL stays the same, and the facade passes it by position."),
    ("path parameter AccountSID becomes AccountSid in listJobs", together(
        rename("/Agencies/{AccountSid}/Jobs", "paths", _PATHS["list"]),
        put({"name": "AccountSid", "in": "path", "required": True, "schema": {"type": "string"}},
            "paths", "/Agencies/{AccountSid}/Jobs", "get", "parameters", 0)), False, False,
     "Both make the Python name account_sid, and the URL stays the same."),
    ("method of replayJob becomes POST", rename("post", *REPLAY), True, True,
     "Yesterday's package sends PUT, which the server refuses."),
    ("tag Jobs becomes Tasks", rename_tag("Jobs", "Tasks"),
     True, True, "The first tag names the folder of the modules, so every import fails."),
    ("tag Beta is added to getJob after Jobs", insert("Beta", *GET, "tags"), False, False,
     "Only the first tag names the folder."),
    ("tag Beta is added to getJob before Jobs", insert("Beta", *GET, "tags", at=0), True, True,
     "The first tag names the folder of the module, so its import fails."),
    ("operation listJobs is deprecated", put(True, *LIST, "deprecated"), False, False,  # noqa: FBT003
     "It works as before; the generator ignores the mark."),
    # Parameters.
    ("query parameter Status of listJobs is added", insert(_query("Status"), *LIST, "parameters"), False, False,
     "A new keyword with a default leaves calls as they are."),
    ("query parameter Status of listJobs is added first", insert(_query("Status"), *LIST, "parameters", at=0),
     False, False, "All query parameters are keywords, so their order does not matter."),
    ("required query parameter Status of listJobs is added", insert(
        _query("Status", required=True), *LIST, "parameters"), True, True,
     "Calls without it do not type-check, and the server refuses them."),
    ("required header Accept-Version of getJob is added", insert(
        {"name": "Accept-Version", "in": "header", "required": True, "schema": {"type": "string"}},
        *GET, "parameters"), True, True, "Calls without it do not type-check, and the server refuses them."),
    ("parameter CreatedAfter of listJobs becomes required", put(
        True, *LIST, "parameters", 1, "required"), True, True,  # noqa: FBT003
     "Calls without it do not type-check, and the server refuses them."),
    ("parameter CreatedBefore of listJobs is removed", drop(*LIST, "parameters", 2), True, True,
     "The keyword created_before is gone, and the server ignores it."),
    ("parameter CreatedAfter of listJobs becomes StartedAfter", put(
        "StartedAfter", *LIST, "parameters", 1, "name"), True, True,
     "The keyword created_after is gone, and the server ignores it."),
    ("parameter CreatedAfter of listJobs moves to a header", put("header", *LIST, "parameters", 1, "in"), True, True,
     "Yesterday's package sends it in the query, where the server ignores it; the generator puts no date in headers."),
    ("format of CreatedAfter becomes date-time", put(
        "date-time", *LIST, "parameters", 1, "schema", "format"), True, True,
     "Programs pass a date where a datetime is expected, and the server wants a time."),
    ("format uuid of path parameter JobId is dropped", drop(*SECTION_OF_JOB_ID, "schema", "format"), True, False,
     "Programs pass a UUID where a str is expected; the URL of a UUID stays the same."),
    ("parameters of getJob change places", put([
        {"$ref": "#/components/parameters/JobId"}, {"$ref": "#/components/parameters/AccountSID"}],
        *GET, "parameters"), False, False, "The generator takes the order of path parameters from the path."),
    ("value Redirect of parameter Mode is added", insert("Redirect", *MODE, "schema", "enum"), False, False,
     "A request may say more than before; what it says today is still right."),
    ("value Stream of parameter Mode becomes stream", put("stream", *MODE, "schema", "enum", 0), True, True,
     "The member STREAM stays, but yesterday's package sends a value that the server refuses."),
    ("enum of parameter Mode is dropped", drop(*MODE, "schema", "enum"), True, True,
     "The class DownloadJobResultMode is gone, which the facade imports as well."),
    ("enum of parameter Mode becomes component DownloadMode", _name_the_modes, True, True,
     "The class DownloadJobResultMode gets the component's name, although the server is the same."),
    ("title is added to the enum of parameter Mode", put("Delivery", *MODE, "schema", "title"), False, False,
     "The generator does not get titles, so that DownloadJobResultMode keeps its name."),
    ("parameter CreatedAfter becomes a component", _name_a_parameter, False, False,
     "Parameters make no classes, so where one is described does not matter."),
    ("parameter AccountSID moves from listJobs to its path", _share_account_sid, False, False,
     "A parameter of the path holds for its operations in the same way."),
    ("component parameter JobId becomes JobIdentifier", rename_component("JobIdentifier", "parameters", "JobId"),
     False, False, "Parameters make no classes, so the component's name does not matter."),
    ("style and explode of parameter CreatedAfter are written out", together(
        put("form", *LIST, "parameters", 1, "style"), put(True, *LIST, "parameters", 1, "explode")),  # noqa: FBT003
     False, False, "They are the defaults of a query parameter."),
    ("explode of parameter CreatedAfter becomes false", put(
        False, *LIST, "parameters", 1, "explode"), False, False,  # noqa: FBT003
     "It has a meaning for lists and objects only."),
    ("style of path parameter JobId is written out", put("simple", *SECTION_OF_JOB_ID, "style"), False, False,
     "It is the default of a path parameter."),
    ("query parameter createdAfter of listJobs is added", insert(
        _query("createdAfter"), *LIST, "parameters"), True, True,
     "Both give the keyword created_after, so that of CreatedAfter becomes CreatedAfter."),
    ("optional query parameter Created.After of listJobs is added after CreatedAfter", insert(
        _query("Created.After"), *LIST, "parameters"), False, False,
     "The generator cannot distinguish the two, so the new one gets no keyword."),
    # Fields of the job.
    ("field Job.Priority is added", put(_PRIORITY, *FIELDS, "Priority"), False, False,
     "A new optional field is a new keyword with a default; yesterday's package keeps it as an additional property."),
    ("required field Job.Priority is added", together(
        put(_PRIORITY, *FIELDS, "Priority"), put(["Priority"], *JOB, "required")), True, False,
     "The constructor of the generated Job gets a required argument."),
    ("field Job.StatusMessage is removed", drop(*FIELDS, "StatusMessage"), True, True,
     "The attribute status_message is gone, and the facade's is None from now on."),
    ("field Job.ProgramId becomes ProgramID", rename("ProgramID", *FIELDS, "ProgramId"), True, True,
     "The attribute stays program_id, but yesterday's package and the facade read ProgramId."),
    ("field Job.Status is removed", drop(*FIELDS, "Status"), True, True,
     "The facade waits by the status."),
    ("fields Job.Id and Job.Status become required", put(["Id", "Status"], *JOB, "required"), True, False,
     "The constructor of the generated Job requires them; the facade required both already."),
    ("format uuid of field Job.Id is dropped", drop(*FIELDS, "Id", "format"), True, True,
     "The attribute becomes a str, and the facade refuses a job whose Id is no UUID."),
    ("format of field Job.ResultUri is dropped", drop(*FIELDS, "ResultUri", "format"), False, False,
     "The generator makes a str of both."),
    ("field Job.ResultUri becomes nullable", put(["string", "null"], *FIELDS, "ResultUri", "type"), True, False,
     "Typed readers get None; the facade reads null as None."),
    ("field Job.RecordsProcessed loses type string", put("integer", *FIELDS, "RecordsProcessed", "type"), True, False,
     "The constructor accepts no str any more; the facade reads either."),
    ("field Job.RecordsProcessed becomes number or string", put(
        ["number", "string"], *FIELDS, "RecordsProcessed", "type"), True, False,
     "Typed readers get a float; the facade makes an int of it."),
    ("field Job.ResultUri becomes an object", put(
        {"type": "object", "properties": {"Href": {"type": "string"}}}, *FIELDS, "ResultUri"), True, True,
     "The attribute gets another type, and the facade's result_uri is None from now on."),
    ("value ERROR of JobStatus is removed", drop(*SCHEMAS, "JobStatus", "enum", 4), True, True,
     "The member JobStatus.ERROR is gone, which the facade uses."),
    ("value CANCELLED of JobStatus becomes CANCELED", put("CANCELED", *SCHEMAS, "JobStatus", "enum", 3), True, True,
     "The member is gone, and the facade does not take the new state for the end of a job."),
    ("value UploadAds of JobType is removed", drop(*SCHEMAS, "JobType", "enum", 2), True, True,
     "The member JobType.UPLOADADS is gone, which the facade exports."),
    ("value PAUSED of JobStatus is added", insert("PAUSED", *SCHEMAS, "JobStatus", "enum"), False, False,
     "The enum is open, so yesterday's package reads the new value as a str."),
    ("value completed of JobStatus is added before COMPLETED", insert(
        "completed", *SCHEMAS, "JobStatus", "enum", at=0), True, True,
     "The member JobStatus.COMPLETED gets the value completed, and the facade waits for COMPLETED by it."),
    ("field Job.status is added", put({"type": "string"}, *FIELDS, "status"), True, False,
     "Both give the attribute status, so that of Status becomes Status; the facade reads Status."),
    ("field Job.JOBS is added", put({"type": "string"}, *FIELDS, "JOBS"), False, False,
     "No other field gives its Python name."),
    ("values of JobStatus change places", put(
        ["RUNNING", "QUEUED", "COMPLETED", "CANCELLED", "ERROR", "FAILED"], *SCHEMAS, "JobStatus", "enum"),
     False, False, "The order of an enum has no meaning."),
    ("field Job.Status becomes a closed enum", put(
        {"$ref": "#/components/schemas/JobStatus"}, *FIELDS, "Status"), True, True,
     "The constructor accepts no other str any more, and jobs.generated fails at a state that is new."),
    ("field Job.Status becomes any string", drop(*FIELDS, "Status", "anyOf"), True, False,
     "mypy accepts both, but `job.status is JobStatus.COMPLETED` is false from now on; the facade has its own parser."),
    ("field Job.Replayable loses type string", put("boolean", *FIELDS, "Replayable", "type"), True, False,
     "The constructor accepts no str any more; the facade reads either."),
    ("minimum of field Job.PercentageComplete is dropped", drop(*FIELDS, "PercentageComplete", "minimum"), False, False,
     "Generated code checks no limits in responses."),
    ("component Job becomes JobRecord", rename_component("JobRecord", "schemas", "Job"), True, True,
     "The component names the class, which the facade imports as well."),
    ("component Job is split into JobBase and the rest", _split_job, False, False,
     "The generator joins allOf, so the class has the same fields."),
    ("response 200 of getJob repeats the schema of Job inline", _inline_the_job, True, False,
     "The generator makes a second class, and a function that takes a Job does not accept it."),
    ("title is added to component Job", put("Scheduled job", *JOB, "title"), False, False,
     "The generator does not get titles, so that Job keeps its name."),
    ("component Job gets additionalProperties: false", put(
        False, *JOB, "additionalProperties"), True, False,  # noqa: FBT003
     "The attribute additional_properties is gone; the facade does not use it."),
    ("component job is added after Job", put(_PROBLEM, *SCHEMAS, "job"), False, False,
     "The class of the new component gets a number, and Job stays."),
    ("component Unused is added", put(_PROBLEM, *SCHEMAS, "Unused"), False, False,
     "A new class changes no program."),
    # Responses.
    ("response 202 of downloadJobResult is removed", drop(*DOWNLOAD, "responses", "202"), True, True,
     "Programs and the facade recognise an unfinished job by it."),
    ("response 404 of getJob is removed", drop(*GET, "responses", "404"), False, True,
     "Programs have one case too many, but the facade promises JobNotFoundError and recognises it by the 404."),
    ("response 503 of getJob is added", put({"description": "Maintenance."}, *GET, "responses", "503"), False, False,
     "Generated code already returned None for undocumented errors, and the facade tries again."),
    ("response 400 of getJob gets a schema", put(
        {"application/json": {"schema": _PROBLEM}}, *GET, "responses", "400", "content"), True, False,
     "The return type gets another class, so attributes of the job need a test first; the facade reads errors itself."),
    ("response 200 of replayJob becomes 201", rename("201", *REPLAY, "responses", "200"), True, False,
     "Yesterday's package returns None for 201; the facade accepts it."),
    ("response 200 of listJobs becomes an object with Jobs", put(
        {"type": "object", "properties": {"Jobs": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}}},
        *LIST, "responses", "200", *JSON, "schema"), True, False,
     "The return type is no list any more; the facade reads both forms."),
    ("content type of the result becomes text/csv", put(
        {"text/csv": {"schema": {"type": "string"}}}, *DOWNLOAD, "responses", "200", "content"), True, False,
     "The return type becomes str instead of File; the facade streams the bytes of any type."),
    ("content type of the result becomes text/csv, still with format binary", rename(
        "text/csv", *DOWNLOAD, "responses", "200", "content", "application/octet-stream"), False, False,
     "The generator makes a File of both, and asks for no type; the facade streams the bytes of any type."),
    ("content type of the result becomes application/zip", rename(
        "application/zip", *DOWNLOAD, "responses", "200", "content", "application/octet-stream"), False, False,
     "The generator makes a File of both, and asks for no type; the facade streams the bytes of any type."),
    ("format binary of the result is dropped", drop(
        *DOWNLOAD, "responses", "200", "content", "application/octet-stream", "schema", "format"), False, False,
     "The generator makes a File of any content that is neither JSON nor text."),
    ("content type of getJob becomes application/xml", rename(
        "application/xml", *GET, "responses", "200", *JSON), True, True,
     "Generated code returns a File for XML, and the facade reads none."),
    ("header Location of the redirect is removed", drop(*DOWNLOAD, "responses", "302", "headers"), True, True,
     "Programs and the facade take the address of the result from it."),
    ("header X-Request-Id of getJob is added", put(
        {"X-Request-Id": {"schema": {"type": "string"}}}, *GET, "responses", "200", "headers"), False, False,
     "Generated code does not read headers."),
    # Security, servers, and what only people read.
    ("security of listJobs is removed", put([], *LIST, "security"), False, False,
     "The function accepts a Client as well, and the server accepts credentials as before."),
    ("security scheme becomes bearer", put("bearer", "components", "securitySchemes", "BasicAuth", "scheme"),
     True, True, "The server refuses the credentials that programs send."),
    ("server moves", put("https://api.impact.invalid", "servers", 0, "url"), True, True,
     "Programs and the facade's default address the old one."),
    ("server is added", insert({"url": "https://eu.impact.invalid"}, "servers"), False, False,
     "The first server is as it was."),
    ("info.title changes", put("Agency API", "info", "title"), False, False, "Only a docstring shows it."),
    ("description of field Job.Status changes", put("Where the job stands.", *FIELDS, "Status", "description"),
     False, False, "Only docstrings show it."),
    ("summary and description of getJob change", together(
        put("Read a job", *GET, "summary"), put("Returns one job.", *GET, "description")), False, False,
     "Only docstrings show them."),
    ("example is added to field Job.CreatedBy", put("IRexample", *FIELDS, "CreatedBy", "example"), False, False,
     "Only a docstring shows it."),
    ("extension x-rate-limit is added to getJob", put(100, *GET, "x-rate-limit"), False, False,
     "The generator ignores extensions."),
)  # fmt: skip

BEDS = ("paths", "/beds/{bedId}/seedlings")
LIMIT = (*BEDS, "get", "parameters", 1)
SEEDLING = (*SCHEMAS, "Seedling")
NEW = (*SCHEMAS, "NewSeedling")
LABEL = ("paths", "/seedlings/{seedlingId}", "patch")
PHOTO = ("paths", "/seedlings/{seedlingId}/photo", "post", "requestBody", "content", "multipart/form-data")
_MORE_JSON = put(
    {"schema": {"$ref": f"{_REF}/NewSeedling"}},
    *(*BEDS, "post", "requestBody", "content", "application/vnd.nursery+json"),
)


def _add_kind_first(document: Document) -> None:
    fields = find(document, *SEEDLING)["properties"]
    others = dict(fields)
    fields.clear()
    fields.update({"Kind": {"type": "string"}, **others})


_MADE_UP: tuple[tuple[str, Change, bool, str], ...] = (
    ("field NewSeedling.origin is added", put({"type": "string"}, *NEW, "properties", "origin"), False,
     "A new optional field of a body is a new keyword with a default."),
    ("required field NewSeedling.origin is added", together(
        put({"type": "string"}, *NEW, "properties", "origin"), insert("origin", *NEW, "required")), True,
     "Bodies without it do not type-check, and the server refuses them."),
    ("field NewSeedling.depth becomes required", insert("depth", *NEW, "required"), True,
     "Bodies without it do not type-check, and the server refuses them."),
    ("field NewSeedling.name becomes optional", put([], *NEW, "required"), True,
     "Programs that read it back from the body may get UNSET, so they do not type-check."),
    ("body of labelSeedling becomes required", put(True, *LABEL, "requestBody", "required"), True,  # noqa: FBT003
     "Calls without a body do not type-check, and the server refuses them."),
    ("body of labelSeedling becomes JSON", rename(
        "application/json", *LABEL, "requestBody", "content", "application/x-www-form-urlencoded"), True,
     "Yesterday's package sends a form, which the server refuses, although the signature stays."),
    ("file leaf of addPhoto is added", put(
        {"type": "string", "format": "binary"}, *PHOTO, "schema", "properties", "leaf"), False,
     "A new optional part is a new keyword with a default."),
    ("header X-Shelf of listSeedlings is added", insert(
        {"name": "X-Shelf", "in": "header", "schema": {"type": "string"}}, *BEDS, "get", "parameters"), False,
     "A new keyword with a default leaves calls as they are."),
    ("header X-Trace of listSeedlings becomes required", put(
        True, *BEDS, "get", "parameters", 6, "required"), True,  # noqa: FBT003
     "Calls without it do not type-check, and the server refuses them."),
    ("parameter order of listSeedlings moves to a header", put("header", *BEDS, "get", "parameters", 5, "in"), True,
     "Yesterday's package sends it in the query, where the server ignores it, although the signature stays."),
    ("parameter bedId in the query of listSeedlings is added", insert(
        {"name": "bedId", "in": "query", "schema": {"type": "string"}}, *BEDS, "get", "parameters"), True,
     "The keyword bed_id becomes bed_id_path, because two parameters have that Python name."),
    ("body of labelSeedling may be JSON as well", put(
        {"schema": {"$ref": f"{_REF}/Label"}}, *LABEL, "requestBody", "content", "application/json"), False,
     "The server accepts the form as before; generated code sends the same class as JSON from now on."),
    ("body of plantSeedling may be application/vnd.nursery+json as well", _MORE_JSON, False,
     "Generated code cannot tell two bodies of one class apart, and sends the first, which the server accepts."),
    ("body of plantSeedling may be application/vnd.nursery+json as well, beside a new header", together(
        _MORE_JSON, insert({"name": "X-Note", "in": "header", "schema": {"type": "string"}},
                           *BEDS, "post", "parameters")), False,
     "The body is sent as before, and the header is a new keyword with a default."),
    ("body of plantSeedling may be a file as well", put(
        {"schema": {"type": "string", "format": "binary"}},
        *BEDS, "post", "requestBody", "content", "image/png"), False,
     "The argument takes a File beside the class."),
    ("body of plantSeedling becomes text/csv", rename(
        "text/csv", *BEDS, "post", "requestBody", "content", "application/json"), True,
     "The server refuses JSON, and the argument takes a File."),
    ("body of labelSeedling may be a list in JSON as well", put(
        {"schema": {"type": "array", "items": {"type": "string"}}},
        *LABEL, "requestBody", "content", "application/json"), True,
     "Generated code sends JSON if it is no object, so the argument takes no Label any more."),
    ("photo of addPhoto may be JSON as well", put(
        {"schema": {"type": "object", "properties": {"url": {"type": "string"}}}},
        *PHOTO[:-1], "application/json"), True,
     "The class AddPhotoBody becomes AddPhotoFilesBody, because there are two bodies."),
    ("listSeedlings returns text/csv only", drop(
        *BEDS, "get", "responses", "200", "content", "application/json"), True, "The return type becomes str."),
    ("allOf around the reference in field offspring", put(
        {"allOf": [{"$ref": f"{_REF}/Seedling"}]}, *SEEDLING, "properties", "offspring", "items"), False,
     "The generator takes a single reference for the schema itself."),
    ("values of field Seedling.kind get names", put(
        ["TREE_KIND", "HERB_KIND"], *SEEDLING, "properties", "kind", "x-enum-varnames"), False,
     "The generator does not get these names, so that TREE and HERB stay."),
    ("credentials of plantSeedling become optional", insert({}, *BEDS, "post", "security"), False,
     "The server accepts the key as before, and the function still takes an AuthenticatedClient."),
    ("query parameter Limit of listSeedlings is added", insert(
        {"name": "Limit", "in": "query", "schema": {"type": "string"}}, *BEDS, "get", "parameters", at=0), False,
     "Both give the keyword limit, so the new one becomes Limit, and limit stays."),
    ("header X-Day of listSeedlings with a date is added", insert(
        {"name": "X-Day", "in": "header", "schema": {"type": "string", "format": "date"}},
        *BEDS, "get", "parameters"), False,
     "The generator makes a str of it, because it puts no dates in headers."),
    ("items of parameter rows become strings", put(
        "string", *BEDS, "get", "parameters", 2, "schema", "items", "type"), True,
     "A list of int is no list of str."),
    ("default of parameter limit changes", put(50, *LIMIT, "schema", "default"), True,
     "A call without it asks for another number of seedlings than before."),
    ("maximum of parameter limit is lowered", put(100, *LIMIT, "schema", "maximum"), True,
     "The server refuses values that were right, although the signature stays."),
    ("maximum of parameter limit is raised", put(1000, *LIMIT, "schema", "maximum"), False,
     "Every value that was right still is."),
    ("style and explode of parameter rows are written out", together(
        put("form", *BEDS, "get", "parameters", 2, "style"),
        put(True, *BEDS, "get", "parameters", 2, "explode")), False,  # noqa: FBT003
     "They are the defaults of a query parameter."),
    ("explode of parameter rows becomes false", put(
        False, *BEDS, "get", "parameters", 2, "explode"), True,  # noqa: FBT003
     "The server reads one list where yesterday's package sends each item, and the generated argument becomes a str."),
    ("style of path parameter bedId becomes matrix", put(
        "matrix", *BEDS, "get", "parameters", 0, "style"), True,
     "The server reads ;bedId= before the name of the bed, although the signature stays."),
    ("minItems 0 of parameter rows is written out", put(0, *BEDS, "get", "parameters", 2, "schema", "minItems"), False,
     "No list has fewer items."),
    ("parameter minHeight becomes a number", put(
        "number", *BEDS, "get", "parameters", 3, "schema", "type"), False,
     "Type checkers accept an int as a float, and every integer is a number."),
    ("parameter maxHeight becomes an integer", put(
        "integer", *BEDS, "get", "parameters", 4, "schema", "type"), True,
     "A float is no int, and the server refuses 1.5."),
    ("value age of parameter order is added", insert(
        "age", *BEDS, "get", "parameters", 5, "schema", "enum"), False, "A request may say more than before."),
    ("field Seedling.leaves becomes a number", put("number", *SEEDLING, "properties", "leaves", "type"), True,
     "Typed readers get a float."),
    ("value moss of field Seedling.kind is added", insert("moss", *SEEDLING, "properties", "kind", "enum"), True,
     "The enum is closed, so yesterday's package raises ValueError."),
    ("value herb of field Seedling.kind is removed", drop(*SEEDLING, "properties", "kind", "enum", 1), True,
     "The member is gone."),
    ("value 0.5 of field NewSeedling.pot is added before 1.5", together(
        insert("0.5", *NEW, "properties", "pot", "enum", at=0)), True,
     "The generator names such values by their places, so VALUE_0 gets another value."),
    ("value 9 of field NewSeedling.pot is added after 1.5", insert("9", *NEW, "properties", "pot", "enum"), False,
     "The members of the other values keep their names."),
    ("field Seedling.ID is added", put({"type": "integer"}, *SEEDLING, "properties", "ID"), False,
     "The attribute id stays, because that of the new field is ID."),
    ("field Seedling.Kind is added before kind", _add_kind_first, False,
     "Both give the attribute kind, so the new one becomes Kind, and kind stays."),
    ("number 5 is added to the values of field NewSeedling.pot", insert(5, *NEW, "properties", "pot", "enum"), True,
     "The generator makes no class of mixed values, so NewSeedlingPot is gone."),
    ("component seedling is added before Seedling", _add_component_first("seedling"), True,
     "Both give the class Seedling, which is that of the new component, and the old one becomes Seedling2."),
    ("value Daily of field NewSeedling.watering is added after daily", insert(
        "Daily", *NEW, "properties", "watering", "enum"), False,
     "Both give the member DAILY, so the generator names the new one by its number."),
    ("server of the nursery gets a slash at its end", put("https://nursery.invalid/", "servers", 0, "url"), False,
     "Clients join the address with a path by one slash in either case."),
    ("value hourly of field NewSeedling.watering is added", insert(
        "hourly", *NEW, "properties", "watering", "enum"), False,
     "Only requests have it, and they may say more than before."),
    ("field NewSeedling.remark is no longer nullable", put("string", *NEW, "properties", "remark", "type"), True,
     "Bodies with None do not type-check, and the server refuses them."),
    ("variant Peat of field Seedling.soil is added", insert(
        {"$ref": "#/components/schemas/Peat"}, *SEEDLING, "properties", "soil", "oneOf"), True,
     "Typed readers get a third class."),
    ("variant Sand of field Seedling.soil is removed", drop(*SEEDLING, "properties", "soil", "oneOf", 1), True,
     "The constructor of Seedling does not accept a Sand any more."),
    ("unused component Peat is removed", drop(*SCHEMAS, "Peat"), True,
     "Its class is gone, which programs may have imported."),
    ("default response of listSeedlings is added", put(
        {"description": "Refused.", "content": {"application/json": {"schema": {"$ref": f"{_REF}/Fault"}}}},
        *BEDS, "get", "responses", "default"), True,
     "The return type gets another class, so the list needs a test first."),
    ("default response of plantSeedling is removed", drop(*BEDS, "post", "responses", "default"), True,
     "Programs that annotate the result as Response[Fault | Seedling] do not type-check, because it is invariant."),
    ("response 201 of plantSeedling loses its content", drop(*BEDS, "post", "responses", "201", "content"), True,
     "Yesterday's package fails at the empty body, and the return type is no Seedling any more."),
    ("response 404 without content of listSeedlings is added", put(
        {"description": "No such bed."}, *BEDS, "get", "responses", "404"), False,
     "The return type gets Any, which type checkers accept everywhere, and None came back already."),
    ("content type text/csv of listSeedlings is removed", drop(
        *BEDS, "get", "responses", "200", "content", "text/csv"), False,
     "Generated code reads JSON if there is some, and no other type then."),
    ("listSeedlings needs a key", put([{"Key": []}], *BEDS, "get", "security"), True,
     "A Client without credentials does not type-check, and the server refuses it."),
    ("maximum of field NewSeedling.depth is lowered", put(20, *NEW, "properties", "depth", "maximum"), True,
     "The server refuses values that were right, although the signature stays."),
    ("default of field Label.colour is dropped", drop(*SCHEMAS, "Label", "properties", "colour", "default"), True,
     "A label without a colour is sent without it, so the server chooses it."),
)  # fmt: skip

PLANTED: tuple[Planted, ...] = (
    *(Planted(name, change, "jobs", generated, facade, why) for name, change, generated, facade, why in _JOBS),
    *(
        Planted(name, change, "made-up", generated, breaks_facade=False, why=why)
        for name, change, generated, why in _MADE_UP
    ),
)
