"""Find the account that a command would use, and send its API the one request of `doctor`."""

from __future__ import annotations

import os

from attrs import frozen

from impact_jobs import JobsClient, profiles
from impact_jobs.cli.state import CliState
from impact_jobs.errors import ConfigurationError
from impact_jobs.toolkit import DEFAULT_BASE_URL, Probe, kind_setting, probe

TIMEOUT_SECONDS = 10.0


@frozen(kw_only=True)
class Target:
    """The API that a command would call, the source of its credentials, and the client, or why there is none."""

    base_url: str
    source: str = ""
    kind: str = ""  # of the account
    client: JobsClient | None = None
    error: ConfigurationError | None = None


def find_target(state: CliState) -> Target:
    """Find the account that `state.client()` would use."""
    url = os.environ.get("IMPACT_BASE_URL") or DEFAULT_BASE_URL
    try:
        client, profile = state.client(), state.stored_profile()
        if profile is None:
            kind = kind_setting(state.account_kind)
            source = f"{kind} account {os.environ['IMPACT_ACCOUNT_SID']}, from the environment"
        else:
            url, kind = profile.url, state.account_kind or profile.kind
            file = profiles.config_folder() / profiles.FILE_NAME
            source = f"{kind} account {profile.account_sid}, profile {profile.name!r} of {file}, readable only by you"
        if state.advertiser is not None:
            source = f"brand {state.advertiser} of the {source}"
    except ConfigurationError as error:
        return Target(base_url=url, error=error)
    return Target(base_url=url.rstrip("/"), source=source, kind=kind, client=client)


def probe_target(target: Target) -> Probe:
    """Send one request to the API, and close the client."""
    try:
        return probe(target.client, base_url=target.base_url, timeout=TIMEOUT_SECONDS)
    finally:
        if target.client is not None:
            target.client.close()
