"""The connection to the API server: through proxies, and with a network or a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from floe_operator.api.connection import Connection
from floe_operator.api.errors import ClusterUnreachable, Refused
from floe_operator.api.leader import Elector
from floe_operator.api.stream_state import HEADERS_SECONDS
from floe_operator.rules.leases import Timing
from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.connections import connected, connected_to
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually, eventually_async
from tests.support.tcp_proxy import ConnectProxy, TcpProxy

NAMED = "kubernetes.default.svc"
"""A name in the API server's certificate that does not resolve outside a cluster."""


def kubeconfig_of(cluster: LocalCluster, folder: Path, server: str) -> Path:
    """Write the administrator's kubeconfig with this server instead, and return its path."""
    config = json.loads(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = server
    path = folder / "kubeconfig-elsewhere"
    path.write_text(json.dumps(config))
    return path


def port_of(cluster: LocalCluster) -> int:
    port = urlsplit(cluster.url).port
    assert port is not None
    return port


def test_an_operator_works_through_the_proxy_that_the_environment_names(
    cluster: LocalCluster,
    environment: Environment,
    floeplugins: FloePlugins,
    start_operator: StartOperator,
    tmp_path: Path,
) -> None:
    environment.install(plugin_distribution("duckdb"))
    kubeconfig = kubeconfig_of(cluster, tmp_path, f"https://{NAMED}:443")
    with ConnectProxy("127.0.0.1", port_of(cluster)) as proxy:
        variables = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "elsewhere.example"}
        # Scans list the objects too; with this interval only the watch can see the change below.
        start_operator("--scan-interval", "1h", kubeconfig=kubeconfig, environment=variables)
        floeplugins.until("compute-duckdb", "Ready", "Ready", within=60)
        floeplugins.merge("compute-duckdb", {"spec": {"config": {"a": 1}}})
        floeplugins.until("compute-duckdb", "Ready", "ConfigNotAccepted")
        assert {line.split()[1] for line in proxy.asked} == {f"{NAMED}:443"}


def test_an_operator_bypasses_the_proxy_if_the_environment_says_so(
    cluster: LocalCluster, start_operator: StartOperator, tmp_path: Path
) -> None:
    kubeconfig = kubeconfig_of(cluster, tmp_path, f"https://{NAMED}:443")
    with ConnectProxy("127.0.0.1", port_of(cluster)) as proxy:
        variables = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": ".svc"}
        operator = start_operator(kubeconfig=kubeconfig, environment=variables)
        eventually(lambda: operator.logged("cannot be reached", NAMED))
        assert proxy.asked == []


async def test_requests_without_an_answer_are_counted_whoever_sets_their_timeout(
    cluster: LocalCluster, namespace: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with TcpProxy("127.0.0.1", port_of(cluster)) as proxy:
        proxy.hold()
        kubeconfig = kubeconfig_of(cluster, tmp_path, f"https://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        counted: list[tuple[str, str]] = []
        async with connected(
            time_to_write=lambda: 0.3, on_answer=lambda method, code: counted.append((method, code))
        ) as connection:
            config_maps = f"/api/v1/namespaces/{namespace}/configmaps"
            with pytest.raises(ClusterUnreachable, match=r"did not answer in time"):
                await connection.request("GET", config_maps, timeout=0.3)
            with pytest.raises(ClusterUnreachable, match=r"did not answer in time"):
                await connection.write("test", "POST", config_maps, body={})
            assert counted == [("GET", "timeout"), ("POST", "timeout")]

            counted.clear()
            election = asyncio.create_task(Elector(connection, namespace, timing=Timing(3, 2, 0.3)).acquire())

            async def tried() -> bool:
                return counted[:1] == [("GET", "timeout")]

            await eventually_async(tried)
            election.cancel()
            await asyncio.gather(election, return_exceptions=True)


async def events_of(connection: Connection, *, silence: float = 60.0) -> list[object]:
    stream = connection.stream("/watched", query={}, accept="*/*", on_open=lambda: None, silence=silence)
    return [event async for event in stream]


EVENT = b'{"type": "ADDED", "object": {"metadata": {"name": "a", "uid": "u", "resourceVersion": "5"}}}\n'


@pytest.mark.parametrize("sent", [EVENT, EVENT + b'{"type": "ADD'], ids=["between two events", "in an event"])
async def test_a_watch_that_falls_silent_ends(sent: bytes) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(sent)
        await asyncio.sleep(3600)
        return response

    async with connected_to(answer) as connection:
        assert len(await events_of(connection, silence=0.5)) == 1


async def test_a_watch_that_is_cut_off_in_an_event_ends() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=EVENT + EVENT[:20])

    async with connected_to(answer) as connection:
        assert len(await events_of(connection)) == 1


async def test_an_event_of_any_size_is_read() -> None:
    metadata = {"name": "a", "uid": "u", "resourceVersion": "5", "annotations": {"a": "x" * 500_000}}
    large = json.dumps({"type": "MODIFIED", "object": {"metadata": metadata}}).encode() + b"\n"

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=large + EVENT)

    async with connected_to(answer) as connection:
        assert len(await events_of(connection)) == 2


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"[]",
        b"null",
        b"\xff",
        b'{"type": "ADDED"}',
        b'{"type": "ADDED", "object": []}',
        b'{"type": "ADDED", "object": {"metadata": "x"}}',
        b'{"type": "DELETED", "object": {"metadata": {"name": "a"}}}',
        b'{"type": "BOOKMARK", "object": {"metadata": {}}}',
        b'{"type": "ERROR", "object": {"code": "410"}}',
        b'{"type": ["ADDED"], "object": {}}',
        b"[" * 20_000 + b"]" * 20_000,
        b"[" * 20_000,
    ],
)
async def test_a_line_that_is_not_an_event_is_an_error(line: bytes) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=EVENT + line + b"\n")

    async with connected_to(answer) as connection:
        with pytest.raises(Refused, match=r"GET /watched sent (a line|an event)"):
            await events_of(connection)


async def test_a_watch_whose_answer_does_not_begin_is_given_up_after_some_seconds() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    async with connected_to(answer) as connection, asyncio.timeout(2 * HEADERS_SECONDS):
        with pytest.raises(ClusterUnreachable, match="did not answer a watch in 5 s"):
            await events_of(connection)


DEEP = b'{"kind": "Pod", "spec": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}"


async def test_an_answer_of_any_depth_is_read() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=DEEP)

    async with connected_to(answer) as connection:
        assert (await connection.request("GET", "/deep"))["kind"] == "Pod"
