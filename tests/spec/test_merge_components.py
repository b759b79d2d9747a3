import pytest

from tests.spec.merging import (
    NUMBER,
    TEXT,
    Change,
    failure,
    fragment,
    merged,
    operation,
    proposals,
    ref,
    result,
    schemas,
)


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
