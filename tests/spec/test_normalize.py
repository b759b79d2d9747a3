import pytest
from hypothesis import given
from hypothesis import strategies as st
from spec.documents import Json, JsonObject, SpecError, render
from spec.fragments import Fragment
from spec.merging.normalize import normalize
from spec.texts.sources import Source, read_source

from tests.spec.conftest import ROOT

REF: JsonObject = {"$ref": "#/components/schemas/A"}
NULL: JsonObject = {"type": "null"}


def normalized(document: JsonObject) -> JsonObject:
    return normalize(Fragment.of("jobs/a.json", Source("openapi/jobs/a.json", render(document).decode())))


def schema(value: Json, version: str = "3.1.0") -> Json:
    document = normalized({"openapi": version, "components": {"schemas": {"A": value}}})
    return document["components"]["schemas"]["A"]  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": ["string", "integer"], "nullable": True}, {"type": ["string", "integer", "null"]}),
        ({"type": ["string", "null"], "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"nullable": True}, {}),
        ({**REF, "nullable": True}, {"anyOf": [REF, NULL]}),
        ({**REF, "description": "d", "nullable": True}, {"description": "d", "anyOf": [REF, NULL]}),
        ({"allOf": [REF], "nullable": True}, {"anyOf": [REF, NULL]}),
        (
            {"type": "object", "allOf": [REF, {"properties": {}}], "nullable": True, "x-a": 1},
            {"x-a": 1, "anyOf": [{"type": "object", "allOf": [REF, {"properties": {}}]}, NULL]},
        ),
        ({"oneOf": [REF, {"type": "string"}], "nullable": True}, {"oneOf": [REF, {"type": "string"}, NULL]}),
        ({"anyOf": [REF, NULL], "nullable": True}, {"anyOf": [REF, NULL]}),
        ({"type": "object", "oneOf": [REF], "nullable": True}, {"type": ["object", "null"], "oneOf": [REF, NULL]}),
        (
            {"type": "string", "enum": ["a", None], "default": "a", "nullable": True},
            {"default": "a", "anyOf": [{"type": "string", "enum": ["a"]}, NULL]},
        ),
        (
            {"type": ["string", "null"], "enum": ["a"], "nullable": True},
            {"anyOf": [{"type": "string", "enum": ["a"]}, NULL]},
        ),
        ({"enum": [None], "nullable": True}, {"type": "null"}),
        ({"const": "a", "nullable": True}, {"anyOf": [{"const": "a"}, NULL]}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"exclusiveMaximum": True}, {}),
        ({"exclusiveMinimum": 0, "minimum": 0}, {"exclusiveMinimum": 0, "minimum": 0}),
    ],
)
@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_null_is_a_type_and_an_exclusive_limit_a_number(value: JsonObject, expected: JsonObject, version: str) -> None:
    assert schema(value, version) == expected
    assert schema({"type": "object", "properties": {"nullable": value}}) == {
        "type": "object",
        "properties": {"nullable": expected},
    }


def test_the_keys_keep_their_order() -> None:
    value = schema({"description": "d", "type": "integer", "nullable": True, "minimum": 1, "exclusiveMinimum": True})
    assert list(value) == ["description", "type", "exclusiveMinimum"]  # type: ignore[arg-type]


def test_data_is_left_alone() -> None:
    data: JsonObject = {"nullable": True, "type": "string"}
    value: JsonObject = {"type": "object", "default": data, "example": data, "enum": [data], "const": data}
    assert schema(value) == value
    properties: JsonObject = {"type": "object", "properties": {"nullable": {"type": "boolean"}}}
    assert schema(properties) == properties


def test_a_document_of_3_0_becomes_one_of_3_1_and_an_empty_one_of_3_1_keeps_its_version() -> None:
    assert normalized({"openapi": "3.0.3", "paths": {}})["openapi"] == "3.1.0"
    assert normalized({"openapi": "3.1.1", "paths": {}})["openapi"] == "3.1.1"


def test_published_documents_of_3_1_come_out_byte_for_byte() -> None:
    for path in sorted((ROOT / "openapi" / "jobs").glob("*-*.json")):
        document = read_source(path).parse()
        assert render(normalized(document)) == render(document)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"openapi": "3.2.0"}, "a.json:2: the version of OpenAPI is '3.2.0'"),
        ({"info": {}, "swagger": "2.0"}, "a.json:1: the version of OpenAPI is swagger 2.0"),
        ({"openapi": 3.1}, "is 3.1; only"),
        ({}, "is None; only"),
    ],
)
def test_other_versions_are_refused(document: JsonObject, reason: str) -> None:
    with pytest.raises(SpecError, match="can be merged") as caught:
        normalized(document)
    assert reason in str(caught.value)


SCHEMAS = st.recursive(
    st.sampled_from([{}, {"type": "string"}, {"enum": ["a"]}, REF]),
    lambda inner: st.fixed_dictionaries(
        {}, optional={"items": inner, "allOf": st.lists(inner, max_size=2), "oneOf": st.lists(inner, max_size=2)}
    ),
    max_leaves=6,
)


@given(value=SCHEMAS)
def test_a_schema_without_nullable_is_unchanged_and_twice_is_as_once(value: JsonObject) -> None:
    assert schema(value) == value
    once = schema({**value, "nullable": True})
    assert schema(once) == once
