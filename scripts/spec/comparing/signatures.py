"""The public signatures of a generated package, read from its source without importing it, and what breaks them."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import griffe

from spec.comparing.python_types import accepts, shown
from spec.trees import Files

_ENUM = re.compile(rb"^class (\w+)\(StrEnum\):", re.MULTILINE)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function.

    Attributes:
        name: Its name.
        kind: How it may be given, in griffe's words.
        types: The members of its union.
        default: Its default as written; None if it has none.
    """

    name: str
    kind: str
    types: frozenset[str]
    default: str | None


@dataclass(frozen=True)
class Function:
    """A function: its parameters by name, in order, and what it returns."""

    parameters: tuple[Parameter, ...]
    returns: frozenset[str]


@dataclass(frozen=True)
class Attribute:
    """A field of a model, a member of an enum, or a constant: its types, and its value or default as written."""

    types: frozenset[str]
    value: str | None


@dataclass(frozen=True)
class Group:
    """A module or a class."""


Signature: TypeAlias = Function | Attribute | Group
Signatures: TypeAlias = dict[str, Signature]


@dataclass(frozen=True)
class SignatureChange:
    """A difference of two interfaces.

    Attributes:
        name: The name below the package, such as `api.jobs.get_job.sync`.
        says: What has changed.
        breaks: Whether programs that used it break.
    """

    name: str
    says: str
    breaks: bool

    def __str__(self) -> str:
        return f"{self.name} {self.says}"


def compare_packages(old: Files, new: Files) -> list[SignatureChange]:
    """Compare the public signatures of two generated packages.

    Args:
        old: The files of the package before, by paths that begin with its name.
        new: The files after; those that are equal are not read.
    """
    differing = [
        path for path in sorted(old.keys() | new.keys()) if path.endswith(".py") and old.get(path) != new.get(path)
    ]
    before, after = (
        read_signatures({path: files[path] for path in differing if path in files}) for files in (old, new)
    )
    enums = {name.decode() for content in new.values() for name in _ENUM.findall(content)}
    return list(_differences(before, after, enums))


def read_signatures(files: Mapping[str, bytes]) -> Signatures:
    """Read the public names of a package's modules; those of models are named without their module."""
    found: Signatures = {}
    for path, source in files.items():
        parts = Path(path).with_suffix("").parts
        if parts[-1] == "__init__":
            continue  # it repeats names
        module = griffe.visit(parts[-1], Path(path), source.decode("utf-8"))
        is_model = len(parts) > 2 and parts[1] == "models"  # noqa: PLR2004 - the package, the folder and the module
        prefix = ".".join(parts[1:-1] if is_model else parts[1:])
        if not is_model:
            found[prefix] = Group()
        for member in module.members.values():
            if not (is_model and isinstance(member, griffe.Attribute)):  # a TypeVar beside the class
                found.update(_read(member, f"{prefix}.{member.name}"))
    return found


def _read(member: griffe.Object | griffe.Alias, name: str) -> Iterator[tuple[str, Signature]]:
    if isinstance(member, griffe.Alias) or (member.name.startswith("_") and not member.name.startswith("__")):
        return
    if isinstance(member, griffe.Function):
        yield name, Function(tuple(map(_parameter, member.parameters)), types_of(member.returns))
    elif isinstance(member, griffe.Class):
        yield name, Group()
        for inner in member.members.values():
            yield from _read(inner, f"{name}.{inner.name}")
    elif isinstance(member, griffe.Attribute):
        yield name, Attribute(types_of(member.annotation), None if member.value is None else str(member.value))


def _parameter(it: griffe.Parameter) -> Parameter:
    kind = it.kind.value if it.kind else ""
    return Parameter(it.name, kind, types_of(it.annotation), None if it.default is None else str(it.default))


def types_of(annotation: str | griffe.Expr | None) -> frozenset[str]:
    """Return the members of a union; those of `Response[…]`, if it is one."""
    if annotation is None:
        return frozenset()
    tree = ast.parse(str(annotation), mode="eval").body
    if isinstance(tree, ast.Subscript) and ast.unparse(tree.value) == "Response":
        tree = tree.slice
    return frozenset(_members(tree))


def _members(tree: ast.expr) -> Iterator[str]:
    if isinstance(tree, ast.BinOp):
        yield from _members(tree.left)
        yield from _members(tree.right)
    else:
        yield ast.unparse(tree)


def _differences(old: Signatures, new: Signatures, enums: set[str]) -> Iterator[SignatureChange]:
    for name, before in old.items():
        owner = name.rpartition(".")[0]
        if name in new:
            yield from _changed(name, before, new[name], enums)
        elif owner in new or owner not in old:
            yield SignatureChange(name, "is gone", breaks=True)
    for name, after in new.items():
        owner = name.rpartition(".")[0]
        if name not in old and (owner in old or owner not in new):
            must_be_given = isinstance(after, Attribute) and after.value is None and owner in old
            yield SignatureChange(name, "is new and must be given" if must_be_given else "is new", breaks=must_be_given)


def _changed(name: str, old: Signature, new: Signature, enums: set[str]) -> Iterator[SignatureChange]:
    if isinstance(old, Function) and isinstance(new, Function):
        yield from _changed_function(name, old, new, enums)
    elif isinstance(old, Attribute) and isinstance(new, Attribute):
        if old.types != new.types:
            yield SignatureChange(name, f"gets another type: {shown(old.types)} → {shown(new.types)}", breaks=True)
        elif old.value != new.value:
            yield SignatureChange(name, f"gets another value: {old.value} → {new.value}", breaks=True)
    elif type(old) is not type(new) or old != new:
        yield SignatureChange(name, "becomes something else", breaks=True)


def _changed_function(name: str, old: Function, new: Function, enums: set[str]) -> Iterator[SignatureChange]:
    before, after = ({it.name: it for it in function.parameters} for function in (old, new))
    for key, parameter in before.items():
        if key not in after:
            yield SignatureChange(f"{name}({key})", "is gone", breaks=True)
        else:
            yield from _changed_parameter(f"{name}({key})", parameter, after[key], enums)
    for key, parameter in after.items():
        if key not in before:
            must_be_given = parameter.default is None
            yield SignatureChange(
                f"{name}({key})", "is new and required" if must_be_given else "is new", breaks=must_be_given
            )
    places = [[it.name for it in function.parameters if it.kind == "positional or keyword"] for function in (old, new)]
    kept = [key for key in places[0] if key in places[1]]
    if kept != [key for key in places[1] if key in kept]:
        yield SignatureChange(name, f"takes its arguments in another order: {', '.join(places[1])}", breaks=True)
    if old.returns != new.returns:
        says = f"returns another type: {shown(old.returns)} → {shown(new.returns)}"
        yield SignatureChange(name, says, breaks=breaks_readers(old.returns, new.returns))


def _changed_parameter(name: str, old: Parameter, new: Parameter, enums: set[str]) -> Iterator[SignatureChange]:
    if old.kind != new.kind:
        yield SignatureChange(name, f"is given in another way: {old.kind} → {new.kind}", breaks=True)
    if (old.default is None) != (new.default is None):
        says = "becomes required" if new.default is None else "becomes optional"
        yield SignatureChange(name, says, breaks=new.default is None)
    elif old.default != new.default:
        yield SignatureChange(name, f"gets another default: {old.default} → {new.default}", breaks=True)
    elif old.types != new.types:
        says = f"takes another type: {shown(old.types)} → {shown(new.types)}"
        yield SignatureChange(name, says, breaks=not accepts(old.types, new.types, enums))


def breaks_readers(old: frozenset[str], new: frozenset[str]) -> bool:
    """Return whether programs that read a result break if its types change.

    They break if there is a new type, and if an old one is missing, because `Response[…]` is invariant. `Any` fits
    everywhere, unless it takes the place of a type.
    """
    was_any, is_any = "Any" in old, "Any" in new
    return bool(new - old - {"Any"}) or bool(old - new - {"Any"} and not (was_any and is_any))
