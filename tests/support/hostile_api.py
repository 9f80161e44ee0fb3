"""A misbehaving API server on loopback, for behaviour that a real API server cannot be made to show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from floe_operator.api.connection import Connection

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def connected_to(answer: Answer) -> AsyncIterator[Connection]:
    """Yield a connection to a server that answers every request with `answer`."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application, host="127.0.0.1") as server:
        configuration = client.Configuration(host=str(server.make_url("/")).rstrip("/"))
        configuration.client_session_kwargs = {"trust_env": False}
        connection = Connection(configuration, "default", _nothing)
        try:
            yield connection
        finally:
            await connection.close()


async def _nothing() -> None:
    """Do nothing: there are no credentials to renew."""
