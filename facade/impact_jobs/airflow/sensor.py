"""The sensor of a job."""
