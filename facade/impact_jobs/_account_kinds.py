"""The three kinds of account. They share one Jobs API under different paths, and differ in a few rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from attrs import frozen

from impact_jobs._redaction import shorten
from impact_jobs.errors import ConfigurationError

AccountKindName = Literal["agency", "brand", "partner"]
"""The kind of an account, as users name it."""


@frozen(kw_only=True)
class AccountKind:
    """What differs between the kinds of account.

    Source: the vendor's pages of the agency API (version 3), the brand API (14) and the partner API (16).

    Attributes:
        name: The kind.
        collection: The first segment of its paths.
        api_version: The value of the header `IR-Version`.
        lists_by_moment: Whether `CreatedAfter` and `CreatedBefore` are moments; otherwise they are days.
        bounds_are_exclusive: Whether a job that was created at the bound itself is left out of the list.
        error_grace: How long the server may retry a job in ERROR; nothing if ERROR is final.
        replays_in_place: Whether a replay queues the same job again; otherwise it makes a new job.
        start_parameter: The export parameter of the first day.
        end_parameter: The export parameter of the last day.
        exports_by_moment: Whether these two are moments; otherwise they are days.
        requires_export_dates: Whether an export needs both of them.
    """

    name: AccountKindName
    collection: str
    api_version: str
    lists_by_moment: bool = False
    bounds_are_exclusive: bool = False
    error_grace: timedelta = timedelta()
    replays_in_place: bool = False
    start_parameter: str = "START_DATE"
    end_parameter: str = "END_DATE"
    exports_by_moment: bool = False
    requires_export_dates: bool = False


# Five retries, one every 15 minutes, and a few minutes for the last one to run.
_RETRIES = timedelta(minutes=5 * 15 + 10)

AGENCY = AccountKind(name="agency", collection="Agencies", api_version="3")
BRAND = AccountKind(
    name="brand",
    collection="Advertisers",
    api_version="14",
    lists_by_moment=True,
    bounds_are_exclusive=True,
    error_grace=_RETRIES,
    replays_in_place=True,
    start_parameter="StartDate",
    end_parameter="EndDate",
    exports_by_moment=True,
)
PARTNER = AccountKind(
    name="partner",
    collection="Mediapartners",
    api_version="16",
    bounds_are_exclusive=True,
    error_grace=_RETRIES,
    replays_in_place=True,
    requires_export_dates=True,
)
_KINDS: dict[str, AccountKind] = {kind.name: kind for kind in (AGENCY, BRAND, PARTNER)}
# What else the vendor calls them.
_SYNONYMS = {"advertiser": "brand", "mediapartner": "partner", "publisher": "partner"}


def account_kind(name: object, setting: str = "account") -> AccountKind:
    """Return the kind that a user names in that setting; raise ConfigurationError if there is none."""
    if isinstance(name, str) and name in _KINDS:
        return _KINDS[name]
    from difflib import get_close_matches  # noqa: PLC0415 - for messages only

    expected = "give 'agency', 'brand' or 'partner'"
    if not isinstance(name, str):
        raise ConfigurationError(f"{setting} is a {type(name).__name__}, not a kind of account: {expected}.")
    known = {**{each: each for each in _KINDS}, **_SYNONYMS}
    meant = [known[each] for each in get_close_matches(name.strip().lower(), known, n=1)]
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    # The message shows only what resembles a kind, because anything else may be a token in the wrong place.
    given = f"{setting}={shorten(name)!r}" if meant else setting
    raise ConfigurationError(f"{given} is not a kind of account: {expected}.{hint}")


def kind_of_collection(collection: str) -> AccountKind:
    """Return the kind whose paths begin with that segment."""
    return next(kind for kind in _KINDS.values() if kind.collection == collection)
