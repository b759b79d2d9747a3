"""Give parts of a document other names, and change everything in it that refers to them."""

from collections.abc import Mapping

from spec.documents import Json, JsonObject, as_list, as_object, object_at, pointer
from spec.merging.parts import Key, mapped_schemas
from spec.merging.rules import OPERATION_ID
from spec.references import component, target
from spec.walk import Kind, rewrite

_SCHEMA = "#/components/schemas/"


def rename(document: JsonObject, names: Mapping[Key, str]) -> JsonObject:
    """Return a copy of a document in which components have other names.

    References follow: `$ref`s, the values of discriminators, required security schemes, and the operationIds of links.

    Args:
        document: An OpenAPI document; it is not modified.
        names: The new names.
    """

    def change(kind: Kind, value: JsonObject) -> JsonObject:
        if "$ref" in value:
            value["$ref"] = _reference(value["$ref"], names)
        match kind:
            case Kind.SCHEMA if "discriminator" in value:
                _map_values(value, names)
            case Kind.DOCUMENT | Kind.OPERATION:
                _require(value, names)
            case Kind.COMPONENTS:
                for section, members in value.items():
                    if isinstance(members, dict):
                        value[section] = {names.get((section, name), name): part for name, part in members.items()}
            case Kind.LINK if isinstance(value.get("operationId"), str):
                value["operationId"] = names.get((OPERATION_ID, str(value["operationId"])), value["operationId"])
        return value

    result = rewrite(document, change) if names else document
    if not isinstance(result, dict):
        raise TypeError(result)
    return result


def _reference(ref: Json, names: Mapping[Key, str]) -> Json:
    key = component(ref)
    tokens = target(ref)
    if key is None or key not in names or tokens is None:
        return ref
    return "#" + pointer(*tokens[:2], names[key], *tokens[3:])


def _map_values(schema: JsonObject, names: Mapping[Key, str]) -> None:
    """Let the values of a discriminator lead to the renamed schemas.

    Without a mapping, a value is the name of a schema; so renamed members of the union need a mapping.
    """
    discriminator = schema["discriminator"]
    if not isinstance(discriminator, dict):
        return
    result = dict(object_at(discriminator, "mapping"))
    mapped = dict(mapped_schemas(discriminator))
    result |= {value: _SCHEMA + names[key] for value, key in mapped.items() if key in names}
    old_names = {_SCHEMA + new: key for key, new in names.items() if key[0] == "schemas"}
    for union in ("oneOf", "anyOf"):
        for member in as_list(schema.get(union)):
            # The members have their new names already.
            key = old_names.get(str(as_object(member).get("$ref")))
            if key is not None and key not in mapped.values():
                result.setdefault(key[1], _SCHEMA + names[key])
    if result:
        schema["discriminator"] = discriminator | {"mapping": result}


def _require(value: JsonObject, names: Mapping[Key, str]) -> None:
    requirements = value.get("security")
    if isinstance(requirements, list):
        value["security"] = [
            {names.get(("securitySchemes", name), name): scopes for name, scopes in requirement.items()}
            if isinstance(requirement, dict)
            else requirement
            for requirement in requirements
        ]
