from __future__ import annotations

import airflow


def test_the_environment_has_an_airflow_with_a_task_state_store() -> None:
    assert tuple(int(part) for part in airflow.__version__.split(".")[:2]) >= (3, 3)
