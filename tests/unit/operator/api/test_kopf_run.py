"""One run of kopf against an API server that misbehaves."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from floe_operator.api.kopf_run import KopfRun, Seen
from tests.support.connections import Answer, connected_to
from tests.support.polling import eventually_async

PATH = "/apis/floe.dev/v1alpha1/namespaces/default/floeplugins"
RESOURCE = {"name": "floeplugins", "singularName": "floeplugin", "kind": "FloePlugin", "namespaced": True}
VERSION = {"groupVersion": "floe.dev/v1alpha1", "version": "v1alpha1"}
DISCOVERY = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {
        "resources": [
            {
                "name": "namespaces",
                "singularName": "namespace",
                "kind": "Namespace",
                "namespaced": False,
                "verbs": [],
            }
        ]
    },
    "/apis": {"groups": [{"name": "floe.dev", "versions": [VERSION], "preferredVersion": VERSION}]},
    "/apis/floe.dev/v1alpha1": {"resources": [{**RESOURCE, "verbs": ["get", "list", "patch", "watch"]}]},
}
SEEN = Seen(moment=lambda: 0, changed=lambda _: None, listed=lambda names, began: None)


def after_discovery(answer: Answer) -> Answer:
    """Return an API server that lets kopf find the kind, and answers everything else with `answer`."""

    async def answer_any(request: web.Request) -> web.StreamResponse:
        found = DISCOVERY.get(request.path)
        return web.json_response(found) if found is not None else await answer(request)

    return answer_any


async def test_rejected_credentials_end_kopf_instead_of_a_loop() -> None:
    listings = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal listings
        listings += 1
        return web.json_response({"kind": "Status", "message": "Unauthorized"}, status=401)

    async with connected_to(after_discovery(answer)) as connection:
        run = KopfRun(connection, PATH, "default", SEEN, alive_at=time.monotonic())
        run.start()
        ended = await run.ended(20)
        assert ended is not None
        assert "credentials" in ended
        assert listings == 1
        assert "credentials" in run.stream.obstacle


async def test_a_server_with_a_path_is_listed_and_watched_below_it() -> None:
    paths: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        if not request.path.startswith("/clusters/c-1/"):
            return web.json_response({"kind": "Status"}, status=404)
        path = request.path.removeprefix("/clusters/c-1")
        if (found := DISCOVERY.get(path)) is not None:
            return web.json_response(found)
        if "watch" in request.query:
            response = web.StreamResponse()
            await response.prepare(request)
            await asyncio.sleep(3600)
            return response
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})

    async with connected_to(answer, path="clusters/c-1/") as connection:
        run = KopfRun(connection, PATH, "default", SEEN, alive_at=time.monotonic())
        run.start()

        async def watching() -> bool:
            return run.version == "9" and not run.stream.obstacle

        await eventually_async(watching)
        await run.stop()
    assert f"/clusters/c-1{PATH}" in paths
    assert all(path.startswith("/clusters/c-1/") for path in paths)


async def test_a_history_that_is_always_gone_is_not_listed_without_a_pause() -> None:
    listings = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal listings
        if "watch" in request.query:
            gone = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}\n'
            return web.Response(body=gone)
        listings += 1
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": []})

    async with connected_to(after_discovery(answer)) as connection:
        run = KopfRun(connection, PATH, "default", SEEN, alive_at=time.monotonic())
        run.start()

        async def listed() -> bool:
            return listings >= 1

        await eventually_async(listed)
        assert await run.ended(6) is None
        assert listings <= 4
        await run.stop()
