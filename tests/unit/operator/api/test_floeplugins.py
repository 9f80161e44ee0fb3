"""Which refusals of the API server are remembered, for /readyz, and what a listing of one object tells."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any, cast

import pytest
from aiohttp import web

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.api.connection import Connection
from floe_operator.api.errors import (
    ClusterError,
    ClusterUnreachable,
    Conflict,
    MissingRight,
    NamespaceTerminating,
    NotFound,
    NotLeading,
    Refused,
)
from floe_operator.api.floeplugins import FloePlugins, Newest
from tests.support.connections import connected_to

PLUGIN = PluginId(PluginType.COMPUTE, "duckdb")
FORBIDDEN = MissingRight("missing permission: delete floeplugins", right="delete floeplugins")
NO_NAMESPACE = NotFound('namespaces "floe" not found')


class Answers:
    """A connection that answers writes with these answers, one after the other."""

    def __init__(self, *answers: ClusterError | None) -> None:
        self._answers = iter(answers)

    async def write(
        self, kind: str, method: str, path: str, *, body: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        if (error := next(self._answers)) is not None:
            raise error
        return {}


async def after(*answers: ClusterError | None) -> FloePlugins:
    """Return FloePlugins after deletions that were answered like this."""
    floeplugins = FloePlugins(cast("Connection", Answers(*answers)), "floe")
    for error in answers:
        with nullcontext() if error is None else pytest.raises(type(error)):
            await floeplugins.delete(PLUGIN, uid="u", resource_version="1")
    return floeplugins


async def test_a_missing_permission_is_remembered() -> None:
    assert (await after(FORBIDDEN)).refusals == {"deletion": str(FORBIDDEN)}


async def test_a_missing_namespace_is_remembered() -> None:
    assert "--namespace" in (await after(NO_NAMESPACE)).refusals["deletion"]


@pytest.mark.parametrize("refusal", [FORBIDDEN, NO_NAMESPACE])
@pytest.mark.parametrize(
    "answer",
    [
        None,
        NotFound('floeplugins.floe.dev "compute-duckdb" not found'),
        Conflict("c"),
        Refused("r"),
        NamespaceTerminating("t"),
    ],
)
async def test_any_other_answer_ends_a_refusal(refusal: ClusterError, answer: ClusterError | None) -> None:
    assert (await after(refusal, answer)).refusals == {}


@pytest.mark.parametrize("silence", [ClusterUnreachable("u"), NotLeading("n")])
async def test_an_error_that_says_nothing_about_permissions_changes_nothing(silence: ClusterError) -> None:
    assert (await after(FORBIDDEN, silence)).refusals == {"deletion": str(FORBIDDEN)}


async def test_a_refusal_that_does_not_recur_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    floeplugins = await after(FORBIDDEN)
    later = time.monotonic() + 600
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert floeplugins.refusals == {}


ONE = [{"metadata": {"name": "dbt-a", "uid": "u", "resourceVersion": "3"}}]


@pytest.mark.parametrize(
    ("items", "metadata", "number"),
    [
        ([], {}, 0),
        (None, {}, 0),
        (ONE, {}, 1),
        (ONE, {"continue": "c", "remainingItemCount": 41}, 42),
        (ONE, {"continue": "c"}, None),
        (ONE, {"continue": "c", "remainingItemCount": None}, None),
        (ONE, {"continue": "c", "remainingItemCount": "41"}, None),
    ],
)
async def test_a_listing_of_one_object_tells_how_many_there_are(
    items: object, metadata: dict[str, Any], number: int | None
) -> None:
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return web.json_response({"metadata": {"resourceVersion": "9", **metadata}, "items": items})

    async with connected_to(answer) as connection:
        assert await FloePlugins(connection, "floe").newest() == Newest("9", number)
    [request] = asked
    assert request.query["limit"] == "1"
    assert "PartialObjectMetadataList" in request.headers["Accept"]


async def test_a_listing_of_everything_ends_what_any_failed_listing_said() -> None:
    is_there = False

    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_there:
            return web.json_response({"kind": "Status", "code": 404}, status=404)
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})

    async def everything(floeplugins: FloePlugins) -> None:
        async for _ in floeplugins.list():
            pass

    async def says(listing: Awaitable[object]) -> tuple[bool, bool]:
        with suppress(NotFound):
            await listing
        return bool(floeplugins.unlisted), floeplugins.listing_failed

    async with connected_to(answer) as connection:
        floeplugins = FloePlugins(connection, "floe")
        assert await says(floeplugins.newest()) == (True, False), "nobody has tried to list everything"
        assert await says(everything(floeplugins)) == (True, True)
        is_there = True
        assert await says(floeplugins.newest()) == (True, True), "perhaps not all can be listed"
        assert await says(everything(floeplugins)) == (False, False)


async def test_every_write_waits_while_the_api_server_asks_to_wait_and_none_waits_otherwise() -> None:
    clock = asyncio.get_running_loop().time
    answers = Answers(ClusterUnreachable("too many requests", after=0.5), None, None, *[None] * 200)
    floeplugins = FloePlugins(cast("Connection", answers), "floe")

    async def write() -> float:
        await floeplugins.delete(PLUGIN, uid="u", resource_version="1")
        return clock()

    with pytest.raises(ClusterUnreachable):
        await write()
    asked_at = clock()
    assert min(await asyncio.gather(write(), write())) - asked_at > 0.45
    began = clock()
    for _ in range(200):
        await write()
    assert clock() - began < 0.45, "no write waits for the one before it"


async def test_a_write_does_not_wait_long_with_what_it_was_about_to_write() -> None:
    answers = Answers(ClusterUnreachable("too many requests", after=30.0), None)
    floeplugins = FloePlugins(cast("Connection", answers), "floe")
    with pytest.raises(ClusterUnreachable):
        await floeplugins.delete(PLUGIN, uid="u", resource_version="1")
    with pytest.raises(ClusterUnreachable) as raised:
        await floeplugins.delete(PLUGIN, uid="u", resource_version="1")
    assert raised.value.after is not None
    assert 29 < raised.value.after <= 30
