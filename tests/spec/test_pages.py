"""Published pages: which of their blocks are documents, and how a damaged page is refused."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from spec.documents import JsonObject, SpecError
from spec.importing import pages
from spec.importing.pages import Page, read_page

from tests.spec.published import INTRODUCTION, models, operation, page

LIST = operation("listBoats", "/Boats")
GET = operation("getBoat", "/Boats/{Id}", Boat="object")
ONE_LINE = json.dumps(LIST)
YAML = yaml.safe_dump(LIST, sort_keys=False)


def read(folder: Path, content: str | bytes, name: str = "boats.md") -> Page:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_page(path)


def contents(found: Page) -> list[JsonObject]:
    return [document.content for document in found.documents]


def failure(folder: Path, content: str | bytes, name: str = "boats.md") -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(folder, content, name)
    return [str(problem).removeprefix(str(folder) + "/") for problem in caught.value.problems]


def test_all_documents_of_a_page_are_found_in_order_with_headings_and_lines(tmp_path: Path) -> None:
    text = page(LIST, GET, models(Boat="object"), headings=["List all boats", "Get a boat", "The Boat object"])
    found = read(tmp_path, text)
    assert contents(found) == [LIST, GET, models(Boat="object")]
    assert [document.heading for document in found.documents] == ["List all boats", "Get a boat", "The Boat object"]
    lines = text.split("\n")
    for document in found.documents:
        assert lines[document.source.line() - 1].startswith('{"openapi"')
    assert found.sha256 == hashlib.sha256(text.encode()).hexdigest()
    trailer = lines.index("```", lines.index("# Questions")) + 1
    assert found.notes == (f"{tmp_path}/boats.md:{trailer}: skipped a block of text that is not an OpenAPI document",)


@pytest.mark.parametrize(
    "text",
    [
        f"~~~json\n{ONE_LINE}\n~~~\n",
        f"```\n{ONE_LINE}\n```",
        f"````JSON title=x\n{ONE_LINE}\n````\n",
        f"   ```json\n   {ONE_LINE}\n   ```\n",
        f"> ```json\n> {ONE_LINE}\n> ```\n",
        f"- text\n\n  ```json\n  {ONE_LINE}\n  ```\n",
        f"1. > - ```json\n   >   {ONE_LINE}\n   >   ```\n",
        f"text\n\n    {ONE_LINE}\n",
        f"```yaml\n{YAML}```\n",
        f"```yml\n# a comment\n---\n{YAML}...\n```\n",
        f"```\n{YAML}```\n",
        "```yaml\n" + json.dumps(LIST, indent=2) + "\n```\n",
        "```json\n" + json.dumps(LIST, indent=2).replace("\n", "\n\n") + "\n```\n",
        f'```json\n{{"curl": "a"}}\n```\n\n```json\n{ONE_LINE}\n```\n\n```bash\ncurl -d \'{ONE_LINE}\'\n```\n',
        f"<details>\n<summary>It</summary>\n\n```json\n{ONE_LINE}\n```\n\n</details>\n",
        f'```json\n{{"paths": [{{"openapi": "3.1.0"}}]}}\n```\n\n```json\n{ONE_LINE}\n```\n',
    ],
)
def test_documents_are_found_in_all_kinds_of_blocks_and_other_blocks_are_skipped(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, f"# Boats\n\n{text}")
    assert contents(found) == [LIST]
    skipped = text.count("```") // 2 - 1
    assert len(found.notes) == max(skipped, 0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("boats.json", ONE_LINE),
        ("boats.yaml", YAML),
        ("boats.yml", YAML),
        ("boats.txt", f"# a comment\n{YAML}"),
        ("boats", f"\n {ONE_LINE}"),
        ("boats.txt", page(LIST)),
        ("boats.MD", page(LIST)),
    ],
)
def test_a_bare_document_or_a_page_is_recognised_by_its_suffix_or_its_content(
    tmp_path: Path, name: str, content: str
) -> None:
    assert contents(read(tmp_path, content, name)) == [LIST]


def test_a_byte_order_mark_and_carriage_returns_are_noted_and_make_no_difference(tmp_path: Path) -> None:
    text = page(LIST, GET)
    plain, odd = read(tmp_path, text), read(tmp_path, "\ufeff" + text.replace("\n", "\r\n"))
    assert (odd.documents, odd.sha256) == (plain.documents, plain.sha256)
    assert [note.removeprefix(f"{tmp_path}/") for note in odd.notes[:2]] == [
        "boats.md:1: ignored the byte order mark",
        "boats.md:1: read line ends with CR as LF, here and below",
    ]
    assert odd.notes[2:] == plain.notes


JSON_FENCE = f"```json\n{ONE_LINE}\n```\n"
DAMAGED: dict[str, tuple[str | bytes, list[str]]] = {
    "no document": ("# Boats\n", ["boats.md: contains no OpenAPI document"]),
    "only an example": ('```json\n{"Id": 1}\n```\n', ["boats.md: contains no OpenAPI document"]),
    "HTML": ("<!DOCTYPE html><html></html>", ["boats.md: contains no OpenAPI document\n    save the Markdown text"]),
    "empty": (" \n", ["boats.md: is empty"]),
    "NUL": ("# Boats\n\n\0", ["boats.md:3: has a NUL character"]),
    "not UTF-8": (b"# Boats\n\xff", ["boats.md:2: is not text in UTF-8"]),
    "cut in a document": (f"a\n\n```json\n{ONE_LINE[:-9]}", ["boats.md:3: this fence is not closed"]),
    "cut after a document": (f"a\n\n```json\n{ONE_LINE}\n", ["boats.md:3: this fence is not closed"]),
    "cut at a fence": (f"{JSON_FENCE}\n```json", ["boats.md:5: this fence is not closed"]),
    "cut in the middle of a closing fence": (f"a\n\n```json\n{ONE_LINE}\n``", ["boats.md:3: this fence is not closed"]),
    "unclosed in a list": (f"- ```json\n  {ONE_LINE}\n\ntext\n", ["boats.md:1: this fence is not closed"]),
    "a closing fence is missing": (
        f"```json\n{ONE_LINE}\n\n## Next\n\n{JSON_FENCE}",
        ["boats.md:1: this fence is not closed before the next one, in line 6"],
    ),
    "an opening fence is missing": (
        f"{ONE_LINE}\n```\n\n## Next\n\n{JSON_FENCE}",
        [
            "boats.md:1: an OpenAPI document is outside of a code fence",
            "boats.md:2: this fence is not closed before the next one, in line 6",
        ],
    ),
    "two faults": (
        f"```json\n{ONE_LINE[:-9]}\n```\n\n~~~yaml\nopenapi: 3.1.0\npaths:\n\t/a: 1\n~~~\n",
        ["boats.md:2: not a JSON document: Invalid control character", "boats.md:8: not a YAML document"],
    ),
    "a key twice": (
        '```json\n{"openapi": "3.1.0",\n"paths": {},\n"paths": {}}\n```\n',
        ["boats.md:4: the key 'paths' appears twice"],
    ),
    "inside HTML": (f"<div>\n{JSON_FENCE}</div>\n", ["boats.md:1: an OpenAPI document is outside of a code fence"]),
    "Swagger": ('```\n{"info": {},\n"swagger": "2.0"}\n```\n', ["boats.md:3: is Swagger 2.0, not OpenAPI 3"]),
    "OpenAPI 4": ('```\n{"paths": {},\n"openapi": "4.0"}\n```\n', ["boats.md:3: the version of OpenAPI is '4.0'"]),
    "a version that is a number": (
        "```yaml\nopenapi: 3.1\npaths: {}\ninfo:\n  version: 1.0\n```\n",
        [
            "boats.md:2: the version of OpenAPI is 3.1, and neither 3.0 nor 3.1\n    write it as a string",
            "boats.md:5: `info.version` is a number, not a string",
        ],
    ),
    "a damaged first key": (
        JSON_FENCE + '\n```json\n{"openapi:"3.1.0","paths":{}}\n```\n',
        ["boats.md:6: not a JSON document"],
    ),
    "no first key": (
        JSON_FENCE + '\n```json\n{"info": {}, "paths": {}}\n```\n',
        ["boats.md:6: has no `openapi` field"],
    ),
    "nothing described": ('```\n{"openapi": "3.1.0"}\n```\n', ["boats.md:2: describes neither paths nor components"]),
}


@pytest.mark.parametrize(("content", "expected"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_page_is_refused_with_all_its_faults(
    tmp_path: Path, content: str | bytes, expected: list[str]
) -> None:
    found = failure(tmp_path, content)
    assert len(found) == len(expected), found
    assert all(problem.startswith(start) for problem, start in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("boats.json", "{}", "boats.json:1: has no `openapi` field"),
        ("boats.json", YAML, "boats.json:1: not a JSON document"),
        ("boats.yaml", page(LIST), "boats.yaml:1: not a YAML document"),
        ("boats.json", "[]", "boats.json:1: not a JSON object"),
    ],
)
def test_a_damaged_bare_document_is_refused(tmp_path: Path, name: str, content: str, expected: str) -> None:
    assert failure(tmp_path, content, name)[0].startswith(expected)


def test_a_page_with_too_many_lines_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_LINES", 50)
    assert failure(tmp_path, "\n" * 50 + "a")[0].startswith("boats.md: has 51 lines; at most 50 are read")
    assert contents(read(tmp_path, INTRODUCTION + JSON_FENCE)) == [LIST]


PROSE = st.lists(
    st.text(alphabet="ab >#-*_`~\\|[](){}:\t1.é", max_size=20).filter(
        lambda line: "``" not in line and "~~" not in line
    ),
    max_size=4,
).map("\n".join)
DOCUMENTS = st.lists(
    st.tuples(
        st.builds(
            operation,
            st.sampled_from(["listBoats", "a", "```"]),
            st.sampled_from(["/a", "/`~~~`", "/{é}"]),
            Boat=st.text(max_size=5),
        ),
        st.sampled_from(["```", "~~~", "`````"]),
        st.sampled_from([None, 1]),
        PROSE,
    ),
    min_size=1,
    max_size=3,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=40)
@given(prose=PROSE, drawn=DOCUMENTS)
def test_any_documents_in_any_prose_come_out_equal(
    tmp_path_factory: pytest.TempPathFactory,
    prose: str,
    drawn: list[tuple[JsonObject, str, int | None, str]],
) -> None:
    # A heading ends any list or quotation of the prose, which would take in the fence.
    text = prose + "".join(
        f"\n\n# Next\n\n{fence}json\n{json.dumps(document, indent=indent)}\n{fence}\n\n{after}"
        for document, fence, indent, after in drawn
    )
    found = read(tmp_path_factory.getbasetemp(), text)
    assert contents(found) == [document for document, *_ in drawn]
