"""The public names of the Airflow provider are documented; read from the source, because Airflow is not installed."""

from __future__ import annotations

import ast
import doctest
import re
from functools import cache

import griffe
from impact_jobs.airflow import windows

from tests.docs.pages import PAGES, ROOT
from tests.docs.public import entries_of, public_names, sections_of

NAMES = public_names("impact_jobs.airflow")
# The methods that a DAG's author calls; Airflow calls the others.
METHODS = {"get_async_conn", "get_conn", "report_url", "test_connection"}
RAISES_NOTHING = {"ImpactHook.test_connection"}
# It inherits the argument, and always waits.
NOT_OFFERED = {"ImpactReportToStorageOperator": {"wait_for_completion"}}


@cache
def package() -> griffe.Module:
    sources = [ROOT / "facade", ROOT / "generated"]
    found = griffe.load("impact_jobs.airflow", search_paths=sources, resolve_aliases=True, allow_inspection=False)
    assert isinstance(found, griffe.Module)
    return found


def subject(name: str) -> griffe.Object:
    found = package()[name]
    assert isinstance(found, griffe.Alias), name
    return found.final_target


@cache
def documented() -> dict[str, griffe.Object]:
    """Return the public classes and functions by name, and the methods that users call."""
    found = {name: subject(name) for name in NAMES}
    found |= {
        f"{name}.{method}": member
        for name, each in list(found.items())
        for method, member in each.members.items()
        if method in METHODS and isinstance(member, griffe.Function)
    }
    return found


def docstring_of(each: griffe.Object) -> str:
    return each.docstring.value if each.docstring else ""


def parameters_of(each: griffe.Object) -> set[str]:
    """Return the parameters of a function, or of a class and the bases that are ours."""
    functions = [each] if isinstance(each, griffe.Function) else constructors_of(each)
    names = {
        parameter.name
        for function in functions
        for parameter in function.parameters
        if parameter.kind is not griffe.ParameterKind.var_keyword
    }
    return names - {"self", "cls"}


def constructors_of(each: griffe.Object) -> list[griffe.Function]:
    assert isinstance(each, griffe.Class)
    own = each.members.get("__init__")
    inherited = [made for base in each.resolved_bases for made in constructors_of(base)]
    return [*([own] if isinstance(own, griffe.Function) else []), *inherited]


def test_the_names_and_methods_are_found() -> None:
    assert len(NAMES) > 8
    assert {name.rpartition(".")[2] for name in documented() if "." in name} == METHODS
    assert parameters_of(subject("ImpactReportToStorageOperator")) >= {"report_id", "path", "impact_conn_id", "timeout"}


# Loops rather than parameters, because every worker would read the sources to know the names.
def test_every_parameter_is_explained() -> None:
    for name, each in documented().items():
        explained = set(entries_of(docstring_of(each), "Args")) | NOT_OFFERED.get(name, set())
        assert parameters_of(each) - explained == set(), name


def test_examples_are_python_and_methods_name_their_errors() -> None:
    for name, each in documented().items():
        text = docstring_of(each)
        examples = doctest.DocTestParser().get_examples(sections_of(text).get("Example", ""))
        assert examples, name
        for example in examples:
            compile(example.source, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        is_class = isinstance(each, griffe.Class)
        assert is_class or name in RAISES_NOTHING or entries_of(text, "Raises"), name


def test_what_an_argument_is_as_for_is_explained_there() -> None:
    for name in NAMES:
        for argument, text in entries_of(docstring_of(subject(name)), "Args").items():
            reference = re.fullmatch(r"As for `(\w+)`\.", text)
            if reference:
                there = entries_of(docstring_of(subject(reference[1])), "Args").get(argument, "As for")
                assert not there.startswith("As for"), f"{name}: {argument}"


def test_the_guide_names_every_operator_and_field_of_the_connection() -> None:
    from impact_jobs.airflow.provider_info import CONN_FIELDS  # noqa: PLC0415 - with the test that needs it

    guide = PAGES["docs/howto/airflow.md"].read_text()
    operators = [name for name in NAMES if name.endswith(("Operator", "Sensor", "Hook"))]
    assert [name for name in operators if f"`{name}" not in guide] == []
    assert [
        name for name, each in CONN_FIELDS.items() if f"`extra.{name}`" not in guide or each["label"] not in guide
    ] == []


def test_every_line_that_the_guide_explains_is_in_the_code() -> None:
    guide = PAGES["docs/howto/airflow.md"].read_text()
    table = guide.split("## When something goes wrong")[1]
    lines = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(lines) > 15
    sources = [path.read_text() for path in (ROOT / "facade").rglob("*.py")]
    texts = "\n".join(
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    # Without the values: what is in quotes or parentheses, statuses, moments, and what an ellipsis stands for.
    values = r"'[^']*'|…|[0-9][\d:T+-]{2,}|\([^)]*\)|FAILED|CANCELLED|gs:|written|the (?:bucket|connection) "
    parts = {part.strip() for line in lines for part in re.split(values, line)}
    assert sorted(part for part in parts if part not in texts) == []


def test_the_example_of_windows_runs() -> None:
    found = doctest.DocTestFinder().find(windows, "windows", globs={})
    results = [doctest.DocTestRunner().run(each) for each in found]
    assert [(each.failed, each.attempted > 0) for each in results] == [(0, True)]
