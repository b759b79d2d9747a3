"""Destinations of files: this machine, or any store of Airflow's object storage paths."""

from impact_jobs.airflow._storage.destination import Destination
from impact_jobs.airflow._storage.memory import UploadMemory

__all__ = ["Destination", "UploadMemory"]
