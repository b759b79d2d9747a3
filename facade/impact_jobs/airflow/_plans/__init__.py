"""The DAG of a plan: one task lists the files that are not up to date, and one mapped task makes each."""
