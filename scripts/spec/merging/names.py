"""Find names of a document that give no Python name, or the same one as another name.

The generator's own functions compute the names, so that this module agrees with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from openapi_python_client.parser.openapi import generate_operation_id
from openapi_python_client.schema.untrusted_string import UntrustedString
from openapi_python_client.strings import PythonIdentifier, sanitize

from spec.documents import JsonObject, Place, Problem, as_list, as_object, object_at
from spec.merging.parts import Key, Part, parameter_of
from spec.merging.rules import OPERATION
from spec.python_names import PREFIX, class_name, identifier
from spec.references import Locate
from spec.walk import METHODS

_NO_TAG = "default"
_OVERLAY = "correct it in openapi/overlay.json"


@dataclass
class Names:
    """What is wrong or remarkable with the names of a document.

    Attributes:
        problems: Operations and parameters that the generated package would lack, or that would break it.
        notes: Those that have another name in the generated package than one would look for.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_names(document: JsonObject, locate: Locate) -> Names:
    """Check the names of operations and of their parameters.

    Args:
        document: An OpenAPI document.
        locate: Gives the file and line of a place in it.
    """
    return _Checker(document, locate).check()


def shares_python_name(key: Key, parts: Mapping[Key, Sequence[Part]]) -> bool:
    """Return whether the generator gives another component or operation the module of this one."""
    mine = _module_of(key, parts[key])
    return mine is not None and any(
        other != key and other[0] == key[0] and _module_of(other, definitions) == mine
        for other, definitions in parts.items()
    )


@dataclass(frozen=True)
class _Parameter:
    """A parameter of an operation, with its place in the list that names it."""

    name: str
    location: str
    is_required: bool
    place: Place

    @property
    def python_name(self) -> str:
        return identifier(self.name)

    @property
    def identity(self) -> tuple[str, str]:
        return self.name, self.location

    def __str__(self) -> str:
        return f"the {self.location} parameter {self.name!r}"


class _Checker:
    def __init__(self, document: JsonObject, locate: Locate) -> None:
        self.document = document
        self.locate = locate
        self.names = Names()
        self.unnamed: list[str] = []
        # The first operation of each package and module.
        self.modules: dict[tuple[str, str], str] = {}

    def check(self) -> Names:
        for path, value in object_at(self.document, "paths").items():
            item, place = as_object(value), ("paths", path)
            if "$ref" in item:
                self._refuse(
                    (*place, "$ref"), f"{path} is a reference, which the generator skips", "write its operations here"
                )
            for method, operation in item.items():
                if method in METHODS and isinstance(operation, dict):
                    title = f"{method.upper()} {path}"
                    self._operation(operation, (*place, method), title)
                    self._parameters(item, operation, (*place, method), title)
        if self.unnamed:
            count = len(self.unnamed)
            who = f"{self.unnamed[0]} has" if count == 1 else f"{count} operations, such as {self.unnamed[0]}, have"
            self.names.notes.append(f"{who} no operationId; the method and the path name the module")
        return self.names

    def _operation(self, operation: JsonObject, place: Place, title: str) -> None:
        found = operation.get("operationId")
        if not isinstance(found, str):
            self.unnamed.append(title)
        elif not _is_nameable(found):
            self._refuse(
                (*place, "operationId"), f"the operationId {found!r} of {title} gives no Python name", _OVERLAY
            )
            return
        _, path, method = map(str, place)
        module = _module(operation, path, method)
        if isinstance(found, str) and module != str(PythonIdentifier(found, "")).rstrip("_"):
            self.names.notes.append(f"{title}: the operationId {found!r} is no Python name; its module is {module}.py")
        first = self.modules.setdefault((_tag(operation), module), title)
        if first != title:
            reason = f"{title} and {first} give the same module, {_tag(operation)}/{module}.py"
            self._refuse((*place, "operationId"), reason, _rename(operation, title))

    def _parameters(self, item: JsonObject, operation: JsonObject, place: Place, title: str) -> None:
        own = [*self._listed(operation, place)]
        common = [*self._listed(item, place[:-1])]
        for parameters in (own, common):
            seen: set[tuple[str, str]] = set()
            for parameter in parameters:
                if parameter.identity in seen:
                    self._refuse(parameter.place, f"{title}: {parameter} appears twice", "remove one of them")
                seen.add(parameter.identity)
        replaced = {parameter.identity for parameter in own}
        for parameter in common:
            if parameter.identity in replaced:
                self.names.notes.append(f"{title}: {parameter} of the operation replaces that of its path")
        left = [parameter for parameter in common if parameter.identity not in replaced]
        self._arguments({parameter.identity: parameter for parameter in [*own, *left]}, operation, title)

    def _listed(self, holder: JsonObject, place: Place) -> Iterator[_Parameter]:
        for index, entry in enumerate(as_list(holder.get("parameters"))):
            found = parameter_of(entry, self.document)
            name, location = found.get("name"), str(found.get("in"))
            if isinstance(name, str):
                yield _Parameter(name, location, found.get("required") is True, (*place, "parameters", index))

    def _arguments(self, parameters: Mapping[tuple[str, str], _Parameter], operation: JsonObject, title: str) -> None:
        used = _variables({parameter.location for parameter in parameters.values()}, operation)
        arguments: dict[str, list[_Parameter]] = {}
        for parameter in parameters.values():
            name = parameter.python_name
            arguments.setdefault(name, []).append(parameter)
            if not _is_nameable(parameter.name):
                self._refuse(parameter.place, f"{title}: {parameter} gives no Python name", _OVERLAY)
            elif name in used and parameter.is_required:
                reason = f"{title}: {parameter} has the Python name {name!r}, which the function needs for {used[name]}"
                self._refuse(parameter.place, reason, _leave_out(operation))
            elif name in {"client", "url"}:
                self.names.notes.append(f"{title}: {parameter} becomes the argument {name}_{parameter.location}")
        for name, same in arguments.items():
            if len(same) > 1:
                listed = " and ".join(map(str, same))
                self.names.notes.append(
                    f"{title}: {listed} have the same Python name, {name!r}: their arguments get longer names, or keep"
                    " their capital letters; the function's signature shows them"
                )

    def _refuse(self, place: Place, reason: str, advice: str) -> None:
        self.names.problems.append(Problem(*self.locate(place), reason, advice))


