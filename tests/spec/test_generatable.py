"""The form of a document that the generator gets; that it makes sound code of it is tested with the interop tests."""

from typing import Any

import pytest
from generate import ROOT
from spec.build import describe
from spec.documents import JsonObject, render
from spec.generating.class_names import ClassNames
from spec.generating.generatable import Note, generatable
from spec.generating.generator import note_lines

STR: Any = {"type": "string"}


def ref(name: str) -> Any:
    return {"$ref": f"#/components/schemas/{name}"}


def document(schemas: Any = None, **operation: Any) -> JsonObject:
    """Return a document with some schemas and one operation."""
    described: Any = {"operationId": "getThing", "responses": {}, **operation}
    return {"openapi": "3.1.0", "paths": {"/a": {"post": described}}, "components": {"schemas": schemas or {}}}


def schemas_of(**schemas: Any) -> Any:
    """Return schemas as the generator gets them, without the places."""
    return without_places(generatable(document(schemas)).document["components"])["schemas"]


def operation_of(**operation: Any) -> Any:
    found: Any = generatable(document(**operation)).document["paths"]
    return without_places(found["/a"]["post"])


def without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_places(inner) for key, inner in value.items() if key != "x-at"}
    return [without_places(inner) for inner in value] if isinstance(value, list) else value


def test_the_document_itself_is_not_changed() -> None:
    given = describe(ROOT / "openapi").document
    before = render(given)
    assert generatable(given).notes == []
    assert render(given) == before


def test_every_schema_has_its_place() -> None:
    schemas: Any = generatable(document({"A/b": {"properties": {"x": STR}}})).document["components"]
    assert schemas["schemas"]["A/b"]["x-at"] == "/components/schemas/A~1b"
    assert schemas["schemas"]["A/b"]["properties"]["x"]["x-at"] == "/components/schemas/A~1b/properties/x"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "pattern": "x", "minLength": "many", "x-y": 1}, STR),
        ({"enum": [1, "a", True]}, {}),
        ({"type": "number", "enum": [0.5]}, {"type": "number"}),
        ({"enum": [True, False]}, {"type": "boolean"}),
        ({"type": "string", "enum": []}, STR),
        ({"const": True}, {"type": "boolean"}),
        ({"const": "a"}, {"const": "a"}),
        ({"type": "integer", "default": "x"}, {"type": "integer"}),
        ({"type": "integer", "default": 7}, {"type": "integer", "default": 7}),
        ({"type": "string", "format": "date", "default": "now"}, {"type": "string", "format": "date"}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"anyOf": [STR, {"type": "array"}]}, {"anyOf": [STR, {}]}),
        ({"type": "fish"}, {}),
        ({"type": ["string"]}, STR),
        ({"properties": {"a": True}}, {"type": "object", "properties": {"a": {}}}),
        ({"type": "object", "anyOf": [{"required": ["a"]}]}, {"type": "object"}),
        ({"allOf": [STR, {"maxLength": 3}]}, STR),
        ({"type": ["string", "null"], "enum": ["a", None]}, {"enum": ["a", None]}),
        ({"type": ["object", "null"]}, {"anyOf": [ref("S_type_0"), {"type": "null"}]}),
    ],
)
def test_a_schema_is_widened_to_what_the_generator_can_express(schema: Any, expected: Any) -> None:
    assert schemas_of(S=schema)["S"] == expected


def test_the_members_of_an_enum_whose_names_are_equal_get_others() -> None:
    names = schemas_of(S={"type": "string", "enum": ["a b", "a-b", "c", ""]})["S"]["x-enum-varnames"]
    assert names == ["A_B", "VALUE_1", "C", "VALUE_3"]


@pytest.mark.parametrize("names", [("+1", "-1"), ("a", "d"), ("a", "to_dict"), ("a", "cast")])
def test_a_property_without_a_name_of_its_own_is_left_to_the_additional_ones(names: tuple[str, str]) -> None:
    given = {"S": {"type": "object", "properties": dict.fromkeys(names, STR), "additionalProperties": False}}
    result = generatable(document(given))
    assert [note.place for note in result.notes] == [("components", "schemas", "S", "properties", names[1])]
    schemas: Any = result.document["components"]
    assert schemas["schemas"]["S"]["properties"].keys() == {names[0]}
    assert "additionalProperties" not in schemas["schemas"]["S"]


def test_two_properties_that_keep_their_case_must_not_have_the_name_of_a_class() -> None:
    result = generatable(document({"S": {"properties": {"unset": STR, "Unset": STR, "T": STR}}}))
    assert [note.place[-1] for note in result.notes] == ["Unset"]


