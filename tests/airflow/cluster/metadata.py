"""What Airflow's own database says about task instances: their states, their processes, and when each state began."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

import psycopg2
from attrs import frozen

# A task instance keeps the time of its last start only, so the database records each change of a state.
_JOURNAL = """
CREATE TABLE state_journal (
    number bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), dag_id text, run_id text,
    task_id text, map_index int, state text
);
CREATE FUNCTION record_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO state_journal (dag_id, run_id, task_id, map_index, state)
    VALUES (NEW.dag_id, NEW.run_id, NEW.task_id, NEW.map_index, NEW.state);
    RETURN NEW;
END $$;
CREATE TRIGGER record_state AFTER UPDATE ON task_instance FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION record_state();
"""


@frozen(kw_only=True)
class Stretch:
    """A time in which a task instance held a slot of its pool.

    Attributes:
        map_index: Which of the mapped task instances it was.
        start: When it became running.
        end: When it got another state.
        next_state: That state; None after Airflow took the task away from a worker that had died.
    """

    map_index: int
    start: datetime
    end: datetime
    next_state: str | None


class Metadata:
    """A connection to the database of an Airflow, which records states from now on."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def record_states(self) -> None:
        self._rows(_JOURNAL)

    def count(self, dag_id: str, state: str) -> int:
        query = "SELECT count(*) FROM task_instance WHERE dag_id = %s AND state = %s"
        return int(self._rows(query, dag_id, state)[0][0])

    def run_state(self, dag_id: str) -> str | None:
        """Return the state of the newest run of a DAG, or None if it has none."""
        rows = self._rows("SELECT state FROM dag_run WHERE dag_id = %s ORDER BY id DESC LIMIT 1", dag_id)
        return rows[0][0] if rows else None

    def ended_runs(self, dag_id: str) -> int:
        """Return how many runs of a DAG have ended."""
        query = "SELECT count(*) FROM dag_run WHERE dag_id = %s AND state IN ('success', 'failed')"
        return int(self._rows(query, dag_id)[0][0])

    def labels(self, dag_id: str, task_id: str) -> list[str]:
        """Return the names of the mapped instances of a task, in their order."""
        query = (
            "SELECT rendered_map_index FROM task_instance WHERE dag_id = %s AND task_id = %s AND map_index >= 0 "
            "ORDER BY map_index"
        )
        return [label for (label,) in self._rows(query, dag_id, task_id)]

    def asset_events(self, dag_id: str, task_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the URI and the extra of each asset event of a task."""
        query = (
            "SELECT asset.uri, asset_event.extra FROM asset_event JOIN asset ON asset.id = asset_event.asset_id "
            "WHERE source_dag_id = %s AND source_task_id = %s"
        )
        return [
            (uri, json.loads(extra) if isinstance(extra, str) else extra)
            for uri, extra in self._rows(query, dag_id, task_id)
        ]

    def tables_with(self, text: str) -> list[str]:
        """Return the tables that have a text in any row."""
        names = [name for (name,) in self._rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        query = 'SELECT 1 FROM "{}" AS row WHERE position(%s IN row::text) > 0 LIMIT 1'
        return [name for name in names if self._rows(query.format(name), text)]

    def process_of(self, dag_id: str, map_index: int) -> int | None:
        """Return the id of the process that runs a mapped task instance, or None if it is not running."""
        query = "SELECT pid FROM task_instance WHERE dag_id = %s AND map_index = %s AND state = 'running'"
        rows = self._rows(query, dag_id, map_index)
        return rows[0][0] if rows else None

    def stored_state(self, dag_id: str, map_index: int, key: str) -> str | None:
        """Return a value of the task state store, as its text in JSON."""
        query = "SELECT value FROM task_state_store WHERE dag_id = %s AND map_index = %s AND key = %s"
        rows = self._rows(query, dag_id, map_index, key)
        return str(rows[0][0]) if rows else None

    def results(self, dag_id: str, task_id: str) -> int:
        """Return how many results of a task are in XCom."""
        query = "SELECT count(*) FROM xcom WHERE dag_id = %s AND task_id = %s AND key = 'return_value'"
        return int(self._rows(query, dag_id, task_id)[0][0])

    def tries(self, dag_id: str, task_id: str) -> dict[int, int]:
        """Return how many mapped task instances took how many tries."""
        query = "SELECT try_number, count(*) FROM task_instance WHERE dag_id = %s AND task_id = %s GROUP BY 1"
        return dict(self._rows(query, dag_id, task_id))

    def stretches(self, dag_id: str, task_id: str) -> list[Stretch]:
        """Return all times in which mapped task instances were running."""
        query = (
            "SELECT map_index, at, state FROM state_journal WHERE dag_id = %s AND task_id = %s "
            "ORDER BY map_index, number"
        )
        found = []
        for map_index, changes in groupby(self._rows(query, dag_id, task_id), key=lambda row: row[0]):
            moments = list(changes)
            found += [
                Stretch(map_index=map_index, start=start, end=end, next_state=following)
                for (_, start, state), (_, end, following) in pairwise(moments)
                if state == "running"
            ]
        return found

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def metadata(address: str) -> Iterator[Metadata]:
    """Connect to a database that Airflow has created."""
    connection = psycopg2.connect(address)
    connection.autocommit = True
    try:
        yield Metadata(connection)
    finally:
        connection.close()


def most_at_once(stretches: list[Stretch]) -> int:
    """Return how many of the stretches overlap at most."""
    changes = sorted([(each.start, 1) for each in stretches] + [(each.end, -1) for each in stretches])
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most
