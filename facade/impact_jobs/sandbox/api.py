"""The API's operations and their routes."""

from __future__ import annotations

import re
from datetime import date
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from impact_jobs.sandbox import reports
from impact_jobs.sandbox.answers import RefusedError, error_payload, file_name, render, unknown_job
from impact_jobs.sandbox.auth_middleware import Asked, Gate
from impact_jobs.sandbox.fault_middleware import send_body
from impact_jobs.sandbox.jobs import Job, snapshot, to_json
from impact_jobs.sandbox.listing import Page, page_of
from impact_jobs.sandbox.state import World

_MAX_PAGE_SIZE: Final = 20_000


class JobsApi:
    """The operations, as endpoints for Starlette's router.

    Args:
        world: What the origins share.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Give the routes below the account."""
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
        asked = _asked(request)
        after, before = _day(request, "CreatedAfter"), _day(request, "CreatedBefore")
        found = [
            self._show(job, asked)
            for job in self._world.store.all()
            if (after is None or job.created_day >= after) and (before is None or job.created_day <= before)
        ]
        match self._world.settings.list_shape:
            case "array":
                return render(found, as_json=asked.as_json, name="Jobs")
            case "jobs":
                return render({"Jobs": found}, as_json=asked.as_json)
            case "pages":
                return render(page_of(found, self._page(request)), as_json=asked.as_json)

    def _page(self, request: Request) -> Page:
        own = {"Page", "PageSize"}
        return Page(
            number=_number(request, "Page", default=1, maximum=10**9),
            size=_number(request, "PageSize", default=self._world.settings.page_size, maximum=_MAX_PAGE_SIZE),
            path=_asked(request).path,
            query={name: value for name, value in request.query_params.items() if name not in own},
        )

    async def get_job(self, request: Request) -> Response:
        """GET /Jobs/{JobId}."""
        return self._answer(self._job(request), request)

    async def download(self, request: Request) -> Response:
        """GET /Jobs/{JobId}/Download: the job while there is no file, then a signed link or the bytes."""
        mode = request.query_params.get("Mode")
        if mode not in {None, "Stream"}:
            raise _invalid("Mode", "The only mode is Stream")
        job = self._job(request)
        if snapshot(job, self._world.clock()).status != "COMPLETED":
            # Also when it never will be: a client that polls the download alone has to read Status.
            return self._answer(job, request, status=HTTPStatus.ACCEPTED)
        if mode == "Stream":
            return AsyncResultStream(job, world=self._world)
        return RedirectResponse(self._world.storage_url + self._world.result_link(job), status_code=HTTPStatus.FOUND)

    async def replay(self, request: Request) -> Response:
        """PUT /Jobs/{JobId}/Replay."""
        job = self._job(request)
        _require_write(request, "replay jobs")
        again = self._world.store.replay(job.id)
        if again is None:
            status = snapshot(job, self._world.clock()).status
            raise RefusedError(HTTPStatus.FORBIDDEN, f"Job is not in a replayable state: it is {status}.")
        return self._answer(again, request)

    async def export(self, request: Request) -> Response:
        """GET /ReportExport/{ReportId}: schedule a job, or give the one scheduled in the same words."""
        asked, report_id = _asked(request), request.path_params["report_id"]
        _require_write(request, "run reports")
        parameters = dict(request.query_params)
        refusal = reports.objection(report_id, parameters)
        if refusal is not None:
            return render(error_payload(refusal), as_json=asked.as_json)  # 200, as upstream
        key = (report_id, *sorted(parameters.items()))
        job = self._world.store.export(key, lambda: self._world.new_job(program_id=parameters.get("SUBAID", "")))
        uri = f"{asked.prefix}/Jobs/{job.id}"
        scheduled = {
            "Status": snapshot(job, self._world.clock()).status,
            "QueuedUri": uri,
            "ResultUri": f"{uri}/Download",
            "ReplayUri": f"{uri}/Replay",
        }
        return render(scheduled, as_json=asked.as_json)

    async def list_reports(self, request: Request) -> Response:
        """GET /Reports."""
        asked = _asked(request)
        found = [report.to_json(asked.prefix) for report in reports.REPORTS.values()]
        return render({"Reports": found}, as_json=asked.as_json)

    async def report_metadata(self, request: Request) -> Response:
        """GET /Reports/{ReportId}/MetaData."""
        report = reports.REPORTS.get(request.path_params["report_id"])
        if report is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "Report not found.")
        return render(report.metadata(), as_json=_asked(request).as_json)

    def _job(self, request: Request) -> Job:
        job = self._world.store.get(request.path_params["job_id"])
        if job is None:
            raise unknown_job()
        return job

    def _show(self, job: Job, asked: Asked) -> dict[str, object]:
        return to_json(job, now=self._world.clock(), prefix=asked.prefix, stringly=self._world.settings.stringly)

    def _answer(self, job: Job, request: Request, *, status: int = 200) -> Response:
        asked = _asked(request)
        return render(self._show(job, asked), as_json=asked.as_json, name="Job", status=status)


class AsyncResultStream(Response):
    """A result's bytes straight from the API, in chunks of no announced total.

    Args:
        job: The job.
        world: What the origins share.
    """

    def __init__(self, job: Job, *, world: World) -> None:
        super().__init__(media_type="application/octet-stream")
        del self.headers["content-length"]
        self.headers["content-disposition"] = f'attachment; filename="{file_name(job)}"'
        self._result = job.result
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and body."""
        head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(head)
        chunks = iter(()) if scope["method"] == "HEAD" else self._result.read()
        cut = None if scope["method"] == "HEAD" else self._world.faults.take_cut()
        await send_body(chunks, scope=scope, receive=receive, send=send, cut=cut)


def _asked(request: Request) -> Asked:
    asked: Asked = request.scope["sandbox.asked"]
    return asked


def _require_write(request: Request, what: str) -> None:
    if not _asked(request).may_write:
        raise RefusedError(HTTPStatus.FORBIDDEN, f"The Auth Token has no permission to {what}: it may only read.")


def _invalid(field: str, why: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, "Validation Failed", errors=[(field, why)])


def _day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    day = reports.read_date(text)
    if day is None:
        raise _invalid(name, "Not a date in the form YYYY-MM-DD")
    return day


def _number(request: Request, name: str, *, default: int, maximum: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= maximum:
        raise _invalid(name, "Not a numeric value")
    return int(text)


def build(world: World) -> ASGIApp:
    """Build the API's application.

    Args:
        world: What the origins share.

    Returns:
        An ASGI application that expects whole paths, from ``/Agencies`` on.
    """

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)  # noqa: S101 - what it is registered for
        return error.answer(as_json=_asked(request).as_json)

    async def unroutable(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
        headers = dict(error.headers or {})
        if "Allow" in headers:  # a set's order would change from run to run
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        return await refused(request, RefusedError(error.status_code, error.detail, headers=headers))

    routes = Starlette(
        routes=JobsApi(world).routes(),
        exception_handlers={RefusedError: refused, HTTPException: unroutable},
    )
    routes.router.redirect_slashes = False
    return Gate(routes, world=world)