def test_an_array_or_a_union_in_itself_is_any_value_there() -> None:
    assert schemas_of(S={"type": "array", "items": ref("S")})["S"]["items"] == {}
    assert schemas_of(S={"oneOf": [STR, ref("T")]}, T={"type": "array", "items": ref("S")})["T"]["items"] == {}


def test_an_object_in_itself_stays() -> None:
    assert schemas_of(S={"type": "object", "properties": {"s": ref("S")}})["S"]["properties"]["s"] == ref("S")


def test_a_composition_of_one_object_is_that_object() -> None:
    thing = {"type": "object", "properties": {"a": STR}}
    schemas = schemas_of(T={"allOf": [ref("S")], "description": "d"}, S=thing, U={"properties": {"t": ref("T")}})
    assert "T" not in schemas
    assert schemas["U"]["properties"]["t"] == ref("S")


def test_the_properties_of_all_parts_are_kept_if_they_contradict() -> None:
    base = {"type": "object", "properties": {"a": STR, "x": STR}, "required": ["a"]}
    schemas = schemas_of(B=base, S={"allOf": [ref("B"), {"properties": {"x": {"type": "integer"}}}]})
    flattened = schemas["S"]["allOf"][0]
    assert flattened["properties"] == {"a": STR, "x": {"type": "integer"}}
    assert flattened["required"] == ["a"]


EVENTS: Any = {
    "Kind": {"type": "string", "enum": ["Click", "SALE"]},
    "Click": {"type": "object", "properties": {"kind": ref("Kind")}},
    "Sale": {"allOf": [{"type": "object", "properties": {"kind": STR, "sum": STR}}]},
}
EVENT: Any = {
    "oneOf": [ref("Click"), ref("Sale")],
    "discriminator": {"propertyName": "kind", "mapping": {"SALE": ref("Sale")["$ref"]}},
}


def test_the_classes_of_a_union_get_the_value_of_its_discriminator() -> None:
    schemas = schemas_of(**EVENTS, Event=EVENT)
    assert schemas["Click"]["properties"]["kind"] == {"const": "Click"}
    assert schemas["Sale"]["allOf"][0]["properties"] == {"kind": {"const": "SALE"}, "sum": STR}


def test_a_class_that_accepts_only_its_own_value_stays() -> None:
    cats = {"Cat": {"properties": {"kind": {"enum": ["cat"]}}}, "Dog": {"properties": {"kind": {"const": "dog"}}}}
    pet = {"anyOf": [ref("Cat"), ref("Dog"), {"type": "null"}], "discriminator": {"propertyName": "kind"}}
    assert schemas_of(**cats, Pet=pet)["Cat"]["properties"]["kind"] == {"enum": ["cat"]}


def test_a_union_is_noted_if_a_class_of_it_is_used_without_its_discriminator() -> None:
    result = generatable(document({**EVENTS, "Event": EVENT, "Day": {"properties": {"click": ref("Click")}}}))
    assert [note.place for note in result.notes] == [("components", "schemas", "Event")]
    assert "first class that fits, without a look at 'kind'" in result.notes[0].sentence


def test_a_schema_that_others_need_first_comes_first() -> None:
    assert list(schemas_of(A={"oneOf": [ref("B"), STR]}, B={"type": "array", "items": STR})) == ["B", "A"]


@pytest.mark.parametrize(
    ("media_type", "schema", "expected"),
    [
        ("application/pdf", STR, ("application/octet-stream", {"type": "string", "format": "binary"})),
        ("text/csv", STR, ("text/x-response", STR)),
        ("text/csv", {"format": "binary"}, ("application/octet-stream", {"type": "string", "format": "binary"})),
        ("application/problem+json; v=1", STR, ("application/problem+json", STR)),
    ],
)
def test_a_response_is_json_text_or_bytes(media_type: str, schema: Any, expected: tuple[str, Any]) -> None:
    given = {"200": {"description": "d", "content": {media_type: {"schema": schema}}}, "x-note": 1}
    responses = operation_of(responses=given)["responses"]
    assert responses == {"200": {"description": "d", "content": {expected[0]: {"schema": expected[1]}}}}


def test_json_is_read_if_a_response_may_be_of_several_types() -> None:
    content = {"text/csv": {"schema": STR}, "application/json": {"schema": {"type": "object"}}}
    found = operation_of(responses={"200": {"description": "d", "content": content}})["responses"]["200"]
    assert list(found["content"]) == ["application/json"]


