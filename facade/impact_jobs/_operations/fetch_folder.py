"""The folder of a `fetch_all`: which files belong to which job, and what each new file is called.

Without a template a file is named after its job's id, and the names are the only state. With one, the folder's manifest
says which job each file belongs to.
"""

from __future__ import annotations

import filecmp
import os
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from attrs import define, evolve, field

from impact_jobs._download.content import MAGIC_BYTES, is_compressed_name, true_name
from impact_jobs._download.destination import check_file, make_folder
from impact_jobs._download.filesystem import exists, is_of_system, status_of_regular
from impact_jobs._download.joining import csv_rows
from impact_jobs._download.manifest import MANIFEST_NAME, Manifest, ManifestEntry
from impact_jobs._download.name_templates import NameTemplate, check_distinct
from impact_jobs._download.part_file import PartFile, disk_errors
from impact_jobs._download.part_names import remove_part
from impact_jobs.errors import ConfigurationError, DownloadError
from impact_jobs.models import DownloadResult, Job, JobStatus

FIELDS = ("id", "type", "created", "completed", "program")
"""What a template of names may contain."""

_EXTENSION_OF = {
    "text/csv": ".csv",
    "application/json": ".json",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/gzip": ".gz",
    "application/x-gzip": ".gz",
    "application/zip": ".zip",
}
_ID_LENGTH = 36
_EXTENSION = r"\.(?!(?i:part)\b)[A-Za-z0-9]{1,10}"  # not ".part", because that marks an incomplete file
_NAME = re.compile(
    rf"(?P<file>(?P<job>[0-9A-Fa-f-]{{{_ID_LENGTH}}})(?:{_EXTENSION}){{0,2}})(?P<partial>\.part(?:\.json)?)?"
)


class SameFileExistsError(Exception):
    """A file that no manifest lists has the job's name and its bytes; it becomes the job's file."""


@define
class FolderEntry:
    """The files of one job in the folder. A partial file stands under its name without `.part`."""

    complete: Path | None = None
    modified: float = 0.0  # when `complete` was, in seconds since 1970
    resumable: str = ""  # a partial file whose journal lists some bytes
    partials: set[str] = field(factory=set)  # all partial files

    def holds_result_of(self, job: Job | None) -> bool:
        """Return whether the complete file is the job's latest result, as far as the snapshot shows."""
        if self.complete is None or job is None:
            return self.complete is not None
        ended = job.completed_date
        return job.status == JobStatus.COMPLETED and (ended is None or int(ended.timestamp()) <= self.modified)


def checked_template(name: str | None) -> NameTemplate | None:
    """Return the template of a `fetch_all`; raise ConfigurationError if its files would not be below the folder."""
    if name is None:
        return None
    template = NameTemplate.create(name, FIELDS)
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts:
        raise ConfigurationError(f"name={name!r} leads out of the folder: give a name within it.")
    if name.lower().endswith(".part") or parts[-1].lower() in {MANIFEST_NAME, Path(MANIFEST_NAME).stem}:
        raise ConfigurationError(f"name={name!r} is a name that the call itself uses: choose another.")
    return template


