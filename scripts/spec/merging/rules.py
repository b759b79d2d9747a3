"""Read `openapi/merge.yml`: the rule by which documents become one, and the decisions about what contradicts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import yaml

from spec.documents import Problem, SpecError
from spec.walk import METHODS, SECTIONS

RULES = "merge.yml"

NEWEST, FIRST, UNION, PER_OPERATION, EQUAL = "newest", "first", "union", "per operation", "equal"
_ALLOWED = {
    "openapi": (NEWEST, EQUAL),
    "tags": (UNION, EQUAL),
    "security": (PER_OPERATION, FIRST, EQUAL),
    "servers": (FIRST, PER_OPERATION, EQUAL),
}
DEFAULT_ROOT: Mapping[str, str] = MappingProxyType(
    {
        "openapi": NEWEST,
        "info": FIRST,
        "servers": FIRST,
        "tags": UNION,
        "security": PER_OPERATION,
        "externalDocs": FIRST,
        "x-*": FIRST,
    }
)

_RENAME = re.compile(r"rename: +(?P<to>\S+) +in +(?P<where>\S.*)")
_RESPELL = re.compile(r"rename: +(?P<to>/.*)")
_KEEP = re.compile(r"keep: +(?P<where>\S.*)")
_OMIT = re.compile(r"omit: +(?P<to>\S.*)")
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
        file: The file of the rules, as the user knows it.
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
    """Tell whether a field of a document's root is chosen by a rule; the others are merged part by part."""
    return name in DEFAULT_ROOT or name == "jsonSchemaDialect" or name.startswith("x-")


def read_rules(openapi: Path, path: Path | None = None) -> Rules:
    """Read the rules of a folder such as `openapi`; without a file, they are the defaults.

    Args:
        openapi: The folder.
        path: Another file with rules for it.

    Raises:
        SpecError: The file can't be read, or says something that is not a rule; all its problems.
    """
    file = str(path) if path else f"{openapi.name}/{RULES}"
    try:
        text = (path or openapi / RULES).read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        if path:
            raise SpecError(Problem(file, None, "there is no such file")) from error
        return Rules(file)
    except OSError as error:
        raise SpecError(Problem(file, None, str(error.strerror))) from error
    except UnicodeDecodeError as error:
        raise SpecError(Problem(file, None, f"not UTF-8: {error}")) from error
    return parse_rules(text, file)


def parse_rules(text: str, file: str) -> Rules:
    """Parse the text of rules.

    Args:
        text: The YAML text.
        file: Its file, for messages.

    Raises:
        SpecError: It says something that is not a rule; all its problems.
    """
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = f"not a YAML document: {getattr(error, 'problem', None) or error}"
        raise SpecError(Problem(file, mark.line + 1 if mark else None, reason)) from error
    reader = _Reader(file)
    rules = reader.rules(root) if root is not None else Rules(file)
    if reader.problems:
        raise SpecError(*reader.problems)
    return rules


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")


class _Reader:
    """Turns the nodes of a YAML document into rules, and collects what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def rules(self, root: yaml.Node) -> Rules:
        order: dict[str, int] = {}
        fields = dict(DEFAULT_ROOT)
        resolutions: tuple[Resolution, ...] = ()
        for key, node in self._members(root, "the file"):
            if _is_empty(node):
                continue
            match key:
                case "order":
                    order = dict(self._groups(node))
                case "root":
                    fields = {name: self._root(name, value) for name, value in self._members(node, "`root`")}
                case "resolutions":
                    resolutions = tuple(self._resolutions(node))
                case _:
                    self._refuse(node, f"unknown field {key!r}", "the fields are order, root and resolutions")
        return Rules(self.file, MappingProxyType(order), MappingProxyType(fields), resolutions)

    def _groups(self, node: yaml.Node) -> Iterator[tuple[str, int]]:
        seen: set[str] = set()
        for name, entry in self._strings(node, "`order`"):
            if name in seen:
                self._refuse(entry, f"the group {name!r} is named twice")
            seen.add(name)
            yield name, entry.start_mark.line + 1

    def _root(self, name: str, node: yaml.Node) -> str:
        if not is_root_field(name):
            known = ", ".join([*DEFAULT_ROOT, "jsonSchemaDialect"])
            self._refuse(node, f"`{name}` is no field with a rule", f"the fields are {known} and x-…")
        allowed = _ALLOWED.get(name, (FIRST, EQUAL))
        if not isinstance(node, yaml.ScalarNode) or node.value not in allowed:
            found = repr(node.value) if isinstance(node, yaml.ScalarNode) else "no text"
            self._refuse(node, f"the rule for `{name}` is {found}", f"it may be {', '.join(map(repr, allowed))}")
            return EQUAL
        return str(node.value)

    def _resolutions(self, node: yaml.Node) -> Iterator[Resolution]:
        for key, value in self._members(node, "`resolutions`"):
            entries = [(value.value, value)] if isinstance(value, yaml.ScalarNode) else self._strings(value, f"{key!r}")
            for text, entry in entries:
                if resolution := self._resolution(key, text, entry):
                    yield resolution

    def _resolution(self, key: str, text: str, node: yaml.Node) -> Resolution | None:
        section, _, name = key.partition("/")
        if section not in _ACTIONS or not name or (section == OPERATION and not _OPERATION.fullmatch(name)):
            example = "schemas/Job, operationId/listJobs, operation/GET /jobs or paths//jobs/{id}"
            self._refuse(node, f"{key!r} names no part of a document", f"name it like {example}")
            return None
        found = _OMIT.fullmatch(text) or _KEEP.fullmatch(text)
        found = found or (_RESPELL if section == PATHS else _RENAME).fullmatch(text)
        action = text.partition(":")[0]
        if not found or action not in _ACTIONS[section]:
            forms = {"keep": "keep: FILE", "rename": "rename: NAME in FILE", "omit": "omit: REASON"}
            allowed = " or ".join(f'"{forms[allowed]}"' for allowed in _ACTIONS[section])
            self._refuse(node, f"{text!r} is no resolution for {key}", f"it may be {allowed}; FILE may be a group")
            return None
        parts = found.groupdict()
        to, where = parts.get("to", ""), parts.get("where", "")
        if action == "rename" and section != PATHS and not _NAME.fullmatch(to):
            self._refuse(node, f"{to!r} can't be a name", "use letters, digits, `.`, `_` and `-`")
            return None
        return Resolution(section, name, action, to, where, node.start_mark.line + 1)

    def _members(self, node: yaml.Node, what: str) -> Iterator[tuple[str, yaml.Node]]:
        """Yield the entries of a mapping whose keys are texts, each of them once."""
        if _is_empty(node):
            return
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, f"{what} is not a mapping")
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(key, f"a key of {what} is not a text")
            elif key.value in seen:
                self._refuse(key, f"the key {key.value!r} appears twice", "give one list of resolutions instead")
            else:
                seen.add(key.value)
                yield key.value, value

    def _strings(self, node: yaml.Node, what: str) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.SequenceNode):
            self._refuse(node, f"{what} is not a list")
            return
        for entry in node.value:
            if isinstance(entry, yaml.ScalarNode):
                yield entry.value, entry
            else:
                self._refuse(entry, f"an entry of {what} is not a text", "put it into quotation marks")

    def _refuse(self, node: yaml.Node, reason: str, advice: str = "") -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, reason, advice))
