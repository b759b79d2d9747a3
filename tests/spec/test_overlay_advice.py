"""What the overlay's errors say when the vendor mends, moves or removes what our actions correct."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from generate import ROOT
from spec.documents import JsonObject, Problem, SpecError, render
from spec.fragments import read_fragments
from spec.merging.merge import merge
from spec.overlays.likeness import says
from spec.overlays.overlay import apply
from spec.texts.sources import Source

from tests.spec.published import overlay_of_jobs

OPENAPI = ROOT / "openapi"
SOURCE = Source("openapi/overlay.json", render(overlay_of_jobs()).decode())
PUBLISHED = merge(fragment for fragment in read_fragments(OPENAPI) if fragment.group == "jobs").document
FINAL: Any = apply(PUBLISHED, SOURCE)
PROPERTIES = FINAL["components"]["schemas"]["Job"]["properties"]
DATES = [name for name in PROPERTIES if name.endswith("Date")]
LOOSE = ["ProgramId", "RecordsProcessed", "PercentageComplete", "Replayable"]

Change = Callable[[Any], object]


def losses(change: Change) -> dict[int, str]:
    """Return what the errors say about each action after a change of the published document."""
    document: Any = deepcopy(PUBLISHED)
    change(document)
    try:
        apply(document, SOURCE)
    except SpecError as error:
        problems = [problem for problem in error.problems if isinstance(problem, Problem)]
    else:
        problems = []
    found = {}
    for problem in problems:
        index = int(re.search(r"actions\[(\d+)\]", problem.reason)[1])  # type: ignore[index] # it always matches
        assert (problem.file, problem.line) == (SOURCE.file, SOURCE.line("actions", index))
        found[index] = f"{problem.reason.rpartition(': ')[2]}; {problem.advice}"
    return found


def schemas(document: Any) -> Any:
    return document["components"]["schemas"]


def job(document: Any) -> Any:
    return schemas(document)["Job"]["properties"]


def operations(document: Any) -> list[Any]:
    return [operation for item in document["paths"].values() for operation in item.values()]


def mend(*names: str) -> Change:
    """Publish properties of a job as we would correct them, in other words."""
    return lambda document: job(document).update(
        {name: {**deepcopy(PROPERTIES[name]), "description": "Other words."} for name in names}
    )


def rename_job(document: Any) -> None:
    text = json.dumps(document).replace('"#/components/schemas/Job"', '"#/components/schemas/Task"')
    document.update(json.loads(text))
    schemas(document)["Task"] = schemas(document).pop("Job")


def nest(*names: str) -> Change:
    def change(document: Any) -> None:
        inner = {name: job(document).pop(name) for name in names}
        job(document)["Inner"] = {"type": "object", "properties": inner}

    return change


def refer(document: Any) -> None:
    schemas(document)["Kind"] = job(document)["Type"]
    job(document)["Type"] = {"$ref": "#/components/schemas/Kind"}


def declare_location(document: Any) -> None:
    header = {"description": "Where it is.", "schema": {"type": "string", "format": "uri"}}
    for operation in operations(document):
        if "302" in operation["responses"]:
            operation["responses"]["302"]["headers"] = {"Location": header}


def redirect_posts(document: Any) -> None:
    for item in document["paths"].values():
        if "302" in item.get("get", {}).get("responses", {}):
            item["post"] = item.pop("get")


def respond(code: str) -> Change:
    return lambda document: [
        each["responses"].setdefault(code, {"description": "No."}) for each in operations(document)
    ]


def move_paths(document: Any) -> None:
    document["webhooks"] = document.pop("paths")


def move(place: str) -> Change:
    """Move the components, or the schemas, into an extension."""

    def change(document: Any) -> None:
        parent = document if place == "components" else document["components"]
        document["x-more"] = {place: parent.pop(place)}

    return change


MENDED, MOVED, GONE = ("the vendor has " + verb for verb in ("mended the fault", "moved what", "removed what"))
RENAMED, CHANGED = "the vendor has renamed what", "the vendor has changed $.components.schemas.Job.properties."
STANDS = "the same key now stands at $"
OF_JOBS = (4, 5, 6, 7, 8, 9, 10, 11)
TASK = "components.schemas.Task.properties"
CHANGES: dict[str, tuple[Change, dict[int, tuple[str, str]]]] = {
    "the scheme is declared": (
        lambda document: document["components"].update(
            securitySchemes={"BasicAuth": {"type": "http", "scheme": "basic"}}
        ),
        {0: (MENDED, "delete actions[0]")},
    ),
    "the document is secured": (
        lambda document: document.update(security=[{"BasicAuth": []}]),
        {1: (MENDED, "delete actions[1]")},
    ),
    "all operations are secured": (
        lambda document: [operation.update(security=[{"Other": []}]) for operation in operations(document)],
        {2: (MENDED, "delete actions[2], if the document is right at $.paths[")},
    ),
    "one operation is secured": (lambda document: operations(document)[0].update(security=[]), {}),
    "the enums are named": (
        lambda document: schemas(document).update({name: schemas(FINAL)[name] for name in ("JobType", "JobStatus")}),
        {3: (MENDED, "delete actions[3]")},
    ),
    "the enums are opened": (
        lambda document: [job(document)[name].pop("enum") for name in ("Type", "Status")],
        {4: (MENDED, "delete actions[4]")},
    ),
    "one enum is opened": (
        lambda document: job(document)["Status"].pop("enum"),
        {4: (MENDED, "take 'Status' out of actions[4]")},
    ),
    "an enum is behind a reference": (
        refer,
        {4: (MOVED, f"{STANDS}.components.schemas.Kind.enum: take 'Type' out of actions[4], and write an action")},
    ),
    "an enum is one of several": (
        lambda document: job(document).update(Type={"anyOf": [job(document)["Type"], {"type": "string"}]}),
        {4: (MOVED, f"{STANDS}.components.schemas.Job.properties.Type.anyOf[0].enum: take 'Type' out of")},
    ),
    "the type is mended": (
        mend("Type"),
        {4: (MENDED, "take 'Type' out of actions[4]"), 5: (MENDED, "delete actions[5]")},
    ),
    "the status is mended": (
        mend("Status"),
        {4: (MENDED, "take 'Status' out of actions[4]"), 6: (MENDED, "delete actions[6]")},
    ),
    "the dates are mended": (
        mend(*DATES),
        {7: (MENDED, "delete actions[7], and what actions[8] and actions[9] write there")},
    ),
    "one date is mended": (
        mend("FailedDate"),
        {7: (MENDED, "take 'FailedDate' out of actions[7], and what actions[8] and actions[9] write there")},
    ),
    "the dates are moved": (
        nest(*DATES),
        {7: (MOVED, f"{STANDS}.components.schemas.Job.properties.Inner.properties['CreatedDate', ")},
    ),
    "one date is removed": (
        lambda document: job(document).pop("AbandonedDate"),
        {
            7: (
                GONE,
                "take 'AbandonedDate' out of actions[7], or change the target\nalso change actions[8] and actions[9]",
            )
        },
    ),
    "one date is renamed": (
        lambda document: job(document).update(AbortedDate=job(document).pop("AbandonedDate")),
        {
            7: (
                RENAMED,
                "AbortedDate: write the new name in actions[7], in `target` and `x-removes`\nalso change actions[8]",
            )
        },
    ),
    "one date is renamed and has another type": (
        lambda document: job(document).update(AbortedDate={**job(document).pop("AbandonedDate"), "type": "integer"}),
        {7: (RENAMED, "it is now $.components.schemas.Job.properties.AbortedDate: ")},
    ),
    "both enums have new names": (
        lambda document: job(document).update(Kind=job(document).pop("Type"), State=job(document).pop("Status")),
        {
            4: (RENAMED, "it is now $.components.schemas.Job.properties.State.enum: "),
            5: (MOVED, f"{STANDS}.components.schemas.Job.properties.Kind: "),
            6: (MOVED, f"{STANDS}.components.schemas.Job.properties.State: "),
        },
    ),
    "one date is an integer": (
        lambda document: job(document).update(FailedDate={**job(document)["FailedDate"], "type": "integer"}),
        {
            7: (
                f"{CHANGED}FailedDate",
                "\nadapt actions[8] and actions[9], which write it back, and then put the page's",
            )
        },
    ),
    "one date is described anew": (
        lambda document: job(document)["FailedDate"].update(description="When it failed."),
        {7: (f"{CHANGED}FailedDate", '\n+    "description": "When it failed."\n')},
    ),
    "a status is new": (
        lambda document: job(document)["Status"]["enum"].append("PAUSED"),
        {
            4: (
                f"{CHANGED}Status.enum",
                "\n }\nadapt actions[3], which writes it back, and then put the page's new value into `x-removes`",
            )
        },
    ),
    "two of the numbers are changed": (
        lambda document: [
            job(document)["ProgramId"].update(type="object"),
            job(document)["PercentageComplete"].update(maximum=1000),
        ],
        {10: (f"{CHANGED}PercentageComplete, $.components.schemas.Job.properties.ProgramId", "\nadapt actions[11], ")},
    ),
    "the numbers are mended": (
        mend(*LOOSE),
        {10: (MENDED, "delete actions[10], and what actions[11] writes there")},
    ),
    "one number is moved": (
        nest("RecordsProcessed"),
        {10: (MOVED, f"{STANDS}.components.schemas.Job.properties.Inner.properties.RecordsProcessed: take 'Rec")},
    ),
    "the schema is renamed": (
        rename_job,
        {
            **dict.fromkeys(OF_JOBS, (MOVED, f"{STANDS}.{TASK}")),
            4: (MOVED, f"{STANDS}.{TASK}['Type', 'Status'].enum: change the target of actions[4] to it"),
            8: (MOVED, f"{STANDS}.{TASK}: change the target of actions[8] to it"),
        },
    ),
    "the schema is removed": (
        lambda document: schemas(document).pop("Job"),
        {
            **{index: (GONE, "the page no longer has $.components.schemas.Job: ") for index in OF_JOBS if index != 9},
            8: (GONE, "delete actions[8], or change the target\nactions[9] depends on it"),
        },
    ),
    "the schemas are moved": (
        move("schemas"),
        {
            3: (MOVED, f"{STANDS}['x-more'].schemas: change"),
            **dict.fromkeys(OF_JOBS, (MOVED, f"{STANDS}['x-more'].schemas.Job.properties")),
        },
    ),
    "the components are moved": (
        move("components"),
        {
            0: (MOVED, f"{STANDS}['x-more'].components: change the target of actions[0] to it"),
            3: (MOVED, f"{STANDS}['x-more'].components.schemas: change"),
            **dict.fromkeys(OF_JOBS, (MOVED, f"{STANDS}['x-more'].components.schemas.Job.properties")),
        },
    ),
    "the header is declared": (declare_location, {12: (MENDED, "delete actions[12]")}),
    "the redirect is moved": (
        redirect_posts,
        {12: (MOVED, ".post.responses['302']: change the target of actions[12] to it")},
    ),
    **{
        f"all operations declare {code}": (
            respond(code),
            {index: (MENDED, f"delete actions[{index}], if the document")},
        )
        for index, code in ((13, "400"), (14, "403"), (15, "429"))
    },
    "the operations are moved": (
        move_paths,
        {
            2: (MOVED, f"{STANDS}.webhooks[*][?@['operationId'] && !@['security']]: change the target"),
            12: (MOVED, f"{STANDS}.webhooks[*].get.responses['302']: change the target"),
            **dict.fromkeys((13, 14, 15), (MOVED, f"{STANDS}.webhooks[*][?@['operationId'] && !@['responses']")),
        },
    ),
    "nothing": (lambda document: document["info"].update(version="4.0"), {}),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_each_action_that_lost_its_effect_is_reported_with_what_to_do(
    change: Change, expected: dict[int, tuple[str, str]]
) -> None:
    found = losses(change)
    assert found.keys() == expected.keys(), found
    for index, (cause, advice) in expected.items():
        assert found[index].startswith(cause), found[index]
        assert advice in found[index]


def test_each_action_but_that_of_the_root_is_tested_with_a_mending_and_a_move() -> None:
    count = len(json.loads(SOURCE.text)["actions"])
    reported = {(index, cause) for _, expected in CHANGES.values() for index, (cause, _) in expected.items()}
    assert {index for index, cause in reported if cause == MENDED} == {*range(count)} - {
        8,
        9,
        11,
    }  # reported with 7, 10
    assert {index for index, cause in reported if cause == MOVED} == {*range(count)} - {1}


def failure(document: JsonObject, *actions: JsonObject) -> str:
    overlay: JsonObject = {"overlay": "1.0.0", "info": {"title": "O", "version": "1"}, "actions": [*actions]}
    with pytest.raises(SpecError) as caught:
        apply(document, Source("overlay.json", render(overlay).decode()))
    return str(caught.value)


def removal(record: JsonObject, **more: Any) -> JsonObject:
    return {"target": "$.a.*", "remove": True, "x-removes": record, **more}


def test_what_is_removed_and_not_recorded_and_the_other_way_round_is_an_error() -> None:
    message = failure({"a": {"b": {"c": 1}, "d": {}}}, removal({"$.a.d": {}, "$.e": {"f": 2}}))
    assert "actions[0] (target $.a.*) records something else than it removes\n" in message
    assert all(f"\n    {line}\n" in message for line in ('-  "$.e": {', '+  "$.a.b": {', '+    "c": 1'))
    assert "$.a.d" not in message
    assert message.endswith("\n    correct `x-removes` of actions[0] so")


def test_a_record_of_more_than_is_removed_is_an_error() -> None:
    assert "records something else than it removes" in failure({"a": {"d": {}}}, removal({"$.a.d": {}, "$.e": {}}))


def test_what_is_recorded_is_what_earlier_actions_left() -> None:
    update: JsonObject = {"target": "$.a.b", "update": {"c": 1}}
    assert "the vendor has changed $.a.b" in failure({"a": {"b": {"d": {}}}}, update, removal({"$.a.b": {"d": {}}}))


def test_every_difference_from_the_records_is_reported() -> None:
    other: JsonObject = {"target": "$.g", "remove": True, "x-removes": {"$.g": []}}
    message = failure({"a": {"b": {"c": 1}, "d": {}}, "g": [1]}, removal({"$.a.b": {"c": True}}), other)
    assert [line.rpartition(") ")[2] for line in message.splitlines() if line.startswith("overlay.json:")] == [
        "hides a change: the vendor has changed $.a.b",
        "records something else than it removes",
        "hides a change: the vendor has changed $.g",
    ]


def test_a_value_without_a_description_has_a_new_name_only_if_it_is_equal() -> None:
    action: JsonObject = {"target": "$.a.b", "remove": True, "x-removes": {"$.a.b": {"type": "string"}}}
    message = failure({"a": {"c": {"type": "string"}, "d": {"type": "integer"}}}, action)
    assert "the vendor has renamed what it corrects\n    it is now $.a.c: write the new name" in message


def test_what_has_a_record_of_its_own_is_no_new_name() -> None:
    record: JsonObject = {"$.a.b": {"type": "string"}, "$.a.c": {"type": "string"}}
    action: JsonObject = {"target": "$.a['b','c']", "remove": True, "x-removes": record}
    assert "renamed" not in failure({"a": {"c": {"type": "string"}}}, action)


@pytest.mark.parametrize("action", [removal([]), removal({}, remove=False, update={})])  # type: ignore[arg-type] # a fault
def test_a_record_is_an_object_in_an_action_that_removes(action: JsonObject) -> None:
    assert "`x-removes` has to be an object, in an action that removes" in failure({"a": {"b": {}}}, action)


def test_an_action_that_depends_on_a_lost_one_is_not_blamed() -> None:
    message = failure(
        {"a": {}},
        {"target": "$.b", "update": {"new": {}}},
        {"target": "$.b.new", "update": {"x": 1}},
        {"target": "$.b.new.x", "remove": True},
    )
    assert message.count("overlay.json:") == 1
    assert "actions[1] and actions[2] depend on it" in message


def test_an_action_that_repeats_an_earlier_one_is_not_the_vendor_s() -> None:
    message = failure({"a": {}}, {"target": "$.a", "update": {"x": {}}}, {"target": "$", "update": {"a": {"x": {}}}})
    assert "actions[1] (target $) changes nothing: an earlier action does the same" in message


def test_places_that_need_no_change_any_more_are_named() -> None:
    message = failure({"a": {"one": {"x": [1]}, "two": {"x": [1, 2]}}}, {"target": "$.a.*", "update": {"x": [2]}})
    assert "changes nothing at $.a.two: the vendor has mended the fault\n    narrow the target" in message


@pytest.mark.parametrize(
    ("value", "update", "expected"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": [1, 2]}, {"a": [2]}, True),
        ({"a": [1]}, {"a": [2]}, False),
        ({"a": 1, "description": "One."}, {"a": 1, "description": "Two."}, True),
        ({"description": "One."}, {"description": "Two."}, False),
        ({"a": {"description": "One."}}, {"a": {"description": "Two."}}, False),
        ({}, {"title": {"type": "string"}}, False),
        ([{"a": 1, "title": "One"}], {"a": 1}, True),
        ([1], [1], False),
        ({}, {}, True),
    ],
)
def test_an_update_is_said_already_if_only_words_would_change(value: Any, update: Any, expected: bool) -> None:  # noqa: FBT001
    assert says(value, update) is expected


def test_the_overlay_of_the_project_changes_something_with_each_action() -> None:
    assert not losses(lambda _: None)
    assert Path(SOURCE.file).name == "overlay.json"