@define(kw_only=True)
class FetchFolder:
    """The folder, by its absolute path, and the template of names, if the user has given one."""

    path: Path
    account: str
    template: NameTemplate | None
    _manifest: Manifest | None = None  # with a template only
    _claims: dict[Path, str] = field(factory=dict)  # the names that this call has given to jobs

    def check_names(self, jobs: Mapping[str, Job | None]) -> None:
        """Raise ConfigurationError if two of the jobs would have the same file, as far as that is known."""
        names = {f"job {key}": name for key, job in jobs.items() if (name := self._known_name(key, job))}
        check_distinct(names, ["id"])

    def prepare(self) -> None:
        """Create the folder if it is missing, and read its manifest."""
        make_folder(self.path)
        if self.template is not None:
            self._manifest = Manifest.read(self.path)

    def scan(self, jobs: Mapping[str, Job | None]) -> dict[str, FolderEntry]:
        """Return the files of each job, by its id in lower case.

        With a template, a file is the job's if the manifest says so, or if its name has the id and is that which the
        job, where it is known, would have.
        """
        entries = _scan_ids(self.path, jobs)
        if self.template is None or self._manifest is None:
            return entries
        self._manifest.refresh()
        listed = self._manifest.by_job()
        names: dict[Path, dict[str, Path]] = {}  # the files of each folder, by their names without extensions
        for key, entry in entries.items():
            known, name = listed.get(key), self._known_name(key, jobs[key])
            if known is not None:
                _note_file(entry, self.path / known.file, size=known.bytes)
            if entry.complete is None and name and "id" in self.template.fields:
                target = self.path / name
                if target.parent not in names:
                    names[target.parent] = _names_in(target.parent)
                if target.name in names[target.parent]:
                    _note_file(entry, names[target.parent][target.name])
        return entries

    def check_is_free(self, key: str, job: Job, entry: FolderEntry) -> None:
        """Raise DownloadError before a download if its file would have the name of another job's."""
        if self._manifest is None:
            return
        name = self._name(key, job)
        for extension in ("", *_EXTENSION_OF.values(), ".csv.gz", ".json.gz"):
            path = self.path / f"{name}{extension}"
            if path != entry.complete:
                self._check_owner(path, key)

    def name_part(self, part: PartFile, key: str, job: Job, entry: FolderEntry) -> None:
        """Set the target of a complete part.

        Raise SameFileExistsError if an unlisted file of that name has the same bytes, and DownloadError if it has
        others, or belongs to another job.
        """
        extension = _extension(part)
        if self._manifest is None:
            part.target = self.path / f"{key}{extension}"
            check_file(part.target, overwrite=entry.complete is not None)
            return
        name = self._name(key, job)
        part.target = target = self.path / (name if name.lower().endswith(extension.lower()) else f"{name}{extension}")
        if target.parent != self.path:
            make_folder(target.parent)
        check_file(target, overwrite=True)
        part.overwrites = target == entry.complete
        self._manifest.refresh()
        claimed_by = self._claims.setdefault(target, key)
        if claimed_by != key:
            raise _collision(target, f"is the file of job {claimed_by}")
        self._check_owner(target, key)
        if not part.overwrites and exists(target):
            if not filecmp.cmp(part.path, target, shallow=False):
                raise _collision(target, "is there already, and the manifest does not list it")
            part.discard()
            entry.complete = target
            raise SameFileExistsError

    def record(self, key: str, job: Job | None, result: DownloadResult) -> DownloadResult:
        """Append a file to the manifest unless it is listed there; return its result, with the rows if it is CSV."""
        if self._manifest is None:
            return result
        known = self._listed(result.path)
        if known is not None and known.job == key and known.describes(result.path):
            return evolve(result, rows=known.rows)
        rows = csv_rows(result.path) if result.path.suffix.lower() == ".csv" else None
        self._manifest.append(
            ManifestEntry(
                file=result.path.relative_to(self.path).as_posix(),
                job=key,
                type=str(job.type) if job and job.type else None,
                program=job.program_id if job else None,
                account=self.account,
                format=result.path.suffix.removeprefix(".").upper() or None,
                created=job.created_date if job else None,
                completed=job.completed_date if job else None,
                rows=rows,
                bytes=result.bytes_written,
                sha256=result.sha256,
            )
        )
        return evolve(result, rows=rows)

    def known_sha256(self, path: Path | None) -> str | None:
        """Return the digest of a file that the manifest states, if the file was not changed since."""
        if path is None or (entry := self._listed(path)) is None or not entry.describes(path):
            return None
        return entry.sha256

    def _listed(self, path: Path) -> ManifestEntry | None:
        entries = {} if self._manifest is None else self._manifest.entries
        return entries.get(path.relative_to(self.path).as_posix())

    def _check_owner(self, path: Path, key: str) -> None:
        owner = self._listed(path)
        if owner is not None and owner.job != key and exists(path):
            raise _collision(path, f"is the file of {f'job {owner.job}' if owner.job else 'something else'}")

    def _known_name(self, key: str, job: Job | None) -> str | None:
        """Return the name of a job's file, or None if it is not known yet, or if there will be none."""
        if self.template is None or job is None or (job.is_terminal and job.status != JobStatus.COMPLETED):
            return None
        is_settled = job.status == JobStatus.COMPLETED or "completed" not in self.template.fields
        return self._name(key, job) if is_settled else None

    def _name(self, key: str, job: Job) -> str:
        if self.template is None:
            return key
        return self.template.format(
            id=key, type=job.type, created=job.created_date, completed=job.completed_date, program=job.program_id
        )


