"""Requests to the Jobs API, and how its responses are read."""
