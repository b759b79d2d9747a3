from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spec.documents import render
from spec.fragments import Fragment
from spec.merging.merge import MergeError, merge
from spec.merging.names import Names, check_names
from spec.references import reference_problems
from spec.texts.sources import Source

from tests.spec.merging import NUMBER, ROOT, TEXT, Change, failure, fragment, merged, operation, ref, result, schemas


def test_equal_parts_become_one_and_the_others_are_all_kept_in_the_order_of_the_groups() -> None:
    a = fragment("a/1.json", {"/jobs": {"get": operation("listJobs")}}, schemas={"Job": TEXT})
    b = fragment("b/1.json", {"/jobs/{Id}": {"get": operation("getJob")}}, schemas={"Job": TEXT, "Id": TEXT})
    document = merged(b, a)
    assert document == {
        **ROOT,
        "paths": {
            "/jobs": {"get": {"operationId": "listJobs", "responses": {}}},
            "/jobs/{Id}": {"get": {"operationId": "getJob", "responses": {}}},
        },
        "components": {"schemas": {"Job": TEXT, "Id": TEXT}},
    }
    assert list(document) == ["openapi", "info", "servers", "paths", "components"]
    assert list(merged(a, b, rules="order: [b]")["paths"]) == ["/jobs/{Id}", "/jobs"]


def test_the_methods_of_a_path_may_come_from_different_documents() -> None:
    one = fragment("a/1.json", {"/jobs": {"get": operation("a")}})
    other = fragment("b/1.json", {"/jobs": {"patch": operation("b"), "post": operation("c")}})
    assert list(merged(one, other)["paths"]["/jobs"]) == ["get", "patch", "post"]


def test_the_result_shares_no_object_with_the_fragments() -> None:
    one = fragment("a/1.json", {"/jobs": {"get": operation("a", tags=["x"])}}, schemas={"Job": {"example": {"a": [1]}}})
    before = render(one.document)
    document = merged(one)
    assert document == one.document
    document["paths"]["/jobs"]["get"]["tags"].clear()
    document["components"]["schemas"]["Job"]["example"]["a"].clear()
    document["info"].clear()
    assert render(one.document) == before


def test_the_first_root_wins_the_newest_version_and_all_tags_and_what_differs_is_noted() -> None:
    first = fragment("a/1.json", root={"openapi": "3.0.3", "tags": [{"name": "A"}, {"name": "B"}], "x-client": 1})
    other = fragment(
        "b/1.json",
        root={
            "openapi": "3.1.1",
            "info": {"title": "Other", "version": "1"},
            "tags": [{"name": "B", "description": "Bs."}, {"name": "C"}],
            "x-client": 2,
            "x-other": 3,
        },
    )
    found = result(first, other)
    assert found.document == {
        **ROOT,
        "openapi": "3.1.1",
        "x-client": 1,
        "x-other": 3,
        "tags": [{"name": "A"}, {"name": "B"}, {"name": "C"}],
        "paths": {},
    }
    assert found.notes == [
        "openapi: documents of 3.0 are read as 3.1 (1 of 2), such as openapi/a/1.json",
        "openapi: that of openapi/b/1.json stays; openapi/a/1.json differs",
        "info: that of openapi/a/1.json stays; openapi/b/1.json differs",
        "tags/B: that of openapi/a/1.json stays; openapi/b/1.json differs",
        "x-client: that of openapi/a/1.json stays; openapi/b/1.json differs",
    ]


def test_a_field_without_a_rule_has_to_be_equal_and_a_document_that_lacks_it_agrees() -> None:
    one = fragment("a/1.json", root={"jsonSchemaDialect": "a"})
    other = fragment("b/1.json", root={"jsonSchemaDialect": "b"})
    assert merged(one, fragment("b/1.json"))["jsonSchemaDialect"] == "a"
    message = failure(one, other)
    assert message.startswith("openapi/b/1.json:12: jsonSchemaDialect differs from that in openapi/a/1.json:12")
    assert '    -"a"\n    +"b"\n' in message
    assert merged(one, other, rules="root: {openapi: newest, jsonSchemaDialect: first}")["jsonSchemaDialect"] == "a"


