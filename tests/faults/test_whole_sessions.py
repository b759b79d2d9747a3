"""Whole sessions under faults: no second job, no wrong file, no late end, no stranger's error, and nothing left."""

from __future__ import annotations

import functools
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import trustme
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.harness import shrink_thresholds
from tests.faults.machine import WholeSession
from tests.faults.session_harness import WholeStage

_STEPS = 13


@pytest.fixture(scope="module")
def whole_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeStage]:
    """Give proxies that speak TLS too, and clients that trust them."""
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
        patch.setattr(logging.getLogger("impact_jobs"), "disabled", True)  # it would bury the steps of a failure
        stage = WholeStage(server_tls, client_tls, folder)
        stack.callback(stage.stack.close)
        yield stage


@pytest.fixture
def _no_variations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have hypothesis draw each session anew; of itself it runs up to five copies of each, with little exchanged."""
    monkeypatch.setattr(ConjectureRunner, "generate_mutations_from", lambda _runner, _data: None)


# Python's own: a connection that is reset before its handshake is closed by nobody but the collector, at once. What
# stays open is found by the descriptors.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.usefixtures("_no_variations")
def test_whatever_happens_in_a_session_nothing_is_wrong(
    whole_stage: WholeStage, examples: Callable[[float], int], request: pytest.FixtureRequest
) -> None:
    session: Any = functools.partial(
        WholeSession, whole_stage
    )  # a class, says its type; whatever makes a machine will do
    run_state_machine_as_test(
        seed(request.config.getoption("--sessions-seed"))(session),
        settings=settings(
            max_examples=examples(10 / 3),
            stateful_step_count=_STEPS,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
