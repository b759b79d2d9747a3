from typing import Any

import pytest

from tests.spec.merging import NUMBER, TEXT, failure, fragment, merged, operation, ref, schemas


@pytest.mark.parametrize(
    ("resolutions", "reason"),
    [
        ({"schemas/Same": "keep: a/1.json"}, "is no longer needed"),
        ({"schemas/Same": "rename: X in a"}, "is no longer needed"),
        ({"schemas/Gone": "keep: a/1.json"}, "no document has schemas/Gone"),
        ({"schemas/Error": "keep: a/2.json"}, "a/2.json has no schemas/Error"),
        ({"schemas/Error": "rename: X in c"}, "c has no schemas/Error"),
        ({"schemas/Error": "rename: Same in b"}, "there is another schemas/Same"),
        ({"schemas/Error": ["rename: X in b", "rename: Y in b/1.json"]}, "is named by two resolutions"),
        ({"schemas/Error": ["keep: a/1.json", "keep: b/1.json"]}, "that exclude each other"),
        ({"schemas/Error": "rename: X in d"}, "d has several definitions of schemas/Error that differ"),
        ({"operationId/a": "rename: b in a"}, "is no longer needed"),
        ({"operationId/gone": "omit: unused"}, "no document has operationId/gone"),
        ({"operation/GET /gone": "omit: unused"}, "no document has operation/GET /gone"),
        ({"operation/GET /a": "keep: a/1.json"}, "is no longer needed"),
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
