"""One HTTP port for the kubelet and Prometheus: GET of a few paths, answered from memory.

It lives on the operator's own event loop on purpose: an answer says that the loop turns. A client that is
slow or says nothing costs a connection for some seconds, and there are few connections: the newest ones, so
that nobody who holds many keeps the kubelet out.
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
"""How many clients are served at once; one more ends the oldest connection."""
CONNECTION_SECONDS = 15.0
"""How long a client may keep a connection, all in all."""

_log = structlog.get_logger(__name__)


class Page(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


def report_page(checks: Mapping[str, Check]) -> Page:
    """What health checks found: 200 where all is well, else 503."""
    well, body = report(checks)
    return Page(200 if well else 503, body.encode())


Render = Callable[[str], Page]
"""Makes a page, for the Accept header of the request."""


class PortTaken(Exception):
    """The port cannot be listened on; the message says what to do."""


@contextlib.asynccontextmanager
async def serve(
    pages: Mapping[str, Render], port: int, *, host: str | None = None, limit: float = CONNECTION_SECONDS
) -> AsyncIterator[int]:
    """Serves the pages while the body runs; the port listened on, a free one where `port` is 0.

    On all addresses, unless `host` says else. PortTaken where that is not possible.
    """
    handler = web.Server(_answer_from(pages), access_log=None, keepalive_timeout=limit, lingering_time=0)
    loop = asyncio.get_running_loop()
    newest: collections.deque[web.RequestHandler] = collections.deque()

    def connection() -> asyncio.Protocol:
        served = handler()
        newest.append(served)
        if len(newest) > CONNECTIONS:
            # Soon, since it may be so new that it has not begun.
            loop.call_soon(_end, newest.popleft())
        loop.call_later(limit, _end, served)
        return served

    try:
        server = await loop.create_server(connection, host, port)
    except OSError as error:
        raise PortTaken(
            f"cannot listen on port {port}: {error.strerror}; --http-port names another, 0 none"
        ) from None
    listening: int = server.sockets[0].getsockname()[1]
    _log.info("serving /healthz, /readyz and /metrics", port=listening)
    try:
        yield listening
    finally:
        server.close()
        await handler.shutdown(timeout=1.0)


def _end(served: web.RequestHandler) -> None:
    """Ends a connection that is still there, whatever the client is waiting for or does not read."""
    if served.transport is not None:
        served.transport.abort()


def _answer_from(
    pages: Mapping[str, Render],
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        render = pages.get(request.path)
        if render is None:
            page = Page(404, f"not found: {', '.join(sorted(pages))} are here\n".encode())
        elif request.method not in ("GET", "HEAD"):
            page = Page(405, b"only GET and HEAD\n")
        else:
            page = render(request.headers.get("Accept", ""))
        headers = {"Content-Type": page.content_type, "Cache-Control": "no-store"}
        if page.status == 405:
            headers["Allow"] = "GET, HEAD"
        response = web.Response(status=page.status, body=page.body, headers=headers)
        response.force_close()  # or the end of its time could meet a connection in the middle of a request
        return response

    return answer
