from __future__ import annotations

import pytest

from tests.support.platforms import like_macos


@pytest.fixture(params=["Linux", "macOS"])
def either_platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test once as it is, and once without what macOS lacks."""
    if request.param == "macOS":
        like_macos(monkeypatch)
