from enum import StrEnum


class DownloadJobResultMode(StrEnum):
    STREAM = "Stream"

    def __str__(self) -> str:
        return str(self.value)
