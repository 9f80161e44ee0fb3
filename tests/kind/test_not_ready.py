"""An operator that runs but is not Ready: users can ask it why, and it does not block a node drain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kind.clusters import Cluster
from tests.kind.deployments import Deployed
from tests.kind.images import Images
from tests.kind.pages import OPERATIONS, Shell, scripts
from tests.support.polling import eventually
from tests.support.ports import free_port

MISSING = "the CRD floeplugins.floe.dev is not installed"


@pytest.fixture
def waiting(cluster: Cluster, images: Images, tmp_path: Path) -> Iterator[Deployed]:
    """Yield an operator that waits for the missing CRD."""
    cluster.remove_crd()
    deployed = Deployed(cluster, tmp_path)
    try:
        deployed.apply(images.other)
        deployed.until_readyz_says("[-]watch failed", MISSING)
        yield deployed
    finally:
        deployed.uninstall()


def test_the_commands_of_the_runbook_show_why_the_operator_is_not_ready(
    waiting: Deployed, tmp_path: Path
) -> None:
    (script,) = scripts(OPERATIONS, "Check the operator's health")
    forward, ask = script.strip().splitlines()[-2:]
    port = free_port()
    ours = {
        "floe-system": waiting.namespace,
        " 8080 &": f" {port}:8080",
        "localhost:8080": f"localhost:{port}",
    }
    shell = Shell(waiting.cluster, tmp_path, ours)
    with shell.background(forward):

        def look() -> bool:
            said = shell.run(ask)
            assert MISSING in said, said
            return True

        eventually(look)


def test_the_service_serves_the_metrics_of_an_operator_that_is_not_ready(waiting: Deployed) -> None:
    path = f"/api/v1/namespaces/{waiting.namespace}/services/floe-operator:metrics/proxy/metrics"

    def look() -> bool:
        assert 'floe_operator_watch_established{resource="floeplugins"} 0.0' in waiting.cluster.kubectl(
            "get", "--raw", path
        )
        return True

    eventually(look)


def test_an_operator_that_is_not_ready_does_not_block_a_node_drain(waiting: Deployed) -> None:
    cluster, namespace, pod = waiting.cluster, waiting.namespace, waiting.pod()
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }

    # Until the disruption controller has counted the pods, the API server asks to try again later.
    eventually(lambda: cluster.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(eviction)))
    cluster.kubectl("wait", "--for=delete", f"pod/{pod}", "-n", namespace, "--timeout=60s")
