"""Whole sessions under faults: no second job, no wrong file, no late return, only our errors, nothing left open."""

from __future__ import annotations

import functools
import logging
import math
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import trustme
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.harness import shrink_thresholds
from tests.faults.session_harness import SessionHarness
from tests.faults.session_machine import WholeSession

_STEPS = 13
_PARTS = 4
_BATCH = 10  # after ten examples, hypothesis begins to repeat each one with small variations


@pytest.fixture(scope="module")
def session_harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionHarness]:
    """Give proxies that serve TLS as well, and make clients trust their certificate."""
    authority = trustme.CA()
    server_tls, client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_tls)
    authority.configure_trust(client_tls)
    folder = tmp_path_factory.mktemp("sessions")
    certificate = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(certificate))
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_DIR"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        patch.setenv("SSL_CERT_FILE", str(certificate))
        shrink_thresholds(patch)
        patch.setattr(logging.getLogger("impact_jobs"), "disabled", True)  # or its records hide the failing steps
        harness = SessionHarness(server_tls, client_tls, folder)
        stack.callback(harness.stack.close)
        yield harness


# CPython leaves a connection that is reset before its TLS handshake to the garbage collector, which warns. The check
# for open descriptors finds any socket that really stays open.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("part", range(_PARTS))
def test_no_session_breaks_an_invariant(
    part: int, session_harness: SessionHarness, examples: Callable[[float], int], request: pytest.FixtureRequest
) -> None:
    """Run sessions in batches, each with a seed of its own, and each part in whichever process is free."""
    batches = range(part, math.ceil(examples(10 / 3) / _BATCH), _PARTS)
    for batch in batches:
        session: Any = functools.partial(WholeSession, session_harness)  # typed as a class, but any factory works
        run_state_machine_as_test(
            seed(f"{request.config.getoption('--sessions-seed')}/{batch}")(session),
            settings=settings(
                max_examples=_BATCH,
                stateful_step_count=_STEPS,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            ),
        )
