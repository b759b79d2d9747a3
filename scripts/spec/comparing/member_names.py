"""The Python names that the generator makes of names that meet in one class or function.

If two of them give one Python name, the generator renames one or both; `spec.generating` leaves out what it cannot.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from openapi_python_client.strings import PythonIdentifier, snake_case

from spec.documents import Json, JsonObject, as_list, canonical
from spec.python_names import PREFIX, identifier

Parameter: TypeAlias = tuple[str, str]  # its location and name
_RESERVED: Final = ("client", "url")  # Python names of the generated functions


def attributes(names: Iterable[str]) -> dict[str, str]:
    """Return the attributes of an object's properties; one that has none of its own is left out.

    Args:
        names: The names of the properties, in the order of the document.
    """
    found: dict[str, str] = {}
    for name in names:
        if any(_raw(other) == _raw(name) for other in found):
            continue  # the generator can't distinguish them
        found[name] = identifier(name)
        for other in [it for it in found if it != name]:
            if found[other] == found[name]:
                found[name], found[other] = _raw(name), _raw(other)
    return found


def keywords(parameters: Mapping[Parameter, bool]) -> dict[Parameter, str]:
    """Return the keywords of an operation's parameters; one that has none of its own is left out.

    Args:
        parameters: Their locations and names, in the order of the document, and whether each is required.
    """
    kept: list[Parameter] = []
    for location, name in parameters:
        same = [it for it in kept if identifier(it[1]) == identifier(name)]
        clashes = len(same) > 1 or any(it[0] == location and _raw(it[1]) == _raw(name) for it in same)
        if parameters[location, name] or not clashes:
            kept.append((location, name))
    found: dict[Parameter, str] = {}
    for location, name in kept:
        python = identifier(name)
        same = [it for it in kept if identifier(it[1]) == python]
        if python in _RESERVED or any(it[0] != location for it in same):
            found[location, name] = f"{python}_{location}"
        else:
            found[location, name] = _raw(name) if len(same) > 1 else python
    return found


def _raw(name: str) -> str:
    return str(PythonIdentifier(name, PREFIX, skip_snake_case=True))


def members(schema: JsonObject) -> dict[str, str]:
    """Return the members of an enum by the canonical text of their values."""
    values: list[Json] = []
    for value in as_list(schema.get("enum")):
        if value is not None and value not in values:
            values.append(value)
    names = [_coarse(value, index) for index, value in enumerate(values)]
    if "x-enum-varnames" in schema or len(set(names)) < len(names):
        names = [name if name not in names[:index] else f"VALUE_{index}" for index, name in enumerate(names)]
        found = [snake_case(name).upper() for name in names]
    else:
        found = [_plain(value, index) for index, value in enumerate(values)]
    return {canonical(value): name for value, name in zip(values, found, strict=True)}


def _plain(value: Json, index: int) -> str:
    """Return what the generator makes of a value whose name no other value has."""
    if isinstance(value, int):
        return _coarse(value, index)
    text = str(value)
    return snake_case(text.upper() if text[:1].isalpha() else f"VALUE_{index}").upper()


def _coarse(value: Json, index: int) -> str:
    """Return the name by which `spec.generating` finds values that can't be distinguished."""
    if isinstance(value, int):
        return f"VALUE_NEGATIVE_{-value}" if value < 0 else f"VALUE_{value}"
    text = str(value)
    plain = re.sub(_NO_LETTERS, "_", text.upper()).strip("_") if text[:1].isalpha() else ""
    return plain or f"VALUE_{index}"


_NO_LETTERS: Final = re.compile(r"[^A-Z0-9]+")
