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
        value: The only value that is sent, if it is a choice.
    """

    name: str
    form: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Operation:
    """An operation that the facade calls.

    Attributes:
        name: Its operationId.
        method: Its method.
        path: Its path. The facade passes the parameters in it by position, so their names do not matter.
        answer: What a success is: a `job`, the `jobs` of a list, a `scheduled` job, or the bytes of a `result`.
        query: The query parameters that may be sent.
    """

    name: str
    method: str
    path: str
    answer: str
    query: tuple[Query, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.method.upper()} {self.path})"

    @property
    def module(self) -> str:
        """The name of its generated module."""
        return identifier(self.name)

    def is_at(self, method: str, path: str) -> bool:
        """Return whether a request to a method and path is this operation."""
        return (method, _shape(path)) == (self.method, _shape(self.path))

    def class_of(self, query: Query) -> str:
        """Return the name of the class that the generator makes of a parameter's values."""
        return f"{self.name[0].upper()}{self.name[1:]}{query.name}"


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


TAG = "Jobs"
_JOBS = "/Agencies/{AccountSID}/Jobs"
OPERATIONS = (
    Operation(
        "listJobs", "get", _JOBS, "jobs", (Query("CreatedAfter", form="date"), Query("CreatedBefore", form="date"))
    ),
    Operation("getJob", "get", f"{_JOBS}/{{JobId}}", "job"),
    Operation("downloadJobResult", "get", f"{_JOBS}/{{JobId}}/Download", "result", (Query("Mode", value="Stream"),)),
    Operation("replayJob", "put", f"{_JOBS}/{{JobId}}/Replay", "scheduled"),
)
PATH_FORMATS = (None, "uuid")
"""The formats of the account and of the job's id in a path."""
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
