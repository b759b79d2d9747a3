import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spec.documents import Json, SpecError, first_difference, place_of, pointer, render, tokens_of
from spec.texts.sources import Source, read_source

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text("a~/é", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a~/é", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not a JSON document"),
        (b"\xff", "not text in UTF-8"),
        (b"[]", "not a JSON object"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "'b' appears twice"),
        (b'{"a": NaN}', "NaN"),
    ],
)
def test_a_file_that_is_not_a_json_object_is_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "list-jobs.json"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=reason) as caught:
        read_source(path).parse()
    assert "list-jobs.json" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"overlay\.json: No such file"):
        read_source(tmp_path / "overlay.json").parse()


def test_a_document_is_written_indented_and_keeps_its_order(tmp_path: Path) -> None:
    assert render({"a": ["—", 1]}) == '{\n  "a": [\n    "—",\n    1\n  ]\n}\n'.encode()
    path = tmp_path / "document.json"
    path.write_bytes(render({"b": 1, "a": None}))
    assert list(read_source(path).parse()) == ["b", "a"]


def test_a_pointer_is_escaped_as_in_rfc_6901() -> None:
    assert pointer("paths", "/a~b", 0) == "/paths/~1a~0b/0"
    assert not pointer()


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ({"a": [1, {"b": 1}]}, {"a": [1, {"b": 2}]}, "/a/1/b"),
        ({"a": 1}, {"a": 1, "b": 1}, "/b"),
        ({"a": [1]}, {"a": [1, 2]}, "/a"),
        ({"a": True}, {"a": 1}, "/a"),
        ({"a": {}}, {"a": []}, "/a"),
        (1, 2, ""),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, None),
    ],
)
def test_the_first_difference_is_returned_as_a_pointer(one: Json, other: Json, place: str | None) -> None:
    assert first_difference(one, other) == place
    assert first_difference(other, one) == place


@given(one=JSON, other=JSON)
def test_documents_have_no_difference_if_and_only_if_their_json_is_equal(one: Json, other: Json) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (first_difference(one, other) is None) is same
    assert first_difference(one, one) is None


def test_the_line_of_a_place_is_found_and_that_of_its_nearest_parent_if_it_is_missing() -> None:
    text = '{"a": 1,\n "b\\"": [\n  {},\n  {"c": [1,\n 2]}]}'
    source = Source("page.md", text, first_line=10)
    places: dict[tuple[str | int, ...], int] = {
        (): 10,
        ("a",): 10,
        ('b"',): 11,
        ('b"', 1): 13,
        ('b"', 1, "c", 1): 14,
        ('b"', 1, "d"): 13,
        ("a", "x"): 10,
    }
    assert {place: source.line(*place) for place in places} == places


def test_an_error_names_the_line_of_the_file_not_of_the_text() -> None:
    with pytest.raises(SpecError, match=r"page\.md:11: not a JSON document"):
        Source("page.md", "{\n,}", first_line=10).parse()


def test_the_tokens_of_a_pointer_are_indices_in_arrays_alone() -> None:
    assert place_of({"a~b": [{"0": 1}]}, tokens_of("/a~0b/0/0")) == ("a~b", 0, "0")
