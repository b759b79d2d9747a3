"""The form of a document that the generator can express.

Some parts of a document it would refuse, leave out, or generate wrongly. It gets a copy of the document, and only the
copy changes. Each rule widens: by its description, the API accepts and answers nothing that the generated code can't
send or receive. What a rule takes away from the types is reported as a note.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from openapi_python_client.strings import PythonIdentifier

from spec.documents import Json, JsonObject, Place, as_list, as_object, object_at, place_of, pointer, tokens_of
from spec.generating.class_names import ClassNames
from spec.generating.lookup import Lookup
from spec.generating.schemas import SchemaRules
from spec.python_names import PREFIX, identifier
from spec.walk import METHODS

BINARY: JsonObject = {"type": "string", "format": "binary"}
# The generator names a response's type only by this: a body of this type is bytes, and one of that type is text.
BYTES, TEXT = "application/octet-stream", "text/x-response"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
# Names of arguments that the generated functions use themselves.
_ARGUMENTS = frozenset(
    {"asyncio_detailed", "body", "cookies", "headers", "kwargs", "params", "quote", "response", "sync_detailed"}
)
_PATH_NAME = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Note:
    """Something that the generated types do not say although the document does."""

    place: Place
    sentence: str


@dataclass(frozen=True)
class Generatable:
    """What the generator gets.

    Attributes:
        document: The changed copy. Each schema of it has its place in the document as `x-at`.
        content_types: How the generator treats the media types of bodies that it has no rule for.
        modules: The modules of classes whose own name would not do.
        notes: What the generated types leave out.
    """

    document: JsonObject
    content_types: dict[str, str]
    modules: dict[str, str]
    notes: list[Note]


def generatable(document: JsonObject) -> Generatable:
    """Return the form of a valid document that the generator can express."""
    rules = _Rules(deepcopy(document))
    rules.apply()
    notes = [Note(place, sentence) for place, sentence in rules.schemas.notes]
    names = _class_names(rules.document)
    notes += [Note(place_of(document, tokens_of(place)), f"its class is {name}") for place, name in names.renamed]
    content_types = dict(sorted(rules.content_types.items()))
    return Generatable(rules.document, content_types, dict(sorted(names.modules.items())), notes)


def _class_names(document: JsonObject) -> ClassNames:
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


@dataclass
class _Rules:
    """The rules for everything but schemas."""

    document: JsonObject
    content_types: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schemas = SchemaRules(self.document)

    def apply(self) -> None:
        components = object_at(self.document, "components")
        self.document.pop("webhooks", None)
        for name in ("headers", "examples", "links", "callbacks", "pathItems"):
            components.pop(name, None)
        paths = object_at(self.document, "paths")
        for path, item in list(paths.items()):
            self._path_item(path, as_object(item))
        parameters = object_at(components, "parameters")
        for name, part in parameters.items():
            parameters[name] = resolved = self._resolve(part)
            self._parameter(resolved, ("components", "parameters", name))
        for name, part in object_at(components, "requestBodies").items():
            self._body(as_object(part), ("components", "requestBodies", name))
        for name, part in object_at(components, "responses").items():
            self._response(as_object(part), ("components", "responses", name))
        self.document["paths"] = {_identifiers(path): item for path, item in paths.items()}
        self.schemas.apply()

    def _path_item(self, path: str, item: JsonObject) -> None:
        at: Place = ("paths", path)
        if isinstance(shared := item.get("parameters"), list):
            item["parameters"] = self._parameters(shared, (*at, "parameters"))
        for method in sorted(item.keys() & {*METHODS}):
            operation, place = as_object(item[method]), (*at, method)
            operation.pop("callbacks", None)
            # The generator reads the requirement of the operation alone.
            if "security" not in operation and "security" in self.document:
                operation["security"] = deepcopy(self.document["security"])
            if isinstance(parameters := operation.get("parameters"), list):
                given = self._parameters(parameters, (*place, "parameters"))
                operation["parameters"] = self._distinguished(given, (*place, "parameters"))
            self._body(object_at(operation, "requestBody"), (*place, "requestBody"))
            responses = {
                # The generator reads ranges of statuses in capitals only.
                code.upper() if code != "default" else code: self._inlined(response)
                for code, response in object_at(operation, "responses").items()
                if not code.startswith("x-")
            }
            operation["responses"] = dict(responses)
            for code, response in responses.items():
                self._response(as_object(response), (*place, "responses", code))

    def _inlined(self, part: Json) -> Json:
        """Follow a reference that leads to another reference, which the generator does not."""
        target = part
        while isinstance(target, dict) and isinstance(reference := target.get("$ref"), str):
            target = self.schemas.look.target(reference)
            if isinstance(target, dict) and "$ref" in target:
                part = target
        return part

    def _parameters(self, parameters: list[Json], at: Place) -> list[Json]:
        result: list[Json] = []
        for index, given in enumerate(parameters):
            parameter = self._inlined(given)
            resolved = self._resolve(parameter)
            name = str(resolved.get("name"))
            if resolved.get("in") == "header" and name.lower() in {"accept", "content-type", "authorization"}:
                continue  # OpenAPI ignores these, because a client sets them
            if resolved.get("in") == "path" and _identifier(name) != name:
                # The name of a path parameter never reaches the server.
                parameter = deepcopy(resolved) | {"name": _identifier(name)}
            if resolved.get("style") == "deepObject":
                result.extend(self._deep_object(resolved, (*at, index)))
                continue
            if isinstance(parameter, dict) and "$ref" not in parameter:
                self._parameter(parameter, (*at, index))
            result.append(parameter)
        return result

    def _distinguished(self, parameters: list[Json], at: Place) -> list[Json]:
        """Leave out the optional parameters whose argument would have the name of another one."""
        result: list[Json] = []
        taken: dict[str, list[tuple[Json, str]]] = {name: [(None, ""), (None, "")] for name in _ARGUMENTS}
        for parameter in parameters:
            resolved = self._resolve(parameter)
            name = str(resolved.get("name"))
            same = taken.setdefault(identifier(name), [])
            own = (resolved.get("in"), PythonIdentifier(name, PREFIX, skip_snake_case=True))
            # The generator distinguishes two by their places, or else by the letters of their names.
            clashes = len(same) > 1 or any(other[1] == own[1] for other in same if other[0] == own[0])
            if clashes and not resolved.get("required"):
                self.schemas.note(at, f"the parameter {name!r} can't be set: its name in Python belongs to another one")
                continue
            same.append(own)
            result.append(parameter)
        return result

    def _deep_object(self, parameter: JsonObject, at: Place) -> Iterator[JsonObject]:
        """Yield a parameter for each property, because the generator would send `a=1` for `filter[a]=1`."""
        name, schema = str(parameter.get("name")), self.schemas.look.resolve(parameter.get("schema", {}))
        properties = as_object(as_object(schema).get("properties"))
        if not properties:
            self.schemas.note(at, f"the keys of the parameter {name!r} have to be written as `{name}[key]`")
            yield parameter
        for key, value in properties.items():
            one: JsonObject = {"name": f"{name}[{key}]", "in": "query", "schema": deepcopy(value)}
            self._parameter(one, at)
            yield one

    def _parameter(self, parameter: JsonObject, at: Place) -> None:
        parameter.pop("examples", None)
        if "$ref" in parameter:
            return
        name, where = parameter.get("name"), parameter.get("in")
        if content := as_object(parameter.pop("content", None)):
            # The generator leaves such a parameter out.
            parameter["schema"] = {"type": "string"}
            self.schemas.note(at, f"the parameter {name!r} is a string of the type {next(iter(content))}")
            return
        schema = parameter.setdefault("schema", {})
        kind = self.schemas.look.kind(schema)
        if kind == "array" and (where != "query" or not _repeats(parameter)):
            # The generator would repeat the parameter, or print a Python list.
            parameter["schema"] = {"type": "string"}
            self.schemas.note(at, f"the items of the parameter {name!r} have to be joined in one string")
        elif where in {"header", "path", "cookie"} and not self.schemas.look.is_plain(schema):
            parameter["schema"] = {"type": "string"}
            self.schemas.note(at, f"the parameter {name!r} is a string")
        else:
            self.schemas.add(schema, (*at, "schema"), lambda widened: parameter.update(schema=widened))

    def _body(self, body: JsonObject, at: Place) -> None:
        content = object_at(body, "content")
        chosen = self._distinct(content, at)
        for media_type, value in chosen.items():
            media, place = as_object(value), (*at, "content", media_type)
            media.pop("examples", None)
            media.pop("encoding", None)
            if _is_json(media_type):
                if not body.get("required") and self.schemas.look.is_union(media.get("schema", {})):
                    body["required"] = True  # the generated code would call a method of a body that is not there
                    self.schemas.note(at, "the body has to be given")
                self._media(media, place)
            elif media_type.partition(";")[0] in FORMS:
                if self.schemas.look.kind(media.get("schema", {})) != "object":
                    media["schema"] = {"type": "object"}
                self._media(media, place)
            else:
                self.content_types[media_type] = BYTES
                media["schema"] = dict(BINARY)
        if content:
            body["content"] = dict(chosen)
        if len(chosen) > 1:
            body["required"] = False  # the generated argument is optional in any case, and lacks an import if it is not

    def _distinct(self, content: JsonObject, at: Place) -> JsonObject:
        """Choose the bodies that the generated code can distinguish, which it does by their Python class."""
        if len(content) < 2:  # noqa: PLR2004 - there is nothing to choose
            return content
        ordered = sorted(content, key=lambda media_type: not _is_json(media_type))
        chosen: JsonObject = {}
        seen: list[Json] = []
        for media_type in ordered:
            media = as_object(content[media_type])
            schema = media.get("schema", {})
            is_file = not _is_json(media_type) and media_type.partition(";")[0] not in FORMS
            identity: Json = "file" if is_file else schema
            if chosen and (identity in seen or not (is_file or self.schemas.look.kind(schema) == "object")):
                self.schemas.note(at, f"the body is never sent as {media_type}")
                continue
            if not chosen and not is_file and self.schemas.look.kind(schema) != "object":
                self.schemas.note(at, f"the body is always sent as {media_type}")
                return {media_type: media}
            seen.append(identity)
            chosen[media_type] = media
        return chosen

    def _response(self, response: JsonObject, at: Place) -> None:
        response.pop("headers", None)
        response.pop("links", None)
        content = object_at(response, "content")
        if not content:
            return
        # The generated code parses one type. JSON comes first because clients accept it in their requests.
        media_type = min(content, key=lambda name: not _is_json(name))
        media, place = as_object(content[media_type]), (*at, "content", media_type)
        media.pop("examples", None)
        if len(content) > 1:
            self.schemas.note(at, f"the response is always read as {media_type}")
        if _is_json(media_type):
            self._media(media, place)
            response["content"] = {media_type.partition(";")[0]: media}
        elif "schema" not in media and media_type == BYTES:
            return
        elif (
            media_type.startswith("text/")
            and self.schemas.look.resolve(media.get("schema", {})).get("format") != "binary"
        ):
            response["content"] = {TEXT: {"schema": {"type": "string"}}}
        else:
            kept = media.get("schema") if media_type == BYTES else None
            description = self.schemas.look.resolve(kept or {}).get("description")
            response["content"] = {BYTES: {"schema": BINARY | ({"description": description} if description else {})}}

    def _media(self, media: JsonObject, at: Place) -> None:
        schema = media.setdefault("schema", {})
        self.schemas.add(schema, (*at, "schema"), lambda widened: media.update(schema=widened))

    def _resolve(self, part: Json) -> JsonObject:
        while isinstance(part, dict) and isinstance(reference := part.get("$ref"), str):
            part = self.schemas.look.target(reference)
        return as_object(part)


def _repeats(parameter: JsonObject) -> bool:
    """Return whether the items of an array are sent as `a=1&a=2`, which is what the generated code does."""
    return parameter.get("style", "form") == "form" and parameter.get("explode", True) is not False


def _identifiers(path: str) -> str:
    return _PATH_NAME.sub(lambda match: "{" + _identifier(match[1]) + "}", path)


def _identifier(name: str) -> str:
    """Return a path parameter's name with nothing that the generator does not find in a path."""
    return name if re.fullmatch(r"[A-Za-z_-][A-Za-z0-9_-]*", name) else "p_" + re.sub(r"\W", "_", name)


def _is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")
