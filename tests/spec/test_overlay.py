from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spec.documents import Json, JsonObject, render
from spec.overlays import overlay as overlays
from spec.overlays.actions import OverlayError
from spec.texts.sources import Source

DOCUMENT: JsonObject = {
    "info": {"title": "T", "tags": ["x"]},
    "list": [{"name": "a", "keep": True}, {"name": "b"}, {"name": "c"}],
    "nested": {"inner": {"inner": {"deep": 1}}},
    "null": None,
}


def apply(document: JsonObject, applied: JsonObject) -> JsonObject:
    return overlays.apply(document, Source("overlay.json", render(applied).decode()))


def overlay(*actions: Json) -> JsonObject:
    return {"overlay": "1.0.0", "info": {"title": "O", "version": "1"}, "actions": list(actions)}


def update(target: str, value: Json) -> JsonObject:
    return {"target": target, "update": value}


def remove(target: str) -> JsonObject:
    return {"target": target, "remove": True}


def changed(**parts: Json) -> JsonObject:
    return DOCUMENT | parts


def failure(document: JsonObject) -> str:
    with pytest.raises(OverlayError) as caught:
        apply(DOCUMENT, document)
    return str(caught.value)


def test_objects_merge_recursively() -> None:
    result = apply(DOCUMENT, overlay(update("$", {"nested": {"inner": {"more": [1]}}, "new": {"a": 1}})))
    assert result == changed(nested={"inner": {"inner": {"deep": 1}, "more": [1]}}, new={"a": 1})


def test_a_primitive_replaces_a_primitive() -> None:
    result = apply(DOCUMENT, overlay(update("$.info", {"title": "U"}), update("$", {"null": 2})))
    assert result == changed(info={"title": "U", "tags": ["x"]}, null=2)


def test_an_update_is_appended_to_a_target_array() -> None:
    result = apply(DOCUMENT, overlay(update("$.info.tags", "y"), update("$.info.tags", ["z"])))
    assert result["info"] == {"title": "T", "tags": ["x", "y", ["z"]]}


def test_an_array_in_the_update_extends_the_existing_array() -> None:
    assert apply(DOCUMENT, overlay(update("$.info", {"tags": ["y", "z"]})))["info"] == {
        "title": "T",
        "tags": ["x", "y", "z"],
    }


def test_every_match_gets_a_copy_of_the_update() -> None:
    result = apply(DOCUMENT, overlay(update("$.list[*]", {"more": {"n": 1}}), update("$.list[0].more", {"n": 2})))
    assert result["list"] == [
        {"name": "a", "keep": True, "more": {"n": 2}},
        {"name": "b", "more": {"n": 1}},
        {"name": "c", "more": {"n": 1}},
    ]


def test_every_match_is_removed_from_objects_and_arrays() -> None:
    result = apply(DOCUMENT, overlay(remove("$.list[?!@.keep]"), remove("$['info','nested']")))
    assert result == {"list": [{"name": "a", "keep": True}], "null": None}


def test_a_match_inside_another_match_is_removed_with_it() -> None:
    assert apply(DOCUMENT, overlay(remove("$..inner")))["nested"] == {}


def test_a_node_that_the_query_selects_twice_is_changed_once() -> None:
    result = apply(DOCUMENT, overlay(update("$.info['tags','tags']", "y"), remove("$.list[0,0]")))
    assert result["info"] == {"title": "T", "tags": ["x", "y"]}
    assert result["list"] == [{"name": "b"}, {"name": "c"}]


def test_actions_are_applied_in_order() -> None:
    actions = (remove("$.nested"), update("$", {"nested": {"a": 1}}), update("$.nested", {"b": 2}))
    assert apply(DOCUMENT, overlay(*actions))["nested"] == {"a": 1, "b": 2}


def test_an_update_beside_remove_has_no_effect() -> None:
    assert "nested" not in apply(DOCUMENT, overlay({**remove("$.nested"), "update": {"a": 1}}))