@pytest.mark.parametrize("other_root", [{}, {"security": []}, {"security": [{"Other": []}]}])
def test_security_goes_to_the_operations_if_the_documents_differ(other_root: Change) -> None:
    public, own = operation("public", security=[]), operation("own", security=[{"Own": []}])
    one = fragment(
        "a/1.json", {"/a": {"get": operation("a"), "put": public, "post": own}}, root={"security": [{"A": []}]}
    )
    other = fragment("b/1.json", {"/b": {"get": operation("b")}}, root=other_root)
    document = merged(one, other, schemas("models/1.json", A=TEXT))
    assert "security" not in document
    assert [document["paths"]["/a"][method]["security"] for method in ("get", "put", "post")] == [
        [{"A": []}],
        [],
        [{"Own": []}],
    ]
    assert document["paths"]["/b"]["get"].get("security") == other_root.get("security")
    assert result(one, other).notes[0].startswith("security: the documents differ")


def test_security_stays_in_the_root_if_the_documents_with_operations_agree() -> None:
    one = fragment("a/1.json", {"/a": {"get": operation("a")}}, root={"security": [{"A": []}]})
    other = fragment("b/1.json", {"/b": {"get": operation("b")}}, root={"security": [{"A": []}]})
    assert merged(one, other, schemas("models/1.json", A=TEXT))["security"] == [{"A": []}]


def test_security_goes_to_the_operations_if_its_schemes_differ_under_one_name() -> None:
    one, other = (
        fragment(
            f"{name}/1.json",
            {f"/{name}": {"get": operation(name)}},
            root={"security": [{"Auth": []}]},
            securitySchemes={"Auth": {"type": kind}},
        )
        for name, kind in (("a", "http"), ("b", "apiKey"))
    )
    document = merged(one, other, resolutions={"securitySchemes/Auth": "rename: Key in b"})
    assert "security" not in document
    assert document["paths"]["/a"]["get"]["security"] == [{"Auth": []}]
    assert document["paths"]["/b"]["get"]["security"] == [{"Key": []}]


def test_servers_can_go_to_the_operations_whose_path_has_none() -> None:
    own = {"servers": [{"url": "https://own"}], "get": operation("own")}
    one = fragment("a/1.json", {"/a": {"get": operation("a")}, "/own": own})
    other = fragment("b/1.json", {"/b": {"get": operation("b")}}, root={"servers": [{"url": "https://b"}]})
    document = merged(one, other, rules="root: {openapi: newest, info: first, servers: per operation}\n")
    assert "servers" not in document
    assert document["paths"]["/a"]["get"]["servers"] == ROOT["servers"]
    assert document["paths"]["/b"]["get"]["servers"] == [{"url": "https://b"}]
    assert document["paths"]["/own"] == own


def test_a_group_that_does_not_exist_has_no_place_in_the_order() -> None:
    assert failure(schemas("a/1.json"), schemas("b/1.json"), rules="order:\n- b\n- c") == (
        "openapi/merge.yml:3: there is no group 'c'\n    the groups are b, a"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"paths": []}, ":12: paths is not an object"),
        ({"paths": {"/jobs": None}}, ":13: paths//jobs is not an object"),
        ({"paths": {"/jobs": {"get": []}}}, "paths//jobs/get is not an object"),
        ({"paths": {"/jobs": {"get": {"operationId": 1}}}}, "paths//jobs/get/operationId is not a text"),
        ({"webhooks": {"a": []}}, "webhooks/a is not an object"),
        ({"components": "none"}, "components is not an object"),
        ({"components": {"schemas": []}}, "components/schemas is not an object"),
        ({"components": {"schemas": {"A": []}}}, "components/schemas/A is not an object"),
        ({"components": {"models": {}}}, "components/models is not a section of components"),
        ({"tags": {}}, "tags is not an array"),
        ({"tags": ["Jobs"]}, "tags/0 is not an object"),
        ({"tags": [{}]}, "tags/0/name is not a text"),
        ({"openapi": "2.0"}, ":2: the version of OpenAPI is '2.0'"),
    ],
)
def test_a_malformed_fragment_is_named_with_its_line_and_so_are_all_others(change: Change, reason: str) -> None:
    message = failure(malformed("a/1.json", change), malformed("b/1.json", {"tags": 1}))
    assert (f"openapi/a/1.json{reason}" if reason.startswith(":") else reason) in message
    assert "openapi/b/1.json:13: tags is not an array" in message


def malformed(name: str, change: Change) -> Fragment:
    return Fragment.of(name, Source(f"openapi/{name}", render({**deepcopy(ROOT), "paths": {}, **change}).decode()))


