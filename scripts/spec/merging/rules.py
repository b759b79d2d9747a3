"""Read `openapi/merge.yml`: the rule by which documents become one, and the decisions about what contradicts."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from spec.documents import Json, Place, Problem, SpecError, as_list, as_object
from spec.texts.sources import Source, read_text, unified
from spec.walk import METHODS, SECTIONS

RULES = "merge.yml"

NEWEST, FIRST, UNION, PER_OPERATION, EQUAL = "newest", "first", "union", "per operation", "equal"
_ALLOWED = {
    "openapi": (NEWEST, EQUAL),
    "tags": (UNION, EQUAL),
    "security": (PER_OPERATION, FIRST, EQUAL),
    "servers": (FIRST, PER_OPERATION, EQUAL),
    "x-provenance": (PER_OPERATION, FIRST, EQUAL),
}
DEFAULT_ROOT: Mapping[str, str] = MappingProxyType(
    {
        "openapi": NEWEST,
        "info": FIRST,
        "servers": FIRST,
        "tags": UNION,
        "security": PER_OPERATION,
        "externalDocs": FIRST,
        "x-provenance": PER_OPERATION,  # because the other documents have another origin
        "x-*": FIRST,
    }
)

_RENAME = re.compile(r"rename: +(?P<to>\S+) +in +(?P<where>\S.*)")
_RESPELL = re.compile(r"rename: +(?P<to>/.*)")
_KEEP = re.compile(r"keep: +(?P<where>\S.*)")
_OMIT = re.compile(r"omit: +(?P<to>\S.*)")
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_OPERATION = re.compile(rf"({'|'.join(METHODS).upper()}) /.*")

OPERATION_ID, OPERATION, WEBHOOKS, PATHS = "operationId", "operation", "webhooks", "paths"
_ACTIONS = {
    **dict.fromkeys(SECTIONS, ("keep", "rename")),
    OPERATION_ID: ("rename", "omit"),
    OPERATION: ("keep", "omit"),
    WEBHOOKS: ("keep",),
    PATHS: ("rename",),
}


@dataclass(frozen=True)
class Resolution:
    """A reviewed decision about parts of documents that contradict.

    Attributes:
        section: A section of components, such as `schemas`; `operationId`, `operation`, `webhooks` or `paths`.
        name: The part's name in the documents.
        action: `keep`, `rename` or `omit`.
        to: The new name, or the reason for the omission.
        where: The group or file whose part it is; for an operationId, also an operation such as `GET /jobs`.
        line: Its line in the file of rules.
    """

    section: str
    name: str
    action: str
    to: str = ""
    where: str = ""
    line: int | None = None

    @property
    def key(self) -> str:
        """The key in the file."""
        return f"{self.section}/{self.name}"

    def __str__(self) -> str:
        if self.section == PATHS:
            return f"rename: {self.to}"
        if self.action == "rename":
            return f"rename: {self.to} in {self.where}"
        return f"{self.action}: {self.where or self.to}"


@dataclass(frozen=True)
class Rules:
    """The rule by which documents become one.

    Attributes:
        file: The file of the rules, by its name in messages.
        order: The groups that come first, in this order, with their lines in the file.
        root: For each field of a document's root, how the values of several documents become one.
        resolutions: The decisions about parts that contradict.
    """

    file: str = f"openapi/{RULES}"
    order: Mapping[str, int] = field(default_factory=dict)
    root: Mapping[str, str] = field(default_factory=lambda: DEFAULT_ROOT)
    resolutions: tuple[Resolution, ...] = ()

    def of(self, name: str) -> str:
        """Return the rule for a field of the root."""
        return self.root.get(name) or (self.root.get("x-*", EQUAL) if name.startswith("x-") else EQUAL)


def is_root_field(name: str) -> bool:
    """Return whether a field of a document's root is chosen by a rule; the others are merged part by part."""
    return name in DEFAULT_ROOT or name == "jsonSchemaDialect" or name.startswith("x-")


def read_rules(openapi: Path, path: Path | None = None) -> Rules:
    """Read the rules of a folder such as `openapi`; without a file, they are the defaults.

    Args:
        openapi: The folder.
        path: Another file with rules for it.

    Raises:
        SpecError: The file can't be read, or has something that is not a rule; all its problems.
    """
    file = str(path) if path else f"{openapi.name}/{RULES}"
    if path is None and not (openapi / RULES).exists():
        return Rules(file)
    return parse_rules(read_text(path or openapi / RULES, file), file)


