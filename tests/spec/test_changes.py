"""Each planted change gets its verdict, and nothing but a change gets one."""

import json
import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spec.comparing.change import Change
from spec.comparing.changes import compare
from spec.comparing.verdicts import VERDICTS
from spec.documents import JsonObject

from tests.spec.planted import FILES, PLANTED, Planted, drop, insert, put, rename_component, together

BY_NAME = {it.name: it for it in PLANTED}
LIST = ("paths", "/beds/{bedId}/seedlings", "get")
JOBS = ("components", "schemas", "Job", "properties")


def document(name: str = "jobs") -> JsonObject:
    found: JsonObject = json.loads(FILES[name].read_text(encoding="utf-8"))
    return found


def changed(*changes: Any, name: str = "jobs") -> list[Change]:
    new = document(name)
    together(*changes)(new)
    return compare(document(name), new)


def lines(found: list[Change]) -> list[str]:
    return [str(it) for it in found]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda it: it.name)
def test_each_planted_change_gets_its_verdict_and_is_named_once(planted: Planted) -> None:
    found = compare(planted.old(), planted.new())
    assert any(it.breaks_generated for it in found) == planted.breaks_generated, lines(found)
    assert any(it.breaks_facade for it in found) == planted.breaks_facade, lines(found)
    assert all(it.facade_why for it in found if it.breaks_facade)
    assert len({(it.kind, it.place) for it in found}) == len(found)
    # One that moves to another name is one that is removed and one that is added.
    assert sum(it.breaks_generated for it in found) <= 2, lines(found)


def test_the_planted_changes_are_many_and_different() -> None:
    assert len(PLANTED) >= 48
    assert sum(it.document == "jobs" for it in PLANTED) >= 42
    assert len(BY_NAME) == len(PLANTED)
    assert all(it.new() != it.old() for it in PLANTED)


@pytest.mark.parametrize("planted", PLANTED[::8], ids=lambda it: it.name)
def test_the_reverse_of_a_change_is_a_change(planted: Planted) -> None:
    assert bool(compare(planted.old(), planted.new())) == bool(compare(planted.new(), planted.old()))


def test_what_is_added_in_one_direction_is_removed_in_the_other() -> None:
    planted = BY_NAME["operation getJobLog is added"]
    (found,) = compare(planted.new(), planted.old())
    assert (found.kind, found.breaks_generated, str(found)) == (
        "operation-removed",
        True,
        "operation getJobLog is removed",
    )


@settings(max_examples=10)
@given(st.sampled_from(sorted(FILES)), st.randoms(use_true_random=False))
def test_documents_that_differ_in_the_order_of_keys_have_no_changes(name: str, draw: random.Random) -> None:
    old = document(name)
    assert compare(old, shuffled(old, draw)) == []


def shuffled(value: Any, draw: random.Random) -> Any:
    """Shuffle the keys of all objects but contents, whose first type is the one that generated code reads."""
    if isinstance(value, list):
        return [shuffled(entry, draw) for entry in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    if not any("/" in key and not key.startswith("/") for key in keys):
        draw.shuffle(keys)
    return {key: shuffled(value[key], draw) for key in keys}


@settings(max_examples=10)
@given(st.sampled_from(sorted(FILES)), st.sets(st.integers(0, 60), min_size=1, max_size=4))
def test_changed_descriptions_are_changes_of_descriptions_only(name: str, chosen: set[int]) -> None:
    new = document(name)
    owners = [it for it in objects(new) if isinstance(it.get("description"), str)]
    touched = {index % len(owners) for index in chosen}
    for index in touched:
        owners[index]["description"] += " Really."
    found = compare(document(name), new)
    assert {it.kind for it in found} == {"description-changed"}
    assert len(found) == len(touched)
    assert all(it.is_prose and not it.breaks_generated and not it.breaks_facade for it in found)


def objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(it for member in value.values() for it in objects(member))]
    return [it for entry in value for it in objects(entry)] if isinstance(value, list) else []


def test_the_documents_are_not_modified() -> None:
    planted = BY_NAME["component Job becomes JobRecord"]
    old, new = planted.old(), planted.new()
    copies = deepcopy((old, new))
    compare(old, new)
    assert (old, new) == copies


def test_two_changes_are_two() -> None:
    found = changed(drop(*JOBS, "StatusMessage"), insert("PAUSED", "components", "schemas", "JobStatus", "enum"))
    assert {str(it): it.breaks_generated for it in found} == {
        "field Job.StatusMessage is removed": True,
        "value PAUSED of JobStatus is added": False,
    }


