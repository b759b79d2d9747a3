from enum import StrEnum


class JobType(StrEnum):
    APIREPORT = "ApiReport"
    DOWNLOADREPORT = "DownloadReport"
    TERMMODIFICATION = "TermModification"
    UPLOADADS = "UploadAds"

    def __str__(self) -> str:
        return str(self.value)
