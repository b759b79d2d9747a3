"""Files of a plan's accounts and reports that the plan does not name any more."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from impact_jobs._account import Account
from impact_jobs._download.manifest import MANIFEST_NAME
from impact_jobs._operations.planned_files.leftovers import find_leftovers
from impact_jobs._operations.planned_files.values import PlannedFile

from tests.operations.planned_files.plans import ACCOUNT, make, moment, planned

NOW = moment("2026-05-29T05:00")
ACCOUNTS: dict[str, Account] = {"north": ACCOUNT}


def file_in(folder: Path, name: str) -> PlannedFile:
    return planned(folder, "2026-05-01", "2026-05-28", path=folder / name)


def test_a_changed_split_or_format_leaves_files(tmp_path: Path) -> None:
    month = file_in(tmp_path, "2026/05.csv")
    week, other_year, parquet = (file_in(tmp_path, name) for name in ("2026/w18.csv", "2025/12.csv", "2026/05.parquet"))
    for file in (month, week, other_year, parquet):
        make(file, NOW)
    assert find_leftovers([month], ACCOUNTS) == (other_year.path, parquet.path, week.path)
    assert find_leftovers([month, week, other_year, parquet], ACCOUNTS) == ()
    week.path.unlink()
    parquet.path.write_text("it is another's by now")
    assert find_leftovers([month], ACCOUNTS) == (other_year.path,)


def test_files_of_others_are_no_leftovers(tmp_path: Path) -> None:
    here = file_in(tmp_path, "a/now.csv")
    make(file_in(tmp_path, "a/1.csv"), NOW, account="IRsouth")
    make(file_in(tmp_path, "a/2.csv"), NOW, report="other")
    make(file_in(tmp_path, "a/3.csv"), NOW, report=None)
    (tmp_path / "a" / "mine.csv").write_text("mine")
    make(file_in(tmp_path, "a/b/deeper.csv"), NOW)
    make(evolve(here, path=tmp_path.parent / f"{tmp_path.name}.other"), NOW)
    (tmp_path / "link").symlink_to(tmp_path.parent)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / MANIFEST_NAME).mkdir()
    assert find_leftovers([here], ACCOUNTS) == ()
    make(file_in(tmp_path, "old.csv"), NOW)
    assert find_leftovers([here], ACCOUNTS) == (tmp_path / "old.csv",)
    assert find_leftovers([here], {}) == (), "the accounts of this plan cannot be used"
    missing = tmp_path / "missing"
    assert find_leftovers([evolve(here, area=missing, path=missing / "a.csv")], ACCOUNTS) == ()
