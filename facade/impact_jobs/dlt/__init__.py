"""A source for dlt: the reports of a plan, in any warehouse that dlt merges into.

    import dlt
    from impact_jobs.dlt import reports
    from impact_jobs.sync import Plan

    dlt.pipeline("impact", destination="duckdb").run(reports(Plan.load("reports.toml")))

Install it with the extra `dlt`. docs/howto/warehouse.md is the guide.
"""

from impact_jobs.dlt._source import reports

__all__ = ["reports"]
