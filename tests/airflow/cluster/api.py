"""The few calls of Airflow's REST API that the tests need."""

from __future__ import annotations

from typing import Any, Self

import httpx


class AirflowApi:
    """A client of an Airflow in which all users are admins."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30.0, trust_env=False)
        self._is_logged_in = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._client.close()

    def is_healthy(self) -> bool:
        """Return whether all components have sent a heartbeat."""
        try:
            response = self._client.get("/api/v2/monitor/health")
            response.raise_for_status()
        except httpx.HTTPError:
            return False
        return all(component["status"] == "healthy" for component in response.json().values())

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request below /api/v2, and return the JSON of the answer."""
        if not self._is_logged_in:
            token = self._client.get("/auth/token").raise_for_status().json()["access_token"]
            self._client.headers["Authorization"] = f"Bearer {token}"
            self._is_logged_in = True
        response = self._client.request(method, f"/api/v2/{path}", **options)
        if response.is_error:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text[:2000]}")
        return response.json() if response.content else None

    def set_pool(self, name: str, *, slots: int) -> None:
        self.call("POST", "pools", json={"name": name, "slots": slots, "include_deferred": False})

    def dags(self) -> set[str]:
        """Return the DAGs that have been read; raise RuntimeError if a file cannot be imported."""
        errors = self.call("GET", "importErrors")["import_errors"]
        if errors:
            raise RuntimeError("\n".join(f"{error['filename']}:\n{error['stack_trace']}" for error in errors))
        return {dag["dag_id"] for dag in self.call("GET", "dags")["dags"]}

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run; one that has a schedule starts a run for the last interval."""
        self.call("PATCH", f"dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> None:
        """Unpause a DAG and start a run of it."""
        self.unpause(dag_id)
        self.call("POST", f"dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
