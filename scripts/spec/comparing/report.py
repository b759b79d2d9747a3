"""The report of `make spec-diff`: what has changed, what breaks, and which version is next."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from check_api import Kind, Version, due, format_version, least

from spec.comparing.change import Change
from spec.comparing.changes import compare
from spec.comparing.signatures import SignatureChange, compare_packages
from spec.documents import JsonObject
from spec.python_names import class_name, identifier
from spec.trees import Files

_ADDS = re.compile("-(added|optional|widened|loosened|opened)")


@dataclass(frozen=True)
class State:
    """One side of the comparison.

    Attributes:
        name: Its name in the report, such as a git ref or a file.
        document: The description.
        package: The files of the generated package; None if there is none to compare.
    """

    name: str
    document: JsonObject
    package: Files | None = None


@dataclass(frozen=True)
class Report:
    """What has changed between two states.

    Attributes:
        old: The name of the old state.
        new: The name of the new state.
        changes: The changes of the description.
        signatures: The changes of the generated interface; None if it was not compared.
        version: The version from which the next one follows.
    """

    old: str
    new: str
    changes: tuple[Change, ...]
    signatures: tuple[SignatureChange, ...] | None
    version: Version

    @property
    def unexplained(self) -> tuple[SignatureChange, ...]:
        """The breaks of the generated interface that no change of the description accounts for."""
        return tuple(it for it in self.signatures or () if it.breaks and not _explained(it, self.changes))

    @property
    def breaks_generated(self) -> bool:
        """Whether programs that use the generated package break."""
        return any(it.breaks_generated for it in self.changes) or bool(self.unexplained)

    @property
    def breaks_facade(self) -> bool:
        """Whether impact_jobs breaks."""
        return any(it.breaks_facade for it in self.changes)

    @property
    def is_breaking(self) -> bool:
        """Whether anything breaks."""
        return self.breaks_generated or self.breaks_facade

    @property
    def kind(self) -> Kind | None:
        """The kind of the release that is due; None if nothing has changed."""
        if not self.changes and not self.signatures:
            return None
        breaking = [str(it) for it in self.changes if it.breaks]
        added = [it.name for it in self.signatures or ()] + [str(it) for it in self.changes if _ADDS.search(it.kind)]
        return due(breaking=breaking + [it.name for it in self.unexplained], added=added, last=self.version)

    @property
    def next_version(self) -> str:
        """The lowest version that fits."""
        return format_version(self.version if self.kind is None else least(self.version, self.kind))


def report(old: State, new: State, *, version: Version) -> Report:
    """Compare two states.

    Args:
        old: The state before.
        new: The state after.
        version: The version of the old state.
    """
    signatures = None
    if old.package is not None and new.package is not None:
        signatures = tuple(compare_packages(old.package, new.package))
    return Report(old.name, new.name, tuple(compare(old.document, new.document)), signatures, version)


def _explained(signature: SignatureChange, changes: Iterable[Change]) -> bool:
    """Return whether a breaking change of the description concerns the same operation or class."""
    return any(it.breaks_generated and _concerns(it, signature) for it in changes)


def _concerns(change: Change, signature: SignatureChange) -> bool:
    folder, *rest = signature.name.partition("(")[0].split(".")
    if folder == "api":
        return rest[1:2] != [] and rest[1] in map(identifier, change.used_in)
    if folder != "models":
        return False
    place = change.place.split("/")[1:]
    is_schema = place[:2] == ["components", "schemas"]
    owners = [*map(class_name, place[2:3] if is_schema else change.used_in)]
    mentioned = re.findall(r"\w+", signature.says) if is_schema else []  # a field of the class, in another one
    is_named = rest[0] in re.findall(r"\w+", change.detail)
    return is_named or any(rest[0].startswith(owner) or owner in mentioned for owner in owners)
