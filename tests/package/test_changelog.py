"""The fragments in docs/changelog.d can become a release, and CHANGELOG.md is well-formed."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.package.conftest import ROOT

TYPES = ("added", "changed", "deprecated", "removed", "fixed", "security")
FRAGMENTS = sorted(path for path in (ROOT / "docs" / "changelog.d").iterdir() if path.name != "README.md")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
MARK = "\n<!-- releases -->\n"


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_has_a_known_type_and_is_one_paragraph(fragment: Path) -> None:
    assert re.fullmatch(rf"\+[a-z][a-z0-9-]*\.({'|'.join(TYPES)})\.md", fragment.name)
    text = fragment.read_text()
    assert re.match(r"[A-Z`]", text), (
        "it becomes a list item, so it must begin with a sentence, not with a bullet or a heading"
    )
    assert text.endswith(".\n")
    assert "\n\n" not in text


def test_the_changelog_lists_releases_from_newest_to_oldest() -> None:
    assert CHANGELOG.startswith("# Changelog\n")
    assert CHANGELOG.count(MARK) == 1
    head, releases = CHANGELOG.split(MARK)
    assert "## " not in head
    titles = re.findall(r"^## (.*)$", releases, re.MULTILINE)
    found = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) \((\d{4}-\d\d-\d\d)\)", title) for title in titles]
    assert None not in found, titles
    versions = [(*map(int, match.groups()[:3]), match[4]) for match in found if match]
    assert all(newer > older for newer, older in pairwise(versions)), titles
    assert set(re.findall(r"^### (.*)$", releases, re.MULTILINE)) <= {name.capitalize() for name in TYPES}
