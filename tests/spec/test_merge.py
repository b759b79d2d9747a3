from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spec.documents import JsonObject, render
from spec.fragments import Fragment
from spec.merge import MergeError, merge
from spec.sources import Source

INFO: JsonObject = {
    "openapi": "3.1.0",
    "info": {"title": "T", "version": "1"},
    "servers": [{"url": "https://a"}],
}


def fragment(name: str, path: str, operation_id: str, **schemas: str) -> Fragment:
    """Return a fragment with one operation, as the vendor publishes them."""
    document: JsonObject = {
        **deepcopy(INFO),
        "tags": [{"name": "Jobs", "description": "All about jobs."}],
        "paths": {path: {"get": {"operationId": operation_id, "responses": {}}}},
        "components": {"schemas": {key: {"type": value} for key, value in schemas.items()}},
    }
    return Fragment.of(name, Source(name, render(document).decode()))


def merged(*fragments: Fragment, resolutions: str = "", rules: str = "") -> Merged:
    text = rules + (f"resolutions:\n  {resolutions}" if resolutions else "")
    groups = {fragment.group for fragment in fragments}
    return merge(fragments, parse_rules(text, "openapi/merge.yml", groups=groups))


def failure(*fragments: Fragment, resolutions: str = "", rules: str = "") -> str:
    with pytest.raises(MergeError) as caught:
        merged(*fragments, resolutions=resolutions, rules=rules)
    return str(caught.value)


def test_equal_parts_become_one_and_the_others_are_all_kept() -> None:
    merged = merge(
        [
            fragment("a.json", "/jobs", "listJobs", Job="object"),
            fragment("b.json", "/jobs/{Id}", "getJob", Job="object", Id="string"),
        ]
    )
    expected: JsonObject = {
        **INFO,
        "tags": [{"name": "Jobs", "description": "All about jobs."}],
        "paths": {
            "/jobs": {"get": {"operationId": "listJobs", "responses": {}}},
            "/jobs/{Id}": {"get": {"operationId": "getJob", "responses": {}}},
        },
        "components": {"schemas": {"Job": {"type": "object"}, "Id": {"type": "string"}}},
    }
    assert merged == expected


def test_the_methods_of_a_path_may_come_from_different_fragments() -> None:
    one, other = fragment("a.json", "/jobs", "listJobs"), fragment("b.json", "/jobs", "addJob")
    other.document["paths"] = {"/jobs": {"post": {"operationId": "addJob"}}}
    paths = merge([one, other])["paths"]
    assert paths == {"/jobs": {"get": {"operationId": "listJobs", "responses": {}}, "post": {"operationId": "addJob"}}}


def test_the_result_shares_no_object_with_the_fragments() -> None:
    one = fragment("a.json", "/jobs", "listJobs", Job="object")
    before = render(one.document)
    merged = merge([one])
    assert merged == one.document
    for part in ("info", "servers", "tags", "paths", "components"):
        value = merged[part]
        assert isinstance(value, dict | list)
        value.clear()
    assert render(one.document) == before


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"openapi": "3.0.3"}, "/openapi"),
        ({"info": {"title": "T", "version": "2"}}, "/info/version"),
        ({"servers": [{"url": "https://b"}]}, "/servers/0/url"),
        ({"security": []}, "/security"),
        ({"tags": [{"name": "Jobs", "description": "Other."}]}, "/tags/0/description"),
        ({"components": {"schemas": {"Job": {"type": "array"}}}}, "/components/schemas/Job/type"),
        ({"components": {"schemas": {"Job": {}}}}, "/components/schemas/Job/type"),
    ],
)
def test_a_difference_is_reported_with_both_files(change: JsonObject, place: str) -> None:
    one = fragment("a.json", "/jobs", "listJobs", Job="object")
    other = fragment("b.json", "/jobs/{Id}", "getJob", Job="object")
    other.document.update(change)
    assert failure(one, other) == failure(other, one) == f"a.json and b.json differ at {place}"


def test_a_differing_component_is_reported_with_the_file_that_defined_it_first() -> None:
    a, b = fragment("a.json", "/a", "a"), fragment("b.json", "/b", "b", Job="object")
    c = fragment("c.json", "/c", "c", Job="array")
    assert failure(a, b, c) == "b.json and c.json differ at /components/schemas/Job/type"


def test_an_operation_described_twice_is_an_error_even_if_equal() -> None:
    one, other = fragment("a.json", "/jobs", "listJobs"), fragment("b.json", "/jobs", "listJobs")
    assert failure(one, other) == ("a.json#/paths/~1jobs/get and b.json#/paths/~1jobs/get describe the same operation")


def test_two_templates_of_one_path_are_an_error() -> None:
    one, other = fragment("a.json", "/jobs/{Id}", "getJob"), fragment("b.json", "/jobs/{JobId}", "stopJob")
    assert failure(one, other) == (
        "a.json#/paths/~1jobs~1{Id} and b.json#/paths/~1jobs~1{JobId} are the same path under two names"
    )


def test_the_shared_parts_of_a_path_must_be_equal() -> None:
    one, other = fragment("a.json", "/jobs", "listJobs"), fragment("b.json", "/jobs", "addJob")
    other.document["paths"] = {"/jobs": {"summary": "Jobs", "post": {"operationId": "addJob"}}}
    assert failure(one, other) == "a.json and b.json differ at /paths/~1jobs/summary"


def test_an_operation_id_used_twice_is_an_error() -> None:
    one, other = fragment("a.json", "/jobs", "jobs"), fragment("b.json", "/jobs/{Id}", "jobs")
    message = failure(one, other)
    assert "a.json#/paths/~1jobs/get/operationId" in message
    assert "b.json#/paths/~1jobs~1{Id}/get/operationId" in message
    assert "'jobs'" in message


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"paths": []}, "/paths"),
        ({"paths": {"/jobs": None}}, "/paths/~1jobs"),
        ({"paths": {"/jobs": {"get": []}}}, "/paths/~1jobs/get"),
        ({"components": "none"}, "/components"),
        ({"components": {"schemas": []}}, "/components/schemas"),
        ({"tags": {}}, "/tags"),
        ({"tags": ["Jobs"]}, "/tags/0"),
    ],
)
def test_a_malformed_fragment_is_named(change: JsonObject, place: str) -> None:
    one = fragment("a.json", "/jobs", "listJobs")
    one.document.update(change)
    assert f"a.json#{place} is not an" in failure(one)


def test_nothing_to_merge_is_an_error() -> None:
    assert failure() == "there is no fragment to merge"


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
FRAGMENTS = st.lists(
    st.tuples(NAMES, NAMES, st.dictionaries(NAMES, st.sampled_from(["object", "object", "array"]), max_size=2)),
    min_size=1,
    max_size=4,
).map(
    lambda drawn: [
        fragment(f"{index}.json", f"/{path}", operation_id, **schemas)
        for index, (path, operation_id, schemas) in enumerate(drawn)
    ]
)


@settings(derandomize=True, database=None, deadline=None)
@given(fragments=FRAGMENTS, data=st.data())
def test_the_order_of_the_fragments_changes_neither_the_bytes_nor_the_error(
    fragments: list[Fragment], data: st.DataObject
) -> None:
    def outcome(order: list[Fragment]) -> bytes | str:
        try:
            return render(merge(order))
        except MergeError as error:
            return str(error)

    assert outcome(fragments) == outcome(data.draw(st.permutations(fragments)))
