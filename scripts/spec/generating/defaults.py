"""Whether the generator accepts the default value of a schema; it refuses the whole schema otherwise."""

from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

from spec.documents import Json, JsonObject

_DEPTH = 60
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
