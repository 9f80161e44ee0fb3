"""Connections for tests: to the API server that KUBECONFIG names, and to a misbehaving one on loopback."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from floe_operator.api.connection import Connection
from floe_operator.api.login import Login, login
from floe_operator.rules.kubeconfig import Chosen
from floe_operator.rules.kubeconfig_fields import Cluster, User

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Anonymous:
    """The server at a URL, without credentials."""

    files: Sequence[Path] = ()

    def __init__(self, server: str) -> None:
        self._server = server

    def load(self) -> Chosen:
        return Chosen("test", Cluster(server=self._server), User(), "default")


async def login_to(server: str) -> Login:
    """Return a login without credentials to the server at a URL."""
    made = Login(_Anonymous(server))
    await made.begin()
    return made


@asynccontextmanager
async def connected_to(
    answer: Answer,
    *,
    path: str = "",
    time_to_write: Callable[[], float] = lambda: math.inf,
    on_answer: Callable[[str, str], None] = lambda method, code: None,
    on_write: Callable[[str], None] = lambda kind: None,
) -> AsyncIterator[Connection]:
    """Yield a connection to a server, perhaps with a path, that answers every request with `answer`."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application, host="127.0.0.1") as server:
        connection = Connection(
            await login_to(str(server.make_url(f"/{path}"))),
            time_to_write=time_to_write,
            on_answer=on_answer,
            on_write=on_write,
        )
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def connected(
    *,
    time_to_write: Callable[[], float] = lambda: math.inf,
    on_answer: Callable[[str, str], None] = lambda method, code: None,
) -> AsyncIterator[Connection]:
    """Yield a connection to the API server that KUBECONFIG names."""
    connection = Connection(
        await login(), time_to_write=time_to_write, on_answer=on_answer, on_write=lambda kind: None
    )
    try:
        yield connection
    finally:
        await connection.close()