def _variables(locations: set[str], operation: JsonObject) -> dict[str, str]:
    """Return the names that a generated function needs itself, with what it needs them for."""
    used = {"sync_detailed": "a function", "asyncio_detailed": "a function"}
    used |= {"kwargs": "its arguments", "response": "the response"}
    needs = {"params": "query", "cookies": "cookie", "headers": "header"}
    used |= {name: f"the {location} parameters" for name, location in needs.items() if location in locations}
    if "path" in locations:
        used["quote"] = "a function"
    if "requestBody" in operation:
        used |= {"body": "the body", "headers": "the headers of the body"}
    return used


def _module_of(key: Key, definitions: Sequence[Part]) -> tuple[str, str] | None:
    """Return the package and the module that the generator makes of a component or an operation, if it makes one."""
    if key[0] == "schemas":
        return "models", identifier(class_name(key[1]))
    operation = definitions[0].value
    if key[0] == OPERATION and isinstance(operation, dict):
        method, _, path = key[1].partition(" ")
        return _tag(operation), _module(operation, path, method.lower())
    return None


def _module(operation: JsonObject, path: str, method: str) -> str:
    name = operation.get("operationId")
    if isinstance(name, str):
        return identifier(name)
    return str(generate_operation_id(path=UntrustedString(path), method=method, prefix=PREFIX))


def _tag(operation: JsonObject) -> str:
    """Return the package of an operation, which is that of its first tag."""
    tags = operation.get("tags")
    first = tags[0] if isinstance(tags, list) and tags else _NO_TAG
    return str(PythonIdentifier(str(first), "tag"))


def _is_nameable(name: str) -> bool:
    return any(character.isalnum() for character in sanitize(name))


def _leave_out(operation: JsonObject) -> str:
    name = operation.get("operationId")
    advice = 'remove the parameter by an action of openapi/overlay.json ("remove": true)'
    if not isinstance(name, str):
        return advice
    return f'{advice}, or leave out the operation in merge.yml:\n  operationId/{name}: "omit: a parameter has no name"'


def _rename(operation: JsonObject, title: str) -> str:
    name = operation.get("operationId")
    if not isinstance(name, str):
        return "give it an operationId in openapi/overlay.json"
    return f'give it another one below `resolutions` in merge.yml:\n  operationId/{name}: "rename: NAME in {title}"'
