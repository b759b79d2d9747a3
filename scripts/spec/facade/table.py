"""The part of the facade's contract that its source does not state in one place: operations, parameters and types."""

import re
from dataclasses import dataclass

from spec.python_names import identifier


@dataclass(frozen=True)
class Query:
    """A query parameter that the facade may send.

    Attributes:
        name: Its name.
        form: The format of its text.
        values: The values that are sent, if it is a choice.
        is_own: Whether the facade writes it into the query itself, and not through the generated function.
    """

    name: str
    form: str | None = None
    values: tuple[str, ...] = ()
    is_own: bool = False


@dataclass(frozen=True)
class Operation:
    """An operation that the facade calls.

    Attributes:
        name: Its operationId.
        method: Its method.
        path: Its path. The facade passes the parameters in it by position, so their names do not matter.
        answer: What a success is: a `job`, the `jobs` of a list, a `scheduled` job, the bytes of a `result`, or `json`
            whose fields may all be missing.
        query: The query parameters that may be sent.
        tag: Its first tag, which names the generated package of its module.
        file: The file below `facade/impact_jobs` that calls it.
    """

    name: str
    method: str
    path: str
    answer: str
    query: tuple[Query, ...] = ()
    tag: str = "Jobs"
    file: str = "_api/endpoints.py"

    def __str__(self) -> str:
        return f"{self.name} ({self.method.upper()} {self.path})"

    @property
    def module(self) -> str:
        """The name of its generated module."""
        return identifier(self.name)

    @property
    def path_forms(self) -> tuple[str | None, ...]:
        """The formats of the parameters in the path."""
        return tuple("uuid" if name == "JobId" else None for name in re.findall(r"\{([^}]*)\}", self.path))

    def is_at(self, method: str, path: str) -> bool:
        """Return whether a request to a method and path is this operation."""
        return (method, _shape(path)) == (self.method, _shape(self.path))

    def class_of(self, query: Query) -> str:
        """Return the name of the class that the generator makes of a parameter's values."""
        return f"{self.name[0].upper()}{self.name[1:]}{query.name}"


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


_STREAM = Query("Mode", values=("Stream",))
_JOBS, _REPORTS = "/Agencies/{AccountSID}/Jobs", "/Agencies/{AccountSID}/Reports"


def _of_reports(name: str, path: str, query: tuple[Query, ...] = ()) -> Operation:
    return Operation(name, "get", path, "json", query, tag="Reports", file="_api/reports.py")


OPERATIONS = (
    Operation(
        "listJobs", "get", _JOBS, "jobs", (Query("CreatedAfter", form="date"), Query("CreatedBefore", form="date"))
    ),
    Operation("getJob", "get", f"{_JOBS}/{{JobId}}", "job"),
    Operation("downloadJobResult", "get", f"{_JOBS}/{{JobId}}/Download", "result", (_STREAM,)),
    Operation("replayJob", "put", f"{_JOBS}/{{JobId}}/Replay", "scheduled"),
    _of_reports(
        "exportReport",
        "/Agencies/{AccountSID}/ReportExport/{ReportId}",
        (
            Query("ResultFormat", values=("CSV", "JSON", "XML")),
            *(Query(name, form="date", is_own=True) for name in ("START_DATE", "END_DATE")),
        ),
    ),
    _of_reports("listReports", _REPORTS),
    _of_reports("getReportMetadata", f"{_REPORTS}/{{ReportId}}/MetaData"),
)
FORMS = {None: "text", "date": "a date", "date-time": "a date with a time", "uuid": "a UUID"}

WORDS = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "text",
}
"""The JSON types in messages."""

READABLE = {
    "_text": ("text", {"string", "integer", "number", "boolean"}),
    "_type": ("text", {"string", "integer", "number", "boolean"}),
    "_integer": ("an integer", {"string", "integer", "number", "boolean"}),
    "_boolean": ("true or false", {"string", "boolean"}),
    "read_datetime": ("a date", {"string"}),
}
"""By the function of `_api/parsing.py` that converts a field: what it returns, and the JSON types that it reads.

A field of any type that is null is None."""
EXPORTED = {"JobType": frozenset({"DownloadReport", "ApiReport", "UploadAds", "TermModification"})}
"""The values whose members users of `impact_jobs` may name, although its own code does not."""
OPEN_FIELDS = frozenset({"Type", "Status"})
"""Fields whose values are newer than a release at times."""
ALWAYS_DUE = (401, 403, 429)
"""The errors that every operation answers with; those with a job's id also answer 404."""
