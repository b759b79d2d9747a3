"""The changelog fragment for a change of the vendor's pages."""

import re
from dataclasses import dataclass
from typing import Final

from spec.comparing.report import Report

_MOST = 6

# The topic of pages of several groups.
WHOLE_API: Final = "api"


@dataclass(frozen=True)
class ChangeNote:
    """A file for docs/changelog.d: its name, and one paragraph."""

    name: str
    text: str


def note_of(found: Report, topic: str) -> ChangeNote | None:
    """Say in plain words what users of the generated client meet; None if only prose has changed.

    Args:
        found: What has changed.
        topic: What the pages are about, in small letters and hyphens, or `WHOLE_API`.
    """
    changes = [change for change in found.changes if not change.is_prose]
    if not changes:
        return None
    breaking = [change for change in changes if change.breaks]
    ordered = [*breaking, *(change for change in changes if not change.breaks)]
    kinds = {change.kind.rpartition("-")[2] for change in changes}
    kind = "removed" if kinds == {"removed"} else "added" if kinds == {"added"} and not breaking else "changed"
    words = [str(change) for change in ordered[:_MOST]]
    if len(ordered) > _MOST:
        words.append(f"and {len(ordered) - _MOST} further changes")
    verdict = "Programs that use them have to change" if breaking else "Nothing breaks"
    pages = "the API" if topic == WHOLE_API else topic.replace("-", " ")
    text = f"The generated client follows the vendor's changed description of {pages}. {verdict}: {'; '.join(words)}.\n"
    return ChangeNote(f"+{_topic(topic)}-page.{kind}.md", re.sub(r"\s+", " ", text).strip() + "\n")


def _topic(topic: str) -> str:
    """Return a name that begins with a letter."""
    return topic if topic[:1].isalpha() else f"page-{topic}"