def test_a_body_of_an_unknown_type_is_a_file_and_keeps_its_type() -> None:
    result = generatable(document(requestBody={"content": {"application/pdf": {"schema": STR}}}))
    assert result.content_types == {"application/pdf": "application/octet-stream"}
    body = without_places(result.document["paths"])["/a"]["post"]["requestBody"]
    assert body["content"] == {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}


def test_of_two_bodies_of_one_type_json_is_sent() -> None:
    content = {"application/x-www-form-urlencoded": {"schema": ref("S")}, "application/json": {"schema": ref("S")}}
    result = generatable(document({"S": {"type": "object"}}, requestBody={"required": True, "content": content}))
    paths: Any = result.document["paths"]
    assert list(paths["/a"]["post"]["requestBody"]["content"]) == ["application/json"]
    assert [note.sentence for note in result.notes] == ["the body is never sent as application/x-www-form-urlencoded"]


def test_parameters_become_what_the_generated_code_sends_rightly() -> None:
    filters = {"type": "object", "properties": {"name": STR}}
    parameters: list[Any] = [
        {"name": "filter", "in": "query", "style": "deepObject", "schema": filters},
        {"name": "ids", "in": "query", "explode": False, "schema": {"type": "array", "items": STR}},
        {"name": "tags", "in": "query", "schema": {"type": "array", "items": STR}},
        {"name": "X-When", "in": "header", "schema": {"type": "string", "format": "date"}},
        {"name": "q", "in": "query", "content": {"application/json": {"schema": filters}}},
        {"name": "q[]", "in": "query", "schema": STR},
        {"name": "Accept", "in": "header", "schema": STR},
    ]
    found = {one["name"]: one["schema"] for one in operation_of(parameters=parameters)["parameters"]}
    tags = {"type": "array", "items": STR}
    assert found == {"filter[name]": STR, "ids": STR, "tags": tags, "X-When": STR, "q": STR}


def test_what_the_generated_code_would_send_as_python_prints_it_is_a_string() -> None:
    things: Any = {"type": "array", "items": {"type": "object"}}
    parameters: list[Any] = [
        {"name": "things", "in": "query", "schema": things},
        {"name": "flag", "in": "path", "required": True, "schema": {"type": "boolean"}},
        {"name": "nested", "in": "query", "schema": {"properties": {"inner": things}}},
    ]
    result = generatable(document(parameters=parameters))
    paths: Any = without_places(result.document["paths"])
    assert [one["schema"] for one in paths["/a"]["post"]["parameters"]][:2] == [STR, STR]
    assert [note.place[-1] for note in result.notes] == [0, 1, 2]
    assert "'inner' of the parameter 'nested' is sent as Python prints it" in result.notes[2].sentence


@pytest.mark.parametrize("name", ["body", "params", "headers", "response", "quote"])
def test_an_optional_parameter_without_an_argument_is_noted(name: str) -> None:
    parameters: list[Any] = [
        {"name": name, "in": "query", "schema": STR},
        {"name": "id", "in": "path", "required": True, "schema": STR},
    ]
    body: Any = {"required": True, "content": {"application/json": {"schema": STR}}}
    with_body = document(parameters=parameters, requestBody=body)
    (note,) = generatable(with_body).notes
    assert note.sentence.startswith(f"the function has no argument for the query parameter {name!r}, because ")


def test_a_parameter_may_have_the_name_of_a_body_that_is_not_there() -> None:
    assert generatable(document(parameters=[{"name": "body", "in": "query", "schema": STR}])).notes == []


@pytest.mark.parametrize(
    ("media_type", "field", "expected", "sentence"),
    [
        ("multipart/form-data", {"type": ["string", "null"]}, STR, "can't be None"),
        ("multipart/form-data", {"anyOf": [STR, {"type": "null"}]}, {"anyOf": [STR]}, "can't be None"),
        ("multipart/form-data", {"type": "boolean"}, STR, "give 'true' or 'false'"),
        (
            "application/x-www-form-urlencoded",
            {"enum": ["a", None], "type": ["string", "null"]},
            {"type": "string", "enum": ["a"]},
            "can't be None",
        ),
        ("application/x-www-form-urlencoded", {"properties": {"a": STR}}, STR, "give objects as JSON"),
        (
            "application/x-www-form-urlencoded",
            {"type": "array", "items": {"type": "object"}},
            STR,
            "give objects as JSON",
        ),
    ],
)
def test_a_field_of_a_form_is_what_the_generated_code_sends_rightly(
    media_type: str, field: Any, expected: Any, sentence: str
) -> None:
    form = {"allOf": [{"properties": {"x": field}, "required": ["x"]}, {"properties": {"y": STR}}]}
    result = generatable(document({"Form": form}, requestBody={"content": {media_type: {"schema": ref("Form")}}}))
    paths: Any = without_places(result.document["paths"])
    sent = paths["/a"]["post"]["requestBody"]["content"][media_type]["schema"]
    assert sent == {"type": "object", "properties": {"x": expected, "y": STR}, "required": ["x"]}
    assert sentence in "".join(note.sentence for note in result.notes)


