from typing import Any

from spec.documents import JsonObject
from spec.generating.generator_warnings import problems_of

DOCUMENT: JsonObject = {
    "paths": {
        "/a": {"get": {"operationId": "getA", "responses": {"200": {"$ref": "#/components/responses/R"}}}},
        "/b/{Id}": {"put": {"operationId": "putB", "responses": {}}},
    },
    "components": {
        "responses": {"R": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S"}}}}},
        "schemas": {"S": {"oneOf": [{"$ref": "#/components/schemas/T"}]}, "T": {}, "Unused": {}},
    },
}


def locate(place: tuple[str | int, ...]) -> tuple[str, int]:
    return "/".join(map(str, place)), 7


def problems(*warnings: Any) -> tuple[list[str], list[str]]:
    found, notes = problems_of(warnings, DOCUMENT, locate)
    return [str(problem) for problem in found], notes


def test_an_operation_is_named_with_its_line_and_the_resolution_that_omits_it() -> None:
    header = "WARNING parsing PUT /b/{Id} within default. Endpoint will not be generated."
    found, notes = problems({"header": header, "detail": 'No "body"', "place": None})
    assert notes == []
    assert len(found) == 1
    assert found[0].startswith('paths//b/{Id}/put:7: the generator can\'t express /paths/~1b~1{Id}/put: No "body"\n')
    assert found[0].endswith("""    operationId/putB: "omit: the generator can't express it: No 'body'\"""")


def test_a_schema_is_named_once_with_all_operations_that_need_it() -> None:
    operation = {
        "header": "WARNING parsing GET /a within default.",
        "detail": "Could not find reference in parsed models or enums",
        "place": None,
    }
    schema = {"header": "Unable to parse schema /components/schemas/T", "detail": "odd", "place": None}
    found, _ = problems(operation, schema)
    assert len(found) == 1
    assert found[0].startswith("components/schemas/T:7: ")
    assert "operationId/getA: " in found[0]
    assert "putB" not in found[0]


def test_a_schema_that_no_operation_needs_is_only_noted() -> None:
    found, notes = problems({"header": "", "detail": "odd", "place": "/components/schemas/Unused"})
    assert found == []
    assert notes == ["the generator can't express /components/schemas/Unused: odd (no operation needs it)"]


def test_what_concerns_the_whole_document_is_a_problem() -> None:
    assert len(problems({"header": "ruff failed", "detail": "no space", "place": None})[0]) == 1
