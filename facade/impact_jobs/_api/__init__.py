"""Requests to the Jobs API and the reading of its responses."""
