"""The operations of the API and their routes."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from impact_jobs.sandbox._account_rules import ZONE, AccountRules, Created, parse_day, parse_moment
from impact_jobs.sandbox._auth_middleware import ApiRequest, AuthMiddleware
from impact_jobs.sandbox._catalogue import CATALOGUE, EXPORTABLE
from impact_jobs.sandbox._exports import RecordedExport, parse_export
from impact_jobs.sandbox._fault_middleware import send_body
from impact_jobs.sandbox._jobs import Job, snapshot, to_json
from impact_jobs.sandbox._pagination import Page, paginate
from impact_jobs.sandbox._responses import HttpError, job_not_found, render
from impact_jobs.sandbox._state import SandboxState

_MAX_PAGE_SIZE: Final = 20_000


class JobsApi:
    """The operations, as endpoints for Starlette's router."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Return the routes below the account."""
        return [
            Route("/Jobs", self.list_jobs),
            Route("/Jobs/{job_id}", self.get_job),
            Route("/Jobs/{job_id}/Download", self.download),
            Route("/Jobs/{job_id}/Replay", self.replay, methods=["PUT"]),
            Route("/ReportExport/{report_id}", self.export),
            Route("/Reports", self.list_reports),
            Route("/Reports/{report_id}/MetaData", self.report_metadata),
        ]

    async def list_jobs(self, request: Request) -> Response:
        """GET /Jobs."""
        api_request = _api_request(request)
        rules = api_request.rules
        created = Created(after=_date(request, "CreatedAfter", rules), before=_date(request, "CreatedBefore", rules))
        found = [
            self._show(job, api_request)
            for job in self._state.store.all()
            if job.advertiser == api_request.advertiser and created.holds(job.created_at, rules)
        ]
        match rules.list_shape:
            case "array":
                return render(found, as_json=api_request.as_json, name="Jobs")
            case "jobs":
                return render({"Jobs": found}, as_json=api_request.as_json)
            case "pages":
                return render(paginate(found, self._page(request)), as_json=api_request.as_json)

    def _page(self, request: Request) -> Page:
        paging = {"Page", "PageSize"}
        return Page(
            number=_number(request, "Page", default=1, maximum=10**9),
            size=_number(request, "PageSize", default=self._state.settings.page_size, maximum=_MAX_PAGE_SIZE),
            path=_api_request(request).path,
            query={name: value for name, value in request.query_params.items() if name not in paging},
        )

    async def get_job(self, request: Request) -> Response:
        """GET /Jobs/{JobId}."""
        return self._render(self._job(request), request)

    async def download(self, request: Request) -> Response:
        """GET /Jobs/{JobId}/Download: return the job until it has completed, and then a signed link or the bytes."""
        mode = request.query_params.get("Mode")
        if mode not in {None, "Stream"}:
            raise _invalid("Mode", "The only mode is Stream")
        job = self._job(request)
        if snapshot(job, self._state.clock()).status != "COMPLETED":
            # Failed jobs, too, because a client that polls only the download must be able to read their Status.
            return self._render(job, request, status=HTTPStatus.ACCEPTED)
        page = _number(request, "Page", default=1, maximum=job.result.pages)
        if mode == "Stream":
            return StreamedResult(job, page=page, state=self._state)
        link = self._state.result_link(job, page=page)
        return RedirectResponse(self._state.storage_url + link, status_code=HTTPStatus.FOUND)

    async def replay(self, request: Request) -> Response:
        """PUT /Jobs/{JobId}/Replay."""
        job = self._job(request)
        _require_write(request, "replay jobs")
        in_place = _api_request(request).rules.replays_in_place
        replayed = self._state.store.replay(job.id, in_place=in_place)
        if replayed is None:
            status = snapshot(job, self._state.clock()).status
            raise HttpError(HTTPStatus.FORBIDDEN, f"Job is not in a replayable state: it is {status}.")
        return self._render(replayed, request)

    async def export(self, request: Request) -> Response:
        """GET /ReportExport/{ReportId}: schedule a job, or return the job of an earlier, equal request."""
        api_request, report_id = _api_request(request), request.path_params["report_id"]
        _require_write(request, "run reports")
        parameters = dict(request.query_params)
        today = datetime.fromtimestamp(self._state.clock(), tz=ZONE).date()
        query = parse_export(report_id, parameters, rules=api_request.rules, today=today)
        self._state.exports.require_quota()
        key = (api_request.advertiser, report_id, *sorted(parameters.items()))
        program_id = parameters.get("SUBAID", "")
        job, is_new = self._state.store.export(
            key, lambda: self._state.new_export(query, program_id=program_id, advertiser=api_request.advertiser)
        )
        self._state.exports.add(
            RecordedExport(
                time=self._state.clock(),
                report_id=report_id,
                parameters=parameters,
                start=query.start.date(),
                end=query.end.date(),
                job_id=job.id,
                is_new=is_new,
                advertiser=api_request.advertiser,
            )
        )
        # In a thread, because a report of a million rows takes many seconds, and other requests must not wait for it.
        await asyncio.to_thread(lambda: job.result.size)
        uri, suffix = f"{api_request.prefix}/Jobs/{job.id}", api_request.suffix
        scheduled = {
            "Status": snapshot(job, self._state.clock()).status,
            "QueuedUri": f"{uri}{suffix}",
            "ResultUri": f"{uri}/Download{suffix}",
            "ReplayUri": f"{uri}/Replay{suffix}",
        }
        return render(scheduled, as_json=api_request.as_json)

    async def list_reports(self, request: Request) -> Response:
        """GET /Reports."""
        api_request, settings = _api_request(request), self._state.settings
        found = [report.to_json(api_request.prefix, suffix=api_request.suffix) for report in CATALOGUE]
        match settings.report_list:
            case "array":
                return render(found, as_json=api_request.as_json, name="Reports")
            case "reports":
                return render({"Reports": found}, as_json=api_request.as_json)
            case "pages":
                return render(paginate(found, self._page(request), name="Reports"), as_json=api_request.as_json)

    async def report_metadata(self, request: Request) -> Response:
        """GET /Reports/{ReportId}/MetaData."""
        api_request, report = _api_request(request), EXPORTABLE.get(request.path_params["report_id"])
        if report is None:
            raise HttpError(HTTPStatus.NOT_FOUND, "Report not found.")
        metadata = report.metadata(api_request.prefix, suffix=api_request.suffix, rules=api_request.rules)
        return render(metadata, as_json=api_request.as_json)

    def _job(self, request: Request) -> Job:
        job = self._state.store.get(request.path_params["job_id"])
        if job is None or job.advertiser != _api_request(request).advertiser:
            raise job_not_found()
        return job

    def _show(self, job: Job, api_request: ApiRequest) -> dict[str, object]:
        return to_json(job, now=self._state.clock(), prefix=api_request.prefix, stringly=self._state.settings.stringly)

    def _render(self, job: Job, request: Request, *, status: int = 200) -> Response:
        api_request = _api_request(request)
        return render(self._show(job, api_request), as_json=api_request.as_json, name="Job", status=status)