def test_a_violation_belongs_to_the_change_that_brings_it() -> None:
    found = changed(drop(*JOBS, "StatusMessage"), drop(*JOBS, "ProgramId"), put({"type": "string"}, *JOBS, "More"))
    reasons = {it.subject: it.facade_why for it in found if it.breaks_facade}
    assert reasons.keys() == {"field Job.StatusMessage", "field Job.ProgramId"}
    assert all(subject.rpartition(".")[2] in why for subject, why in reasons.items())


def test_a_violation_that_was_there_before_is_due_to_no_change() -> None:
    old, new = document(), document()
    for each in (old, new):
        drop(*JOBS, "ProgramId")(each)
    drop(*JOBS, "StatusMessage")(new)
    assert [it.subject for it in compare(old, new) if it.breaks_facade] == ["field Job.StatusMessage"]


def test_a_component_is_compared_once_and_says_where_it_is_used() -> None:
    (found,) = changed(drop(*JOBS, "CreatedBy"))
    assert (found.kind, found.place, found.direction) == (
        "field-removed",
        "/components/schemas/Job/properties/CreatedBy",
        "response",
    )
    assert set(found.used_in) == {"downloadJobResult", "getJob", "listJobs", "replayJob"}


def test_a_shared_parameter_is_compared_once_and_says_where_it_is_used() -> None:
    (found,) = changed(put("date", "components", "parameters", "JobId", "schema", "format"))
    assert (str(found), found.direction) == ("parameter JobId gets another type (UUID → str)", "request")
    assert set(found.used_in) == {"downloadJobResult", "getJob", "replayJob"}


def test_a_component_that_is_renamed_is_one_change() -> None:
    (found,) = changed(rename_component("JobRecord", "schemas", "Job"))
    assert str(found) == "component JobRecord gets another class name (Job → JobRecord)"


def test_a_component_that_is_renamed_and_changed_is_followed() -> None:
    found = changed(
        rename_component("JobRecord", "schemas", "Job"),
        drop("components", "schemas", "JobRecord", "properties", "CreatedBy"),
    )
    assert lines(found) == [
        "component JobRecord gets another class name (Job → JobRecord)",
        "field JobRecord.CreatedBy is removed",
    ]


def test_an_enum_is_open_where_any_string_is_allowed_beside_it_and_closed_elsewhere() -> None:
    status = {"$ref": "#/components/schemas/JobStatus"}
    old = document()
    put({"type": "array", "items": status}, *JOBS, "History")(old)
    new = deepcopy(old)
    insert("PAUSED", "components", "schemas", "JobStatus", "enum")(new)
    assert [it.kind for it in compare(old, new)] == ["value-added-closed"]


@pytest.mark.parametrize(
    ("schema", "other"),
    [
        ({"$ref": "#/components/schemas/Loop"}, {"type": "string"}),
        ({"$ref": "#/components/schemas/Nothing"}, {"type": "string"}),
        ({"$ref": "https://elsewhere.invalid/a.json"}, {"type": "string"}),
        ({"allOf": [{"$ref": "#/components/schemas/Loop"}]}, {"type": "string"}),
        ({"allOf": [{"$ref": "#/components/schemas/Job"}, {"$ref": "#/components/schemas/Loop"}]}, {}),
    ],
)
def test_references_in_circles_or_to_nothing_end(schema: JsonObject, other: JsonObject) -> None:
    old, new = document(), document()
    for each, it in ((old, schema), (new, other)):
        put({"$ref": "#/components/schemas/Loop"}, "components", "schemas", "Loop")(each)
        put(it, *JOBS, "More")(each)
    assert compare(old, old) == []
    assert [it.subject for it in compare(old, new) if it.breaks_generated] == ["field Job.More"]


def test_a_schema_that_contains_itself_ends() -> None:
    loop = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Loop"}}}
    alias = {"allOf": [{"$ref": "#/components/schemas/Loop"}]}
    old, new = document(), document()
    for each, target in ((old, {"$ref": "#/components/schemas/Alias"}), (new, {"$ref": "#/components/schemas/Loop"})):
        put(loop, "components", "schemas", "Loop")(each)
        put(alias, "components", "schemas", "Alias")(each)
        put(target, *JOBS, "More")(each)
    assert compare(old, new) == []


def test_operations_that_swap_their_addresses_are_followed_by_their_names() -> None:
    old = document()
    new = document()
    one, other = "/Agencies/{AccountSID}/Jobs", "/Agencies/{AccountSID}/Jobs/{JobId}"
    new["paths"][one], new["paths"][other] = new["paths"][other], new["paths"][one]  # type: ignore[index, call-overload]
    assert {(it.kind, it.subject) for it in compare(old, new) if it.breaks_generated} == {
        ("operation-moved", "operation listJobs"),
        ("operation-moved", "operation getJob"),
    }


