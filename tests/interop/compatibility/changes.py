"""The changes that are tried: those planted in the description of the jobs, and two that only concern the facade."""

from __future__ import annotations

from tests.spec.planted import DOWNLOAD, PLANTED, REPLAY, Planted, insert, put

_TEXT = {"type": "string"}
_WHY = "A new keyword with a default leaves calls as they are, also those of the facade that have headers of their own."

CHANGES: tuple[Planted, ...] = (
    *(planted for planted in PLANTED if planted.document == "jobs"),
    Planted(
        "header X-Trace of downloadJobResult is added",
        insert({"name": "X-Trace", "in": "header", "schema": _TEXT}, *DOWNLOAD, "parameters"),
        "jobs",
        breaks_generated=False,
        breaks_facade=False,
        why=_WHY,
    ),
    Planted(
        "optional body of replayJob is added",
        put({"content": {"application/json": {"schema": {"type": "object", "properties": {"Reason": _TEXT}}}}},
            *REPLAY, "requestBody"),
        "jobs",
        breaks_generated=False,
        breaks_facade=False,
        why=_WHY,
    ),
)  # fmt: skip
