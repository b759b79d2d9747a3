"""The file storage: result files behind signed links, with range requests."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape

from attrs import evolve
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from impact_jobs.sandbox._fault_middleware import send_body
from impact_jobs.sandbox._jobs import Job
from impact_jobs.sandbox._ranges import RangeNotSatisfiableError, Span, if_range_matches, parse_range
from impact_jobs.sandbox._result import MEDIA_TYPES, Result
from impact_jobs.sandbox._state import SandboxState

_RESULT: Final = re.compile(r"/results/(?P<job_id>[0-9a-f-]{36})(?:-(?P<page>[0-9]{1,9}))?\.(?:csv|json|xml)")
_METHODS: Final = ("GET", "HEAD")


class Storage:
    """The storage as an ASGI application."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        headers = Headers(scope=scope)
        job = self._find(scope["path"])
        error = self._access_error(scope, headers)
        if error is not None:
            await error(scope, receive, send)
        elif job is None:
            await _error(HTTPStatus.NOT_FOUND, "NoSuchKey", "The specified key does not exist.")(scope, receive, send)
        else:
            await self._serve(job, headers, scope=scope, receive=receive, send=send)

    def _find(self, path: str) -> Job | None:
        found = _RESULT.fullmatch(path)
        job = self._state.store.get(found["job_id"]) if found else None
        if job is None or found is None:
            return None
        return evolve(job, result=job.result.page(int(found["page"] or 1)))

    def _access_error(self, scope: Scope, headers: Headers) -> Response | None:
        if scope["method"] not in _METHODS:
            allow = {"Allow": ", ".join(_METHODS)}
            message = "The specified method is not allowed against this resource."
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message, headers=allow)
        signer = self._state.signer
        query = scope["query_string"].decode("latin-1")
        if signer.SIGNATURE in query and ("authorization" in headers or "cookie" in headers):
            message = "Only one auth mechanism allowed; only the signature in the query should be specified."
            return _error(HTTPStatus.BAD_REQUEST, "InvalidArgument", message)
        reason = signer.error(scope["path"], query)
        return _error(HTTPStatus.FORBIDDEN, *reason) if reason else None

    async def _serve(self, job: Job, headers: Headers, *, scope: Scope, receive: Receive, send: Send) -> None:
        file_headers = await self._file_headers(job)
        try:
            span = _span(job.result, headers, file_headers=file_headers, method=scope["method"])
        except RangeNotSatisfiableError:
            actual = {"Content-Range": f"bytes */{job.result.size}"}
            message = "The requested range is not satisfiable"
            error = _error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "InvalidRange", message, headers=actual)
            await error(scope, receive, send)
            return
        await send(_head(job.result, span, file_headers=file_headers))
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        chunks = job.result.read(span.start, span.stop) if span else job.result.read()
        cut = self._state.faults.pop_cut()
        await send_body(chunks, scope=scope, receive=receive, send=send, cut=cut)

    async def _file_headers(self, job: Job) -> dict[str, str]:
        file_headers = {
            "content-type": MEDIA_TYPES[job.result.extension],
            "content-disposition": f'attachment; filename="{job.file_name}"',
            "accept-ranges": "bytes",
            "etag": job.result.etag,
            "last-modified": formatdate(job.created + job.seconds, usegmt=True),
        }
        if self._state.settings.checksums:
            # In a thread, because the first time takes about a second for each gigabyte.
            digest = await asyncio.to_thread(lambda: job.result.sha256)
            file_headers["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(digest)).decode()
        return file_headers


def _span(file: Result, headers: Headers, *, file_headers: Mapping[str, str], method: str) -> Span | None:
    matches = if_range_matches(
        headers.get("if-range", ""), etag=file_headers["etag"], last_modified=file_headers["last-modified"]
    )
    # The RFC defines ranges for GET only.
    return parse_range(headers.get("range", ""), file.size) if matches and method == "GET" else None


def _head(file: Result, span: Span | None, *, file_headers: Mapping[str, str]) -> Message:
    length, status, headers = file.size, HTTPStatus.OK, dict(file_headers)
    if span:
        length, status = span.stop - span.start, HTTPStatus.PARTIAL_CONTENT
        headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{file.size}"
    headers["content-length"] = str(length)
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": int(status), "headers": raw}


def _error(status: int, code: str, message: str, *, headers: dict[str, str] | None = None) -> Response:
    inside = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error>{inside}</Error>'
    return Response(body, status_code=status, headers=headers, media_type="application/xml")
