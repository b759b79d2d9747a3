"""Keep the files of the plan reports.toml right, every night: its missing months, and the last one while it may change.

It needs the pool `impact`, such as 2 slots, and for each of the plan's accounts a connection of the same name. Reports
and accounts that are added to the plan need no change here.
"""

from __future__ import annotations

from impact_jobs.airflow import dags_from_plan

dag = dags_from_plan("reports.toml", pool="impact")
