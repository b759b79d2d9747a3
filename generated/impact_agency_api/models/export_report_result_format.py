from enum import StrEnum


class ExportReportResultFormat(StrEnum):
    CSV = "CSV"
    JSON = "JSON"
    XML = "XML"

    def __str__(self) -> str:
        return str(self.value)