# What no planted change has: the change, and what is said of it.
MORE: dict[str, tuple[Any, str, bool]] = {
    "server-added": (insert({"url": "https://eu.invalid"}, "servers"), "server https://eu.invalid is added", False),
    "tags-changed": (insert({"name": "Unused"}, "tags"), "tags of the document change", False),
    "extension-changed": (put(1, "x-mark"), "x-mark of the document changes", False),
    "security-scheme-added": (
        put({"type": "http", "scheme": "bearer"}, "components", "securitySchemes", "Token"),
        "security scheme Token is added",
        False,
    ),
    "limit-loosened": (
        drop("paths", "/beds/{bedId}/seedlings", "get", "parameters", 1, "schema", "maximum"),
        "maximum of parameter limit of listSeedlings becomes wider (500 → nothing)",
        False,
    ),
    "parameter-format-changed": (
        put("matrix", "paths", "/beds/{bedId}/seedlings", "get", "parameters", 0, "style"),
        "style of parameter bedId of listSeedlings is written differently (simple → matrix)",
        True,
    ),
    "body-removed": (
        drop("paths", "/seedlings/{seedlingId}", "patch", "requestBody"),
        "body of labelSeedling is removed",
        True,
    ),
    "body-optional": (
        drop("paths", "/beds/{bedId}/seedlings", "post", "requestBody", "required"),
        "body of plantSeedling becomes optional",
        False,
    ),
    "security-narrowed": (
        put([{"Key": [], "Other": []}], "paths", "/beds/{bedId}/seedlings", "post", "security"),
        "operation plantSeedling accepts other credentials",
        True,
    ),
    "security-widened": (
        put([{"Key": []}, {"Other": []}], "paths", "/beds/{bedId}/seedlings", "post", "security"),
        "operation plantSeedling accepts more credentials",
        False,
    ),
    "header-changed": (
        put({"schema": {"type": "string"}}, *LIST, "responses", "200", "headers", "X-Total"),
        "header X-Total of response 200 of listSeedlings gets another type (int → str)",
        True,
    ),
    "additional-properties-changed": (
        put({"type": "integer"}, "components", "schemas", "Clay", "additionalProperties"),
        "additional properties of Clay get another type (Any → int)",
        True,
    ),
    "keyword-changed": (
        put(True, "components", "schemas", "Clay", "properties", "wetness", "readOnly"),  # noqa: FBT003
        "readOnly of field Clay.wetness changes",
        False,
    ),
    "shared-part-changed": (
        put("b", "components", "examples", "Unused", "value"),
        "shared example Unused changes",
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "case"), MORE.items(), ids=MORE)
def test_other_kinds_of_changes(kind: str, case: tuple[Any, str, bool]) -> None:
    change, says, breaks = case
    for name in FILES:
        old, new = document(name), document(name)
        for each in (old, new):
            put({"Unused": {"value": "a"}}, "components", "examples")(each)
        try:
            change(new)
        except (KeyError, IndexError):
            continue
        found = compare(old, new)
        assert [(it.kind, str(it), it.breaks_generated) for it in found] == [(kind, says, breaks)]
        return
    pytest.fail("the change fits no document")


def test_a_parameter_that_the_generator_cannot_express_where_it_stands_is_a_string() -> None:
    day = {"name": "X-Day", "in": "header", "schema": {"type": "string", "format": "date"}}
    added = insert(day, *LIST, "parameters")
    assert [it.kind for it in changed(added, name="made-up")] == ["parameter-added"]
    rows = (*LIST, "parameters", 2, "in")
    moved = changed(put("header", *rows), name="made-up")
    assert [it.kind for it in moved if it.breaks_generated] == ["parameter-moved", "parameter-type-narrowed"]
    assert moved[-1].detail == "list[int] → str"


def test_every_kind_of_change_has_a_verdict_in_words() -> None:
    for says, _, why in VERDICTS.values():
        assert says
        assert why
        assert not why.endswith(".")


@pytest.mark.parametrize("name", FILES)
def test_the_removal_of_any_member_is_found(name: str) -> None:
    old = document(name)
    for place in (it for it in places(old)[::15] if it[-1] != "type"):  # what has properties is an object without it
        new = document(name)
        if place[-1] == "required" and at(new, place) is False:
            continue  # as if it were not there
        drop(*place)(new)
        assert compare(old, new), place


def at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(value, dict):
        return []
    own = [(*place, key) for key in value]
    return own + [it for key, member in value.items() for it in places(member, (*place, key))]