def test_extensions_are_allowed_and_patch_versions_make_no_difference() -> None:
    document = overlay({**remove("$.nested"), "x-ticket": 1})
    document.update({"overlay": "1.0.1", "x-owner": "us", "extends": "./agency-api.json"})
    assert "nested" not in apply(DOCUMENT, document)


@pytest.mark.parametrize("action", [update("$.absent", {"a": 1}), remove("$.list[?@.name == 'z']")])
def test_an_action_that_matches_nothing_is_named_by_index_and_target(action: JsonObject) -> None:
    message = failure(overlay(update("$.info", {"a": 1}), action))
    assert f"actions[1] (target {action['target']}) matches nothing" in message


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (update("$.info.title", "U"), "matches /info/title, which is neither an object nor an array"),
        (remove("$.null"), "matches /null, which is neither an object nor an array"),
        (remove("$"), "would remove the whole document"),
        (update("$.info", "U"), "updates the object at /info with something that is not an object"),
        (update("$", {"info": "U"}), "changes the type of /info"),
        (update("$", {"info": {"title": ["U"]}}), "changes the type of /info/title"),
        (update("$", {"list": {"0": 1}}), "changes the type of /list"),
        (update("$.list[", {}), "is not a JSONPath query"),
    ],
)
def test_an_incompatible_action_is_named_by_index_and_target(action: JsonObject, reason: str) -> None:
    assert f"actions[0] (target {action['target']}) {reason}" in failure(overlay(action))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"overlay": None}, "`overlay`, is None"),
        ({"overlay": "1.1.0"}, "`overlay`, is '1.1.0'"),
        ({"overlay": "1.0"}, "`overlay`, is '1.0'"),
        ({"info": None}, "`info`"),
        ({"info": {"title": "O"}}, "`info`"),
        ({"actions": None}, "`actions`"),
        ({"actions": []}, "`actions`"),
        ({"action": []}, "unknown field 'action'"),
        ({"actions": [None]}, "actions[0] is not an object"),
        ({"actions": [{"update": {}}]}, "actions[0] has no `target`"),
        ({"actions": [{"target": 1, "update": {}}]}, "actions[0] has no `target`"),
        ({"actions": [{"target": "$"}]}, "actions[0] (target $) neither updates nor removes"),
        ({"actions": [{"target": "$", "remove": False}]}, "neither updates nor removes"),
        ({"actions": [{"target": "$", "remove": "yes"}]}, "`remove` is neither true nor false"),
        (
            {"actions": [{"target": "$.info", "remove": True, "description": 1}]},
            "`description` is not a string",
        ),
        ({"actions": [{"target": "$.info", "remove": True, "copy": "$"}]}, "unknown field 'copy'"),
    ],
)
def test_a_malformed_overlay_is_refused(change: JsonObject, reason: str) -> None:
    assert reason in failure({**overlay(remove("$.info")), **change})


def test_a_malformed_overlay_is_refused_before_any_action_is_applied() -> None:
    assert failure(overlay(remove("$.absent"), None)).endswith(": actions[1] is not an object")


KEYS = st.sampled_from(["info", "list", "nested", "title", "tags", "inner", "new"])
VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
TARGETS = st.sampled_from(["$", "$.info", "$.list", "$.list[*]", "$..inner", "$..*", "$.absent", "$[?@.inner]"])
ACTIONS = st.builds(update, TARGETS, VALUES) | st.builds(remove, TARGETS)


@settings(derandomize=True, database=None, deadline=None)
@given(actions=st.lists(ACTIONS, min_size=1, max_size=3))
def test_applying_an_overlay_changes_neither_the_document_nor_the_overlay(actions: list[Json]) -> None:
    document, given_overlay = deepcopy(DOCUMENT), overlay(*deepcopy(actions))
    try:
        first: bytes | str = render(apply(document, given_overlay))
        # If the results shared any object, this second application would change the inputs of the first.
        second: bytes | str = render(apply(document, given_overlay))
    except OverlayError as error:
        first = second = str(error)
    assert first == second
    assert render(document) == render(DOCUMENT)
    assert given_overlay == overlay(*actions)
