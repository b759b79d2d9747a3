"""Contains all the data models used in inputs/outputs"""

from .download_job_result_mode import DownloadJobResultMode
from .export_report_result_format import ExportReportResultFormat
from .job import Job
from .job_status import JobStatus
from .job_type import JobType
from .report import Report
from .report_attribute import ReportAttribute
from .report_export_response import ReportExportResponse
from .report_filter import ReportFilter
from .report_list import ReportList
from .report_metadata import ReportMetadata

__all__ = (
    "DownloadJobResultMode",
    "ExportReportResultFormat",
    "Job",
    "JobStatus",
    "JobType",
    "Report",
    "ReportAttribute",
    "ReportExportResponse",
    "ReportFilter",
    "ReportList",
    "ReportMetadata",
)
