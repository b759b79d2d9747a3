"""The mistakes of a plan."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from impact_jobs.errors import ConfigurationError


@frozen
class PlanProblem:
    """One mistake of a plan.

    Attributes:
        line: The number of its line, from 1; 0 if it is about the file as a whole.
        message: What is wrong, and what to write.

    Example:
        >>> try:
        ...     Plan.parse("[[report]]")
        ... except PlanError as error:
        ...     print(error.problems[0].message)
        id is missing: add a line such as id = "agency_action_listing".
    """

    line: int
    message: str


class PlanError(ConfigurationError):
    """A plan has mistakes. No request was sent.

    What to do: correct what each line of the message names.

    Attributes:
        problems: All mistakes, by line.

    Example:
        >>> try:
        ...     Plan.load("reports.toml")
        ... except PlanError as error:
        ...     print(error)
        reports.toml:4: format = "xlsx" is not a format: write "csv", "json" or "parquet".
        reports.toml:8: unknown key "spilt": did you mean "split"?
    """

    def __init__(self, problems: Iterable[PlanProblem], *, plan: str) -> None:
        unique = dict.fromkeys(problems)  # a mistake of the defaults may concern several reports
        self.problems: tuple[PlanProblem, ...] = tuple(sorted(unique, key=lambda problem: problem.line))
        super().__init__("\n".join(_line_of(problem, plan) for problem in self.problems))


def _line_of(problem: PlanProblem, plan: str) -> str:
    return f"{plan}:{problem.line}: {problem.message}" if problem.line else f"{plan}: {problem.message}"