class StreamedResult(Response):
    """The bytes of a result, sent by the API itself in chunks, without a Content-Length."""

    def __init__(self, job: Job, *, page: int, state: SandboxState) -> None:
        super().__init__(media_type="application/octet-stream")
        del self.headers["content-length"]
        self.headers["content-disposition"] = f'attachment; filename="{job.file_name}"'
        self._result = job.result.page(page)
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(head)
        chunks = iter(()) if scope["method"] == "HEAD" else self._result.read()
        cut = None if scope["method"] == "HEAD" else self._state.faults.pop_cut()
        await send_body(chunks, scope=scope, receive=receive, send=send, cut=cut)


def _api_request(request: Request) -> ApiRequest:
    api_request: ApiRequest = request.scope["sandbox.api_request"]
    return api_request


def _require_write(request: Request, action: str) -> None:
    if not _api_request(request).may_write:
        raise HttpError(HTTPStatus.FORBIDDEN, f"The Auth Token has no permission to {action}: it may only read.")


def _invalid(field: str, reason: str) -> HttpError:
    return HttpError(HTTPStatus.BAD_REQUEST, "Validation Failed", errors=[(field, reason)])


def _date(request: Request, name: str, rules: AccountRules) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    found = parse_moment(text) if rules.lists_by_moment else parse_day(text)
    if found is None:
        form = "YYYY-MM-DDThh:mm:ss and an offset" if rules.lists_by_moment else "YYYY-MM-DD"
        raise _invalid(name, f"Not a date in the form {form}")
    return found


def _number(request: Request, name: str, *, default: int, maximum: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= maximum:
        raise _invalid(name, "Not a numeric value")
    return int(text)


def create_app(state: SandboxState) -> ASGIApp:
    """Build the ASGI application of the API, whose paths begin with ``/Agencies`` or that of another account."""

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HttpError)  # noqa: S101 - it is registered for this type
        return error.to_response(as_json=_api_request(request).as_json)

    async def on_routing_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for this type
        headers = dict(error.headers or {})
        if "Allow" in headers:  # Starlette joins a set, whose order changes from run to run
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        return await on_http_error(request, HttpError(error.status_code, error.detail, headers=headers))

    routes = Starlette(
        routes=JobsApi(state).routes(),
        exception_handlers={HttpError: on_http_error, HTTPException: on_routing_error},
    )
    routes.router.redirect_slashes = False
    return AuthMiddleware(routes, state=state)
