"""Where the files of an export are: from the user's path, which may be a template, to checked places."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import takewhile
from os import PathLike
from pathlib import Path

from attrs import frozen

from impact_jobs._account import Account
from impact_jobs._download.destination import Place, check_folder, check_target, is_folder, make_folder
from impact_jobs._download.filesystem import exists
from impact_jobs._download.name_templates import NameTemplate, check_distinct
from impact_jobs._operations.export import ExportRequest
from impact_jobs._validators import shown
from impact_jobs.errors import ConfigurationError
from impact_jobs.report_models import ExportWindow

_DAYS = ("start", "end")
_FIELDS = ("report", *_DAYS, "account")
_EXAMPLE = "{report}/{start:%Y-%m-%d}.csv"


@frozen(kw_only=True)
class ExportNames:
    """The names of the files of one export."""

    path: str | PathLike[str]
    template: NameTemplate | None  # None if the path is an ordinary one
    values: Mapping[str, object]
    folder: Place  # below which all files are

    @classmethod
    def create(cls, path: str | PathLike[str], request: ExportRequest, *, account: Account) -> ExportNames:
        """Check the user's path."""
        if not (isinstance(path, str | PathLike) and NameTemplate.is_template(path)):
            return cls(path=path, template=None, values={}, folder=Place.at(Place.of_target(path).path.parent))
        template = NameTemplate.create(os.fspath(path), _FIELDS)
        days = {"start": request.start, "end": request.end}
        if missing := [name for name in sorted(template.fields) if name in days and days[name] is None]:
            raise ConfigurationError(f"path={shown(path)} names {{{missing[0]}}}: give {missing[0]}_date, too.")
        values = {"report": request.report_id, "account": account.advertiser or account.sid}
        fixed = takewhile(lambda part: not NameTemplate.is_template(part), Path(path).parts[:-1])
        return cls(path=path, template=template, values=values, folder=Place.at(Path(*fixed)))

    def place(self, start: date | None, end: date | None) -> Place:
        """Return the place of the file for a range of days."""
        if self.template is None:
            return Place.of_target(self.path)
        return Place.at(self.template.format(**self.values, start=start, end=end))

    def places(self, windows: Sequence[ExportWindow]) -> list[Place]:
        """Return the place of each window; raise ConfigurationError if two have the same one."""
        if self.template is None:
            raise ConfigurationError(
                f"path={shown(self.path)} is not a template, and there are {len(windows)} windows: give one, such as "
                f"{_EXAMPLE!r}, or pass join=True for one file."
            )
        places = [self.place(window.start, window.end) for window in windows]
        names = zip(windows, places, strict=True)
        check_distinct({f"the window {window}": str(place.given) for window, place in names}, _DAYS)
        return places

    def check(self, places: Sequence[Place], *, overwrite: bool, is_run: bool) -> None:
        """Check that files can be written to these places, without creating any folder.

        With `is_run`, existing files may be those of an earlier run, and folders cannot take a file of any name.
        """
        for place in places:
            if is_run and is_folder(place.path):
                raise ConfigurationError(f"path={shown(self.path)} is a folder: give the path of a file in it.")
            folder = place.path.parent
            if self.template is not None and not is_folder(folder):  # it is created later
                check_folder(next(each for each in (folder, *folder.parents) if exists(each)))
            else:
                check_target(place.path, overwrite=overwrite or is_run)

    def make_folders(self, places: Sequence[Place]) -> list[Path]:
        """Create the folders that a template names, and return those that were missing; inner ones come first."""
        if self.template is None:
            return []
        made = [make_folder(folder) for folder in dict.fromkeys(place.path.parent for place in places)]
        return [folder for each in reversed(made) for folder in each]
