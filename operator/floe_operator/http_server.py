"""One HTTP port for the kubelet and Prometheus: GET of a few paths, answered from memory.

It runs on the operator's own event loop on purpose: an answer shows that the loop runs. A slow or silent
client occupies a connection for some seconds. Connections are few, and the newest are kept, so that a client
that holds many does not keep the kubelet out.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

import structlog
from aiohttp import web

from floe_operator.health import Check, report

CONNECTIONS = 64
"""The maximum number of connections; a new one beyond that ends the oldest."""
CONNECTION_SECONDS = 15.0
"""Seconds that a client can keep a connection in total."""

_log = structlog.get_logger(__name__)


class Page(NamedTuple):
    """An HTTP response."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


def report_page(checks: Mapping[str, Check]) -> Page:
    """Return the report of health checks as a page: 200 if all passed, else 503."""
    well, body = report(checks)
    return Page(200 if well else 503, body.encode())


Render = Callable[[str], Page]
"""Makes a page for the Accept header of the request."""


class PortTaken(Exception):
    """Cannot listen on the port; the message says what to do."""


@contextlib.asynccontextmanager
async def serve(
    pages: Mapping[str, Render], port: int, *, host: str | None = None, limit: float = CONNECTION_SECONDS
) -> AsyncIterator[int]:
    """Serve the pages while the body runs, and yield the port, a free one if `port` is 0.

    Listens on all addresses unless `host` names one.

    Raises:
        PortTaken: Cannot listen on the port.
    """
    handler = web.Server(_answer_from(pages), access_log=None, keepalive_timeout=limit, lingering_time=0)
    loop = asyncio.get_running_loop()
    newest: collections.deque[web.RequestHandler] = collections.deque()

    def connection() -> asyncio.Protocol:
        served = handler()
        newest.append(served)
        if len(newest) > CONNECTIONS:
            # In the loop's next turn, because the connection might be so new that it has not started.
            loop.call_soon(_end, newest.popleft())
        loop.call_later(limit, _end, served)
        return served

    try:
        server = await loop.create_server(connection, host, port)
    except OSError as error:
        raise PortTaken(
            f"cannot listen on port {port}: {error.strerror}; set --http-port to another port, or 0 for none"
        ) from None
    listening: int = server.sockets[0].getsockname()[1]
    _log.info("serving /healthz, /readyz and /metrics", port=listening)
    try:
        yield listening
    finally:
        server.close()
        await handler.shutdown(timeout=1.0)


def _end(served: web.RequestHandler) -> None:
    """End a connection if it is still open, whatever the client is waiting for or has not read."""
    if served.transport is not None:
        served.transport.abort()


def _answer_from(
    pages: Mapping[str, Render],
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        render = pages.get(request.path)
        if render is None:
            page = Page(404, f"not found; available: {', '.join(sorted(pages))}\n".encode())
        elif request.method not in ("GET", "HEAD"):
            page = Page(405, b"only GET and HEAD\n")
        else:
            page = render(request.headers.get("Accept", ""))
        headers = {"Content-Type": page.content_type, "Cache-Control": "no-store"}
        if page.status == 405:
            headers["Allow"] = "GET, HEAD"
        response = web.Response(status=page.status, body=page.body, headers=headers)
        response.force_close()  # otherwise the time limit could end it in the middle of a later request
        return response

    return answer
