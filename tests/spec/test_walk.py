from spec.documents import Json, JsonObject
from spec.walk import Kind, rewrite, walk, without_prose

DOCUMENT: JsonObject = {
    "openapi": "3.1.0",
    "info": {"title": "T", "version": "1", "description": "prose"},
    "paths": {
        "x-internal": {"get": {}},
        "/jobs": {
            "parameters": [{"name": "a", "in": "query", "schema": {"type": "string"}}],
            "post": {
                "summary": "prose",
                "requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}}},
                "responses": {
                    "default": {"description": "prose", "headers": {"h": {"schema": {"type": "string"}}}},
                    "x-note": {"description": "data"},
                },
                "callbacks": {"done": {"{$request.body#/url}": {"post": {"responses": {}}}}},
            },
        },
    },
    "components": {
        "schemas": {
            "description": {
                "description": "prose",
                "summary": "an extension",
                "properties": {"description": {"type": "string"}, "get": {"items": {"description": "prose"}}},
                "example": {"description": "data", "properties": {"a": {"nullable": True}}},
                "default": {"description": "data"},
                "enum": [{"description": "data"}],
                "const": {"description": "data"},
                "not": True,
            }
        },
        "examples": {"one": {"summary": "prose", "value": {"description": "data"}}},
    },
}


def test_each_object_is_visited_once_in_the_order_of_the_text_and_data_is_not() -> None:
    places = ["/".join(map(str, place)) for _, place, _ in walk(DOCUMENT)]
    assert places == [
        "",
        "info",
        "paths",
        "paths//jobs",
        "paths//jobs/parameters/0",
        "paths//jobs/parameters/0/schema",
        "paths//jobs/post",
        "paths//jobs/post/requestBody",
        "paths//jobs/post/requestBody/content/text/csv",
        "paths//jobs/post/requestBody/content/text/csv/schema",
        "paths//jobs/post/responses",
        "paths//jobs/post/responses/default",
        "paths//jobs/post/responses/default/headers/h",
        "paths//jobs/post/responses/default/headers/h/schema",
        "paths//jobs/post/callbacks/done",
        "paths//jobs/post/callbacks/done/{$request.body#/url}",
        "paths//jobs/post/callbacks/done/{$request.body#/url}/post",
        "paths//jobs/post/callbacks/done/{$request.body#/url}/post/responses",
        "components",
        "components/schemas/description",
        "components/schemas/description/properties/description",
        "components/schemas/description/properties/get",
        "components/schemas/description/properties/get/items",
        "components/examples/one",
    ]


def test_the_kind_of_an_object_follows_from_its_place_not_from_its_keys() -> None:
    kinds = {place: kind for kind, place, _ in walk(DOCUMENT)}
    assert kinds["paths", "/jobs", "post"] is Kind.OPERATION
    assert kinds["components", "schemas", "description", "properties", "get"] is Kind.SCHEMA
    assert kinds["paths", "/jobs", "post", "responses", "default"] is Kind.RESPONSE


def test_prose_is_removed_but_neither_names_nor_data_of_the_same_word() -> None:
    schema = DOCUMENT["components"]["schemas"]["description"]  # type: ignore[index, call-overload]
    expected: Json = {
        **schema,  # type: ignore[dict-item]
        "properties": {"description": {"type": "string"}, "get": {"items": {}}},
    }
    del expected["description"]  # type: ignore[union-attr, arg-type]
    assert without_prose(schema, Kind.SCHEMA) == expected
    response = without_prose({"description": "prose", "content": {"description": {"schema": {}}}}, Kind.RESPONSE)
    assert response == {"content": {"description": {"schema": {}}}}


def test_a_rewritten_document_leaves_the_original_and_malformed_parts_as_they_are() -> None:
    malformed: JsonObject = {
        "paths": {"/jobs": [], "/job": {"get": None}},
        "components": {"schemas": ["a"]},
        "tags": {},
    }
    assert rewrite(malformed, lambda _, value: value) == malformed
    assert [place for _, place, _ in walk(malformed)] == [(), ("paths",), ("paths", "/job"), ("components",)]
    assert rewrite(DOCUMENT, lambda kind, value: {} if kind is Kind.SCHEMA else value) != DOCUMENT
    assert "properties" in DOCUMENT["components"]["schemas"]["description"]  # type: ignore[index, operator, call-overload]
