"""What a schema admits, however it says so."""

from __future__ import annotations

from typing import Any

import pytest
from spec.documents import Place
from spec.facade.view import View

SCHEMA: Place = ("components", "schemas", "It")
CODE: Any = {"type": "string", "enum": ["A", "B"]}
REF = {"$ref": "#/components/schemas/Code"}
LOOP = {"allOf": [{"$ref": "#/components/schemas/It"}, {"type": "object", "properties": {"X": {}}}]}


def view(schema: Any) -> View:
    return View({"components": {"schemas": {"It": schema, "Code": CODE, "a/b": {"$ref": "#/components/schemas/a~1b"}}}})


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({}, ""),
        ({"type": "string"}, "string"),
        ({"type": ["string", "null"]}, "null string"),
        ({"type": "string", "nullable": True}, "null string"),
        ({"enum": ["A", 1, None]}, "integer null string"),
        ({"const": True}, "boolean"),
        (REF, "string"),
        ({"anyOf": [REF, {"type": "integer"}]}, "integer string"),
        ({"oneOf": [REF, {}]}, ""),
        ({"type": "string", "anyOf": [REF, {"type": "integer"}]}, "string"),
        ({"allOf": [{"type": ["string", "integer"]}, {"type": "integer"}, {}]}, "integer"),
        (LOOP, "object"),
        ({"$ref": "#/components/schemas/a~1b"}, ""),
        ({"$ref": "#/nowhere"}, ""),
        ({"$ref": "other.json#/It"}, ""),
        (None, ""),
    ],
)
def test_the_types_that_a_schema_admits(schema: Any, types: str) -> None:
    assert sorted(view(schema).types(SCHEMA)) == types.split()


@pytest.mark.parametrize(
    ("schema", "formats"),
    [
        ({"type": "string"}, {None}),
        ({"type": "string", "format": "date"}, {"date"}),
        ({"anyOf": [{"type": "string", "format": "date"}, REF, {"type": "null"}]}, {"date", None}),
        ({"anyOf": [{"$ref": "#/components/schemas/It"}]}, set()),
    ],
)
def test_the_formats_of_its_text(schema: Any, formats: set[str | None]) -> None:
    assert view(schema).formats(SCHEMA) == formats


@pytest.mark.parametrize(
    ("schema", "is_open"),
    [
        ({"type": "string"}, True),
        (REF, False),
        ({"anyOf": [REF, {"type": "string"}]}, True),
        ({"oneOf": [REF, CODE]}, False),
        ({"allOf": [{"type": "string"}, REF]}, False),
        ({"anyOf": [{"$ref": "#/components/schemas/It"}]}, False),
    ],
)
def test_whether_other_values_are_admitted(schema: Any, is_open: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert view(schema).is_open(SCHEMA) is is_open


def test_the_fields_of_all_branches_are_found_where_they_are() -> None:
    assert view(LOOP).properties(SCHEMA) == {"X": (*SCHEMA, "allOf", 1, "properties", "X")}