def test_a_schema_may_be_a_boolean_and_extensions_follow_the_rule() -> None:
    one = fragment("a/1.json", {"x-a": 1}, schemas={"Any": True}, **{"x-b": {"c": []}})
    assert merged(one) == one.document


def test_nothing_to_merge_is_an_error() -> None:
    assert failure() == "there is no fragment to merge"


def test_a_place_of_the_result_leads_to_its_fragment_and_line() -> None:
    one = fragment(
        "a/1.json", {"/jobs": {"get": operation("a")}}, root={"tags": [{"name": "A"}]}, schemas={"Error": TEXT}
    )
    other = fragment(
        "b/1.json", {"/jobs": {"put": operation("b")}}, root={"tags": [{"name": "B"}]}, schemas={"Error": NUMBER}
    )
    found = result(one, other, resolutions={"schemas/Error": "rename: BError in b"})
    assert found.origin(("components", "schemas", "BError", "type")) == (
        other,
        ("components", "schemas", "Error", "type"),
    )
    assert found.origin(("paths", "/jobs", "put", "operationId")) == (other, ("paths", "/jobs", "put", "operationId"))
    assert found.origin(("tags", 1, "name")) == (other, ("tags", 0, "name"))
    assert found.origin(("info", "title")) == (one, ("info", "title"))
    assert found.origin(("nothing",)) == (one, ())
    assert found.locate(("components", "schemas", "BError")) == (
        "openapi/b/1.json",
        other.source.line("components", "schemas", "Error"),
    )


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
FRAGMENTS = st.lists(
    st.tuples(NAMES, NAMES, st.dictionaries(NAMES, st.sampled_from([TEXT, TEXT, NUMBER]), max_size=2)),
    min_size=1,
    max_size=4,
).map(
    lambda drawn: [
        fragment(f"{index}/1.json", {f"/{path}": {"get": operation(name)}}, schemas=dict(components))
        for index, (path, name, components) in enumerate(drawn)
    ]
)


@settings(deadline=None, max_examples=50)
@given(drawn=FRAGMENTS, data=st.data())
def test_the_order_of_the_fragments_changes_neither_the_bytes_nor_the_error(
    drawn: list[Fragment], data: st.DataObject
) -> None:
    def outcome(order: list[Fragment]) -> bytes | str:
        try:
            found = merge(order)
        except MergeError as error:
            return str(error)
        return render(found.document) + "\n".join(found.notes).encode()

    assert outcome(drawn) == outcome(data.draw(st.permutations(drawn)))


FORMS: Any = {
    "get": operation(
        "getInvoice",
        parameters=[{"name": "X-Request-Id", "in": "header", "schema": {"type": ["string", "null"]}}],
        deprecated=True,
    )
    | {
        "responses": {
            "200": {
                "description": "d",
                "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
            },
            "4XX": ref("Failure", "responses"),
            "default": {"description": "d", "content": {"text/csv": {"schema": TEXT}}},
        }
    },
    "post": operation(
        "addInvoice",
        requestBody={
            "content": {
                "application/x-www-form-urlencoded": {"schema": {"allOf": [ref("Base"), {"properties": {"a": TEXT}}]}},
                "multipart/form-data": {"schema": ref("Upload"), "encoding": {"file": {"contentType": "text/csv"}}},
            }
        },
    ),
    "patch": operation("changeInvoice", requestBody=ref("Change", "requestBodies")),
}


def test_all_forms_of_published_documents_pass_unchanged_but_for_nullable() -> None:
    content = {"application/json": {"schema": ref("Base")}}
    sections: dict[str, Any] = {
        "schemas": {
            "Base": {
                "type": "object",
                "properties": {"n": {**TEXT, "nullable": True}, "l": {"type": ["integer", "null"]}},
            },
            "Upload": {"oneOf": [ref("Base"), {"type": "null"}]},
        },
        "responses": {"Failure": {"description": "d", "content": content}},
        "requestBodies": {"Change": {"content": content, "required": True}},
    }
    page = fragment("invoices/1.json", {"/invoices": deepcopy(FORMS)}, **deepcopy(sections))
    found = result(page, fragment("models/1.json", schemas=deepcopy(sections["schemas"])))
    sections["schemas"]["Base"]["properties"]["n"] = {"type": ["string", "null"]}
    assert found.document == {**ROOT, "paths": {"/invoices": FORMS}, "components": sections}
    assert not found.notes
    assert not reference_problems(found.document, found.locate)
    assert check_names(found.document, found.locate) == Names()
