"""What a task remembers over its tries: values in Airflow's task state store, or in memory if there is none.

Airflow 3.3 and later keep the store for a task instance through deferrals, retries and clears. Older versions have
none, and then a value lasts no longer than the process, except the job's, which goes through the deferrals of a try.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from attrs import define, field, frozen


class TaskState(Protocol):
    """The methods of Airflow's `context["task_state_store"]` that the operators use."""

    def get(self, key: str) -> Any:  # noqa: ANN401 - a JSON value that the caller checks
        """Return the value of a key, or None."""

    def set(self, key: str, value: Any) -> None:  # noqa: ANN401 - a JSON value
        """Set the value of a key."""

    def delete(self, key: str) -> None:
        """Remove a key, if it is there."""


@define
class MemoryState:
    """A state that lasts as long as its process."""

    _values: dict[str, Any] = field(factory=dict)

    def get(self, key: str) -> Any:  # noqa: ANN401 - as in the protocol
        """Return the value of a key, or None."""
        return self._values.get(key)

    def set(self, key: str, value: Any) -> None:  # noqa: ANN401 - as in the protocol
        """Set the value of a key."""
        self._values[key] = value

    def delete(self, key: str) -> None:
        """Remove a key, if it is there."""
        self._values.pop(key, None)


@frozen
class Memory:
    """One value of a task's state, a JSON object."""

    _state: TaskState
    _key: str

    def get(self) -> dict[str, Any] | None:
        """Return the object, or None if there is none, or something else in its place."""
        value = self._state.get(self._key)
        return value if isinstance(value, dict) else None

    def set(self, value: Mapping[str, Any]) -> None:
        """Write the object."""
        self._state.set(self._key, dict(value))

    def delete(self) -> None:
        """Remove the object."""
        self._state.delete(self._key)


def task_state(context: Mapping[str, Any], *, is_durable: bool) -> TaskState | None:
    """Return the state of the task that runs in `context`; None if it has no store, or is not to use it."""
    # Airflow's context is a TypedDict, whose `get` returns None before version 3.3.
    return context.get("task_state_store") if is_durable else None
