"""Find names of a document that the generator drops, overwrites or changes, because they are no or the same Python name.

The generator's own functions compute the names, so that this module agrees with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from openapi_python_client.parser.openapi import generate_operation_id
from openapi_python_client.schema.untrusted_string import UntrustedString
from openapi_python_client.strings import ClassName, PythonIdentifier, sanitize

from spec.documents import Json, JsonObject, Problem
from spec.references import Locate, component, is_object
from spec.walk import METHODS, Place

PREFIX = "field_"
_NO_TAG = "default"
# Arguments of a generated function that its parameters get out of the way of.
_RENAMED_BY_LOCATION = frozenset({"client", "url"})


@dataclass
class Names:
    """What is wrong or remarkable with the names of a document.

    Attributes:
        problems: Parts that the generated package would lack, or that would break it.
        notes: Parts that have another name in the generated package than one would look for.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def class_name(schema: str) -> str:
    """Return the name of the class that the generator makes of a component."""
    return str(ClassName(schema, PREFIX))


def module_name(operation_id: str) -> str:
    """Return the name of the module that the generator makes of an operation."""
    return str(PythonIdentifier(operation_id, PREFIX))


def check_names(document: JsonObject, locate: Locate) -> Names:
    """Check the names of operations, parameters and schemas.

    Args:
        document: An OpenAPI document.
        locate: Gives the file and line of a place in it.
    """
    checker = _Checker(document, locate)
    checker.operations()
    checker.schemas()
    return checker.names


@dataclass(frozen=True)
class _Parameter:
    """A parameter of an operation, with its place in the list that names it."""

    name: str
    location: str
    place: Place
    value: JsonObject

    @property
    def python_name(self) -> str:
        return module_name(self.name)

    def __str__(self) -> str:
        return f"the {self.location} parameter {self.name!r}"


