"""Give each class that the generator makes a name and a module of its own.

The generator names an inline class after its parents (`Order.item` becomes `OrderItem`) without a look at the others.
Of two classes with one name it leaves out the second, with all that uses it; of two classes with one module it keeps
the second and says nothing. This module follows the generator's naming, and gives the second a number.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from openapi_python_client.strings import pascal_case

from spec.documents import Json, JsonObject, as_list, as_object, object_at, pointer
from spec.generating.lookup import Lookup
from spec.python_names import class_name, identifier
from spec.walk import METHODS

# Names that the generated modules import or define themselves.
RESERVED: Final = frozenset(
    {
        "Any",
        "AuthenticatedClient",
        "BinaryIO",
        "BytesIO",
        "Client",
        "File",
        "Generator",
        "HTTPStatus",
        "Literal",
        "Mapping",
    }
    | {"Response", "StrEnum", "IntEnum", "T", "TextIO", "TypeVar", "UNSET", "UUID", "Unset", "FileTypes", "Datetime"}
)
# Attributes that the generated methods would take for their own variables, or that would replace a method.
TAKEN: Final = frozenset(
    {
        "additional_keys",
        "additional_properties",
        "cast",
        "cls",
        "d",
        "field_dict",
        "files",
        "from_dict",
        "prop",
        "prop_dict",
    }
    | {"prop_name", "src_dict", "to_dict", "to_multipart"}
)
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_MODULE_LENGTH: Final = 200


@dataclass
class ClassNames:
    """The classes found so far.

    Attributes:
        modules: The modules that have to be named for the generator, by class.
        renamed: The places of the schemas whose class got another name, with that name.
    """

    modules: dict[str, str] = field(default_factory=dict)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    _classes: dict[str, str] = field(default_factory=dict)
    _used_modules: dict[str, str] = field(default_factory=dict)

    def visit(self, schema: Json, name: str, parent: str, place: str) -> None:
        """Name the classes of a schema, in the generator's order.

        Args:
            schema: The schema; gets a `title` if its class needs another name.
            name: How the generator calls it: the name of the component, the property or the like.
            parent: The name of the class or the operation around it; empty for a component.
            place: Its place in the document, as a JSON Pointer.
        """
        if not isinstance(schema, dict) or "$ref" in schema:
            return
        members = [*as_list(schema.get("allOf")), *as_list(schema.get("anyOf")), *as_list(schema.get("oneOf"))]
        if len(members) == 1 and isinstance(members[0], dict) and "$ref" in members[0]:
            return
        kind = schema.get("type")
        if values := as_list(schema.get("enum")):
            known = [value for value in values if value is not None]
            if known and kind != "boolean":
                name = name if len(known) == len(values) else f"{name}_type_1"
                self._class(schema, name, parent, place, identity=repr(known))
        elif "anyOf" in schema or "oneOf" in schema or isinstance(kind, list):
            self._union(schema, name, parent, place)
        elif kind == "array":
            items = [*as_list(schema.get("prefixItems")), *([schema["items"]] if "items" in schema else [])]
            for index, item in enumerate(items):
                suffix = "" if len(items) == 1 else f"_type_{index}"
                self.visit(item, f"{name}_item{suffix}", parent, place + "/items")
        elif kind == "object" or "allOf" in schema or (kind is None and "properties" in schema):
            self._model(schema, name, parent, place)

    def _union(self, schema: JsonObject, name: str, parent: str, place: str) -> None:
        members = [*as_list(schema.get("anyOf")), *as_list(schema.get("oneOf"))]
        kinds = as_list(schema.get("type"))
        for index, member in enumerate(members):
            self.visit(member, f"{name}_type_{index}", parent, f"{place}/{index}")
        for index, kind in enumerate(kinds, len(members)):
            # The title of a copy would not reach the schema, so that a clash in here stays an error.
            alone: JsonObject = schema | {"type": kind}
            self.visit(alone, f"{name}_type_{index}", parent, place)

    def _model(self, schema: JsonObject, name: str, parent: str, place: str) -> None:
        own = self._class(schema, name, parent, place, identity="")
        if self._used_modules_of(own) in TAKEN:  # the generated code has a variable of the module's name
            self._use_module(own, f"{self._used_modules_of(own)}_model")
        for key, value in _properties(schema):
            if identifier(key) == self._used_modules_of(own):
                self._use_module(own, f"{self._used_modules_of(own)}_model")
            self.visit(value, key, own, f"{place}/properties{pointer(key)}")
        self.visit(schema.get("additionalProperties"), "AdditionalProperty", own, f"{place}/additionalProperties")

    def _class(self, schema: JsonObject, name: str, parent: str, place: str, *, identity: str) -> str:
        """Return the name of the class, which no other class has."""
        found = _class_name(str(schema.get("title", name)), parent)
        number = 2
        while found in RESERVED or (found in self._classes and (not identity or self._classes[found] != identity)):
            schema["title"] = f"{name} {number}"
            found = _class_name(str(schema["title"]), parent)
            number += 1
        if number > 2:  # noqa: PLR2004 - it got a number
            self.renamed.append((str(schema.get("x-at", place)), found))
        if found not in self._classes:
            self._classes[found] = identity
            self._use_module(found, identifier(found))
        return found

    def _used_modules_of(self, name: str) -> str:
        return self.modules.get(name) or identifier(name)

    def _use_module(self, name: str, module: str) -> None:
        wanted, number = module[:_MODULE_LENGTH], 2
        while self._used_modules.get(wanted, name) != name:
            wanted = f"{module[:_MODULE_LENGTH]}_{number}"
            number += 1
        self._used_modules[wanted] = name
        if wanted != identifier(name):
            self.modules[name] = wanted


def name_classes(document: JsonObject) -> ClassNames:
    """Visit all schemas as the generator does: the components, and then the operations."""
    names, look = ClassNames(), Lookup(document)
    for name, schema in object_at(document, "components", "schemas").items():
        names.visit(schema, name, "", pointer("components", "schemas", name))
    for path, method, operation in _operations(document):
        own = identifier(str(operation.get("operationId", f"{method}_{path}")))
        place = pointer("paths", path, method)
        for parameter in as_list(operation.get("parameters")):
            one = look.resolve(parameter)
            names.visit(one.get("schema"), str(one.get("name")), own, place)
        responses = [
            (f"response_{code}", own, look.resolve(response))
            for code, response in object_at(operation, "responses").items()
        ]
        body = look.resolve(operation.get("requestBody", {}))
        for name, parent, part in [*responses, ("body", own, body)]:
            content = object_at(part, "content")
            for media_type, media in content.items():
                kind = {FORMS[0]: "data", FORMS[1]: "files"}.get(media_type.partition(";")[0], "json")
                around = f"{parent}_{kind}" if name == "body" and len(content) > 1 else parent
                names.visit(as_object(media).get("schema"), name, around, place)
    return names


def _operations(document: JsonObject) -> Iterator[tuple[str, str, JsonObject]]:
    for path, item in object_at(document, "paths").items():
        for method in METHODS:
            if operation := as_object(as_object(item).get(method)):
                yield path, method, operation


def _class_name(name: str, parent: str) -> str:
    return class_name(f"{pascal_case(parent)}{pascal_case(name)}" if parent else name)


def _properties(schema: JsonObject) -> Iterator[tuple[str, Json]]:
    """Yield the properties of a schema, then those of the inline schemas of its `allOf`."""
    for part in (schema, *as_list(schema.get("allOf"))):
        yield from object_at(part, "properties").items()
