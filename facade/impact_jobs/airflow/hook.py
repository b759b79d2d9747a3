"""The hook: a client for the account that an Airflow connection describes."""

from __future__ import annotations

from typing import TypedDict, TypeVar, Unpack

from airflow.sdk import BaseHook

from impact_jobs import (
    ApiError,
    AsyncJobsClient,
    AuthenticationError,
    ConfigurationError,
    JobsClient,
    JobsError,
    Polling,
    RateLimitError,
    Retry,
    TransportError,
)
from impact_jobs.airflow._errors import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    airflow_error,
    one_line,
)
from impact_jobs.airflow._settings import CONN_TYPE, Connection, ConnectionSettings, optional_text
from impact_jobs.airflow.provider_info import HOOK_NAME
from impact_jobs.toolkit import Probe, probe

_AnyClient = TypeVar("_AnyClient", JobsClient, AsyncJobsClient)
_REFUSED = frozenset({400, 403, 404})  # what the API may answer under the path of another kind of account


class ClientOptions(TypedDict, total=False):
    """The settings of a client that are a task's and not the connection's."""

    retry: Retry
    polling: Polling
    request_timeout: float


class ImpactHook(BaseHook):
    """Creates clients for the account of an Airflow connection of the type `impact`.

    The connection's login is the Account SID, its password the Auth Token, and its host the API's URL, if it is not the
    vendor's own. Its extra may have `account_kind` ("agency", "brand" or "partner"), `advertiser_id` and `report_url`.
    The connection is read anew by each method, and nothing of it is kept here.

    Args:
        impact_conn_id: The connection.
        advertiser_id: One brand of an agency, by the number of its account. It replaces the connection's.

    Example:
        >>> with ImpactHook("impact_default").get_conn() as jobs:
        ...     jobs.get(job_id).status
        'COMPLETED'
    """

    conn_name_attr = "impact_conn_id"
    default_conn_name = "impact_default"
    conn_type = CONN_TYPE
    hook_name = HOOK_NAME

    def __init__(self, impact_conn_id: str = default_conn_name, *, advertiser_id: int | str | None = None) -> None:
        super().__init__()
        self.impact_conn_id = impact_conn_id
        self.advertiser_id: str | None = optional_text(advertiser_id)

    def get_conn(self, **options: Unpack[ClientOptions]) -> JobsClient:
        """Return a client; the caller closes it.

        Args:
            options: `retry`, `polling` and `request_timeout`, as for `JobsClient`.

        Raises:
            AirflowFailException: The connection is not defined, or one of its fields is malformed. Correct the
                connection, or the task's `impact_conn_id`.

        Example:
            >>> with hook.get_conn(request_timeout=60.0) as jobs:
            ...     job = jobs.get(job_id)
        """
        return self._create(JobsClient, self._settings(), options)

    async def get_async_conn(self, **options: Unpack[ClientOptions]) -> AsyncJobsClient:
        """Return a client for asyncio, as `get_conn` does; the caller closes it.

        Args:
            options: As for `get_conn`.

        Raises:
            AirflowFailException: As for `get_conn`.

        Example:
            >>> async with await hook.get_async_conn() as jobs:
            ...     job = await jobs.get(job_id)
        """
        try:  # without a variable for the connection, because its repr has the password, and tracebacks may show it
            settings = self._read(await self.aget_connection(self.impact_conn_id))
        except AirflowNotFoundException:
            raise self._undefined() from None
        return self._create(AsyncJobsClient, settings, options)

    def report_url(self, report_id: str) -> str | None:
        """Return the address of a report's page in impact.com's web app, or None if the connection has none.

        The vendor does not document these addresses, so it is the connection's extra `report_url`, with the report's id
        in place of `{report_id}`.

        Args:
            report_id: The report.

        Raises:
            AirflowFailException: As for `get_conn`, or the extra is not a web address.

        Example:
            >>> hook.report_url("agency_action_listing")
            'https://app.impact.com/reports/agency_action_listing'
        """
        settings = self._settings()
        try:
            return settings.report_page(report_id)
        except ConfigurationError as error:
            raise self._error(error) from None

    def test_connection(self) -> tuple[bool, str]:
        """Send the API one request, and describe the result in a sentence. It raises nothing.

        Returns:
            Whether the connection works; and which account was reached with how many requests left, or what to correct.

        Example:
            >>> hook.test_connection()
            (True, 'Connected to the agency account IRabc at https://api.impact.com; 998 of 1000 requests are left ...')
        """
        try:
            settings = self._settings()
            settings.report_page("")
            with self._create(JobsClient, settings, {}) as client:
                result = probe(client)
        except AirflowException as error:
            return False, str(error)
        except ConfigurationError as error:
            return False, str(self._error(error))
        if result.error is not None:
            return False, one_line(_explain(result.error, settings))
        return True, f"Connected to {_describe(settings)}{_budget(result)}."

    def _settings(self) -> ConnectionSettings:
        try:
            return self._read(self.get_connection(self.impact_conn_id))
        except AirflowNotFoundException:
            raise self._undefined() from None

    def _read(self, connection: Connection) -> ConnectionSettings:
        try:
            return ConnectionSettings.read(connection)
        except ConfigurationError as error:
            failure = self._error(error)
        finally:
            del connection  # as in `get_async_conn`
        raise failure

    def _create(
        self, client_class: type[_AnyClient], settings: ConnectionSettings, options: ClientOptions
    ) -> _AnyClient:
        advertiser = self.advertiser_id or settings.advertiser_id
        if advertiser is not None and settings.account != "agency":
            message = f"advertiser_id needs the account_kind 'agency', not {settings.account!r}."
            raise self._error(ConfigurationError(message))
        try:
            client = client_class(
                settings.account_sid,
                settings.auth_token,
                account=settings.account,
                base_url=settings.base_url,
                **options,
            )
            return client if advertiser is None else client.for_advertiser(advertiser)
        except ConfigurationError as error:
            raise self._error(error) from None

    def _error(self, error: ConfigurationError) -> AirflowException:
        return airflow_error(error, f"connection {self.impact_conn_id!r}")

    def _undefined(self) -> AirflowException:
        name = self.impact_conn_id
        return AirflowFailException(
            f"connection {name!r} is not defined: create it (type impact, login: Account SID, password: Auth Token), "
            "or correct impact_conn_id."
        )


def _describe(settings: ConnectionSettings) -> str:
    return f"the {settings.account} account {settings.account_sid} at {settings.base_url}"


def _budget(result: Probe) -> str:
    if result.requests_remaining is None:
        return ""
    limit = "" if result.requests_limit is None else f" of {result.requests_limit:g}"
    return f"; {result.requests_remaining:g}{limit} requests are left this hour"


def _explain(error: JobsError, settings: ConnectionSettings) -> str:
    if isinstance(error, AuthenticationError):
        return "The Account SID and the Auth Token do not match (HTTP 401): copy both from the API settings page again."
    if isinstance(error, RateLimitError):
        return f"The credentials were not checked, because the account has no requests left: {error}"
    if isinstance(error, TransportError):
        return f"{settings.base_url} cannot be reached: {error}"
    if isinstance(error, ApiError) and error.status_code in _REFUSED:
        return (
            f"The API refused {_describe(settings)} (HTTP {error.status_code}): check the account kind, and that the "
            f"token is active and has the Jobs scope. The server's message: {error.message or 'none'}"
        )
    return str(error)
