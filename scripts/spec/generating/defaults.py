"""Which default values of schemas the generated code must not have.

The generator refuses a schema whose default does not fit it, and escapes some characters twice.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

from spec.documents import Json, JsonObject, Place, object_at, value_at
from spec.references import place_referred_to
from spec.walk import Kind, walk

_DEPTH = 60
_UNSAFE = re.compile(r'["\\\x00-\x1f\x7f-\x9f\u2028\u2029]')
_PARSERS: dict[Json, Callable[[str], object]] = {
    "date": date.fromisoformat,
    "date-time": datetime.fromisoformat,
    "uuid": UUID,
}
_PYTHON: dict[Json, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    None: (str, int, float),
}


def is_corrupted(value: Json, schema: JsonObject) -> bool:
    """Return whether the generated code would send another text than the default."""
    return isinstance(value, str) and not {"enum", "const"} & schema.keys() and bool(_UNSAFE.search(value))


def without_patch_defaults(document: JsonObject, note: Callable[[Place, str], None]) -> None:
    """Drop the defaults in bodies of PATCH, because a program would send fields that nobody has set.

    Args:
        document: The document; changed in place.
        note: Called with the place of each such default, and a sentence.
    """
    waiting: list[tuple[Place, Kind]] = [
        (("paths", path, "patch", "requestBody"), Kind.BODY) for path in object_at(document, "paths")
    ]
    seen: set[Place] = set()
    while waiting:
        place, kind = waiting.pop(0)
        for node in walk(value_at(document, place), kind, place):
            if (target := place_referred_to(document, node.value)) and target not in seen:
                seen.add(target)
                waiting.append((target, node.kind))
            if node.kind is Kind.SCHEMA and node.value.pop("default", None) is not None:
                note(node.place, "the class has no default here, because a PATCH would change what nobody has set")


def fits(value: Json, schema: Json, resolve: Callable[[Json], JsonObject], depth: int = 0) -> bool:
    """Return whether a default is a value of its schema, and of a type that has defaults in the generated code.

    Args:
        value: The default.
        schema: The schema.
        resolve: Follows references, and compositions of a single schema.
        depth: How many compositions it is in.
    """
    resolved = resolve(schema)
    members = [member for key in ("allOf", "anyOf", "oneOf") for member in _list(resolved.get(key, []))]
    if members and depth < _DEPTH:
        return any(fits(value, member, resolve, depth + 1) for member in members)
    if isinstance(values := resolved.get("enum"), list):
        return value in values
    if "const" in resolved:
        return value == resolved["const"]
    return any(_is_of(value, kind, resolved.get("format")) for kind in _list(resolved.get("type")))


def _is_of(value: Json, kind: Json, format_: Json) -> bool:
    if kind == "string" and isinstance(value, str) and format_ in _PARSERS:
        try:
            _PARSERS[format_](value)
        except ValueError:
            return False
        return True
    return isinstance(value, _PYTHON.get(kind, ())) and (kind in {"boolean", None} or not isinstance(value, bool))


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]
