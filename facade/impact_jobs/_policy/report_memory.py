"""What a client and its copies remember of reports: their metadata, and when their exports were sent."""

from __future__ import annotations

from datetime import datetime

from attrs import define, field

from impact_jobs.report_models import ReportMetadata

_METADATA_SECONDS = 3600.0
_MAX_EXPORTS = 4096


@define(eq=False)
class ReportMemory:
    """Thread-safe, because each step is a single operation of a dict. Every `now` is on the transport's clock."""

    _metadata: dict[tuple[str, str], tuple[float, ReportMetadata]] = field(factory=dict)  # by account path and report
    _sent: dict[str, datetime] = field(factory=dict)  # by job id in lower case, the oldest first

    def metadata(self, account_path: str, report_id: str, *, now: float) -> ReportMetadata | None:
        """Return the metadata of a report if it was read within the last hour."""
        read_at, found = self._metadata.get((account_path, report_id), (-_METADATA_SECONDS, None))
        return found if now - read_at < _METADATA_SECONDS else None

    def record_metadata(self, account_path: str, report_id: str, metadata: ReportMetadata, *, now: float) -> None:
        """Record what was read."""
        self._metadata[account_path, report_id] = now, metadata

    def record_export(self, job_id: str, sent: datetime) -> None:
        """Record when the request was sent, by the server's clock, that this job is the answer to."""
        self._sent.pop(job_id.lower(), None)
        self._sent[job_id.lower()] = sent
        for oldest in list(self._sent)[:-_MAX_EXPORTS]:
            self._sent.pop(oldest, None)

    def export_sent(self, job_id: str) -> datetime | None:
        """Return when the request that was answered with this job was sent; None if this client sent none."""
        return self._sent.get(job_id.lower())
