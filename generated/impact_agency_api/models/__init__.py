"""Contains all the data models used in inputs/outputs"""

from .download_job_result_mode import DownloadJobResultMode
from .job import Job
from .job_status import JobStatus
from .job_type import JobType

__all__ = (
    "DownloadJobResultMode",
    "Job",
    "JobStatus",
    "JobType",
)