def test_the_content_type_of_a_body_that_is_left_out_is_noted() -> None:
    (note,) = generatable(document(requestBody={"content": {"application/json": {"schema": STR}}})).notes
    assert note.sentence.startswith("a call without a body sends `Content-Type: application/json`")


def test_a_json_body_that_may_be_null_is_noted() -> None:
    content = {"application/json": {"schema": {"type": ["object", "null"]}}}
    (note,) = generatable(document(requestBody={"required": True, "content": content})).notes
    assert note.sentence.startswith("a body of None is sent as an empty body")


@pytest.mark.parametrize("default", ['a"b', "a\\b", "a\n"])
def test_a_default_that_the_generated_code_would_corrupt_is_dropped_with_a_note(default: str) -> None:
    result = generatable(
        document({"S": {"properties": {"x": STR | {"default": default}, "y": STR | {"default": "é'"}}}})
    )
    schemas: Any = without_places(result.document["components"])
    assert schemas["schemas"]["S"]["properties"] == {"x": STR, "y": {"type": "string", "default": "é'"}}
    assert [note.place for note in result.notes] == [("components", "schemas", "S", "properties", "x")]


def test_the_defaults_of_what_a_patch_sends_are_dropped_with_a_note() -> None:
    inner = {"properties": {"x": STR | {"default": "a"}}}
    update = {"properties": {"inner": ref("Inner"), "n": {"type": "integer", "default": 0}}}
    create = {"properties": {"z": STR | {"default": "a"}}}
    given: Any = document({"Inner": inner, "Update": update, "Create": create})
    content = {"application/json": {"schema": ref("Update")}}
    given["paths"]["/a"]["patch"] = {"requestBody": {"required": True, "content": content}, "responses": {}}
    result = generatable(given)
    assert [note.place[2:] for note in result.notes] == [("Update", "properties", "n"), ("Inner", "properties", "x")]
    schemas: Any = without_places(result.document["components"])
    assert schemas["schemas"]["Create"]["properties"]["z"] == {"type": "string", "default": "a"}


def test_a_path_parameter_gets_a_name_that_the_generator_finds() -> None:
    given = document(parameters=[{"name": "job.id", "in": "path", "required": True, "schema": STR}])
    given["paths"] = {"/jobs/{job.id}": {"get": given["paths"]["/a"]["post"]}}  # type: ignore[index,call-overload] # it is one
    paths: Any = generatable(given).document["paths"]
    assert list(paths) == ["/jobs/{p_job_id}"]
    assert paths["/jobs/{p_job_id}"]["get"]["parameters"][0]["name"] == "p_job_id"


def test_the_requirement_of_the_document_is_given_to_its_operations() -> None:
    given = document() | {"security": [{"Basic": []}]}
    paths: Any = generatable(given).document["paths"]
    assert paths["/a"]["post"]["security"] == [{"Basic": []}]


def test_classes_of_one_name_or_module_get_others() -> None:
    names = ClassNames()
    shared: Any = {"type": "object", "properties": {"bar": {"type": "object"}}}
    names.visit(shared, "Foo", "", "/foo")
    for name in ("foo_bar", "FOOBar", "Response"):
        names.visit({"type": "object"}, name, "", f"/{name}")
    assert names.renamed == [("/foo_bar", "FooBar2"), ("/Response", "Response2")]
    assert names.modules == {"FOOBar": "foo_bar_3"}


def test_a_class_with_a_property_of_its_own_name_gets_another_module() -> None:
    names = ClassNames()
    names.visit({"type": "object", "properties": {"Permissions": STR}}, "permissions", "", "/p")
    names.visit({"type": "object"}, "D", "", "/d")
    assert names.modules == {"Permissions": "permissions_model", "D": "d_model"}


def test_of_many_notes_that_differ_in_names_only_the_first_is_printed_with_their_number() -> None:
    notes = [Note((name,), f"{name!r} is text") for name in "abcd"] + [Note(("e",), "'e' is a list")]
    lines = note_lines(notes, lambda place: (str(place[0]), 7))
    assert lines == ["a:7: 'a' is text (3 more like this: 'b', 'c', 'd')", "e:7: 'e' is a list"]
    assert len(note_lines(notes[1:4], lambda place: (str(place[0]), 7))) == 3
