from typing import Any

from tests.spec.merging import NUMBER, TEXT, failure, fragment, merged, operation, proposals, ref, result


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
    assert "openapi/jobs/1.json:15: the operationId listJobs is also that of GET /brands" in failure(one, other)
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


def test_malformed_parameters_of_a_path_are_left_to_the_validation() -> None:
    item = {"parameters": [{"name": [], "in": {}}, 1], "get": operation("x", parameters=[{"name": {}}])}
    one = fragment("a/1.json", {"/jobs": item})
    other = fragment("b/1.json", {"/jobs": {"post": operation("y")}})
    assert len(merged(one, other)["paths"]["/jobs"]["get"]["parameters"]) == 3
