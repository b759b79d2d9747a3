"""The public names and their docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from importlib.util import find_spec

import impact_jobs
import pyarrow as pa
from attrs import frozen

PACKAGES = ("impact_jobs", "impact_jobs.sandbox", "impact_jobs.sync")
SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Example")
_SECTION = re.compile(r"^(\w+):(?=\n|$)|^(Source): ", re.MULTILINE)
_ENTRY = re.compile(
    r"^    \*{0,2}(\w+(?:, \w+)*): (.*(?:\n     .*)*)", re.MULTILINE
)  # one entry may explain several names
ALL = {name: getattr(impact_jobs, name) for name in impact_jobs.__all__} | {"pyarrow": pa}
# Generated enums and type aliases have no docstrings; docs/reference describes them.
UNDOCUMENTED = frozenset({"JobStatus", "JobType"})


@frozen
class Documented:
    """A public class, or a public method or property of one.

    Attributes:
        name: Such as "JobsClient.wait".
        package: Where it is imported from.
        subject: The class or the function.
        is_property: Whether it is a property.
    """

    name: str
    package: str
    subject: type | types.FunctionType
    is_property: bool = False

    @property
    def docstring(self) -> str:
        return inspect.getdoc(self.subject) or ""

    @property
    def sections(self) -> dict[str, str]:
        """The docstring by section, what comes before them under ""."""
        return sections_of(self.docstring)

    def entries(self, section: str) -> dict[str, str]:
        """The texts of `Args`, `Attributes` or `Raises`, by name."""
        return entries_of(self.docstring, section)

    @property
    def parameters(self) -> Mapping[str, object]:
        """The parameters by name, with their annotations; for a class, those of `__init__`."""
        if isinstance(self.subject, type):
            if issubclass(self.subject, Exception | Enum) or self.subject.__init__ is object.__init__:
                return {}
            made = self.subject.__init__
        else:
            made = self.subject
        hints = typing.get_type_hints(made, localns=ALL)  # for what is imported for type checkers only
        names = [name for name in inspect.signature(made).parameters if name not in {"self", "cls"}]
        return {name: hints.get(name) for name in names}


def sections_of(docstring: str) -> dict[str, str]:
    parts = _SECTION.split(docstring)
    names = [first or second for first, second in zip(parts[1::3], parts[2::3], strict=True)]
    return dict(zip(["", *names], [parts[0], *parts[3::3]], strict=True))


def entries_of(docstring: str, section: str) -> dict[str, str]:
    found = _ENTRY.findall(sections_of(docstring).get(section, ""))
    return {name: " ".join(text.split()) for names, text in found for name in names.split(", ")}


def public_names(package: str) -> list[str]:
    return list(importlib.import_module(package).__all__)


def documented() -> Iterator[Documented]:
    """Every public class, and every public method and property that it defines itself."""
    for package in PACKAGES:
        for name in public_names(package):
            subject = getattr(importlib.import_module(package), name)
            if name in UNDOCUMENTED or not isinstance(subject, type | types.FunctionType):
                continue
            yield Documented(name, package, subject)
            for member, value in vars(subject).items():
                function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                if not member.startswith("_") and isinstance(function, types.FunctionType):
                    yield Documented(f"{name}.{member}", package, function, isinstance(value, property))


def has_package(name: str) -> bool:
    return find_spec(name) is not None
