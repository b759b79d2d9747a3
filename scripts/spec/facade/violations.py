"""A violation of the facade's contract: the place, and one sentence."""

from collections.abc import Iterable
from dataclasses import dataclass

from spec.documents import Place, pointer


@dataclass(frozen=True)
class Violation:
    """A point in which a document does not give what the facade relies on.

    Attributes:
        place: The keys that lead to the point, or to the nearest part of the document that exists.
        sentence: What the facade relies on, what the document says, and what to do.
    """

    place: Place
    sentence: str

    def __str__(self) -> str:
        return f"{pointer(*self.place)}: {self.sentence}"


def violation(place: Place, *, relies: str, says: str, file: str) -> Violation:
    """Build a violation.

    Args:
        place: Where it is.
        relies: What the facade does, beginning with a verb.
        says: What the document says instead, beginning with a verb.
        file: The file below `facade/impact_jobs` that would have to change.
    """
    advice = f"adapt facade/impact_jobs/{file}, or correct the page in openapi/overlay.json"
    return Violation(place, f"The facade {relies}, but the document {says}: {advice}.")


def listed(words: Iterable[object]) -> str:
    """Join words for a sentence."""
    *others, last = map(str, words)
    return f"{', '.join(others)} or {last}" if others else last
