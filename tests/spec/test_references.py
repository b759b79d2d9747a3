from typing import Any

import pytest
from spec.documents import JsonObject, Place, render
from spec.references import component, reference_problems, target
from spec.texts.sources import Source


def ref(to: Any) -> Any:
    return {"$ref": f"#/components/schemas/{to}"}


def problems(*, paths: JsonObject | None = None, **sections: Any) -> list[str]:
    document: JsonObject = {"openapi": "3.1.0", "paths": paths or {}, "components": dict(sections)}
    source = Source("page.md", render(document).decode())

    def locate(place: Place) -> tuple[str, int | None]:
        return source.file, source.line(*place)

    return [str(problem) for problem in reference_problems(document, locate)]


def test_a_reference_is_decoded_as_a_fragment_and_then_as_a_pointer() -> None:
    assert target("#/components/schemas/a~1b%20c~0d%7E1") == ("components", "schemas", "a/b c~d/")
    assert target("other.json#/a") is None
    assert target("#anchor") is None
    assert component("#/components/schemas/Job/properties/a") == ("schemas", "Job")
    assert component("#/paths/~1jobs/get") is None
    assert component(1) is None


def test_all_references_that_lead_nowhere_are_named_with_their_lines_and_near_names() -> None:
    found = problems(schemas={"Job": {"properties": {"a": ref("Jobs"), "b": ref("Money")}}}, parameters={"P": ref("P")})
    advice = "\n    import the page that defines it in the same command"
    assert found == [
        f"page.md:9: #/components/schemas/Jobs leads to nothing{advice}; near names: Job",
        f"page.md:12: #/components/schemas/Money leads to nothing{advice}",
        f"page.md:19: #/components/schemas/P leads to nothing{advice}",
    ]


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("models.json#/Job", "remote reference 'models.json#/Job'"),
        ("https://example.com/a.json", "remote reference"),
        ("Job", "remote reference 'Job'"),
        ("#Job", "malformed reference '#Job'"),
        ("#/components/schemas/A%20B", "malformed reference '#/components/schemas/A%20B'"),
        ("#/components/schemas/A%2", "malformed reference"),
        ("#/components/schemas/A~2", "malformed reference"),
        (1, "malformed reference 1"),
        ("#/components/schemas/", "leads to nothing"),
        ("#/components/responses/R", "leads to one of the responses"),
        ("#/components/schemas/Job/allOf/7", "leads to nothing"),
    ],
)
def test_a_reference_that_can_not_be_followed_is_refused(reference: Any, reason: str) -> None:
    schemas: Any = {"Job": {"allOf": [{}]}, "A B": {}, "X": {"items": {"$ref": reference}}}
    (found,) = problems(schemas=schemas, responses={"R": {"description": "d"}})
    assert reason in found
    assert found.startswith("page.md:14: ")


def test_references_into_components_and_to_paths_are_followed() -> None:
    schemas = {"Job": {"allOf": [{}], "properties": {"a/b": {}}}, "X": {"items": ref("Job/properties/a~1b")}}
    operation: Any = {
        "responses": {"200": {"$ref": "#/paths/~1a/get/responses/default"}, "default": {"description": ""}}
    }
    assert not problems(schemas={**schemas, "Y": ref("Job/allOf/0")}, paths={"/a": {"get": operation}})


def test_a_reference_in_the_place_of_an_operation_is_refused_but_data_and_names_are_no_references() -> None:
    (found,) = problems(paths={"/a": {"get": ref("Job")}})
    assert found.startswith("page.md:6: a `$ref` is not allowed here: '#/components/schemas/Job'\n")
    assert not problems(schemas={"A": {"properties": {"$ref": {"type": "string"}}, "example": ref("B")}})


@pytest.mark.parametrize(
    ("schemas", "circle"),
    [
        ({"A": ref("A")}, "A → A"),
        ({"A": ref("B"), "B": ref("A")}, "A → B → A"),
        ({"A": {"allOf": [ref("B")]}, "B": {"allOf": [{"type": "object"}, {"allOf": [ref("A")]}]}}, "A → B → A"),
    ],
)
def test_a_circle_of_references_and_compositions_is_an_error(schemas: Any, circle: str) -> None:
    assert problems(schemas=schemas) == [
        f"page.md:6: circular references: {circle}\n    break the circle in openapi/overlay.json"
    ]


def test_each_circle_is_reported_in_all_sections() -> None:
    responses = {"R": {"$ref": "#/components/responses/R"}}
    union = {"allOf": [ref("B"), ref("C"), ref("D")]}
    found = problems(schemas={"A": ref("A"), "B": ref("C"), "C": union, "D": ref("C")}, responses=responses)
    assert sorted(problem.partition("\n")[0].partition("references: ")[2] for problem in found) == [
        "A → A",
        "B → C → B",
        "C → C",
        "C → D → C",
        "R → R",
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": ref("A")}},
        {"items": ref("A")},
        {"additionalProperties": ref("A")},
        {"oneOf": [{"type": "string"}, ref("A")]},
        {"allOf": [{"properties": {"a": ref("A")}}]},
    ],
)
def test_a_schema_of_nested_values_is_right(schema: Any) -> None:
    assert not problems(schemas={"A": schema})
