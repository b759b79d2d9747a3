"""Parts of the messages about an overlay."""

import difflib
from collections.abc import Iterable

from spec.documents import JsonObject, render

MOST_PLACES = 3  # that a message names


def listed(indices: Iterable[int]) -> str:
    """Return the names of actions, as a list in a sentence."""
    names = [f"actions[{index}]" for index in sorted(indices)]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def plural_s(indices: set[int]) -> str:
    """Return the end of a verb that has actions as its subject."""
    return "s" if len(indices) == 1 else ""


def some(places: Iterable[str]) -> str:
    """Return the first places of a list, and the number of the others."""
    every = [*places]
    more = len(every) - MOST_PLACES
    return ", ".join(every[:MOST_PLACES]) + (f" and {more} more" if more > 0 else "")


def difference(old: JsonObject, new: JsonObject) -> str:
    """Return how two objects differ, as the lines of a unified diff without its head."""
    before, after = (render(each).decode().splitlines() for each in (old, new))
    return "\n".join([*difflib.unified_diff(before, after, lineterm="")][2:])
