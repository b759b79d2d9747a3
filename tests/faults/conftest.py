from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.harness import Stage, shrink_thresholds


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Give a sandbox behind fault proxies, and thresholds that small results reach."""
    with pytest.MonkeyPatch.context() as patch:
        shrink_thresholds(patch)
        stage = Stage()
        yield stage
        stage.close()
