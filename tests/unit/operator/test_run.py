"""The operator as it is put together, on an API server that knows only one Lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from floe_core.host.protocol import ScanResult, Unreadable
from floe_core.plugin_types import PluginId, PluginType
from floe_operator import run
from floe_operator.api.errors import ClusterConfigError, NotLeading
from floe_operator.rules.config_merge import SourceObject
from floe_operator.rules.results import DONE, Result
from floe_operator.settings import RunSettings
from tests.support.control_planes import write_kubeconfig
from tests.support.polling import eventually_async

PLUGIN = PluginId(PluginType.COMPUTE, "one")


class OneLease:
    """An API server that stores a Lease and accepts everything else; remembers what was asked of it."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "/leases" not in request.path:
            self.asked.append(f"{request.method} {request.path}")
            kind = "Secret" if "/secrets/" in request.path else "FloePlugin"
            return web.json_response({"kind": kind, "metadata": {}})
        if request.method != "GET":
            self.lease = await request.json()
            self.lease["metadata"]["resourceVersion"] = "1"
        if self.lease is None:
            return web.json_response({"kind": "Status", "code": 404}, status=404)
        return web.json_response(self.lease)


@asynccontextmanager
async def serving(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OneLease]:
    api = OneLease()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", api.answer)
    async with TestServer(application, host="127.0.0.1") as server:
        url = str(server.make_url("/")).rstrip("/")
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(folder / "kubeconfig", {"server": url})))
        yield api


@asynccontextmanager
async def leading(operator: run.Operator) -> AsyncIterator[None]:
    """Lead; give leadership back at the end, or the watchdog would end the process of the tests."""
    await operator.elector.acquire()
    try:
        yield
    finally:
        await operator.elector.release()


def count(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


async def test_an_operator_writes_only_while_it_leads_and_counts_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(tmp_path, monkeypatch) as api,
        run.connected(RunSettings(namespace="floe")) as operator,
    ):
        with pytest.raises(NotLeading):
            await operator.floeplugins.apply(PLUGIN, {}, uid=None)
        assert api.asked == []

        async with leading(operator):
            await operator.floeplugins.apply(PLUGIN, {}, uid=None)
            path = "/apis/floe.dev/v1alpha1/namespaces/floe/floeplugins/compute-one"
            assert api.asked == [f"PATCH {path}"]
            registry = operator.metrics.registry
            assert count(registry, "floe_operator_writes_total", kind="object") == 1
            assert count(registry, "floe_operator_api_requests_total", method="PATCH", code="200") == 1
            assert count(registry, "floe_operator_api_requests_total", method="POST", code="200") == 1, (
                "the Lease"
            )

        with pytest.raises(NotLeading):
            await operator.floeplugins.apply(PLUGIN, {}, uid=None)
        assert len(api.asked) == 1


async def test_an_operator_without_election_writes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = RunSettings(namespace="floe", leader_elect=False)
    async with serving(tmp_path, monkeypatch) as api, run.connected(settings) as operator:
        await operator.floeplugins.apply(PLUGIN, {}, uid=None)
        assert len(api.asked) == 1
        assert api.lease is None


async def test_a_secret_that_was_touched_several_times_is_read_once_and_enqueues_who_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"secretKeyRef": {"name": "words", "key": "word"}, "path": "word"}
    settings = RunSettings(namespace="floe", leader_elect=False)
    async with serving(tmp_path, monkeypatch) as api, run.connected(settings) as operator:
        for name, sources in {"one": [words], "two": [words], "other": []}.items():
            metadata = {"name": f"compute-{name}", "uid": name, "resourceVersion": "1"}
            spec = {"type": "compute", "name": name, "configFrom": sources}
            operator.objects.put({"metadata": metadata, "spec": spec})
        for name in ("words", "unused", "words"):
            operator.sources._on_change(SourceObject("Secret", name))
        reading = asyncio.create_task(operator.touched.run())

        async def enqueued() -> bool:
            return operator.touched.idle and len(operator.queue) > 0

        await eventually_async(enqueued)
        reading.cancel()
        assert len(operator.queue) == 2
        assert api.asked == ["GET /api/v1/namespaces/floe/secrets/words"]


async def test_what_somebody_changes_goes_first_only_while_the_operator_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(name: str) -> dict[str, Any]:
        metadata = {"name": f"compute-{name}", "uid": name, "resourceVersion": "1"}
        return {"metadata": metadata, "spec": {"type": "compute", "name": name}}

    settings = RunSettings(namespace="floe")
    async with serving(tmp_path, monkeypatch), run.connected(settings) as operator:
        order = []

        async def note(plugin: PluginId) -> Result:
            order.append(plugin.name)
            return DONE

        operator.queue._reconcile = note
        operator.queue._workers = 1
        operator.wakeups.seen("MODIFIED", changed("one"))
        operator.wakeups.look_at([PluginId(PluginType.COMPUTE, "two")])
        async with leading(operator):
            operator.wakeups.seen("MODIFIED", changed("three"))
        working = asyncio.create_task(operator.queue.run())

        async def idle() -> bool:
            return operator.queue.idle

        await eventually_async(idle)
        working.cancel()
        assert order == ["three", "one", "two"]


async def test_plugins_that_a_partial_scan_missed_are_known_before_anything_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    discovered = {"type": "Discovered", "status": "True", "reason": "Installed", "message": ""}
    discovered["lastTransitionTime"] = "2030-01-01T00:00:00Z"
    metadata = {"name": "compute-one", "uid": "u", "resourceVersion": "1"}
    seen = {"metadata": metadata, "spec": {"type": "compute", "name": "one"}}
    settings = RunSettings(namespace="floe", leader_elect=False)
    async with serving(tmp_path, monkeypatch), run.connected(settings) as operator:
        damage = Unreadable(where="/site", detail="damaged", plugins_unknown=True)
        found = ScanResult(complete=False, fingerprint="", distributions=0, plugins=(), unreadable=(damage,))
        operator.scans.succeeded(found)
        assert PLUGIN not in operator.scans.plugins
        operator.wakeups.found([{**seen, "status": {"conditions": [discovered]}}], 0)
        operator.wakeups.listed(["compute-one"], 0)
        assert PLUGIN in operator.scans.plugins


async def test_an_operator_without_a_kubeconfig_is_not_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(ClusterConfigError, match="does not exist"):
        async with run.connected(RunSettings()):
            raise AssertionError
