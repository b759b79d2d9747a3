"""From changed pages to tested code: everything happens in a copy of the tree, and the tree changes at the end alone.

At the first problem the update stops with advice; the tree is then as it was. It also is if the update is
interrupted or killed, because only the last step writes into it, and that exchanges whole folders.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Final, Literal, TypeVar

from openapi_spec_validator import OpenAPIV31SpecValidator

from spec.build import Description, build, describe, write
from spec.comparing.change_note import WHOLE_API, note_of
from spec.comparing.report import Report, report
from spec.comparing.states import state_of_tree, version_of_tree
from spec.copies import copy_tree
from spec.documents import Problem, SpecError
from spec.facade.contract import violations
from spec.folders import set_files
from spec.importing.plan import Import, group_of, plan_import
from spec.interruptions import uninterrupted
from spec.trees import Files, read_files
from spec.uncommitted import uncommitted

Tests = Literal["none", "quick", "all"]
_T = TypeVar("_T")

# What an update may change; the rest of the copy is discarded.
CHANGED: Final = ("openapi", "generated", "docs/changelog.d")
_TARGETS: Final = {"quick": "quick", "all": "test"}
_LAST_LINES: Final = 40


@dataclass
class Update:
    """An update of a tree.

    Attributes:
        root: The tree.
        pages: The changed pages.
        group: The folder below openapi/ for all of them; by default each page has its own.
        tests: Which tests have to pass.
        accepts_breaking: Whether a change that breaks programs is allowed.
        say: Prints a line.
        changed: The files that were changed, once it is done.
    """

    root: Path
    pages: Sequence[Path]
    group: str | None = None
    tests: Tests = "all"
    accepts_breaking: bool = False
    say: Callable[[str], None] = print
    changed: list[str] = field(default_factory=list)

    def run(self) -> Report | None:
        """Update the tree.

        Returns:
            What has changed in the API; None if the pages change no file.

        Raises:
            SpecError: There is a problem; the tree is as it was.
        """
        with tempfile.TemporaryDirectory(prefix="update-") as scratch:
            copy = Path(scratch, self.root.resolve().name)
            before = _contents(self.root)
            self._step("copy the tree", lambda: copy_tree(self.root, copy))
            plan = self._step("import", lambda: _import(self.pages, copy, self.group))
            # The fragments of the plan name the user's pages in messages, because the copy is discarded.
            description = self._step("merge, overlay", lambda: describe(copy / "openapi", plan.everything))
            self._step("validate", lambda: validate(description))
            built = self._step("generate", lambda: build(copy, description))
            write(copy, built.files)
            for line in dict.fromkeys([*plan.notes, *built.notes]):
                self.say(f"           {line}")
            if _contents(copy) == before:
                return None
            self._refuse_overwriting(before, _contents(copy))
            found = self._step("compare", lambda: self._compare(copy))
            self._step("facade contract", lambda: check_facade(description))
            self._refuse_breaks(found)
            if note := note_of(found, self._topic(copy)):
                _unused(copy / "docs/changelog.d" / note.name).write_text(note.text, encoding="utf-8")
            if self.tests != "none":
                target = _TARGETS[self.tests]
                self._step(f"make {target}", lambda: run_tests(copy, target))
            self._step("move into the tree", lambda: self._move(copy, before))
            return found

    def _step(self, name: str, work: Callable[[], _T]) -> _T:
        started = time.monotonic()
        try:
            return work()
        finally:
            self.say(f"{time.monotonic() - started:7.1f} s  {name}")

    def _refuse_overwriting(self, before: dict[str, Files], after: dict[str, Files]) -> None:
        """Refuse to replace what git could not restore."""
        lost = uncommitted(self.root, CHANGED).intersection(_differing(before, after))
        if lost:
            reason = "the update would overwrite a change that is not committed"
            problems = [Problem(name, None, reason) for name in sorted(lost)]
            raise SpecError(*problems, "commit these files, or put them aside with `git stash`, and start again")

    def _topic(self, copy: Path) -> str:
        """Return the group of the pages, or `api` if there are several."""
        groups = {group_of(page, copy / "openapi", group=self.group) for page in self.pages}
        return groups.pop() if len(groups) == 1 else WHOLE_API

    def _compare(self, copy: Path) -> Report:
        new = replace(state_of_tree(copy), name="the changed pages")
        return report(state_of_tree(self.root), new, version=version_of_tree(self.root))

    def _refuse_breaks(self, found: Report) -> None:
        if not found.is_breaking or self.accepts_breaking:
            return
        breaks = [change for change in found.changes if change.breaks]
        listed = [f"{change}: {change.facade_why or change.why}" for change in breaks]
        listed += [f"{signature.name} {signature.says}" for signature in found.unexplained]
        advice = [
            *listed,
            "If the change is intended, accept it: BREAKING=accept",
            "If the page is wrong, correct it",
        ]
        reason = "1 change breaks programs" if len(listed) == 1 else f"{len(listed)} changes break programs"
        raise SpecError(
            Problem("openapi/agency-api.json", None, reason, "\n".join(advice) + " in openapi/overlay.json")
        )

    def _move(self, copy: Path, before: dict[str, Files]) -> None:
        """Move the changed folders into the tree; if one can't be moved, put back those that were."""
        after, now = _contents(copy), _contents(self.root)
        if now != before:
            raise SpecError("the tree has changed in the meantime: start again")
        moved: list[str] = []
        with uninterrupted():
            try:
                for folder in CHANGED:
                    if after[folder] != before[folder]:
                        moved.append(folder)
                        set_files(self.root / folder, after[folder])
            except OSError as error:
                for folder in moved:
                    with suppress(OSError):
                        set_files(self.root / folder, before[folder])
                raise SpecError(Problem(str(error.filename or self.root), None, f"{error.strerror}")) from error
        self.changed += _differing(before, after)


