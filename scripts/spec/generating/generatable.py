"""The form of a document that the generator can express.

Some parts of a document it would refuse, leave out, or generate wrongly. It gets a copy of the document, and only the
copy changes. Each rule widens: by its description, the API accepts and answers nothing that the generated code can't
send or receive. What a rule takes away from the types is reported as a note.
"""

from copy import deepcopy
from dataclasses import dataclass, field

from spec.documents import Json, JsonObject, Place, as_object, object_at, place_of, tokens_of
from spec.generating.class_names import FORMS, name_classes
from spec.generating.defaults import without_patch_defaults
from spec.generating.discriminators import write_discriminators
from spec.generating.forms import form_of
from spec.generating.parameters import ParameterRules, path_with_identifiers
from spec.generating.schemas import SchemaRules
from spec.walk import METHODS

BINARY: JsonObject = {"type": "string", "format": "binary"}
# The generator names a response's type only by this: a body of this type is bytes, and one of that type is text.
BYTES, TEXT = "application/octet-stream", "text/x-response"


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
    names = name_classes(rules.document)
    notes += [
        Note(
            place_of(document, tokens_of(place)),
            f"the class of this schema is {name!r}, because another one or the generated code has its name",
        )
        for place, name in names.renamed
    ]
    content_types = dict(sorted(rules.content_types.items()))
    return Generatable(rules.document, content_types, dict(sorted(names.modules.items())), notes)


@dataclass
class _Rules:
    """The rules for everything but schemas."""

    document: JsonObject
    content_types: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.schemas = SchemaRules(self.document)
        self.parameters = ParameterRules(self.schemas)

    def apply(self) -> None:
        components = object_at(self.document, "components")
        self.document.pop("webhooks", None)
        without_patch_defaults(self.document, self.schemas.note)
        write_discriminators(self.document, self.schemas.note)
        for name in ("headers", "examples", "links", "callbacks", "pathItems"):
            components.pop(name, None)
        paths = object_at(self.document, "paths")
        for path, item in list(paths.items()):
            self._path_item(path, as_object(item))
        parameters = object_at(components, "parameters")
        for name, part in parameters.items():
            parameters[name] = resolved = self.schemas.look.follow(part)
            self.parameters.one(resolved, ("components", "parameters", name))
        for name, part in object_at(components, "requestBodies").items():
            self._body(as_object(part), ("components", "requestBodies", name))
        for name, part in object_at(components, "responses").items():
            self._response(as_object(part), ("components", "responses", name))
        self.document["paths"] = {path_with_identifiers(path): item for path, item in paths.items()}
        self.schemas.apply()

    def _path_item(self, path: str, item: JsonObject) -> None:
        at: Place = ("paths", path)
        if isinstance(shared := item.get("parameters"), list):
            item["parameters"] = self.parameters.listed(shared, (*at, "parameters"))
        for method in sorted(item.keys() & {*METHODS}):
            operation, place = as_object(item[method]), (*at, method)
            operation.pop("callbacks", None)
            # The generator reads the requirement of the operation alone.
            if "security" not in operation and "security" in self.document:
                operation["security"] = deepcopy(self.document["security"])
            if isinstance(parameters := operation.get("parameters"), list):
                given = self.parameters.listed(parameters, (*place, "parameters"))
                operation["parameters"] = self.parameters.distinguished(
                    given, (*place, "parameters"), has_body="requestBody" in operation
                )
            self._body(object_at(operation, "requestBody"), (*place, "requestBody"))
            responses = {
                # The generator reads ranges of statuses in capitals only.
                code.upper() if code != "default" else code: self.schemas.look.last_reference(response)
                for code, response in object_at(operation, "responses").items()
                if not code.startswith("x-")
            }
            operation["responses"] = dict(responses)
            for code, response in responses.items():
                self._response(as_object(response), (*place, "responses", code))

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
                    self.schemas.note(at, "the function can't be called without a body: omitting it is not possible")
                if self.schemas.look.is_nullable(media.get("schema", {})):
                    advice = "send `null` by `client.get_httpx_client()`"
                    self.schemas.note(at, f"a body of None is sent as an empty body, not as `null`: {advice}")
                self._media(media, place)
            elif (form := media_type.partition(";")[0]) in FORMS:
                if self.schemas.look.kind(media.get("schema", {})) != "object":
                    media["schema"] = {"type": "object"}
                media["schema"] = form_of(media["schema"], self.schemas, place, is_multipart=form == FORMS[1])
                self._media(media, place)
            else:
                self.content_types[media_type] = BYTES
                media["schema"] = dict(BINARY)
        if content:
            body["content"] = dict(chosen)
        if len(chosen) == 1 and not body.get("required"):
            advice = "if the API refuses that, give an empty body"
            self.schemas.note(
                at, f"a call without a body sends `Content-Type: {next(iter(chosen))}` all the same: {advice}"
            )
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


def _is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")