def remove_partials(folder: Path, names: Iterable[str]) -> None:
    """Remove partial files of ours and their journals; raise an error if another process is writing one."""
    for name in names:
        with disk_errors(folder / name):
            remove_part(folder / name)


def _collision(path: Path, problem: str) -> DownloadError:
    return DownloadError(
        f"{str(path)!r} {problem}, so it was not replaced. Add {{id}} to the template of names, or remove that file."
    )


def _scan_ids(folder: Path, keys: Collection[str]) -> dict[str, FolderEntry]:
    """Return the files that are named after each job. A name without `.part` always belongs to a complete file."""
    entries = {key: FolderEntry() for key in keys}
    try:
        names = sorted(name for name in os.listdir(folder) if name[:_ID_LENGTH].lower() in entries)  # noqa: PTH208 - large
    except OSError as error:
        if not is_of_system(error):
            raise
        raise ConfigurationError(
            f"the folder {str(folder)!r} could not be read: {error.strerror}. Choose another."
        ) from None
    for match in filter(None, map(_NAME.fullmatch, names)):
        entry, path = entries[match["job"].lower()], folder / match[0]
        if match["partial"]:
            entry.partials.add(match["file"])
        if match["partial"] is None:
            _note_file(entry, path)
        elif match["partial"] == ".part.json" and (found := status_of_regular(path)) and found.st_size:
            entry.resumable = match["file"]
    return entries


def _names_in(folder: Path) -> dict[str, Path]:
    """Return the files in a folder, by their names without one or two extensions, and by the full ones."""
    found: dict[str, Path] = {}
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):  # noqa: PTH208 - large
            stem, *extensions = name.rsplit(".", 2)
            if ".part" not in name:
                found |= dict.fromkeys([name, name.rpartition(".")[0], stem], folder / name) if extensions else {}
                found[name] = folder / name
    return found


def _note_file(entry: FolderEntry, path: Path, *, size: int | None = None) -> None:
    """Note a complete file, if it is a regular one, of the given size, and newer than the one before."""
    # Without a status, it was removed meanwhile, or the error comes again once the job's file is opened.
    found = status_of_regular(path)
    if found is not None and size in {None, found.st_size} and found.st_mtime >= entry.modified:
        entry.complete, entry.modified = path, found.st_mtime


def _extension(part: PartFile) -> str:
    """Return the extension of the name that the storage suggests, or else of the content type; "" if there is none."""
    beginning = part.read_beginning(MAGIC_BYTES)
    name = true_name(part.journal.filename or "", beginning)
    kept = Path(name).suffixes[-2 if is_compressed_name(name) else -1 :]
    plain = "".join(suffix for suffix in kept if re.fullmatch(_EXTENSION, suffix))
    stated = _EXTENSION_OF.get((part.journal.content_type or "").partition(";")[0].strip().lower(), "")
    return plain or true_name(f"x{stated}", beginning).removeprefix("x")
