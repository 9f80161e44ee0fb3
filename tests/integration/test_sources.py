"""The watch on Secrets and ConfigMaps if the API server, or a proxy in front of it, misbehaves."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from floe_operator.api.sources import Sources
from floe_operator.rules.config_merge import SourceObject
from tests.support.connections import connected_to
from tests.support.polling import eventually_async

WORDS = SourceObject("Secret", "words")
GONE = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}\n'
BOOKMARK = b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}\n'


class Server:
    """Lists one Secret; sends the same bytes on every watch, and ends it."""

    def __init__(self, watch: bytes = b"") -> None:
        self.requests: collections.Counter[tuple[str, str]] = collections.Counter()
        self._watch = watch

    async def answer(self, request: web.Request) -> web.StreamResponse:
        resource = request.path.rpartition("/")[2]
        if "watch" in request.query:
            self.requests["watch", resource] += 1
            return web.Response(body=self._watch)
        self.requests["list", resource] += 1
        words = {"metadata": {"name": "words", "uid": "u", "resourceVersion": "5"}}
        return web.json_response({"metadata": {"resourceVersion": "7"}, "items": [words]})


@asynccontextmanager
async def sources_of(server: Server) -> AsyncIterator[Sources]:
    async with connected_to(server.answer) as connection:
        sources = Sources(connection, "default", lambda _: None)
        running = asyncio.create_task(sources.run())
        try:
            yield sources
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("brought", [b"", BOOKMARK, GONE], ids=["nothing", "a bookmark", "410 Gone"])
async def test_a_watch_that_ends_immediately_is_counted_and_restarted_ever_more_slowly(
    brought: bytes,
) -> None:
    server = Server(brought)
    async with sources_of(server) as sources:
        sources.version(WORDS)

        async def restarted() -> bool:
            return sources.restarts["secrets"] >= 3

        await eventually_async(restarted)
        # The first short watch is taken for an accident, and followed by another without a listing.
        assert server.requests["list", "secrets"] == 3
        assert server.requests["watch", "secrets"] <= 4


@pytest.mark.parametrize(
    "line", [b"<html>", b'{"type": "ADDED", "object": {"metadata": "x"}}', b"[" * 20_000]
)
async def test_after_a_line_that_is_not_an_event_everything_is_listed_again(line: bytes) -> None:
    server = Server(line + b"\n")
    async with sources_of(server) as sources:
        sources.version(WORDS)

        async def listed_anew() -> bool:
            return server.requests["list", "secrets"] >= 2

        await eventually_async(listed_anew)


async def test_a_kind_that_nobody_asked_for_is_not_watched() -> None:
    server = Server()
    async with sources_of(server) as sources:
        sources.version(WORDS)

        async def watched() -> bool:
            return server.requests["watch", "secrets"] > 0

        await eventually_async(watched)
        assert {resource for _, resource in server.requests} == {"secrets"}
