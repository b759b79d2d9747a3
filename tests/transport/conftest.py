"""Make clients cheap to create: loading the usual certificates takes longer than most of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trustme


@pytest.fixture(autouse=True, scope="session")
def _few_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make clients trust a single certificate authority, unless a test sets another one."""
    file = tmp_path_factory.mktemp("few") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield
