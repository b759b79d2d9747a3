"""What the facade's source says about the API: the fields it parses, the states it names, what it imports and passes.

The source is parsed and not imported, because a generated package that lacks a name would refuse the import.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FACADE = Path(__file__).resolve().parents[3] / "facade" / "impact_jobs"
GENERATED = "impact_agency_api"

Names = frozenset[str]


@dataclass(frozen=True)
class FacadeSource:
    """What the facade takes from the API and from the generated package.

    Attributes:
        base_url: The API's URL, unless a user gives another.
        fields: The optional fields of a job, and for each the name of the function that converts it.
        strict_fields: The fields without which a job is malformed.
        uris: The fields of a scheduled job that may contain its id.
        redirects: The statuses that lead to a result.
        scheduled: The statuses that confirm a replay.
        errors: The statuses that have an error class of their own.
        imports: The names that are imported from each module of the generated package.
        members: The members of each imported class that the code, or an example in it, names.
        arguments: The keyword arguments with which each generated operation is called.
    """

    base_url: str
    fields: dict[str, str]
    strict_fields: Names
    uris: tuple[str, ...]
    redirects: frozenset[int]
    scheduled: frozenset[int]
    errors: frozenset[int]
    imports: dict[str, Names]
    members: dict[str, Names]
    arguments: dict[str, Names]


@cache
def read_facade(root: Path = FACADE) -> FacadeSource:
    """Read the source of the facade below a folder."""
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.py"))}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    fields = dict(_rows(trees["_api/parsing.py"], "_FIELDS"))
    imports = _imports(trees.values())
    return FacadeSource(
        base_url=_constant(trees["_account.py"], "DEFAULT_BASE_URL"),
        fields={name: ast.unparse(row).rpartition(", ")[2].rstrip(")") for name, row in fields.items()},
        strict_fields=_strings(_assigned(trees["_api/parsing.py"], "JOB_FIELDS")),
        uris=_constant(trees["_api/responses.py"], "_URIS"),
        redirects=_constant(trees["_download/source.py"], "_REDIRECTS"),
        scheduled=_constant(trees["_operations/replay.py"], "_SUCCESSES"),
        errors=frozenset(status for status, _ in _rows(trees["_api/responses.py"], "_KINDS")),
        imports=imports,
        members=_members(texts.values(), frozenset().union(*imports.values())),
        arguments=_arguments(trees.values()),
    )


def _assigned(tree: ast.Module, name: str) -> ast.expr:
    """Return what a module assigns to a name."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return value
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
                return value
    raise LookupError(f"the facade assigns nothing to {name}: adapt scripts/spec/facade/source.py")


def _constant(tree: ast.Module, name: str) -> Any:  # noqa: ANN401 - constants are of any type
    """Return a constant, or a frozenset of constants."""
    value = _assigned(tree, name)
    return frozenset(ast.literal_eval(value.args[0])) if isinstance(value, ast.Call) else ast.literal_eval(value)


def _rows(tree: ast.Module, name: str) -> Iterable[tuple[Any, ast.expr]]:
    """Return the keys of a table, and the expression of each row."""
    match _assigned(tree, name):
        case ast.Dict(keys=keys, values=rows):
            return [(ast.literal_eval(key), row) for key, row in zip(keys, rows, strict=True) if key is not None]
    raise LookupError(f"the facade's {name} is not a table: adapt scripts/spec/facade/source.py")


def _strings(value: ast.expr) -> Names:
    constants = (node.value for node in ast.walk(value) if isinstance(node, ast.Constant))
    return frozenset(each for each in constants if isinstance(each, str))


def _imports(trees: Iterable[ast.Module]) -> dict[str, Names]:
    found: dict[str, Names] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == GENERATED:
            module = node.module or ""
            found[module] = found.get(module, frozenset()) | {alias.name for alias in node.names}
    return found


def _members(texts: Iterable[str], classes: Names) -> dict[str, Names]:
    # In the text and not in the syntax tree, so that the examples in docstrings count, which users copy.
    named = re.findall(rf"\b({'|'.join(sorted(classes))})\.([A-Z][A-Z_0-9]*)\b", "\n".join(texts))
    return {name: frozenset(member for found, member in named if found == name) for name, _ in named}


def _arguments(trees: Iterable[ast.Module]) -> dict[str, Names]:
    found: dict[str, Names] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=operation), attr="_get_kwargs"), keywords=keywords):
                found[operation] = frozenset(keyword.arg for keyword in keywords if keyword.arg is not None)
    return found
