"""What the watches on Secrets and ConfigMaps tell; the integration tests watch a real API server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from floe_operator.api import errors
from floe_operator.api.sources import Sources
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.config_merge import SourceObject
from tests.support.connections import connected_to
from tests.support.polling import eventually_async

SECRET = SourceObject("Secret", "words")


class Server:
    """An API server whose Secrets can be watched until a test says otherwise."""

    def __init__(self) -> None:
        self.status = 200
        self.failed_at: list[float] = []
        self.lost: list[tuple[str, float]] = []
        self.sources: Sources
        self._broken = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.status != 200:
            self.failed_at.append(time.monotonic())
            return web.json_response({"kind": "Status", "message": "no"}, status=self.status)
        if "watch" not in request.query:
            item = {"metadata": {"name": "words", "uid": "u", "resourceVersion": "5"}}
            return web.json_response({"metadata": {"resourceVersion": "9"}, "items": [item]})
        response = web.StreamResponse()
        await response.prepare(request)
        await self._broken.wait()
        return response

    def turn(self, status: int) -> None:
        """Answer with this status from now on; anything but 200 ends the watches, too."""
        self.status = status
        if status == 200:
            self._broken = asyncio.Event()
        else:
            self._broken.set()

    def note(self, kind: str) -> None:
        self.lost.append((kind, time.monotonic()))

    async def watches(self) -> bool:
        return self.sources.version(SECRET) == "5"

    async def fails(self) -> bool:
        return len(self.failed_at) >= 4


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr("floe_operator.api.sources._BACKOFF", Backoff(first=0.05, longest=0.1))
    monkeypatch.setattr("floe_operator.api.sources._LOST_SECONDS", 0.5)
    async with _served() as made:
        yield made


@asynccontextmanager
async def _served() -> AsyncIterator[Server]:
    made = Server()
    async with connected_to(made.answer) as connection:
        made.sources = Sources(connection, "default", lambda _: None, made.note)
        task = asyncio.create_task(made.sources.run())
        try:
            yield made
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.parametrize("status", [403, 500])
async def test_a_watch_that_worked_and_does_not_any_more_is_lost_once_it_has_failed_for_a_while(
    server: Server, status: int
) -> None:
    await eventually_async(server.watches)
    server.turn(status)

    async def lost() -> bool:
        return bool(server.lost)

    await eventually_async(lost)
    [(kind, at)] = server.lost
    assert kind == "Secret"
    assert at - server.failed_at[0] > 0.4
    assert server.sources.version(SECRET) is None
    failed = len(server.failed_at)

    async def still_fails() -> bool:
        return len(server.failed_at) > failed + 8

    await eventually_async(still_fails)
    assert len(server.lost) == 1, "said once"
    server.turn(200)
    await eventually_async(server.watches)
    server.turn(status)

    async def lost_again() -> bool:
        return len(server.lost) == 2

    await eventually_async(lost_again)


async def test_a_watch_that_fails_for_a_moment_or_never_worked_is_not_lost(server: Server) -> None:
    server.turn(403)
    server.sources.version(SECRET)
    await asyncio.sleep(0.8)
    assert len(server.failed_at) > 3
    server.turn(200)
    await eventually_async(server.watches)
    server.turn(500)
    await asyncio.sleep(0.2)
    server.turn(200)
    await eventually_async(server.watches)
    await asyncio.sleep(0.6)
    assert server.lost == []


@pytest.mark.parametrize("body", [{"error": "log in"}, {"kind": "ConfigMap", "data": {"a": "b"}}])
async def test_an_answer_that_is_no_secret_is_not_taken_for_an_empty_one(body: dict[str, object]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body)

    async with connected_to(answer) as connection:
        with pytest.raises(errors.Refused, match="secrets/words is no Secret"):
            await Sources(connection, "default", lambda _: None).read(SECRET)
