"""Whoever sends requests on its own waits as long as the API server asks it to.

The leader's requests are in `test_leader`, kopf's in `test_kopf_session`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from floe_core.host.protocol import ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.api.connection import Connection
from floe_operator.api.events import EventRecorder
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.api.sources import Sources
from floe_operator.api.watch import Watch
from floe_operator.configurations import Configurations
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost
from floe_operator.probes import Prober
from floe_operator.queue import WorkQueue
from floe_operator.refusals import Refusals
from floe_operator.rules.config_merge import SourceObject
from floe_operator.rules.facts import ConfigDigest
from floe_operator.rules.probing import Run
from floe_operator.rules.resource import FloePlugin, ProbeSpec
from floe_operator.rules.results import DONE, Result
from floe_operator.scanner import Scanner
from floe_operator.scans import Scans
from floe_operator.source_contents import SourceContents
from tests.support.connections import connected_to
from tests.support.plugin_hosts import compute
from tests.support.polling import eventually_async
from tests.support.scrubbing import no_scrubbers
from tests.support.watching import UNSEEN, Works, unheard
from tests.unit.operator.rules.facts_builder import judged

ASKED = 3
"""Seconds; longer than any of them would wait on its own."""

Sender = Callable[[Connection], Coroutine[Any, Any, None]]

PLUGIN = compute("one")
OBJECT = {
    "metadata": {"name": "compute-one", "namespace": "default", "uid": "u-1", "resourceVersion": "1"},
    "spec": {
        "type": "compute",
        "name": "one",
        "configFrom": [{"secretKeyRef": {"name": "words", "key": "word"}, "path": "word"}],
    },
}


def sources(connection: Connection) -> Coroutine[Any, Any, None]:
    made = Sources(connection, "default", lambda _: None)
    made.version(SourceObject("Secret", "words"))
    return made.run()


def watch(connection: Connection) -> Coroutine[Any, Any, None]:
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    made = Watch(
        connection,
        FloePlugins(connection, "default"),
        UNSEEN,
        on_start=nothing,
        on_gone=nothing,
        on_history_lost=nothing,
    )
    return made.run()


async def events(connection: Connection) -> None:
    made = EventRecorder(connection)
    made.record(FloePlugin.parse(OBJECT), judged())
    await made.run()


async def queue(connection: Connection) -> None:
    floeplugins = FloePlugins(connection, "default")

    async def reconcile(plugin: PluginId) -> Result:
        await floeplugins.apply(plugin, {}, uid=None)
        return DONE

    made = WorkQueue(reconcile, workers=1)
    made.add(PLUGIN)
    await made.run()


async def prober(connection: Connection) -> None:
    """Probe a plugin whose configuration comes from a Secret, which must be read to start it."""
    objects = Objects()
    objects.put(OBJECT)
    host = cast("PluginHost", SimpleNamespace(is_started=lambda _: False, load_state=lambda _: None))
    sources = Sources(connection, "default", lambda _: None)
    scrubbers = no_scrubbers()
    configurations = Configurations(host, SourceContents(sources), objects, scrubbers, recheck=60.0)
    made = Prober(host, configurations.effective, scrubbers, lambda _: None)
    made.want(PLUGIN, Run(ProbeSpec(), ConfigDigest(b"1")))
    try:
        await asyncio.Event().wait()
    finally:
        await made.close()


def scanner(connection: Connection) -> Coroutine[Any, Any, None]:
    async def scan() -> ScanResult:
        return ScanResult(complete=True, fingerprint="", distributions=0, plugins=())

    objects = Objects()
    made = Scanner(
        host=cast("PluginHost", SimpleNamespace(scan=scan)),
        floeplugins=FloePlugins(connection, "default"),
        objects=objects,
        scans=Scans(objects.all),
        refusals=Refusals(lambda _: None),
        wakeups=unheard(objects),
        watch=Works(),
        interval=0.5,
        leads=lambda: True,
        on_environment=lambda: None,
    )
    return made.run()


@pytest.mark.parametrize("send", [sources, watch, scanner, events, queue, prober])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_request_to_wait_is_honoured(
    send: Sender, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("floe_operator.api.events._RETRY_SECONDS", 0.1)  # by default longer than ASKED
    asked_at: list[float] = []

    async def answer(_: web.Request) -> web.StreamResponse:
        asked_at.append(time.monotonic())
        return web.json_response({}, status=status, headers={"Retry-After": str(ASKED)})

    async with connected_to(answer) as connection:
        running = asyncio.create_task(send(connection))

        async def asked_again() -> bool:
            return len(asked_at) > 1

        await eventually_async(asked_again)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert asked_at[1] - asked_at[0] >= ASKED - 0.1