def validate(description: Description) -> None:
    """Refuse a description that is not valid OpenAPI.

    Raises:
        SpecError: It is not; each fault with the file and line that it is from.
    """
    problems = []
    for error in OpenAPIV31SpecValidator(description.document).iter_errors():
        place = tuple(key if isinstance(key, int) else str(key) for key in getattr(error, "absolute_path", ()))
        reason = f"not valid OpenAPI: {' '.join(str(error).splitlines()[0].split())[:300]}"
        problems.append(Problem(*description.locate(place), reason, "correct it in openapi/overlay.json"))
    if problems:
        raise SpecError(*dict.fromkeys(problems))


def check_facade(description: Description) -> None:
    """Refuse a description with which the facade does not work.

    Raises:
        SpecError: The facade relies on what is not there; with the lines, and what to do.
    """
    found = violations(description.document)
    if found:
        raise SpecError(*(Problem(*description.locate(it.place), it.sentence) for it in found))


def run_tests(copy: Path, target: str) -> None:
    """Run a target of the Makefile in the copy.

    Raises:
        SpecError: It fails; with the end of what it printed.
    """
    # Variables and flags of the outer make would change what this make does.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTHONPATH"))
    }
    command = ["make", "--no-print-directory", "--old-file=.venv/.ready", target]
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        command, cwd=copy, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        printed, _ = process.communicate()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    if process.returncode:
        end = "\n".join(printed.splitlines()[-_LAST_LINES:])
        advice = f"{end}\nCorrect the page in the overlay, or take it in with TESTS=none and adapt the project"
        raise SpecError(Problem(f"make {target}", None, "the tests fail with the changed pages", advice))


def _import(pages: Sequence[Path], copy: Path, group: str | None) -> Import:
    plan = plan_import(pages, copy / "openapi", group=group)
    plan.apply()
    return plan


def _contents(root: Path) -> dict[str, Files]:
    return {folder: read_files(root / folder) for folder in CHANGED}


def _unused(path: Path) -> Path:
    """Return a path, with a number if there is such a file: the changelog fragment of an earlier update."""
    topic, _, kind = path.name.partition(".")
    numbered = (path.with_name(f"{topic}-{number}.{kind}") for number in count(2))
    return next(free for free in chain([path], numbered) if not free.exists())


def _differing(before: dict[str, Files], after: dict[str, Files]) -> list[str]:
    return [
        f"{folder}/{name}"
        for folder in CHANGED
        for name in sorted(before[folder].keys() | after[folder].keys())
        if before[folder].get(name) != after[folder].get(name)
    ]
