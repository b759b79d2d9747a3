"""Check a merged and corrected document for what the generator refuses, or turns into a package that does not work."""

import re
from collections.abc import Iterator

from spec.documents import JsonObject, Place, Problem, SpecError, as_list, as_object, object_at
from spec.merging.names import check_names
from spec.merging.parts import parameter_of
from spec.python_names import class_name, identifier
from spec.references import Locate, reference_problems
from spec.walk import METHODS

_PARAMETER = re.compile(r"\{([^{}]*)\}")
_LONGEST = 200  # characters of a module's name, of the 255 bytes that a file system allows with Python's suffixes
_OVERLAY = "correct it in openapi/overlay.json"


def check_document(document: JsonObject, locate: Locate) -> list[str]:
    """Refuse a document whose references, names or paths are wrong.

    Args:
        document: A merged and corrected OpenAPI document.
        locate: Gives the file and line of a place in it.

    Returns:
        What is remarkable about the names, one sentence each.

    Raises:
        SpecError: With all problems.
    """
    names = check_names(document, locate)
    problems = [
        *reference_problems(document, locate),
        *names.problems,
        *_path_problems(document, locate),
        *_length_problems(document, locate),
    ]
    if problems:
        raise SpecError(*problems)
    return names.notes


def _operations(document: JsonObject) -> Iterator[tuple[Place, JsonObject, JsonObject]]:
    """Yield the place of each operation, its path item, and the operation."""
    for path, value in object_at(document, "paths").items():
        item = as_object(value)
        for method in METHODS:
            if isinstance(operation := item.get(method), dict):
                yield ("paths", path, method), item, operation


def _path_problems(document: JsonObject, locate: Locate) -> Iterator[Problem]:
    """Find parameters that a path has and its operation does not, and the reverse."""
    for place, item, operation in _operations(document):
        _, path, method = map(str, place)
        title = f"{method.upper()} {path}"
        named = _PARAMETER.findall(path)
        declared: dict[str, Place] = {}
        for holder, at in ((item, place[:-1]), (operation, place)):
            for index, entry in enumerate(as_list(holder.get("parameters"))):
                found = parameter_of(entry, document)
                if found.get("in") == "path":
                    declared[str(found.get("name"))] = (*at, "parameters", index)
        for name in dict.fromkeys(named):
            if name not in declared:
                reason = f"{title}: the path has {{{name}}}, but no parameter of that name"
                yield Problem(*locate(place), reason, f"declare it, or {_OVERLAY}")
        for name, at in declared.items():
            if name not in named:
                reason = f"{title}: the path parameter {name!r} is not in the path"
                yield Problem(*locate(at), reason, _OVERLAY)


def _length_problems(document: JsonObject, locate: Locate) -> Iterator[Problem]:
    """Find names that are too long for the files that the generator names after them."""
    for place, _, operation in _operations(document):
        names = {(*place, "operationId"): operation.get("operationId")}
        names |= {(*place, "tags", index): tag for index, tag in enumerate(as_list(operation.get("tags"))[:1])}
        for at, name in names.items():
            if isinstance(name, str) and len(identifier(name)) > _LONGEST:
                yield _too_long(at, name, locate)
    for name in object_at(document, "components", "schemas"):
        if len(identifier(class_name(name))) > _LONGEST:
            yield _too_long(("components", "schemas", name), name, locate)


def _too_long(place: Place, name: str, locate: Locate) -> Problem:
    reason = f"the name {name[:40] + '…'!r} has {len(name)} characters; a module's name may have {_LONGEST}"
    return Problem(*locate(place), reason, _OVERLAY)
