"""Whether a value of a document says already what an action of the overlay would make it say."""

from spec.documents import Json, first_difference

PROSE = frozenset({"description", "summary", "title", "example", "examples"})


def says(value: Json, update: Json) -> bool:
    """Return whether an update would change nothing of a value but words."""
    substance = without_prose(update)
    wanted = update if substance is None else substance
    return any(same(each, wanted) for each in value) if isinstance(value, list) else _holds(value, wanted)


def same(one: Json, other: Json) -> bool:
    """Return whether two values are equal, but for descriptions and examples."""
    return first_difference(without_prose(one), without_prose(other)) is None


def resembles(value: Json, update: Json) -> bool:
    """Return whether an object has half the fields of an update, and so may be what it was written for."""
    if not isinstance(value, dict) or not isinstance(update, dict):
        return False
    return 2 * len(value.keys() & update.keys()) >= len(update) > 0


def is_successor(value: Json, old: Json) -> bool:
    """Return whether a value under another key is an old one: it is equal, or an object with the same description."""
    if isinstance(value, dict) and isinstance(old, dict) and (description := old.get("description")):
        return value.get("description") == description
    return first_difference(value, old) is None


def contains(value: Json, part: Json) -> bool:
    """Return whether a value is another one, or contains it at any depth."""
    if isinstance(value, dict | list):
        children = value.values() if isinstance(value, dict) else value
        return first_difference(value, part) is None or any(contains(child, part) for child in children)
    return False


def without_prose(value: Json) -> Json:
    """Return a value without descriptions and examples, or None if nothing is left."""
    if isinstance(value, list):
        return [without_prose(child) for child in value]
    if not isinstance(value, dict):
        return value
    # A property may be called `title`; it is an object, and texts are not.
    rest = {key: without_prose(child) for key, child in value.items() if key not in PROSE or isinstance(child, dict)}
    kept = {key: child for key, child in rest.items() if child is not None or value[key] is None}
    return kept if kept or not value else None


def _holds(value: Json, update: Json) -> bool:
    if isinstance(value, list) and isinstance(update, list):
        return all(any(same(each, wanted) for each in value) for wanted in update)
    if isinstance(value, dict) and isinstance(update, dict):
        return all(key in value and _holds(value[key], child) for key, child in update.items())
    return first_difference(value, update) is None
