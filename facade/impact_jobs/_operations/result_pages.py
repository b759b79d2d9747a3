"""All pages of a JSON result as one file of JSON lines."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from attrs import define, evolve

from impact_jobs._api.context import ClientContext
from impact_jobs._download.content import Paging
from impact_jobs._download.filesystem import status_of
from impact_jobs._download.joined_output import PartWriter
from impact_jobs._download.joining import join_json_lines
from impact_jobs._download.journal import Journal
from impact_jobs._download.options import DownloadOptions
from impact_jobs._download.part_file import PartFile, disk_errors
from impact_jobs._download.part_names import remove_part
from impact_jobs._download.source import source_of
from impact_jobs._operations.download import existing_file, save_result
from impact_jobs.errors import DownloadError
from impact_jobs.models import DownloadResult, Job

logger: logging.Logger = logging.getLogger("impact_jobs")


def takes_json_lines(path: Path) -> bool:
    """Return whether the name of a file says that it holds JSON lines, into which all pages of a JSON result fit."""
    return path.suffix.lower() in {".jsonl", ".ndjson"}


async def download_all_pages(
    context: ClientContext, job: Job, target: Path, options: DownloadOptions
) -> DownloadResult:
    """Download the pages of a completed job's JSON result, and commit them to `target` as JSON lines.

    A result without pages costs no more than a download. Each page is a file beside `target` until all are there, so an
    interrupted call fetches only what is missing. The result states the number of records as `rows`.

    Raise what `download` raises, and DownloadError or IntegrityError if the pages do not follow each other, or do not
    hold as many records as they state.
    """
    started, run = context.transport.now(), context.transport.run
    opened: list[PartFile] = []  # filled in the thread, so that a file is closed even if its opening was cancelled
    try:
        # Opened first, because its lock keeps other processes from the same pages.
        await run(lambda: opened.append(PartFile(target, job.id, options)))
        (part,) = opened
        part.completed_at = job.completed_date
        pages = await _PageFiles(context, job, target, options).fetch()
        rows, sha256 = await run(lambda: _join(pages, part))
    except BaseException:
        for each in opened:
            await run(each.close)
        raise
    await run(lambda: _remove([page.path for page in pages]))
    logger.info("job %s: %d pages, %d records", job.id, len(pages), rows)
    return evolve(
        pages[0],
        path=target,
        bytes_written=part.coverage.size,
        sha256=sha256,
        resumed_from=sum(page.resumed_from for page in pages),
        connections=max(page.connections for page in pages),
        seconds=context.transport.now() - started,
        pages_total=None,
        rows=rows,
        unchanged=part.unchanged,
    )


@define
class _PageFiles:
    """The pages of a result, each in a file beside the target until they are joined."""

    context: ClientContext
    job: Job
    target: Path
    options: DownloadOptions
    _done: int = 0  # bytes of the pages before

    async def fetch(self) -> list[DownloadResult]:
        """Download the pages that are not there yet, and return all, in order."""
        pages: list[DownloadResult] = []
        paging = Paging(has_next=True)
        while paging.is_followed:
            number = len(pages) + 1
            page = await self._fetch_page(number)
            paging = await self.context.transport.run(lambda page=page: Paging.of_file(page.path))  # type: ignore[misc]
            if paging.page != number:
                await self.context.transport.run(lambda page=page: _remove([page.path]))  # type: ignore[misc]
                raise DownloadError(
                    f"job {self.job.id}: page {number} of the JSON result was requested, and page {paging.page} "
                    "arrived. Try again later, or export it as CSV."
                )
            pages.append(page)
            self._done += page.bytes_written
        return pages

    async def _fetch_page(self, number: int) -> DownloadResult:
        path = self.target.with_name(f"{self.target.name}.page-{number}")
        size = await self.context.transport.run(lambda: self._size_of(path))
        if size is not None:
            return evolve(existing_file(path, self.job.id, size=size, sha256=None), job=self.job)
        source = source_of(self.context, self.job, self.options.mode, f"download of page {number}")
        source.target_name, source.page = self.target.name, number
        options = evolve(self.options, overwrite=True, digest=False, on_progress=self._on_progress)
        return await save_result(
            self.context, source, self.job, options, lambda: PartFile(path, self.job.id, options), is_page=True
        )

    def _on_progress(self, done: int, _: int | None) -> None:
        if self.options.on_progress is not None:
            self.options.on_progress(self._done + done, None)

    def _size_of(self, path: Path) -> int | None:
        """Return the size of a page that an earlier call has fetched, if it is of the same run of the job."""
        with disk_errors(path):
            found, completed = status_of(path), self.job.completed_date
        if not self.options.resume or found is None or completed is None:
            return None
        return found.st_size if found.st_mtime == completed.timestamp() else None


def _join(pages: list[DownloadResult], part: PartFile) -> tuple[int, str | None]:
    part.start(Journal(job_id=part.journal.job_id))
    paths = [page.path for page in pages]
    try:
        rows = join_json_lines(paths, PartWriter(part))
    except DownloadError as error:
        if not isinstance(error.__cause__, OSError):  # of the disk, such as a full one
            _remove(paths)  # the next call fetches them anew
        raise
    return rows, part.commit()


def _remove(paths: list[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            remove_part(path)  # of which a process that died may have left the journal
            path.unlink()
