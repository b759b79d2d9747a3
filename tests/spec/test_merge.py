from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from spec.documents import render
from spec.fragments import Fragment
from spec.merge import Merged, MergeError, merge
from spec.names import Names, check_names
from spec.references import reference_problems
from spec.rules import parse_rules
from spec.sources import Source

ROOT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "T", "version": "1"},
    "servers": [{"url": "https://a"}],
}
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
Change = dict[str, Any]


def ref(name: str, section: str = "schemas") -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


def operation(name: str | None = None, **fields: Any) -> Change:
    return {**({"operationId": name} if name else {}), **fields, "responses": {}}


def fragment(name: str, paths: Change | None = None, *, root: Change | None = None, **sections: Change) -> Fragment:
    """Return a fragment with operations and components, as the vendor publishes them."""
    components = {"components": sections} if sections else {}
    document: Change = {**deepcopy(ROOT), **(root or {}), "paths": paths or {}, **components}
    return Fragment.of(name, Source(f"openapi/{name}", render(document).decode()))


def schemas(name: str, **components: Any) -> Fragment:
    return fragment(name, schemas=components)


def merged(*fragments: Fragment, rules: str = "", **resolutions: Any) -> Any:
    return result(*fragments, rules=rules, **resolutions).document


def result(*fragments: Fragment, rules: str = "", resolutions: dict[str, Any] | None = None) -> Merged:
    text = rules + (yaml.safe_dump({"resolutions": resolutions}) if resolutions else "")
    return merge(fragments, parse_rules(text, "openapi/merge.yml"))


def failure(*fragments: Fragment, rules: str = "", resolutions: dict[str, Any] | None = None) -> str:
    with pytest.raises(MergeError) as caught:
        result(*fragments, rules=rules, resolutions=resolutions)
    return str(caught.value)


def proposals(*fragments: Fragment) -> dict[str, list[str]]:
    with pytest.raises(MergeError) as caught:
        merge(fragments)
    return caught.value.proposals


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


# The root


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
        "openapi: 1 of 2 documents are of 3.0 and read as 3.1, such as openapi/a/1.json",
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


# Components


def test_components_that_differ_in_descriptions_alone_fold_and_the_first_description_stays() -> None:
    one = schemas("a/1.json", Job={"description": "First.", "properties": {"a": {**TEXT, "description": "A."}}})
    other = schemas("b/1.json", Job={"properties": {"a": {"description": "Other.", **TEXT}}})
    found = result(other, one)
    assert found.document["components"] == one.document["components"]
    assert found.notes == ["schemas/Job: the descriptions of openapi/a/1.json stay; those of openapi/b/1.json differ"]


@pytest.mark.parametrize(
    "other",
    [
        {"type": "object", "properties": {"description": NUMBER}},
        {"type": "object", "properties": {"description": TEXT}, "example": {"description": "other"}},
        {"type": "object", "properties": {"description": TEXT}, "x-flag": True},
    ],
)
def test_a_property_called_description_and_data_count(other: Change) -> None:
    one = {"type": "object", "properties": {"description": TEXT}, "example": {"description": "data"}, "x-flag": 1}
    assert "schemas/Job differs" in failure(schemas("a/1.json", Job=one), schemas("b/1.json", Job={**one, **other}))


def test_components_that_differ_are_shown_as_a_diff_with_resolutions_to_paste() -> None:
    jobs = schemas("jobs/list.json", Error={"type": "object", "description": "d", "properties": {"Code": TEXT}})
    brand = schemas("brand-jobs/list.json", Error={"type": "object", "properties": {"Code": NUMBER}})
    assert (
        failure(jobs, brand)
        == """\
openapi/jobs/list.json:15: schemas/Error differs from that in openapi/brand-jobs/list.json:15
    --- openapi/brand-jobs/list.json:15
    +++ openapi/jobs/list.json:15
    @@ -1,7 +1,7 @@
     {
       "properties": {
         "Code": {
    -      "type": "integer"
    +      "type": "string"
         }
       },
       "type": "object"
    settle it below `resolutions` in openapi/merge.yml with one of:
      schemas/Error: "keep: brand-jobs/list.json"
      schemas/Error: "keep: jobs/list.json"
      schemas/Error: "rename: JobsError in jobs"
openapi/merge.yml: These resolutions settle all, and lose no part:
    resolutions:
      schemas/Error: "rename: JobsError in jobs\""""
    )
    kept = merged(jobs, brand, resolutions={"schemas/Error": "keep: jobs/list.json"})
    assert kept["components"]["schemas"] == {"Error": jobs.document["components"]["schemas"]["Error"]}  # type: ignore[index, call-overload]


