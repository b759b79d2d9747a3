from typing import Any

import pytest
from spec.documents import JsonObject
from spec.merging.names import Names, check_names


def query(name: str, **fields: Any) -> Any:
    return {"name": name, "in": "query", "schema": {"type": "string"}, **fields}


def operation(name: str | None, *parameters: Any, tag: str | None = "Jobs", **fields: Any) -> Any:
    named = {"operationId": name} if name is not None else {}
    tags = {"tags": [tag]} if tag else {}
    return {**named, **tags, "parameters": [*parameters], "responses": {}, **fields}


def check(paths: JsonObject, **components: Any) -> Names:
    return check_names(
        {"openapi": "3.1.0", "paths": paths, "components": components},
        lambda place: ("/".join(map(str, place)), None),
    )


def of(*parameters: Any, **fields: Any) -> Names:
    return check({"/a": {"post": operation("a", *parameters, **fields)}})


def reasons(names: Names) -> list[str]:
    return [str(problem).partition("\n")[0] for problem in names.problems]


@pytest.mark.parametrize("other", ["list_jobs", "List-Jobs", "listJobs"])
def test_operations_of_one_tag_with_one_module_are_an_error(other: str) -> None:
    names = check({"/a": {"get": operation("listJobs")}, "/b": {"get": operation(other, tag="jobs")}})
    (problem,) = names.problems
    assert problem.file == "paths//b/get/operationId"
    assert problem.reason == "GET /b and GET /a give the same module, jobs/list_jobs.py"
    assert problem.advice.endswith(f'\n  operationId/{other}: "rename: NAME in GET /b"')
    assert not check({"/a": {"get": operation("listJobs")}, "/b": {"get": operation(other, tag="x")}}).problems


@pytest.mark.parametrize("name", ["", "---", "🙂"])
def test_an_operation_id_without_letters_makes_no_name(name: str) -> None:
    (reason,) = reasons(check({"/a": {"get": operation(name)}}))
    assert reason == f"paths//a/get/operationId: the operationId {name!r} of GET /a gives no Python name"


@pytest.mark.parametrize(("name", "module"), [("123", "field_123"), ("class", "class_"), ("__init__", "field_init")])
def test_an_operation_id_that_is_no_python_name_is_noted(name: str, module: str) -> None:
    names = check({"/a": {"get": operation(name)}})
    assert not names.problems
    assert names.notes == [f"GET /a: the operationId {name!r} is no Python name; its module is {module}.py"]
    assert not check({"/a": {"get": operation("listJobs", tag=None)}}).notes


def test_missing_operation_ids_are_noted_once_and_an_error_if_their_paths_give_one_name() -> None:
    names = check({"/a": {"get": operation(None)}, "/b/{x}": {"get": operation(None)}})
    assert names.notes == ["2 operations, such as GET /a, have no operationId; the method and the path name the module"]
    assert not names.problems
    names = check({"/a/x": {"get": operation(None)}, "/a/{x}": {"get": operation(None)}})
    assert reasons(names) == [
        "paths//a/{x}/get/operationId: GET /a/{x} and GET /a/x give the same module, jobs/get_a_x.py"
    ]


def test_a_parameter_twice_is_an_error_also_by_reference() -> None:
    parameter = {"$ref": "#/components/parameters/P"}
    item = {"get": operation("a", query("x"), parameter), "parameters": [query("y"), query("y", required=True)]}
    assert reasons(check({"/a": item}, parameters={"P": query("x")})) == [
        "paths//a/get/parameters/1: GET /a: the query parameter 'x' appears twice",
        "paths//a/parameters/1: GET /a: the query parameter 'y' appears twice",
    ]


def test_a_parameter_of_an_operation_that_replaces_that_of_its_path_is_noted() -> None:
    names = check({"/a": {"get": operation("a", query("x")), "parameters": [query("x"), query("y")]}})
    assert names.notes == ["GET /a: the query parameter 'x' of the operation replaces that of its path"]
    assert not names.problems


@pytest.mark.parametrize("other", [query("fooBar"), {**query("foo_bar"), "in": "header"}])
def test_parameters_with_one_python_name_are_noted(other: Any) -> None:
    (note,) = of(query("foo_bar"), other).notes
    assert note.startswith("POST /a: the query parameter 'foo_bar' and the ")
    assert "have the same Python name, 'foo_bar'" in note


@pytest.mark.parametrize("name", ["client", "url"])
def test_a_parameter_called_as_an_argument_of_every_function_is_noted(name: str) -> None:
    assert of(query(name)).notes == [f"POST /a: the query parameter {name!r} becomes the argument {name}_query"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("params", {}),
        ("sync_detailed", {}),
        ("body", {"requestBody": {"content": {}}}),
        ("Headers", {"requestBody": {"content": {}}}),
    ],
)
def test_a_required_parameter_that_breaks_the_generated_function_is_an_error(name: str, fields: Any) -> None:
    (reason,) = reasons(of(query(name, required=True), **fields))
    assert f"the query parameter {name!r} has the Python name" in reason
    assert not of(query("body", required=True)).problems


def test_a_parameter_without_letters_and_a_path_that_is_a_reference_are_errors() -> None:
    assert reasons(of(query("$$"))) == [
        "paths//a/post/parameters/0: POST /a: the query parameter '$$' gives no Python name"
    ]
    assert reasons(check({"/a": {"$ref": "#/components/pathItems/A"}})) == [
        "paths//a/$ref: /a is a reference, which the generator skips"
    ]
