"""One run of kopf against an API server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

from aiohttp import web

from floe_operator.api.kopf_run import KopfRun, Seen
from tests.support.connections import Answer, connected_to
from tests.support.polling import eventually_async
from tests.support.watching import UNSEEN

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


def after_discovery(answer: Answer) -> Answer:
    """Return an API server that lets kopf find the kind, and answers everything else with `answer`."""

    async def answer_any(request: web.Request) -> web.StreamResponse:
        found = DISCOVERY.get(request.path)
        return web.json_response(found) if found is not None else await answer(request)

    return answer_any


def floeplugin(name: str, version: int, **more: Any) -> dict[str, Any]:
    metadata = {"name": f"dbt-{name}", "namespace": "default", "uid": name, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"type": "dbt", "name": name}, **more}


class Heard:
    """What our event loop is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.loop = threading.get_ident()
        self.seen = Seen(
            moment=lambda: 7,
            changed=lambda event, raw: self._tell("changed", event, raw),
            found=lambda page, began: self._tell("found", list(page), began),
            listed=lambda names, began: self._tell("listed", list(names), began),
            knows=lambda raw: raw["metadata"]["resourceVersion"] == "11",
        )

    def _tell(self, *what: object) -> None:
        assert threading.get_ident() == self.loop
        self.told.append(what)


async def test_each_page_of_a_listing_and_each_change_is_told_as_it_came_except_what_is_known() -> None:
    watches = 0
    first, second = floeplugin("a", 1, status={"version": "1"}), floeplugin("b", 2)
    changes: list[tuple[str, dict[str, Any]]] = [
        ("MODIFIED", floeplugin("a", 10, status={"version": "2"})),
        ("MODIFIED", floeplugin("a", 11, status={"version": "3"})),
        ("MODIFIED", floeplugin("a", 12, status={"version": "4"})),
        ("DELETED", floeplugin("a", 13)),
    ]

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal watches
        if "watch" not in request.query:
            more = "" if "continue" in request.query else "more"
            items = [first] if more else [second]
            return web.json_response({"metadata": {"resourceVersion": "9", "continue": more}, "items": items})
        response = web.StreamResponse()
        await response.prepare(request)
        watches += 1
        for kind, found in changes if watches == 1 else []:
            await response.write(json.dumps({"type": kind, "object": found}).encode() + b"\n")
        if watches == 1:
            await asyncio.sleep(1.5)
        else:
            await asyncio.sleep(3600)
        return response

    heard = Heard()
    async with connected_to(after_discovery(answer)) as connection:
        run = KopfRun(connection, PATH, "default", heard.seen, alive_at=time.monotonic())
        run.start()

        async def goes_on() -> bool:
            return run.version == "13" and len(heard.told) >= 6  # the next watch goes on after all of them

        try:
            await eventually_async(goes_on)
        finally:
            await run.stop()
    assert heard.told == [
        ("found", [first], 7),
        ("found", [second], 7),
        ("listed", ["dbt-a", "dbt-b"], 7),
        *(("changed", *one) for one in changes if one[1]["metadata"]["resourceVersion"] != "11"),
    ]


async def test_rejected_credentials_end_kopf_instead_of_a_loop() -> None:
    listings = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal listings
        listings += 1
        return web.json_response({"kind": "Status", "message": "Unauthorized"}, status=401)

    async with connected_to(after_discovery(answer)) as connection:
        run = KopfRun(connection, PATH, "default", UNSEEN, alive_at=time.monotonic())
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
        run = KopfRun(connection, PATH, "default", UNSEEN, alive_at=time.monotonic())
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
        run = KopfRun(connection, PATH, "default", UNSEEN, alive_at=time.monotonic())
        run.start()

        async def listed() -> bool:
            return listings >= 1

        await eventually_async(listed)
        assert await run.ended(6) is None
        assert listings <= 4
        await run.stop()