def parse_rules(text: str, file: str) -> Rules:
    """Parse the text of rules.

    Args:
        text: The YAML text.
        file: The name of its file in messages.

    Raises:
        SpecError: It has something that is not a rule; all its problems.
    """
    if not _COMMENT.sub("", text).strip():
        return Rules(file)
    return _Reader(Source(file, unified(text), syntax="yaml")).rules()


class _Reader:
    """Turns a YAML document into rules, and collects what is wrong with it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def rules(self) -> Rules:
        order: dict[str, int] = {}
        fields = dict(DEFAULT_ROOT)
        resolutions: list[Resolution] = []
        for key, value in self.source.parse().items():
            match key:
                case _ if value is None:
                    pass
                case "order":
                    order = self._order(value)
                case "root":
                    fields = {name: self._root(name, rule) for name, rule in self._members(key, value)}
                case "resolutions":
                    resolutions = [found for name, each in self._members(key, value)
                                   for found in self._resolutions(name, each)]  # fmt: skip
                case _:
                    self._refuse((key,), f"unknown field {key!r}", "the fields are order, root and resolutions")
        if self.problems:
            raise SpecError(*self.problems)
        return Rules(self.source.file, MappingProxyType(order), MappingProxyType(fields), tuple(resolutions))

    def _order(self, value: Json) -> dict[str, int]:
        order: dict[str, int] = {}
        for name, place in self._texts(value, ("order",), "`order`"):
            if name in order:
                self._refuse(place, f"the group {name!r} is named twice")
            order.setdefault(name, self.source.line(*place))
        return order

    def _root(self, name: str, rule: Json) -> str:
        place = ("root", name)
        if not is_root_field(name):
            known = ", ".join([*DEFAULT_ROOT, "jsonSchemaDialect"])
            self._refuse(place, f"`{name}` is not a field that has a rule", f"the fields are {known} and x-…")
        allowed = _ALLOWED.get(name, (FIRST, EQUAL))
        if not isinstance(rule, str) or rule not in allowed:
            found = repr(rule) if isinstance(rule, str) else "no text"
            self._refuse(place, f"the rule for `{name}` is {found}", f"it may be {', '.join(map(repr, allowed))}")
            return EQUAL
        return rule

    def _resolutions(self, key: str, value: Json) -> Iterator[Resolution]:
        place = ("resolutions", key)
        entries = [(value, place)] if isinstance(value, str) else self._texts(value, place, repr(key))
        for text, at in entries:
            if resolution := self._resolution(key, text, at):
                yield resolution

    def _resolution(self, key: str, text: str, place: Place) -> Resolution | None:
        section, _, name = key.partition("/")
        if section not in _ACTIONS or not name or (section == OPERATION and not _OPERATION.fullmatch(name)):
            example = "schemas/Job, operationId/listJobs, operation/GET /jobs or paths//jobs/{id}"
            self._refuse(place, f"{key!r} names no part of a document", f"name it like {example}")
            return None
        found = _OMIT.fullmatch(text) or _KEEP.fullmatch(text)
        found = found or (_RESPELL if section == PATHS else _RENAME).fullmatch(text)
        action = text.partition(":")[0]
        if not found or action not in _ACTIONS[section]:
            forms = {"keep": "keep: FILE", "rename": "rename: NAME in FILE", "omit": "omit: REASON"}
            allowed = " or ".join(f'"{forms[allowed]}"' for allowed in _ACTIONS[section])
            self._refuse(place, f"{text!r} is not a resolution for {key}", f"it may be {allowed}; FILE may be a group")
            return None
        parts = found.groupdict()
        to, where = parts.get("to", ""), parts.get("where", "")
        if action == "rename" and section != PATHS and not _NAME.fullmatch(to):
            self._refuse(place, f"{to!r} can't be a name", "use letters, digits, `.`, `_` and `-`")
            return None
        return Resolution(section, name, action, to, where, self.source.line(*place))

    def _members(self, key: str, value: Json) -> Iterable[tuple[str, Json]]:
        if not isinstance(value, dict):
            self._refuse((key,), f"`{key}` is not a mapping")
        return as_object(value).items()

    def _texts(self, value: Json, place: Place, what: str) -> Iterator[tuple[str, Place]]:
        """Yield the entries of a list, each with its place."""
        if not isinstance(value, list):
            self._refuse(place, f"{what} is not a list")
        for index, entry in enumerate(as_list(value)):
            if isinstance(entry, str):
                yield entry, (*place, index)
            else:
                self._refuse((*place, index), f"an entry of {what} is not a text", "put it into quotation marks")

    def _refuse(self, place: Place, reason: str, advice: str = "") -> None:
        self.problems.append(Problem(self.source.file, self.source.line(*place), reason, advice))
