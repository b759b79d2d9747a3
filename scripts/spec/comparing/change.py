"""A change of the API's description, and the list of those that a comparison finds."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from spec.comparing.verdicts import VERDICTS
from spec.documents import Place, pointer

Direction = Literal["request", "response", "both"]


@dataclass(frozen=True)
class Change:
    """A change in the words of the API.

    Attributes:
        kind: What has happened, such as `parameter-required`; a key of `VERDICTS`.
        subject: What has changed, such as `parameter CreatedAfter of listJobs`.
        detail: The old and the new value, if they are not clear from the kind.
        place: Where it is, as a JSON Pointer: in the old document if it is removed, or else in the new one.
        direction: Whether requests, responses or both are concerned.
        used_in: The operations that it concerns.
        breaks_generated: Whether it breaks programs that use the generated package.
        breaks_facade: Whether it breaks impact_jobs; `compare` leaves that open, `with_facade` fills it in.
        why: The reason of the verdict.
        facade_why: What the facade relies on, if it breaks.
    """

    kind: str
    subject: str
    detail: str
    place: str
    direction: Direction
    used_in: tuple[str, ...]
    breaks_generated: bool
    why: str
    breaks_facade: bool = False
    facade_why: str = ""

    @property
    def breaks(self) -> bool:
        """Whether it breaks programs, those that use the generated package or impact_jobs."""
        return self.breaks_generated or self.breaks_facade

    @property
    def is_prose(self) -> bool:
        """Whether only people read what has changed."""
        return self.kind == "description-changed"

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.subject} {VERDICTS[self.kind].says}{detail}"


@dataclass
class Changes:
    """Collects changes: each place once for each kind, with all operations that it concerns."""

    found: dict[tuple[str, Place, str], Change] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        subject: str,
        place: Place,
        *,
        detail: str = "",
        direction: Direction = "both",
        used_in: Iterable[str] = (),
    ) -> None:
        """Add a change, or to a known one the operations that it concerns as well."""
        _, breaks, why = VERDICTS[kind]
        key = (kind, place, detail)
        known = self.found.get(key)
        if known is None:
            operations = tuple(dict.fromkeys(used_in))
            self.found[key] = Change(kind, subject, detail, pointer(*place), direction, operations, breaks, why)
        else:
            self.found[key] = replace(known, used_in=tuple(dict.fromkeys([*known.used_in, *used_in])))


def becomes(old: object, new: object) -> str:
    """Return a change of a value as text."""
    return f"{old} → {new}"
