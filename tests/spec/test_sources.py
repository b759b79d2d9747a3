"""Texts in JSON and YAML: what is accepted, what is refused at which line, and the lines of places."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from spec.documents import Json, Problem, SpecError
from spec.texts import sources
from spec.texts.faults import MAX_DEPTH, MAX_DIGITS
from spec.texts.sources import Source, Syntax, read_source

FIRST_LINE = 10  # of the text in its file


def problems(text: str, syntax: Syntax) -> list[tuple[int | None, str]]:
    with pytest.raises(SpecError) as caught:
        Source("page.md", text, FIRST_LINE, syntax).parse()
    assert all(isinstance(problem, Problem) and problem.file == "page.md" for problem in caught.value.problems)
    found = [problem for problem in caught.value.problems if isinstance(problem, Problem)]
    return [(problem.line and problem.line - FIRST_LINE + 1, problem.reason) for problem in found]


def yaml_value(text: str) -> Json:
    return Source("page.yaml", f"a: {text}", syntax="yaml").parse()["a"]


DEEPEST = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
BOMB = 'a0: &a0 "some text"\n' + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20))
LONG_BOMB = f'a: &a "{"x" * 10_000}"\nb:\n' + "- *a\n" * 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{\n,}", [(2, "Expecting property name")]),
        ("{}\n{}", [(2, "Extra data")]),
        ('{"a": "\n"}', [(1, "Invalid control character")]),
        ('{"a":\n"\0"}', [(2, "Invalid control character")]),
        ("[]", [(1, "not a JSON object")]),
        ("", [(1, "Expecting value")]),
        ('{"a": {"b": 1,\n "c": 2, "b": 1}}', [(2, "the key 'b' appears twice")]),
        ('{"b": 1,\n "\\u0062": [{"b": 1}, {"b": 1}],\n"c": {"d": 1,\n"d": 1}}', [(2, "'b'"), (4, "'d'")]),
        ('{"a":\n[NaN, "NaN",\n-Infinity]}', [(2, "NaN is not"), (3, "-Infinity is not")]),
        ('{"a":\n1e999}', [(2, "1e999 is larger")]),
        (f'{{"a":\n-{"1" * (MAX_DIGITS + 1)}}}', [(2, f"more than {MAX_DIGITS} digits")]),
        ('{"a":\n"\\ud83d\\ude00 \\ud83d"}', [(2, "half of a surrogate pair")]),
        ('{"a": 1, "a": 2,\n"b": NaN,\n"c": tru}', [(1, "'a'"), (2, "NaN")]),
        ('{"a": {"b": 1,\n"b": 2}, "\\"' + '\\"' * 100_000, [(2, "'b'")]),
        (f'{{"a":\n[{DEEPEST}]}}', [(2, f"deeper than {MAX_DEPTH}")]),
        ('{"a":\n' * 100_000, [(MAX_DEPTH + 1, f"deeper than {MAX_DEPTH}")]),
        ("[" * 100_000, [(1, f"deeper than {MAX_DEPTH}")]),
    ],
)
def test_faults_of_json_are_refused_with_their_lines(text: str, expected: list[tuple[int, str]]) -> None:
    found = problems(text, "json")
    assert [line for line, _ in found] == [line for line, _ in expected]
    assert all(reason in said for (_, said), (_, reason) in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: [", [(3, "did not find expected node content")]),
        ("a: 1\nb:\n\tc: 1\n", [(3, "cannot start any token")]),
        ("a: 'x\n\n", [(3, "unexpected end of stream (while scanning a quoted scalar that begins 2 lines above)")]),
        ("- a", [(1, "not a YAML object")]),
        ("", [(1, "contains no document")]),
        ("# nothing\n", [(1, "contains no document")]),
        ("a: 1\n---\nb: 1\n", [(2, "a second document begins")]),
        ("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n", [(4, "the key 'c' appears twice"), (5, "the key 'a' appears twice")]),
        ("a:\n  200: 1\n  '200': 2\n", [(3, "the key '200' appears twice")]),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", [(3, "the merge key <<")]),
        ("? [a]\n: 1\n", [(1, "a key is not a string")]),
        ("a: &a b\n*a : 1\n", [(2, "a key is not a string")]),
        ("a:\n  ?\n  : 2\n", [(2, "a key is missing")]),
        ("a: !!python/object/apply:os.system ['x']\n", [(1, "the tag 'tag:yaml.org,2002:python")]),
        ("a: 1\nb: !!str 1\nc: !x {}\n", [(2, "the tag"), (3, "the tag")]),
        ("a:\n- .nan\n- -.INF\n- '.nan'\n", [(2, ".nan is not"), (3, "-.INF is not")]),
        ("a: 1\nb: 1e999\n", [(2, "1e999 is larger")]),
        (f"a:\n  {'1' * (MAX_DIGITS + 1)}\n", [(2, f"more than {MAX_DIGITS} digits")]),
        ('a:\n  "\\ud83d"\n', [(2, "invalid Unicode character escape")]),
        ("a: 1\nb: x\0\n", [(2, "U+0000")]),
        ("a: 1\nb: x\u2028y\n", [(2, "U+2028")]),
        ("a: 1\nb: \ud800\n", [(2, "U+D800")]),
        ("a: *b\n", [(1, "the alias *b has no anchor")]),
        ("a:\n  b: &b\n    c: [*b]\n", [(3, "the alias *b refers to a value that contains it")]),
        (BOMB, [(5, "grow far beyond its size")]),
        (LONG_BOMB, [(15, "grow far beyond its size")]),
        (f"a:\n [{DEEPEST}]\n", [(2, f"deeper than {MAX_DEPTH}")]),
        ("a: " + "[" * 100_000, [(1, f"deeper than {MAX_DEPTH}")]),
        ("- " * 100_000, [(1, f"deeper than {MAX_DEPTH}")]),
        (f"a: &a {DEEPEST[1:-1]}\nb:\n - - *a\n", [(3, f"deeper than {MAX_DEPTH}")]),
    ],
)
def test_faults_of_yaml_are_refused_with_their_lines(text: str, expected: list[tuple[int, str]]) -> None:
    found = problems(text, "yaml")
    assert [line for line, _ in found] == [line for line, _ in expected], found
    assert all(reason in said for (_, said), (_, reason) in zip(found, expected, strict=True)), found


@pytest.mark.parametrize("syntax", ["json", "yaml"])
def test_the_deepest_document_is_accepted(syntax: Syntax) -> None:
    assert Source("page", f'{{"a": {DEEPEST}}}', syntax=syntax).parse() == {"a": json.loads(DEEPEST)}


def test_halves_of_surrogate_pairs_in_json_are_joined() -> None:
    assert Source("page.json", '{"a": "\\ud83d\\ude00"}').parse() == {"a": "😀"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("On", "On"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("", None),
        ("~", None),
        ("Null", None),
        ("'null'", "null"),
        ("3.1.0", "3.1.0"),
        ("3.0", 3.0),
        ("'3.0'", "3.0"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("+7", 7),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-05-29", "2026-05-29"),
        ("2026-05-29T04:33:50Z", "2026-05-29T04:33:50Z"),
        ("=", "="),
        ("-", [None]),
        ("|\n  a\n\n  b\n", "a\n\nb\n"),
        ("{}", {}),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: Json) -> None:
    found = yaml_value(text if text != "-" else "\n  -")
    assert (type(found), found) == (type(value), value)


def test_keys_of_yaml_are_strings_as_written() -> None:
    keys = ["200", "on", "null", "1.10", "2026-05-29", "<<"]
    text = "\n".join(f"{key}: 1" for key in keys[:-1]) + "\n'<<': 1\n"
    assert list(Source("page.yaml", text, syntax="yaml").parse()) == keys


def test_an_alias_stands_for_a_copy_of_its_value() -> None:
    document: Any = Source("page.yaml", "a: &a {b: [1]}\nc: *a\n", syntax="yaml").parse()
    assert document["a"] == document["c"] == {"b": [1]}
    document["a"]["b"].append(2)
    assert document["c"] == {"b": [1]}


NUMBERED = st.recursive(
    st.just(0),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", '"c": ', "200", "é"]), inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
).map(lambda value: {"root": value})


def number(value: Any, count: list[int], place: tuple[str | int, ...] = ()) -> tuple[Any, dict[int, Any]]:
    """Replace each leaf by a number of its own, and return the places of the numbers."""
    if not isinstance(value, dict | list):
        count[0] += 1
        return count[0] + 1000, {count[0] + 1000: place}
    places: dict[int, Any] = {}
    members = value.items() if isinstance(value, dict) else enumerate(value)
    copy = {}
    for key, child in members:
        copy[key], below = number(child, count, (*place, key))
        places |= below
    return copy if isinstance(value, dict) else list(copy.values()), places


WRITERS: dict[str, Any] = {
    "json": lambda document: json.dumps(document, indent=1),
    "yaml": lambda document: yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=10_000),
}


@pytest.mark.parametrize("syntax", WRITERS)
@settings(derandomize=True, database=None, deadline=None)
@given(shape=NUMBERED)
def test_the_line_of_each_leaf_is_the_one_that_shows_it(syntax: Syntax, shape: Json) -> None:
    document, places = number(shape, [0])
    text = WRITERS[syntax](document)
    source = Source("page", text, FIRST_LINE, syntax)
    assert source.parse() == document
    for leaf, place in places.items():
        assert str(leaf) in text.split("\n")[source.line(*place) - FIRST_LINE]
        assert source.line(*place, "absent") == source.line(*place)


@pytest.mark.parametrize("syntax", ["json", "yaml"])
def test_the_line_of_a_value_in_an_object_is_that_of_its_key(syntax: Syntax) -> None:
    source = Source("page", '{"a":\n [1,\n  {"b":\n 2}],\n "c":\n  {}}', FIRST_LINE, syntax)
    places: dict[tuple[str | int, ...], int] = {
        (): 10,
        ("a",): 10,
        ("a", 0): 11,
        ("a", 1): 12,
        ("a", 1, "b"): 12,
        ("a", 2): 10,
        ("a", "b"): 10,
        ("c",): 14,
        ("d",): 10,
    }
    assert {place: source.line(*place) for place in places} == places


@settings(derandomize=True, database=None, deadline=None)
@given(text=st.text(alphabet='{}[]":,\\ud8é1-.eNaI \n\0', max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for syntax in ("json", "yaml"):
        source = Source("page", text, syntax=syntax)
        try:
            document = source.parse()
        except SpecError as error:
            assert error.problems  # noqa: PT017 - either outcome is right
        else:
            assert json.loads(json.dumps(document)) == document
            assert source.line(*list(document)[:1]) >= 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.json", '\ufeff{"a":\r\n1}'),
        ("page.yaml", "\ufeffa:\r\n  1\r\n"),
        ("page.YML", "{a: 1}"),
        ("page", '  {"a": 1}'),
        ("page.txt", "a: 1"),
    ],
)
def test_a_file_is_read_by_its_suffix_or_its_first_character(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert read_source(path).parse() == {"a": 1}


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.json"
    with path.open("wb") as file:
        file.truncate(sources.LARGEST + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read"))
    with pytest.raises(SpecError, match=rf"page\.json: has {sources.LARGEST + 1} bytes"):
        read_source(path)


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is not a file"):
        read_source(tmp_path)
    with pytest.raises(SpecError, match="is not a file"):
        read_source(Path("/dev/zero"))
