"""Bring documents of OpenAPI 3.0 and 3.1 to one form: that of 3.1, in which null is a type.

Many documents of 3.1 keep the `nullable` of 3.0, which 3.1 ignores; it is taken for what it means.
"""

from spec.documents import Json, JsonObject, Problem, SpecError, as_object
from spec.fragments import Fragment
from spec.walk import Kind, rewrite

LATEST_OF_3_0 = "3.1.0"
_NULL: JsonObject = {"type": "null"}
# What says something about a value, but does not restrict it.
_ANNOTATIONS = frozenset(
    {"title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "externalDocs"}
)
# What null would have to satisfy as well, even beside a type that allows null.
_RESTRICTIONS = frozenset({"$ref", "allOf", "not", "if", "enum", "const"})


def normalize(fragment: Fragment) -> JsonObject:
    """Return the document of a fragment in the form of OpenAPI 3.1; it is a copy that shares the data.

    Raises:
        SpecError: It is of another version, or nested too deeply.
    """
    version = fragment.document.get("openapi")
    if not isinstance(version, str) or not version.startswith(("3.0.", "3.1.")):
        found = f"swagger {fragment.document['swagger']}" if "swagger" in fragment.document else repr(version)
        line = fragment.source.line("openapi")
        advice = "convert the document first; several tools do that" if "swagger" in fragment.document else ""
        reason = f"the version of OpenAPI is {found}; only 3.0.x and 3.1.x can be merged"
        raise SpecError(Problem(fragment.source.file, line, reason, advice))
    try:
        document = rewrite(fragment.document, _upgrade)
    except RecursionError:
        raise SpecError(Problem(fragment.source.file, None, "the document is nested too deeply")) from None
    if not isinstance(document, dict):
        raise TypeError(document)
    if version.startswith("3.0."):
        document["openapi"] = LATEST_OF_3_0
    return document


def _upgrade(kind: Kind, value: JsonObject) -> JsonObject:
    if kind is not Kind.SCHEMA:
        return value
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(value.get(exclusive), bool):
            value = _exclude(value, limit, exclusive)
    if "nullable" in value:
        is_nullable = value.pop("nullable")
        return _with_null(value) if is_nullable is True else value
    return value


def _exclude(schema: JsonObject, limit: str, exclusive: str) -> JsonObject:
    """Replace a boolean `exclusiveMinimum`, which says something about `minimum`, by the limit itself."""
    if schema[exclusive] is not True or limit not in schema:
        return {key: value for key, value in schema.items() if key != exclusive}
    excluded = schema[limit]
    return {exclusive if key == limit else key: excluded if key == limit else value
            for key, value in schema.items() if key != exclusive}  # fmt: skip


def _with_null(schema: JsonObject) -> JsonObject:
    if schema.keys() & _RESTRICTIONS:
        return _wrapped(schema)
    result = dict(schema)
    for key in ("oneOf", "anyOf"):
        members = result.get(key)
        if isinstance(members, list) and not any(map(_accepts_null, members)):
            result[key] = [*members, dict(_NULL)]
    if "type" in result and not _accepts_null(result):
        types = result["type"]
        result["type"] = [*(types if isinstance(types, list) else [types]), "null"]
    return result


def _wrapped(schema: JsonObject) -> JsonObject:
    """Return a schema that accepts null or what the given schema accepts."""
    outside: JsonObject = {}
    inside: JsonObject = {}
    for key, value in schema.items():
        (outside if key in _ANNOTATIONS or key.startswith("x-") else inside)[key] = value
    values = inside.get("enum")
    if isinstance(values, list):
        inside["enum"] = values = [value for value in values if value is not None]
        if not values:
            return outside | _NULL
    types = inside.get("type")
    if isinstance(types, list):
        types = [name for name in types if name != "null"]
        inside["type"] = types[0] if len(types) == 1 else types
    members = inside.get("allOf")
    if inside.keys() == {"allOf"} and isinstance(members, list) and len(members) == 1:
        return outside | {"anyOf": [members[0], dict(_NULL)]}
    return outside | {"anyOf": [inside, dict(_NULL)]}


def _accepts_null(schema: Json) -> bool:
    types = as_object(schema).get("type")
    return types == "null" or (isinstance(types, list) and "null" in types)
