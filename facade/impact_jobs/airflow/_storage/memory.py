"""What an upload remembers between two tries of a task."""

from __future__ import annotations

from typing import Any, Protocol


class UploadMemory(Protocol):
    """One JSON object that outlives the process, such as an entry of Airflow's task state store.

    It identifies an unfinished upload. Without it, nothing goes wrong, but the next try sends all parts again, and the
    store keeps the parts of the first until its own rules remove them.
    """

    def get(self) -> dict[str, Any] | None:
        """Return the value, or None if there is none."""

    def set(self, value: dict[str, Any]) -> None:
        """Replace the value; it must be stored when this returns."""

    def delete(self) -> None:
        """Remove the value, if there is one."""
