"""Find the OpenAPI documents in a published page, or in a bare document.

A page is Markdown: prose around any number of fenced documents, and around other fences, such as examples. A damaged
page is never read in part: a fence that may have been meant as a document, but is none, is an error.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from spec.documents import JsonObject, Problem, SpecError
from spec.texts.sources import Source, Syntax, read_text, syntax_of, unified

MAX_LINES = 100_000  # of a Markdown page; the parser reads 30,000 list items in a second

_LANGUAGES: dict[str, Syntax] = {"json": "json", "yaml": "yaml", "yml": "yaml"}
_DOCUMENT = re.compile(r"""["'](openapi|swagger)["']\s*:|^(openapi|swagger)\s*:""", re.MULTILINE)
# What a damaged document still has, although its first key cannot be read any more.
_REMAINS = re.compile(r"""openapi|swagger|["'](paths|components)["']\s*:|^(paths|components)\s*:""", re.MULTILINE)
_BEGINNING = re.compile(r"""\s*(\{\s*["'](openapi|swagger)["']\s*:|(openapi|swagger)\s*:\s*["']?\d)""")
_HTML = re.compile(r"\s*<(!doctype|html)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z]+:/", re.IGNORECASE)  # a path has one slash of the two
_VERSION = re.compile(r"3\.[01]\.\d+(-.+)?")
# Only blocks are of interest, and the rules for text inside them are slow.
_MARKDOWN = MarkdownIt("commonmark", {"maxNesting": 100}).disable(["inline", "reference"])


@dataclass(frozen=True)
class Document:
    """An OpenAPI document of a page.

    Attributes:
        content: What it says.
        source: Its text, with the page as its file.
        heading: The heading above it in the page, without its marks.
    """

    content: JsonObject
    source: Source
    heading: str = ""


@dataclass(frozen=True)
class Page:
    """A published page, or a bare document.

    Attributes:
        file: Its path, as the user gave it.
        sha256: The hash of its text, without a byte order mark and with LF line ends.
        documents: The OpenAPI documents in it, in their order; at least one.
        notes: What was skipped or ignored in it, each with its line.
    """

    file: str
    sha256: str
    documents: tuple[Document, ...]
    notes: tuple[str, ...]


def read_page(path: Path) -> Page:
    """Read a Markdown page, or a bare OpenAPI document in JSON or YAML.

    Raises:
        SpecError: It can't be read, is damaged, or contains no OpenAPI document; with all problems that were found.
    """
    file = str(path)
    if _ADDRESS.match(file):
        advice = "save the page first, and give its file"
        raise SpecError(Problem(file.replace(":/", "://", 1), None, "is an address, not a file", advice))
    raw = read_text(path, file)
    text = unified(raw)
    if "\0" in text:
        raise SpecError(Problem(file, text.count("\n", 0, text.index("\0")) + 1, "has a NUL character: it is not text"))
    if not text.strip():
        raise SpecError(Problem(file, None, "is empty"))
    reader = _Reader(file)
    reader.note_encoding(raw)
    if path.suffix.lower() in {".json", ".yaml", ".yml"} or (
        path.suffix.lower() not in {".md", ".markdown"} and _is_bare(text)
    ):
        reader.add(Source(file, text, syntax=syntax_of(text, path)))
    else:
        reader.read_markdown(text)
    if reader.problems:
        raise SpecError(*reader.problems)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Page(file, digest, tuple(reader.documents), tuple(reader.notes))


def _is_bare(text: str) -> bool:
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith(("#", "---", "%"))), "")
    return first.lstrip().startswith("{") or _DOCUMENT.match(first) is not None


