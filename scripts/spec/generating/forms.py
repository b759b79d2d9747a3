"""The rules for the bodies of forms, whose fields are text: the generated code would send some of them wrongly."""

from copy import deepcopy

from spec.documents import Json, JsonObject, Place, as_list
from spec.generating.lookup import UNIONS
from spec.generating.schemas import SchemaRules


def form_of(schema: Json, rules: SchemaRules, at: Place, *, is_multipart: bool) -> Json:
    """Return the schema of a form whose fields the generated code sends rightly; the schema itself if it does already.

    Args:
        schema: The schema, an object.
        rules: The rules for schemas, which collect the notes.
        at: The place of the media type.
        is_multipart: Whether each field has a media type of its own, so that objects are sent as JSON.
    """
    look = rules.look
    properties = look.all_properties(schema)
    changed: JsonObject = {}
    for name, field in properties.items():
        if not is_multipart and look.has_no_text(field):
            changed[name] = {"type": "string"}
            rules.note(at, f"the field {name!r} of the form is a string: give objects as JSON")
        elif is_multipart and look.kind(field) == "boolean":
            changed[name] = {"type": "string"}
            rules.note(at, f"the field {name!r} of the form is a string: give 'true' or 'false'")
        elif look.is_nullable(field):
            changed[name] = _without_null(look.resolve(field))
            rules.note(at, f"the field {name!r} of the form can't be None, because a form has no `null`: leave it out")
    if not changed:
        return schema
    kept: JsonObject = {
        key: deepcopy(value)
        for key, value in look.resolve(schema).items()
        if key in {"description", "additionalProperties"}
    }
    required: list[Json] = [name for name in look.all_required(schema) if name in properties]
    return kept | {"type": "object", "properties": deepcopy(properties) | changed, "required": required}


def _without_null(schema: JsonObject) -> JsonObject:
    result = deepcopy(schema)
    if isinstance(kinds := result.get("type"), list):
        result["type"] = [kind for kind in kinds if kind != "null"]
    elif kinds == "null":
        result["type"] = "string"
    if "enum" in result:
        result["enum"] = [value for value in as_list(result["enum"]) if value is not None]
    for key in UNIONS:
        if key in result:
            result[key] = [member for member in as_list(result[key]) if member != {"type": "null"}]
    return result
