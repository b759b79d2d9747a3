from __future__ import annotations

import logging
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import Job, JobStatus, JobType
from impact_jobs._account import is_job_id
from impact_jobs._api.parsing import MalformedJobError, parse_job

from tests.support.simulated import JOB_ID, job_json

DATES = ["Created", "Started", "Completed", "Abandoned", "Cancelled", "Failed", "LastProgressUpdate"]
FIELDS = [
    *("Type", "ProgramId", "CreatedBy", "StatusMessage", "RecordsProcessed", "PercentageComplete", "Replayable"),
    *("ResultUri", *(f"{name}Date" for name in DATES)),
]
texts = st.text() | st.sampled_from(["", "2026-05-29", "1e400", "true"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


def test_a_job_is_parsed_as_the_vendor_documents_it() -> None:
    raw = job_json(
        "COMPLETED",
        Type="ApiReport",
        ProgramId=1000,
        CreatedBy="IRabc",
        CreatedDate="2026-05-29T04:33:50-05:00",
        CompletedDate="2026-05-29T04:34:00",
        RecordsProcessed="1234",
        PercentageComplete="100",
        Replayable="true",
        ResultUri=f"/Agencies/IRabc/Jobs/{JOB_ID}/Download",
        NewField={"kept": True},
    )
    job = parse_job(raw)
    assert job == Job(
        id=JOB_ID,
        type=JobType.APIREPORT,
        status=JobStatus.COMPLETED,
        program_id="1000",
        created_by="IRabc",
        created_date=datetime(2026, 5, 29, 9, 33, 50, tzinfo=UTC),
        completed_date=datetime(2026, 5, 29, 4, 34, tzinfo=UTC),
        records_processed=1234,
        percentage_complete=100,
        replayable=True,
        result_uri=f"/Agencies/IRabc/Jobs/{JOB_ID}/Download",
    )
    assert job.raw is raw, "unchanged, with its new fields"


@pytest.mark.parametrize("unset", [None, "", "absent"])
def test_an_unset_field_is_none_without_a_warning(unset: str | None, caplog: pytest.LogCaptureFixture) -> None:
    raw = job_json("QUEUED") if unset == "absent" else job_json("QUEUED", **dict.fromkeys(FIELDS, unset))
    assert parse_job(raw) == Job(id=JOB_ID, status=JobStatus.QUEUED)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "attribute", "value", "expected"),
    [
        ("RecordsProcessed", "records_processed", 40.0, 40),
        ("RecordsProcessed", "records_processed", " 1e3 ", 1000),
        ("RecordsProcessed", "records_processed", "9007199254740993", 9007199254740993),  # no float holds it
        ("PercentageComplete", "percentage_complete", "40.7", 40),
        ("Replayable", "replayable", False, False),
        ("Replayable", "replayable", "TRUE", True),
        ("ProgramId", "program_id", "007", "007"),
        ("Type", "type", "ClickExport", "ClickExport"),
    ],
)
def test_a_field_is_parsed_from_text_or_its_own_type(
    name: str, attribute: str, value: object, expected: object
) -> None:
    read = getattr(parse_job(job_json("RUNNING", **{name: value})), attribute)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RecordsProcessed", "many"),
        ("RecordsProcessed", float("nan")),
        ("RecordsProcessed", "1e400"),
        ("RecordsProcessed", "9" * 5000),
        ("RecordsProcessed", 10**4000),
        ("RecordsProcessed", -(10**19)),
        ("RecordsProcessed", "1e300"),
        ("PercentageComplete", ["1"]),
        ("PercentageComplete", "40 %"),
        ("Replayable", "perhaps"),
        ("Replayable", 1),
        ("Replayable", nested(10_000)),
        ("CreatedDate", "yesterday"),
        ("CreatedDate", 1487332519),
        ("CreatedDate", "2026-05-29T04:33:50+99:00"),
        ("CreatedDate", "2:99999999999999999999999999991"),
        ("CreatedDate", "x" * 1_000_000),
        ("StatusMessage", {"en": "why"}),
        ("Type", []),
    ],
    ids=lambda value: ascii(value)[:30] if isinstance(value, str) else None,
)
def test_an_unreadable_field_becomes_none_with_a_warning(
    name: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert parse_job(job_json("RUNNING", **{name: value})) == Job(id=JOB_ID, status=JobStatus.RUNNING)
    [record] = caplog.records
    message = record.getMessage()
    assert (record.name, record.levelno) == ("impact_jobs", logging.WARNING)
    assert f"job {JOB_ID}: {name} is " in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (None, "it is a NoneType"),
        ([job_json("RUNNING")], "it is a list"),
        ("QUEUED", "it is a str"),
        ({}, "its Id is None"),
        ({"Id": 7, "Status": "RUNNING"}, "its Id is 7"),
        ({"Id": f"{JOB_ID}\n", "Status": "RUNNING"}, "its Id is "),
        ({"Id": "x" * 100_000, "Status": "RUNNING"}, "its Id is 'xxx"),
        ({"Id": nested(10_000), "Status": "RUNNING"}, "its Id is "),
        ({"Id": JOB_ID}, "its Status is None"),
        ({"Id": JOB_ID, "Status": ""}, "its Status is ''"),
        ({"Id": JOB_ID, "Status": ["RUNNING"]}, "its Status is "),
        ({"Id": JOB_ID, "Status": "x" * 101}, "its Status is 'xxx"),
        ({"Id": JOB_ID, "Status": "\ud800"}, "its Status is "),
        ({"Id": JOB_ID, "Status": "\x1b[2J"}, "its Status is "),
        (
            {"Id": "https://s.example/a?sig=canary", "Status": "RUNNING"},
            "its Id is 'https://s.example/a?***, not a UUID",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_error_for_a_malformed_job_is_short_and_says_why(raw: object, why: str) -> None:
    with pytest.raises(MalformedJobError) as raised:
        parse_job(raw)
    assert str(raised.value).startswith(why)
    assert len(str(raised.value)) < 200


@given(
    st.dictionaries(st.sampled_from(FIELDS) | st.text(), json_values),
    st.just({"Id": JOB_ID, "Status": "RUNNING"})
    | st.fixed_dictionaries({}, optional={"Id": json_values | st.uuids().map(str), "Status": json_values}),
)
def test_any_object_gives_a_valid_job_or_is_malformed(fields: dict[str, Any], core: dict[str, Any]) -> None:
    raw = {**fields, **core}
    try:
        job = parse_job(raw)
    except MalformedJobError:
        return
    assert is_job_id(job.id)
    assert job.status
    for name in DATES:
        attribute = "last_progress_update_date" if name.startswith("Last") else f"{name.lower()}_date"
        moment = getattr(job, attribute)
        assert moment is None or moment.utcoffset() is not None
    for text in (job.type, job.program_id, job.created_by, job.status_message, job.result_uri):
        assert text is None or isinstance(text, str)
    for number in (job.records_processed, job.percentage_complete):
        assert number is None or isinstance(number, int)
    assert isinstance(job.replayable, bool)
    assert job.raw is raw
    assert hash(job) == hash(parse_job(raw))


@pytest.mark.parametrize("status", [*(status.value for status in JobStatus), "PAUSED", "completed"])
def test_only_the_four_known_final_statuses_are_terminal(status: str) -> None:
    job = parse_job(job_json(status))
    assert job.is_terminal == (status in {"COMPLETED", "CANCELLED", "ERROR", "FAILED"})
    assert isinstance(job.status, Enum) == (status in set(JobStatus))
    assert f"{job.status}" == status


@pytest.mark.parametrize("text", [JOB_ID, JOB_ID.upper()])
def test_a_uuid_with_hyphens_is_a_job_id(text: str) -> None:
    assert is_job_id(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", JOB_ID.replace("-", ""), JOB_ID[:-1], f"{{{JOB_ID}}}", f"urn:uuid:{JOB_ID}"),
        *(f"{JOB_ID}\n", f" {JOB_ID}", JOB_ID[:-1] + "\uff11"),
    ],
)
def test_other_text_is_not_a_job_id(text: str) -> None:
    assert not is_job_id(text)
