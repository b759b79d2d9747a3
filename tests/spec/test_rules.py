import re
from pathlib import Path

import pytest
from spec.documents import SpecError
from spec.merging.rules import DEFAULT_ROOT, Resolution, Rules, parse_rules, read_rules

from tests.spec.conftest import ROOT

WHOLE = """\
# A comment.
order: [jobs, reports]
root:
  openapi: newest
  info: equal
  security: first
  x-*: first
  x-b: equal
resolutions:
  schemas/Error: "rename: ReportsError in reports/run.json"
  schemas/Money:
    - "keep: jobs/list.json"
    - rename: OtherMoney in reports
  operationId/listJobs: "omit: the generator can't express its body: a stream"
  operation/GET /jobs/{id}: "keep: jobs"
  paths//jobs/{id}: "rename: /jobs/{job id}"
"""


def parse(text: str) -> Rules:
    return parse_rules(text, "openapi/merge.yml")


def failure(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse(text)
    return str(caught.value)


def test_a_file_gives_the_order_the_rules_and_the_resolutions_with_their_lines() -> None:
    rules = parse(WHOLE.replace("    - rename: OtherMoney in reports", '    - "rename: OtherMoney in reports"'))
    assert rules.order == {"jobs": 2, "reports": 2}
    fields = {"openapi": "newest", "info": "equal", "security": "first", "x-*": "first", "x-b": "equal"}
    assert dict(rules.root) == fields
    assert [rules.of(name) for name in ("info", "x-a", "x-b", "tags")] == ["equal", "first", "equal", "equal"]
    assert rules.resolutions == (
        Resolution("schemas", "Error", "rename", "ReportsError", "reports/run.json", 10),
        Resolution("schemas", "Money", "keep", "", "jobs/list.json", 12),
        Resolution("schemas", "Money", "rename", "OtherMoney", "reports", 13),
        Resolution("operationId", "listJobs", "omit", "the generator can't express its body: a stream", "", 14),
        Resolution("operation", "GET /jobs/{id}", "keep", "", "jobs", 15),
        Resolution("paths", "/jobs/{id}", "rename", "/jobs/{job id}", "", 16),
    )
    assert [str(resolution) for resolution in rules.resolutions[2:4]] == [
        "rename: OtherMoney in reports",
        "omit: the generator can't express its body: a stream",
    ]


def test_a_missing_or_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "openapi").mkdir()
    assert read_rules(tmp_path / "openapi") == Rules("openapi/merge.yml") == parse("") == parse("order:\nroot:\n")
    assert Rules().of("info") == "first"
    assert Rules().of("unknown") == "equal"
    (tmp_path / "openapi" / "merge.yml").write_text("order: [jobs]", encoding="utf-8")
    assert read_rules(tmp_path / "openapi").order == {"jobs": 1}
    assert read_rules(tmp_path / "openapi").root == DEFAULT_ROOT


def test_the_file_of_the_project_writes_the_defaults_down_and_its_examples_are_right() -> None:
    text = (ROOT / "openapi" / "merge.yml").read_text(encoding="utf-8")
    assert read_rules(ROOT / "openapi").root == DEFAULT_ROOT
    examples = text.partition("\n#\n")
    found = re.findall(r"#   (\S.*)", examples[-1])
    assert len(found) == 6
    for example in found:
        (resolution,) = parse(f"resolutions:\n  {example}").resolutions
        assert example.startswith(f'{resolution.key}: "{resolution}"')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "2: not a YAML document"),
        ("- a", "1: not a YAML object"),
        ("orders: []", "1: unknown field 'orders'"),
        ("order: []\norder: []", "2: the key 'order' appears twice"),
        ("order: jobs", "1: `order` is not a list"),
        ("order: [jobs, jobs]", "1: the group 'jobs' is named twice"),
        ("order: [[jobs]]", "1: an entry of `order` is not a text"),
        ("root: {info: last}", "1: the rule for `info` is 'last'"),
        ("root: {info: [first]}", "1: the rule for `info` is no text"),
        ("root: {openapi: first}", "1: the rule for `openapi` is 'first'"),
        ("root: {paths: first}", "1: `paths` is not a field that has a rule"),
        ("root: {inf: first}", "1: `inf` is not a field that has a rule"),
        ("? [a]\n: b", "1: a key is not a string"),
        ("resolutions: [a]", "1: `resolutions` is not a mapping"),
        ("resolutions: {Job: 'keep: a'}", "1: 'Job' names no part of a document"),
        ("resolutions: {schemas/: 'keep: a'}", "1: 'schemas/' names no part"),
        ("resolutions: {models/Job: 'keep: a'}", "1: 'models/Job' names no part"),
        ("resolutions: {operation/jobs: 'keep: a'}", "1: 'operation/jobs' names no part"),
        ("resolutions:\n  schemas/Job: {keep: a}", "2: 'schemas/Job' is not a list"),
        ("resolutions:\n  schemas/Job: [{keep: a}]", "2: an entry of 'schemas/Job' is not a text"),
        ("resolutions:\n  schemas/Job: keep a", "2: 'keep a' is not a resolution for schemas/Job"),
        ("resolutions:\n  schemas/Job: 'rename: A'", "2: 'rename: A' is not a resolution"),
        ("resolutions:\n  schemas/Job: 'omit: unused'", "2: 'omit: unused' is not a resolution"),
        ("resolutions:\n  operationId/a: 'keep: a'", "2: 'keep: a' is not a resolution"),
        ("resolutions:\n  operationId/a: 'omit:'", "2: 'omit:' is not a resolution"),
        ("resolutions:\n  paths//a: 'rename: b in c'", "2: 'rename: b in c' is not a resolution"),
        ("resolutions:\n  schemas/Job: 'rename: A/B in jobs'", "2: 'A/B' can't be a name"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_line(text: str, message: str) -> None:
    assert failure(text).startswith(f"openapi/merge.yml:{message}")


def test_all_faults_are_reported() -> None:
    message = failure("order: a\nroot: {info: b}\nresolutions: {c: d, schemas/e: f}")
    assert [line.partition(": ")[0] for line in message.splitlines() if line.startswith("openapi")] == [
        "openapi/merge.yml:1",
        "openapi/merge.yml:2",
        "openapi/merge.yml:3",
        "openapi/merge.yml:3",
    ]


@pytest.mark.parametrize("content", [b"\xff", b"a: &a [*a]\nb: *a", b"[" * 5000])
def test_bytes_that_are_no_rules_are_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "merge.yml").write_bytes(content)
    with pytest.raises(SpecError, match=r"merge\.yml"):
        read_rules(tmp_path)
