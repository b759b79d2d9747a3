"""Templates of file names: what is refused, and that no value leads out of the folder."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impact_jobs import ConfigurationError
from impact_jobs._download.name_templates import NameTemplate, check_distinct

FIELDS = ("id", "type", "created", "program")
MOMENT = datetime(2026, 5, 31, 23, 59, 1, tzinfo=UTC)


def formatted(text: str, **values: object) -> str:
    return NameTemplate.create(text, values).format(**values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{type}_{created:%Y-%m-%d}_{id}", "ApiReport_2026-05-31_3f6c"),
        ("{created}", "2026-05-31T235901"),
        ("{start}.csv", "2026-05-01.csv"),
        ("{start:%Y/%m}/{id}.csv", "2026/05/3f6c.csv"),
        ("../{program}/{id}", "../unknown/3f6c"),
        ("{{{id}}}", "{3f6c}"),
        ("{id:>6}", "3f6c"),
        ("a  b.csv", "a  b.csv"),
        ("{id}. .", "3f6c"),
        ("con.csv", "_con.csv"),
    ],
)
def test_a_template_by_example(text: str, expected: str) -> None:
    values = {"id": "3f6c", "type": "ApiReport", "created": MOMENT, "start": date(2026, 5, 1), "program": None}
    assert formatted(text, **values) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{cretaed:%Y}", r"\{cretaed\} is not one of its fields: .*Did you mean \{created\}\?"),
        ("{ID}", r"Did you mean \{id\}\?"),
        ("{}", "is not one of its fields"),
        ("{id.__class__}", "is not one of its fields"),
        ("{id[0]}", "is not one of its fields"),
        ("{id!r}", "leave out the conversion !r"),
        ("{id", "expected '}'"),
        ("id}", "Single '}'"),
        ("{id:%Y}", r"\{id:%Y\} is not a format: write \{id\}"),
        ("{id:>9999999999}", r"\{id:>9999999999\} is not a format: write \{id\}"),
        ("{created:%Q}", r"is not a format: write \{created:%Y-%m-%d\}"),
        ("{created:%Y%}", "is not a format"),
        ("{created:Y}", r"is not a format: write \{created:%Y-%m-%d\}"),
        ("{created:{id}}", "is not a format"),
        ("", "give a template such as"),
        (" ", "give a template such as"),
        ("{id}\0", "null character"),
    ],
)
def test_a_wrong_template_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        NameTemplate.create(text, FIELDS)


@pytest.mark.parametrize("text", ["{id}/", "a/..", "..", ".", "{id}/ ."])
def test_a_template_of_a_folder_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="names a folder"):
        formatted(text, id="3f6c")


@given(value=st.text() | st.sampled_from(["..", "../x", "a\\b", "CON", "nul.txt", "c:x", "é" * 300, "\ud800", " . "]))
def test_no_value_changes_the_folder(value: str) -> None:
    name = formatted("x/{program}", program=value)
    assert name.startswith("x/")
    name = name.removeprefix("x/")
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert name
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert len(name.encode()) <= 121
    assert name.partition(".")[0].upper() not in {"CON", "NUL"}
    assert Path(name).name == name


def test_a_long_name_keeps_its_extension() -> None:
    name = formatted("{id}{id}{id}.csv.gz", id="é" * 100)
    assert name.endswith(".gz")
    assert len(name.encode()) <= 200


def test_is_template() -> None:
    assert NameTemplate.is_template(Path("{report}.csv"))
    assert NameTemplate.is_template("a}")
    assert not NameTemplate.is_template("actions.csv")


def test_files_of_one_name_are_refused() -> None:
    check_distinct({"job 1": "a.csv", "job 2": "b.csv"}, ["id"])
    with pytest.raises(ConfigurationError, match=r"'A.csv' would be the file of job 1 and of job 2: .* \{id\}"):
        check_distinct({"job 1": "a.csv", "job 2": "A.csv"}, ["id"])
