from __future__ import annotations

from importlib.metadata import version


def test_the_environment_has_an_airflow_with_a_task_state_store() -> None:
    assert tuple(int(part) for part in version("apache-airflow").split(".")[:2]) >= (3, 3)
