"""The storage's origin: signed links to result files, with ranges, and no other way in."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from impact_jobs.sandbox.answers import file_name
from impact_jobs.sandbox.fault_middleware import send_body
from impact_jobs.sandbox.jobs import Job
from impact_jobs.sandbox.ranges import Span, UnsatisfiableError, read_range, still_counts
from impact_jobs.sandbox.result_file import ResultFile
from impact_jobs.sandbox.state import World

_RESULT: Final = re.compile(r"/results/(?P<job_id>[0-9a-f-]{36})\.csv")
_METHODS: Final = ("GET", "HEAD")


class Storage:
    """The storage as an ASGI application.

    Args:
        world: What the origins share.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        job = self._find(scope["path"])
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif job is None:
            await _error(HTTPStatus.NOT_FOUND, "NoSuchKey", "The specified key does not exist.")(scope, receive, send)
        else:
            await self._serve(job, headers, scope=scope, receive=receive, send=send)

    def _find(self, path: str) -> Job | None:
        found = _RESULT.fullmatch(path)
        return self._world.store.get(found["job_id"]) if found else None

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if scope["method"] not in _METHODS:
            allow = {"Allow": ", ".join(_METHODS)}
            message = "The specified method is not allowed against this resource."
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message, headers=allow)
        signer = self._world.signer
        query = scope["query_string"].decode("latin-1")
        if signer.SIGNATURE in query and ("authorization" in headers or "cookie" in headers):
            message = "Only one auth mechanism allowed; only the signature in the query should be specified."
            return _error(HTTPStatus.BAD_REQUEST, "InvalidArgument", message)
        wrong = signer.refusal(scope["path"], query)
        return _error(HTTPStatus.FORBIDDEN, *wrong) if wrong else None

    async def _serve(self, job: Job, headers: Headers, *, scope: Scope, receive: Receive, send: Send) -> None:
        about = await self._about(job)
        try:
            span = _span(job.result, headers, about=about, method=scope["method"])
        except UnsatisfiableError:
            where = {"Content-Range": f"bytes */{job.result.size}"}
            message = "The requested range is not satisfiable"
            refusal = _error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "InvalidRange", message, headers=where)
            await refusal(scope, receive, send)
            return
        await send(_head(job.result, span, about=about))
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        chunks = job.result.read(span.start, span.stop) if span else job.result.read()
        cut = self._world.faults.take_cut()
        await send_body(chunks, scope=scope, receive=receive, send=send, cut=cut)

    async def _about(self, job: Job) -> dict[str, str]:
        about = {
            "content-type": "text/csv",
            "content-disposition": f'attachment; filename="{file_name(job)}"',
            "accept-ranges": "bytes",
            "etag": job.result.etag,
            "last-modified": formatdate(job.created + job.seconds, usegmt=True),
        }
        if self._world.settings.checksums:
            # A gigabyte takes a second the first time; other requests are answered meanwhile.
            digest = await asyncio.to_thread(lambda: job.result.sha256)
            about["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(digest)).decode()
        return about


def _span(file: ResultFile, headers: Headers, *, about: Mapping[str, str], method: str) -> Span | None:
    current = still_counts(headers.get("if-range", ""), etag=about["etag"], last_modified=about["last-modified"])
    # A range has a meaning for GET only.
    return read_range(headers.get("range", ""), file.size) if current and method == "GET" else None


def _head(file: ResultFile, span: Span | None, *, about: Mapping[str, str]) -> Message:
    length, status, headers = file.size, HTTPStatus.OK, dict(about)
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
