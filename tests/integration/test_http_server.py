"""The HTTP server: alone, with clients that misbehave, and in a whole operator."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from floe_operator.http_server import CONNECTIONS, Page, PortTaken, Render, serve
from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.control_planes import install_crd
from tests.support.distributions import Distribution, Environment, plugin_source
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually, eventually_async

PAGES: Mapping[str, Render] = {
    "/healthz": lambda _: Page(200, b"ok\n"),
    "/large": lambda _: Page(200, b"x" * 20_000_000),
}
LOOPBACK = "127.0.0.1"


def get(port: int, path: str, *, method: str = "GET") -> tuple[int, str]:
    request = Request(f"http://{LOOPBACK}:{port}{path}", method=method)
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/healthz?verbose", 200),
        ("POST", "/healthz", 405),
        ("GET", "/", 404),
        ("GET", "/healthz/more", 404),
        ("GET", "/../etc/passwd", 404),
    ],
)
async def test_only_the_known_paths_can_be_read(method: str, path: str, status: int) -> None:
    async with serve(PAGES, 0, host=LOOPBACK) as port:
        assert (await asyncio.to_thread(get, port, path, method=method))[0] == status


async def test_a_port_that_is_taken_is_an_error_that_names_the_flag() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port}.*--http-port"):
            async with serve(PAGES, port, host=LOOPBACK):
                pass


@pytest.mark.parametrize("sent", [b"", b"GET /heal", b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_slow_client_is_disconnected(sent: bytes) -> None:
    async with serve(PAGES, 0, host=LOOPBACK, limit=0.3) as port:
        with socket.create_connection((LOOPBACK, port)) as slow:
            slow.sendall(sent)
            slow.settimeout(30)

            def drained() -> bool:
                try:
                    while slow.recv(1000):
                        pass
                except ConnectionResetError:
                    pass
                return True

            await asyncio.sleep(0.4)  # reads nothing until its time is up
            assert await asyncio.to_thread(drained)
        assert (await asyncio.to_thread(get, port, "/healthz"))[0] == 200


async def test_clients_that_hold_every_connection_do_not_keep_the_kubelet_out() -> None:
    async with serve(PAGES, 0, host=LOOPBACK, limit=3600) as port:
        idle = [
            await asyncio.to_thread(socket.create_connection, (LOOPBACK, port))
            for _ in range(CONNECTIONS + 10)
        ]
        try:
            assert (await asyncio.to_thread(get, port, "/healthz"))[0] == 200

            async def the_oldest_are_closed() -> bool:
                return list(map(_is_closed, idle)) == [True] * 11 + [False] * (CONNECTIONS - 1)

            await eventually_async(the_oldest_are_closed)
        finally:
            for one in idle:
                one.close()


def _is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


def scraped(port: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    status, text = get(port, "/metrics")
    assert status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


DUCKDB = Distribution(
    "floe-compute-duckdb",
    entry_points={"floe.computes": {"duckdb": "floe_duckdb:Plugin"}},
    modules={"floe_duckdb.py": plugin_source("duckdb")},
)


def until_ready(port: int) -> None:
    def ready() -> bool:
        try:
            status, text = get(port, "/readyz")
        except OSError as error:
            raise AssertionError(str(error)) from None
        assert status == 200, text
        return True

    eventually(ready)


def until_not_ready(port: int, *words: str) -> None:
    """Wait until /readyz names what is missing, while /healthz finds nothing wrong."""

    def named() -> bool:
        try:
            status, text = get(port, "/readyz")
        except OSError as error:
            raise AssertionError(str(error)) from None
        assert status == 503
        assert all(word in text for word in words), text
        return True

    eventually(named)
    assert get(port, "/healthz")[0] == 200


def test_a_scrape_shows_what_the_operator_did_and_the_state_of_the_plugins(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    environment.install(DUCKDB)
    floeplugins.create("identity", "keycloak")
    port = free_port()
    start_operator("--http-port", str(port))
    until_ready(port)
    floeplugins.until("compute-duckdb", "Ready", "Ready")
    floeplugins.until("identity-keycloak", "Ready", "NotInstalled")

    def told() -> bool:
        seen = scraped(port)
        assert seen["floe_operator_leader", ()] == 1
        assert (
            seen["floe_operator_plugins", (("in_use", "false"), ("ready", "True"), ("type", "compute"))] == 1
        )
        assert (
            seen["floe_operator_plugins", (("in_use", "true"), ("ready", "False"), ("type", "identity"))] == 1
        )
        missing = (
            ("in_use", "true"),
            ("name", "keycloak"),
            ("reason", "NotInstalled"),
            ("type", "identity"),
        )
        assert seen["floe_operator_plugin_not_ready", missing] == 1
        assert seen["floe_operator_writes_total", (("kind", "object"),)] >= 1
        assert seen["floe_operator_writes_total", (("kind", "status"),)] >= 2
        assert seen["floe_operator_writes_total", (("kind", "event"),)] >= 2
        assert seen["floe_operator_reconciles_total", (("result", "success"),)] >= 2
        assert seen["floe_operator_api_requests_total", (("code", "200"), ("method", "PATCH"))] >= 2
        assert seen["floe_operator_queue_depth", ()] == 0
        assert seen["floe_operator_scan_success", ()] == 1
        assert seen["floe_operator_scan_last_success_timestamp_seconds", ()] > 1.7e9
        assert seen["floe_operator_watch_established", (("resource", "floeplugins"),)] == 1
        assert seen["floe_operator_watch_restarts_total", (("resource", "floeplugins"),)] == 0
        assert seen["floe_operator_plugin_host_starts_total", ()] == 1
        assert seen["floe_operator_plugin_host_resident_memory_bytes", ()] > 1e6
        assert seen["process_resident_memory_bytes", ()] > 1e6
        return True

    eventually(told)


def test_kubectl_describe_says_why_a_plugin_is_not_ready(
    cluster: LocalCluster, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    floeplugins.create("identity", "keycloak")
    start_operator()
    floeplugins.until("identity-keycloak", "Ready", "NotInstalled")

    def told() -> bool:
        text = cluster.kubectl("describe", "floeplugin", "identity-keycloak", "-n", floeplugins.namespace)
        events = text.partition("Events:")[2]
        assert "Warning  NotInstalled" in events, events
        return True

    eventually(told)


def test_a_standby_is_ready_and_leads_as_soon_as_the_leader_ends(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> None:
    environment.install(DUCKDB)
    leading, standing_by = free_port(), free_port()
    first = start_operator("--http-port", str(leading))
    until_ready(leading)
    eventually(lambda: scraped(leading)["floe_operator_leader", ()] == 1)
    second = start_operator("--http-port", str(standing_by))
    until_ready(standing_by)
    seen = scraped(standing_by)
    assert seen["floe_operator_leader", ()] == 0
    assert not any(name.startswith("floe_operator_plugins_by") for name, _ in seen)
    assert first.stop() == 0
    floeplugins.create("identity", "keycloak")
    floeplugins.until("identity-keycloak", "Ready", "NotInstalled")
    assert scraped(standing_by)["floe_operator_leader", ()] == 1
    assert second.stop() == 0


def test_readyz_names_a_missing_permission_to_write(
    cluster: LocalCluster, environment: Environment, start_operator: StartOperator, namespace: str
) -> None:
    environment.install(DUCKDB)
    user = f"operator-{namespace}"
    verbs = "--verb=get,list,watch,create,update,patch,delete"
    rules = ("--resource=floeplugins.floe.dev,leases.coordination.k8s.io", "-n", namespace)
    cluster.kubectl("create", "role", "operator", verbs, *rules)
    cluster.kubectl("create", "rolebinding", "operator", "--role=operator", f"--user={user}", "-n", namespace)
    port = free_port()
    start_operator("--http-port", str(port), kubeconfig=cluster.kubeconfig_for(user, namespace=namespace))
    until_not_ready(port, "[-]writes failed", 'verb "patch"', 'resource "floeplugins/status"')


def test_readyz_says_that_the_crd_is_not_installed(environment: Environment, tmp_path: Path) -> None:
    port = free_port()
    with LocalCluster() as bare:
        log = tmp_path / "operator.log"
        flags = ("--http-port", str(port))
        with OperatorProcess(bare.kubeconfig, "default", environment.python, log, *flags):
            until_not_ready(port, "[-]watch failed", "the CRD floeplugins.floe.dev is not installed")
            install_crd(bare)
            until_ready(port)


def test_readyz_says_why_scans_fail(
    cluster: LocalCluster, start_operator: StartOperator, tmp_path: Path, namespace: str
) -> None:
    port = free_port()
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho no such interpreter >&2\nexit 3\n")
    bare.chmod(0o755)
    log = tmp_path / "operator.log"
    with OperatorProcess(cluster.kubeconfig, namespace, bare, log, "--http-port", str(port)):
        until_not_ready(port, "[-]scan failed")
