"""The table in docs/reference/errors.md, from the docstrings. `python -m tests.docs.error_table` updates it."""

from __future__ import annotations

import inspect
import re

import impact_jobs
from impact_jobs import JobsError
from impact_jobs.cli.exit_codes import code_of

from tests.docs.pages import PAGES

PAGE = PAGES["docs/reference/errors.md"]
_BEGIN, _END = "<!-- the table begins, by tests/docs/error_table.py -->\n", "<!-- the table ends -->\n"
# A test compares these with `Retry`.
TRIED_AGAIN = {
    "TransportError": "yes",
    "RequestTimeoutError": "yes",
    "RateLimitError": "yes",
    "ServerError": "yes",
    "ApiError": "408 and 425",
    "JobNotFoundError": "after a replay",
    "AuthenticationError": "after a replay",
    "PermissionDeniedError": "after a replay",
    "ResultNotReadyError": "if the job is COMPLETED",
    "ResultExpiredError": "with fresh links",
}


def errors() -> list[type[JobsError]]:
    """Return every error, each after its base class."""
    found = [getattr(impact_jobs, name) for name in impact_jobs.__all__]
    tree = [kind for kind in found if isinstance(kind, type) and issubclass(kind, JobsError)]
    return sorted(tree, key=lambda kind: [list(vars(impact_jobs.errors)).index(each.__name__) for each in line(kind)])


def line(kind: type[JobsError]) -> list[type[JobsError]]:
    return [each for each in reversed(kind.__mro__) if issubclass(each, JobsError)]


def table() -> str:
    head = "| Error | What happened | Retried | What to do | Exit code |\n|---|---|---|---|---|\n"
    return head + "".join(map(_row, errors()))


def _row(kind: type[JobsError]) -> str:
    text = " ".join(re.split(r"\n\n(?=\w+:\n)", inspect.getdoc(kind) or "")[0].split())
    happened, _, to_do = text.partition(" What to do: ")
    indent = "↳&nbsp;" * (len(line(kind)) - 2)
    tried = TRIED_AGAIN.get(kind.__name__, "" if kind is JobsError else "no")
    to_do = to_do[:1].upper() + to_do[1:] or "See the subclass."
    name = f"[`{kind.__name__}`](#impact_jobs.{kind.__name__})"
    cells = (f"{indent}{name}", happened, tried, to_do, str(code_of(kind.__new__(kind))))
    return f"| {' | '.join(cells)} |\n"


def rewritten(page: str) -> str:
    before, rest = page.split(_BEGIN)
    return before + _BEGIN + "\n" + table() + "\n" + _END + rest.split(_END)[1]


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
