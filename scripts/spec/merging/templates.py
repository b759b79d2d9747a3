"""Bring together paths that differ in the names of their parameters alone.

`/Jobs/{Id}` and `/Jobs/{JobId}` are the same path in OpenAPI, and for a server. Renaming a parameter of a path changes
no request, but the generated function's argument; so it needs a decision.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from spec.documents import Json, JsonObject, Problem, object_at
from spec.merging.contradictions import Reporter
from spec.merging.parts import effective, parameter_of
from spec.merging.rules import OPERATION, PATHS, Rules
from spec.walk import METHODS

_PARAMETER = re.compile(r"\{([^{}]*)\}")


def _template(path: str) -> str:
    """Return what two spellings of one path have in common."""
    return _PARAMETER.sub("{}", path)


def _spellings(documents: Sequence[JsonObject], rules: Rules) -> dict[str, list[tuple[str, int]]]:
    """Return the paths that have several spellings: each spelling with the first document that has it."""
    omitted = {r.name for r in rules.resolutions if r.section == OPERATION and r.action == "omit"}
    found: dict[str, dict[str, int]] = {}
    for index, document in enumerate(documents):
        for path, item in _paths(document):
            methods = [method for method in METHODS if method in item]
            if not methods or any(f"{method.upper()} {path}" not in omitted for method in methods):
                found.setdefault(_template(path), {}).setdefault(path, index)
    return {common: [*paths.items()] for common, paths in found.items() if len(paths) > 1}


def new_paths(
    documents: Sequence[JsonObject], rules: Rules, reporter: Reporter
) -> tuple[dict[str, str], list[Problem]]:
    """Return the new spelling of each path that gets one: by the resolutions, or as the report proposes.

    Returns:
        The new spellings, and resolutions that can't be applied.
    """
    problems: list[Problem] = []
    several = _spellings(documents, rules)
    names: dict[str, str] = {}
    for resolution in rules.resolutions:
        if resolution.section != PATHS:
            continue
        found = {path for path, _ in several.get(_template(resolution.name), ())}
        common = _clashes(documents, resolution.name, resolution.to)
        if not {resolution.name, resolution.to} <= found or resolution.name == resolution.to:
            reason = f"the resolution for {resolution.key} settles nothing: the documents do not have both paths"
            problems.append(Problem(rules.file, resolution.line, reason, "delete it"))
        elif common or resolution.to in names:
            reason = f"{resolution.to} can't take the place of {resolution.name}"
            advice = f"a document has {', '.join(common)} of both" if common else "it is renamed itself"
            problems.append(Problem(rules.file, resolution.line, reason, advice))
        names[resolution.name] = resolution.to
    for paths in several.values():
        left = [(path, index) for path, index in paths if path not in names]
        clashes = {path: _clashes(documents, path, left[0][0]) for path, _ in left}
        if len(left) > 1:
            reporter.path(left, clashes)
        names |= {path: left[0][0] for path, _ in left[1:] if not clashes[path]}
    return names, problems


def respell(document: JsonObject, names: Mapping[str, str]) -> tuple[JsonObject, dict[tuple[str, str], str]]:
    """Give paths of a document other spellings; their parameters are renamed with them.

    Returns:
        The new document, and where each operation that has moved was: its new path and its method, and its old path.
    """
    moved: dict[tuple[str, str], str] = {}
    result: JsonObject = {}
    for path, item in object_at(document, "paths").items() if names else ():
        new = names.get(path, path)
        if not isinstance(item, dict) or path not in names.keys() | names.values():
            result[path] = item
            continue
        renamed = dict(zip(_PARAMETER.findall(path), _PARAMETER.findall(new), strict=True))
        target = result.setdefault(new, {})
        for method in METHODS:
            if method in item and isinstance(target, dict):
                target[method] = _renamed(effective(item, method, document), renamed, document)
                moved[new, method] = path
    return ({**document, "paths": result} if moved else document), moved


def _clashes(documents: Sequence[JsonObject], path: str, other: str) -> list[str]:
    """Return the methods that one document has under two spellings of a path."""
    items = [dict(_paths(document)) for document in documents]
    return [
        method
        for method in METHODS
        if any(method in found.get(path, {}) and method in found.get(other, {}) for found in items)
    ]


def _renamed(operation: JsonObject, names: Mapping[str, str], document: JsonObject) -> JsonObject:
    parameters = operation.get("parameters")
    if not names or not isinstance(parameters, list):
        return operation
    return {**operation, "parameters": [_renamed_parameter(parameter, names, document) for parameter in parameters]}


def _renamed_parameter(parameter: Json, names: Mapping[str, str], document: JsonObject) -> Json:
    found = parameter_of(parameter, document)
    name = str(found.get("name"))
    if found.get("in") != "path" or names.get(name, name) == name:
        return parameter
    return {**found, "name": names[name]}


def _paths(document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    for path, item in object_at(document, "paths").items():
        if isinstance(item, dict) and not path.startswith("x-"):
            yield path, item