def test_a_renamed_component_takes_its_references_discriminators_and_requirements_along() -> None:
    union = {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind", "mapping": {"d": "Dog"}}}
    one = fragment("a/1.json", schemas={"Cat": TEXT, "Dog": TEXT}, securitySchemes={"Auth": {"type": "http"}})
    other = fragment(
        "b/1.json",
        {"/b": {"get": operation("b", security=[{"Auth": []}], parameters=[ref("P", "parameters")])}},
        schemas={
            "Cat": NUMBER,
            "Dog": NUMBER,
            "Union": union,
            "Deep": {"$ref": "#/components/schemas/Cat/properties/a~1b"},
        },
        securitySchemes={"Auth": {"type": "apiKey"}},
        parameters={"P": {"name": "P", "in": "query", "schema": {"items": ref("Cat")}}},
    )
    resolutions = {"schemas/Cat": "rename: BCat in b", "schemas/Dog": "rename: BDog in b/1.json"}
    document = merged(one, other, resolutions={**resolutions, "securitySchemes/Auth": "rename: Key in b"})
    components = document["components"]
    assert components["schemas"] == {
        "Cat": TEXT,
        "Dog": TEXT,
        "BCat": NUMBER,
        "BDog": NUMBER,
        "Deep": ref("BCat/properties/a~1b"),
        "Union": {
            "oneOf": [ref("BCat"), ref("BDog")],
            "discriminator": {
                "propertyName": "kind",
                # The value of the schema without a mapping was its old name.
                "mapping": {"d": "#/components/schemas/BDog", "Cat": "#/components/schemas/BCat"},
            },
        },
    }
    assert components["parameters"]["P"]["schema"] == {"items": ref("BCat")}
    assert document["paths"]["/b"]["get"]["security"] == [{"Key": []}]


def test_what_refers_to_a_renamed_component_is_renamed_in_the_same_report() -> None:
    jobs = schemas("a/1.json", Page={"items": ref("Job")}, Job={"properties": {"m": ref("Money")}}, Money=TEXT)
    brand = schemas("b/1.json", Page={"items": ref("Job")}, Job={"properties": {"m": ref("Money")}}, Money=NUMBER)
    found = proposals(jobs, brand)
    assert found == {
        "schemas/Page": ["rename: BPage in b"],
        "schemas/Job": ["rename: BJob in b"],
        "schemas/Money": ["rename: BMoney in b"],
    }
    assert "they are equal, but refer to parts that differ" in failure(jobs, brand)
    document = merged(jobs, brand, resolutions={key: ways[0] for key, ways in found.items()})
    assert document["components"]["schemas"]["BPage"] == {"items": ref("BJob")}
    kept = merged(jobs, brand, resolutions={"schemas/Money": "keep: b/1.json"})
    assert kept["components"]["schemas"]["Money"] == NUMBER
    assert len(kept["components"]["schemas"]) == 3


def test_what_leads_to_a_component_by_its_name_alone_refers_to_it() -> None:
    mapping = {"propertyName": "kind", "mapping": {"cat": "Cat"}}
    one, other = (
        fragment(
            f"{name}/1.json",
            {"/x": {"get": operation("x", security=[{"Auth": []}])}},
            schemas={"Pet": {"type": "object", "discriminator": mapping}, "Cat": schema},
            securitySchemes={"Auth": {"type": kind}},
        )
        for name, schema, kind in (("a", TEXT, "http"), ("b", NUMBER, "apiKey"))
    )
    assert proposals(one, other).keys() == {"operation/GET /x", "schemas/Pet", "schemas/Cat", "securitySchemes/Auth"}


def test_a_rename_concerns_all_documents_that_have_the_variant_and_those_that_refer_to_it_in_the_group() -> None:
    documents = [
        schemas("a/1.json", Error=TEXT),
        schemas("b/1.json", Error=NUMBER),
        schemas("b/2.json", Answer=ref("Error")),
        schemas("c/1.json", Error={**NUMBER, "description": "d"}, Other=ref("Error")),
    ]
    assert proposals(*documents) == {"schemas/Error": ["rename: BError in b"]}
    found = merged(*documents, resolutions={"schemas/Error": "rename: BError in b"})["components"]["schemas"]
    assert found == {"Error": TEXT, "BError": NUMBER, "Answer": ref("BError"), "Other": ref("BError")}


def test_three_variants_need_two_resolutions_and_a_group_that_disagrees_is_named_by_its_files() -> None:
    documents = [
        schemas("jobs/list-jobs.json", Error=TEXT),
        schemas("jobs/get-job.json", Error=NUMBER),
        schemas("reports-models/1.json", Error={"type": "boolean"}),
    ]
    found = proposals(*documents)
    ways = ["rename: ListJobsError in jobs/list-jobs.json", "rename: ReportsError in reports-models"]
    assert found == {"schemas/Error": ways}
    one = failure(*documents, resolutions={"schemas/Error": ways[1]})
    assert f'      schemas/Error:\n        - "{ways[1]}"\n        - "{ways[0]}"' in one
    expected = {"Error": NUMBER, "ListJobsError": TEXT, "ReportsError": {"type": "boolean"}}
    assert merged(*documents, resolutions=found)["components"]["schemas"] == expected
    both = merged(*documents, resolutions={"schemas/Error": [ways[1], "keep: jobs/list-jobs.json"]})
    assert both["components"]["schemas"] == {"Error": TEXT, "ReportsError": {"type": "boolean"}}


def test_a_proposed_name_is_not_taken_even_by_another_spelling() -> None:
    documents = [schemas("a/1.json", Error=TEXT, B_Error=TEXT), schemas("b/1.json", Error=NUMBER)]
    assert proposals(*documents) == {"schemas/Error": ["rename: Error2 in b"]}


@pytest.mark.parametrize(
    "section", ["responses", "parameters", "headers", "requestBodies", "examples", "links", "pathItems"]
)
def test_all_sections_of_components_are_merged(section: str) -> None:
    one = fragment("a/1.json", **{section: {"A": {"x-a": 1}, "B": {"description": "one"}}})
    other = fragment("b/1.json", **{section: {"A": {"x-a": 2}, "B": {"description": "other"}}})
    found = merged(one, other, resolutions={f"{section}/A": "rename: C in b"})
    assert found["components"] == {section: {"A": {"x-a": 1}, "B": {"description": "one"}, "C": {"x-a": 2}}}


def test_webhooks_fold_or_one_is_kept() -> None:
    one = fragment("a/1.json", root={"webhooks": {"done": {"post": operation("done", summary="One.")}}})
    same = fragment("b/1.json", root={"webhooks": {"done": {"post": operation("done", summary="Other.")}}})
    other = fragment("c/1.json", root={"webhooks": {"done": {"post": operation("finished")}}})
    assert merged(one, same)["webhooks"]["done"]["post"]["summary"] == "One."
    assert proposals(one, other) == {"webhooks/done": ["keep: a/1.json"]}
    found = merged(one, other, resolutions={"webhooks/done": "keep: c/1.json"})
    assert found["webhooks"]["done"]["post"]["operationId"] == "finished"


# Operations


def test_an_operation_of_two_documents_folds_if_it_is_equal_and_is_kept_by_decision_if_not() -> None:
    one = fragment("a/1.json", {"/jobs": {"get": operation("listJobs", summary="One.")}})
    same = fragment("b/1.json", {"/jobs": {"get": operation("listJobs", summary="Other.")}})
    other = fragment("c/1.json", {"/jobs": {"get": operation("listJobs", deprecated=True)}})
    found = result(one, same)
    assert found.document["paths"] == one.document["paths"]
    assert found.notes == [
        "paths//jobs/get: the descriptions of openapi/a/1.json stay; those of openapi/b/1.json differ"
    ]
    assert '    +  "deprecated": true,' in failure(one, same, other)
    assert "These resolutions settle all, of which `keep` drops the other side:" in failure(one, same, other)
    assert proposals(one, same, other) == {"operation/GET /jobs": ["keep: a/1.json"]}
    kept = merged(one, same, other, resolutions={"operation/GET /jobs": "keep: c/1.json"})
    assert kept["paths"] == other.document["paths"]


def test_operations_with_one_operation_id_get_a_name_by_decision_and_links_follow() -> None:
    links = {"next": {"operationId": "listJobs"}}
    one = fragment("jobs/1.json", {"/jobs": {"get": operation("listJobs")}})
    other = fragment("brand-jobs/1.json", {"/brands": {"get": operation("listJobs")}}, links=links)
    assert proposals(one, other) == {"operationId/listJobs": ["rename: listJobs2 in jobs/1.json"]}
    assert "openapi/jobs/1.json:15: the operationId listJobs is that of GET /brands as well" in failure(one, other)
    document = merged(one, other, resolutions={"operationId/listJobs": "rename: listBrandJobs in brand-jobs"})
    assert document["paths"]["/brands"]["get"]["operationId"] == "listBrandJobs"
    assert document["paths"]["/jobs"]["get"]["operationId"] == "listJobs"
    assert document["components"]["links"] == {"next": {"operationId": "listBrandJobs"}}
    omitted = {"operationId/listJobs": ["rename: listBrandJobs in brand-jobs", "omit: not for us"]}
    assert list(merged(one, other, resolutions=omitted)["paths"]) == ["/brands"]


def test_operations_of_one_file_with_one_operation_id_are_named_by_their_paths() -> None:
    one = fragment("jobs/1.json", {"/jobs": {"get": operation("list"), "post": operation("list")}})
    found = proposals(one)
    assert found == {"operationId/list": ["rename: listJobs in POST /jobs"]}
    assert merged(one, resolutions=found)["paths"]["/jobs"]["post"]["operationId"] == "listJobs"
    assert "not one operation" in failure(one, resolutions={"operationId/list": "rename: listJobs in jobs"})
    assert "GET /jobs and POST /jobs" in failure(one, resolutions={"operationId/list": "omit: not for us"})


def test_an_omitted_operation_is_gone_with_its_path() -> None:
    one = fragment("a/1.json", {"/jobs": {"get": operation("a")}, "/upload": {"post": operation()}})
    assert list(merged(one, resolutions={"operationId/a": "omit: unused"})["paths"]) == ["/upload"]
    assert list(merged(one, resolutions={"operation/POST /upload": "omit: unused"})["paths"]) == ["/jobs"]


def test_two_spellings_of_a_path_become_one_by_decision_and_the_parameter_is_renamed() -> None:
    jobs, common = {"Id": {"name": "Id", "in": "path", "schema": TEXT}}, [ref("Id", "parameters")]
    one = fragment("a/1.json", {"/jobs/{JobId}": {"get": operation("getJob")}})
    item = {"parameters": common, "put": operation("stopJob", parameters=[{"name": "Id", "in": "query"}])}
    other = fragment("b/1.json", {"/jobs/{Id}": item}, parameters=jobs)
    message = failure(one, other)
    assert message.startswith(
        "openapi/b/1.json:13: /jobs/{Id} is the same path as /jobs/{JobId} in openapi/a/1.json:13"
    )
    found = proposals(one, other)
    assert found == {"paths//jobs/{Id}": ["rename: /jobs/{JobId}"]}
    whole = result(one, other, resolutions=found)
    paths: Any = whole.document["paths"]
    assert list(paths) == ["/jobs/{JobId}"]
    assert paths["/jobs/{JobId}"]["put"]["parameters"] == [
        {"name": "Id", "in": "query"},
        {"name": "JobId", "in": "path", "schema": TEXT},
    ]
    assert whole.locate(("paths", "/jobs/{JobId}", "put")) == ("openapi/b/1.json", 19)


def test_two_spellings_of_a_path_with_one_method_in_a_document_need_an_omission() -> None:
    one = fragment("a/1.json", {"/jobs/{A}": {"get": operation("a")}, "/jobs/{B}": {"get": operation("b")}})
    assert 'operation/GET /jobs/{B}: "omit: REASON"' in failure(one)
    assert not proposals(one)
    more = fragment("b/1.json", {"/jobs/{C}": {"put": operation("c")}})
    assert "3 contradictions" not in failure(one, more)
    assert "2 contradictions. These resolutions settle all but 1, and lose no part:" in failure(one, more)
    assert list(merged(one, resolutions={"operation/GET /jobs/{B}": "omit: the same"})["paths"]) == ["/jobs/{A}"]
    assert "can't take the place" in failure(one, resolutions={"paths//jobs/{B}": "rename: /jobs/{A}"})


def test_parameters_of_a_path_go_to_its_operations_if_documents_differ() -> None:
    a, b = ({"name": name, "in": "query", "schema": TEXT} for name in "ab")
    one = fragment(
        "a/1.json", {"/jobs": {"parameters": [a, b], "get": operation("x", parameters=[{**a, "schema": NUMBER}])}}
    )
    other = fragment("b/1.json", {"/jobs": {"post": operation("y")}})
    item = merged(one, other)["paths"]["/jobs"]
    assert item == {
        "get": operation("x", parameters=[{**a, "schema": NUMBER}, b]),
        "post": operation("y"),
    }
    same = fragment("c/1.json", {"/jobs": {"parameters": [{**a, "description": "d"}, b], "post": operation("y")}})
    assert merged(one, same)["paths"]["/jobs"]["parameters"] == [a, b]


# Resolutions that do not fit


@pytest.mark.parametrize(
    ("resolutions", "reason"),
    [
        ({"schemas/Same": "keep: a/1.json"}, "settles nothing any more"),
        ({"schemas/Same": "rename: X in a"}, "settles nothing any more"),
        ({"schemas/Gone": "keep: a/1.json"}, "no document has schemas/Gone"),
        ({"schemas/Error": "keep: a/2.json"}, "a/2.json has no schemas/Error"),
        ({"schemas/Error": "rename: X in c"}, "c has no schemas/Error"),
        ({"schemas/Error": "rename: Same in b"}, "there is another schemas/Same"),
        ({"schemas/Error": ["rename: X in b", "rename: Y in b/1.json"]}, "is named by two resolutions"),
        ({"schemas/Error": ["keep: a/1.json", "keep: b/1.json"]}, "that exclude each other"),
        ({"schemas/Error": "rename: X in d"}, "d has several definitions of schemas/Error that differ"),
        ({"operationId/a": "rename: b in a"}, "settles nothing any more"),
        ({"operationId/gone": "omit: unused"}, "no document has operationId/gone"),
        ({"operation/GET /gone": "omit: unused"}, "no document has operation/GET /gone"),
        ({"operation/GET /a": "keep: a/1.json"}, "settles nothing any more"),
        ({"paths//a": "rename: /b"}, "settles nothing"),
    ],
)
def test_a_resolution_that_settles_nothing_or_can_not_be_applied_is_an_error_with_its_line(
    resolutions: dict[str, Any], reason: str
) -> None:
    documents = [
        fragment("a/1.json", {"/a": {"get": operation("a")}}, schemas={"Error": TEXT, "Same": TEXT}),
        fragment("b/1.json", schemas={"Error": NUMBER, "Same": TEXT}),
        schemas("d/1.json", Error=TEXT),
        schemas("d/2.json", Error={"type": "boolean"}),
    ]
    message = failure(*documents, resolutions=resolutions)
    assert reason in message
    assert message.startswith(("openapi/merge.yml:2: ", "openapi/merge.yml:3: ", "openapi/merge.yml:4: "))


@pytest.mark.parametrize("one", ["list_jobs", "List-Jobs"])
def test_a_name_that_is_another_one_in_python_may_be_renamed(one: str) -> None:
    document = fragment("a/1.json", {"/a": {"get": operation("listJobs")}, "/b": {"get": operation(one)}})
    found = merged(document, resolutions={f"operationId/{one}": "rename: listOthers in a"})
    assert found["paths"]["/b"]["get"]["operationId"] == "listOthers"
    components = schemas("a/1.json", foo_bar=TEXT, FooBar=NUMBER, Ref=ref("foo_bar"))
    renamed = merged(components, resolutions={"schemas/foo_bar": "rename: Other in a"})["components"]["schemas"]
    assert renamed == {"Other": TEXT, "FooBar": NUMBER, "Ref": ref("Other")}


# Faults


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
        ({"components": {"models": {}}}, "components/models is no section of components"),
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