class _Checker:
    def __init__(self, document: JsonObject, locate: Locate) -> None:
        self.document = document
        self.locate = locate
        self.names = Names()

    def operations(self) -> None:
        modules: dict[tuple[str, str], str] = {}
        elsewhere: dict[str, str] = {}
        for path, item in _members(self.document, "paths"):
            if "$ref" in item:
                place = ("paths", path, "$ref")
                self._refuse(place, f"{path} is a reference, which the generator skips", "write the path itself")
            for method, operation in item.items():
                if method not in METHODS or not isinstance(operation, dict):
                    continue
                place, title = ("paths", path, method), f"{method.upper()} {path}"
                module = self._module(operation, place, title)
                tag = _tag(operation)
                first = modules.setdefault((tag, module), title)
                if first != title:
                    reason = f"{title} and {first} give the same module, {tag}/{module}.py"
                    advice = (
                        f'rename one in merge.yml, such as `operationId/{operation.get("operationId")}: "rename: …"`'
                    )
                    self._refuse((*place, "operationId"), reason, advice)
                other = elsewhere.setdefault(module, title)
                if other not in {title, first}:
                    self.names.notes.append(f"{title} and {other} give modules called {module}, of different tags")
                self._parameters(item, operation, ("paths", path), method)

    def schemas(self) -> None:
        classes: dict[str, tuple[str, JsonObject]] = {}
        modules: dict[str, str] = {}
        for name, schema in _members(self.document.get("components"), "schemas"):
            if not _is_class(schema):
                continue
            place = ("components", "schemas", name)
            title = schema.get("title")
            called = class_name(title if isinstance(title, str) and title else name)
            first, other = classes.setdefault(called, (name, schema))
            if first != name:
                if not schema.get("enum") or schema.get("enum") != other.get("enum"):
                    self._refuse(place, f"schemas/{name} and schemas/{first} both give the class {called}", _RENAME)
                continue
            module = module_name(called)
            twin = modules.setdefault(module, name)
            if twin != name:
                reason = f"schemas/{name} and schemas/{twin} both give the module models/{module}.py"
                self._refuse(place, reason, _RENAME)
            if not sanitize(name):
                self._refuse(place, f"schemas/{name} makes no Python name", _RENAME)

    def _module(self, operation: JsonObject, place: Place, title: str) -> str:
        found = operation.get("operationId")
        if not isinstance(found, str):
            _, path, method = place
            name = str(generate_operation_id(path=UntrustedString(str(path)), method=str(method), prefix=PREFIX))
            self.names.notes.append(f"{title} has no operationId; the generator calls it {name}")
            return name
        name = module_name(found)
        if not any(character.isalnum() for character in sanitize(found)):
            advice = "give it one in openapi/overlay.json"
            self._refuse((*place, "operationId"), f"the operationId {found!r} of {title} makes no Python name", advice)
        elif name.rstrip("_") != name or name.startswith(PREFIX):
            self.names.notes.append(
                f"{title}: its operationId {found!r} is no Python name; the generator calls it {name}"
            )
        return name

    def _parameters(self, item: JsonObject, operation: JsonObject, path: Place, method: str) -> None:
        title = f"{method.upper()} {path[-1]}"
        own = [*self._listed(operation, (*path, method))]
        common = [*self._listed(item, path)]
        for parameters in (own, common):
            seen: set[tuple[str, str]] = set()
            for parameter in parameters:
                if (parameter.name, parameter.location) in seen:
                    self._refuse(
                        parameter.place, f"{title} has {parameter} twice", "remove one in openapi/overlay.json"
                    )
                seen.add((parameter.name, parameter.location))
        mine = {(parameter.name, parameter.location) for parameter in own}
        for parameter in common:
            if (parameter.name, parameter.location) in mine:
                self.names.notes.append(f"{title}: {parameter} of the operation replaces that of its path")
        left = [parameter for parameter in common if (parameter.name, parameter.location) not in mine]
        self._arguments([*own, *left], operation, title)

    def _listed(self, holder: JsonObject, place: Place) -> Iterator[_Parameter]:
        listed = holder.get("parameters")
        for index, entry in enumerate(listed if isinstance(listed, list) else ()):
            value: Json = entry
            if isinstance(entry, dict) and (key := component(entry.get("$ref"))):
                value = dict(_members(self.document.get("components"), key[0])).get(key[1])
            if isinstance(value, dict) and isinstance(value.get("name"), str):
                yield _Parameter(str(value["name"]), str(value.get("in")), (*place, "parameters", index), value)

    def _arguments(self, parameters: list[_Parameter], operation: JsonObject, title: str) -> None:
        by_name: dict[str, list[_Parameter]] = {}
        broken = _used_names(parameters, operation)
        for parameter in parameters:
            name = parameter.python_name
            others = by_name.setdefault(name, [])
            others.append(parameter)
            if "schema" not in parameter.value:
                advice = "give it a `schema` instead of `content` in openapi/overlay.json"
                self._refuse(
                    parameter.place, f"{title}: {parameter} has no schema, so that the generator drops it", advice
                )
            elif not any(character.isalnum() for character in sanitize(parameter.name)):
                self._refuse(parameter.place, f"{title}: {parameter} makes no Python name", "")
            elif name in broken:
                reason = (
                    f"{title}: the generated function breaks, because {parameter} and {broken[name]} are both `{name}`"
                )
                self._refuse(parameter.place, reason, "leave it out in openapi/overlay.json")
            elif name in _RENAMED_BY_LOCATION:
                self.names.notes.append(f"{title}: {parameter} becomes the argument {name}_{parameter.location}")
        for name, same in by_name.items():
            if len(same) > 1:
                self._same_argument(name, same, title)

    def _same_argument(self, name: str, same: list[_Parameter], title: str) -> None:
        listed = " and ".join(map(str, same))
        raw = {str(PythonIdentifier(parameter.name, PREFIX, skip_snake_case=True)) for parameter in same}
        if len({parameter.location for parameter in same}) == len(same) == 2:  # noqa: PLR2004
            arguments = " and ".join(f"{name}_{parameter.location}" for parameter in same)
        elif len(same) == 2 and len(raw) == 2:  # noqa: PLR2004
            arguments = " and ".join(sorted(raw))
        else:
            reason = f"{title}: {listed} give the same argument, {name}, so that the generator drops the operation"
            self._refuse(same[-1].place, reason, "leave one out in openapi/overlay.json")
            return
        self.names.notes.append(f"{title}: {listed} become the arguments {arguments}")

    def _refuse(self, place: Place, reason: str, advice: str) -> None:
        file, line = self.locate(place)
        self.names.problems.append(Problem(file, line, reason, advice))


_RENAME = 'rename one in merge.yml, such as `schemas/NAME: "rename: OTHER in GROUP"`'


def _used_names(parameters: list[_Parameter], operation: JsonObject) -> dict[str, str]:
    """Return the names that a generated function uses itself, with what it uses them for."""
    locations = {parameter.location for parameter in parameters}
    used = {"sync_detailed": "a function that it calls", "asyncio_detailed": "a function that it calls"}
    if "requestBody" in operation:
        used["body"] = "the body"
    if "query" in locations:
        used["params"] = "a variable for the query"
    if "path" in locations:
        used["quote"] = "a function that it calls"
    if "cookie" in locations:
        used["cookies"] = "a variable for the cookies"
    if "header" in locations or "requestBody" in operation:
        used["headers"] = "a variable for the headers"
    return used


def _tag(operation: JsonObject) -> str:
    """Return the package of an operation, which is that of its first tag."""
    tags = operation.get("tags")
    first = tags[0] if isinstance(tags, list) and tags else _NO_TAG
    return str(PythonIdentifier(str(first), "tag"))


def _is_class(schema: JsonObject) -> bool:
    return is_object(schema) or bool(schema.get("enum"))


def _members(parent: Json, key: str) -> Iterator[tuple[str, JsonObject]]:
    members = parent.get(key) if isinstance(parent, dict) else None
    for name, member in members.items() if isinstance(members, dict) else ():
        if isinstance(member, dict):
            yield name, member