class _Reader:
    """Collects the documents, notes and problems of one page."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.documents: list[Document] = []
        self.notes: list[str] = []
        self.problems: list[Problem] = []

    def note_encoding(self, raw: str) -> None:
        if raw.startswith("\ufeff"):
            self._note(1, "ignored the byte order mark")
        if "\r" in raw:
            self._note(raw.count("\n", 0, raw.index("\r")) + 1, "read line ends with CR as LF, here and below")

    def read_markdown(self, text: str) -> None:
        if (lines := text.count("\n") + 1) > MAX_LINES:
            advice = "split the page, or import the bare OpenAPI document"
            self._problem(None, f"has {lines} lines; at most {MAX_LINES} are read", advice)
            return
        tokens = _MARKDOWN.parse(text)
        heading = ""
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            if token.type == "heading_open" and following is not None:
                heading = following.content
            elif token.type in {"fence", "code_block"}:
                self._read_code(token, heading)
            elif token.type in {"inline", "html_block"}:
                self._read_prose(token)
        if not self.documents and not self.problems:
            advice = "save the Markdown text of the page, not its HTML" if _HTML.match(text) else ""
            self._problem(None, "contains no OpenAPI document", advice)

    def add(self, source: Source, heading: str | None = None) -> None:
        """Read a document; without a heading it is the whole file, and not a block that may also be an example."""
        try:
            content = source.parse()
        except SpecError as error:
            self.problems += [problem for problem in error.problems if isinstance(problem, Problem)]
            return
        known = content.keys() & {"openapi", "swagger", "info", "paths", "components"}
        if heading is not None and not (known & {"openapi", "swagger"} or len(known) > 1):
            self._note(source.first_line, "skipped a block whose `openapi` is not at the root")
            return
        self.problems += _unsupported(source, content)
        self.documents.append(Document(content, source, heading or ""))

    def _read_code(self, token: Token, heading: str) -> None:
        line = _line(token)
        language = (token.info.split() or [""])[0].lower()
        if token.type == "fence" and (damage := _fence_damage(token, line)):
            self._problem(line, damage, "close the fence, or save the page again: a part of it may be missing")
        elif language and language not in _LANGUAGES:
            self._note(line, f"skipped a block of {language}, which is neither JSON nor YAML")
        elif not _may_be_document(token.content, language):
            self._note(line, f"skipped a block of {language or 'text'} that is not an OpenAPI document")
        else:
            syntax = _LANGUAGES.get(language) or syntax_of(token.content, Path())
            source = Source(self.file, token.content, line + (token.type == "fence"), syntax)
            self.add(source, heading)

    def _read_prose(self, token: Token) -> None:
        begins = _DOCUMENT.search if token.type == "html_block" else _BEGINNING.match
        if begins(token.content):
            advice = "put it between two lines of ```, with a blank line above"
            self._problem(_line(token), "an OpenAPI document is outside of a code fence", advice)

    def _note(self, line: int, text: str) -> None:
        self.notes.append(f"{self.file}:{line}: {text}")

    def _problem(self, line: int | None, reason: str, advice: str = "") -> None:
        self.problems.append(Problem(self.file, line, reason, advice))


def _may_be_document(text: str, language: str) -> bool:
    is_data = language in _LANGUAGES or text.lstrip().startswith("{")
    return bool((_REMAINS if is_data else _DOCUMENT).search(text))


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _fence_damage(token: Token, line: int) -> str | None:
    """Return why a fence is not closed where its author meant it to be, or None."""
    begins, ends = token.map or [0, 0]
    lines = token.content.removesuffix("\n").split("\n") if token.content else []
    if ends - begins == 1 + len(lines):
        return "this fence is not closed"
    opening = re.compile(rf" {{0,3}}{token.markup[0]}{{{len(token.markup)},}}\s*[^\s`~]")
    swallowed = next((number for number, text in enumerate(lines, line + 1) if opening.match(text)), None)
    return f"this fence is not closed before the next one, in line {swallowed}" if swallowed else None


def _unsupported(source: Source, content: JsonObject) -> Iterator[Problem]:
    """Find what keeps an object from being an OpenAPI document that this project reads."""
    version = content.get("openapi")
    if "swagger" in content:
        advice = "convert it to OpenAPI 3.1 first, for example with swagger2openapi"
        yield Problem(source.file, source.line("swagger"), "is Swagger 2.0, not OpenAPI 3", advice)
    elif "openapi" not in content:
        yield Problem(source.file, source.line(), "has no `openapi` field: it is not an OpenAPI document")
    elif not isinstance(version, str) or not _VERSION.fullmatch(version):
        advice = "" if isinstance(version, str) else 'write it as a string, such as "3.1.0"'
        reason = f"the version of OpenAPI is {version!r}, and neither 3.0 nor 3.1"
        yield Problem(source.file, source.line("openapi"), reason, advice)
    elif not content.keys() & {"paths", "components", "webhooks"}:
        yield Problem(source.file, source.line(), "describes neither paths nor components")
    info = content.get("info")
    if isinstance(info, dict) and isinstance(info.get("version"), int | float):
        place = source.line("info", "version")
        yield Problem(source.file, place, "`info.version` is a number, not a string", "quote it")
