"""An operator whose kubeconfig impersonates a user with fewer permissions."""

from __future__ import annotations

import json
from pathlib import Path

from floe_operator.api import events, leader
from floe_operator.api.floeplugins import RIGHTS
from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.audit import Audit
from tests.support.control_planes import grant
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.polling import eventually

GROUPS: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "floe.dev": [(resource, (verb,)) for verb, resource in RIGHTS],
    "coordination.k8s.io": [("leases", leader.RIGHTS)],
    "events.k8s.io": [("events", events.RIGHTS)],
}


def test_every_request_is_sent_as_the_user_whom_the_kubeconfig_impersonates(
    cluster: LocalCluster,
    namespace: str,
    environment: Environment,
    floeplugins: FloePlugins,
    start_operator: StartOperator,
    audit: Audit,
    tmp_path: Path,
) -> None:
    robot = f"robot-{namespace}"
    rights = [(group, resource, verbs) for group, rules in GROUPS.items() for resource, verbs in rules]
    grant(cluster, namespace, robot, rights)
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"]["as"] = robot
    kubeconfig = tmp_path / "kubeconfig-as"
    kubeconfig.write_text(json.dumps(config))

    environment.install(plugin_distribution("one", config="word: str = 'none'"))
    operator = start_operator("--leader-elect", "--scan-interval", "1h", kubeconfig=kubeconfig)
    floeplugins.until("compute-one", "Ready", "Ready", within=60)
    floeplugins.merge("compute-one", {"spec": {"config": {"word": 7}}})
    floeplugins.until("compute-one", "Ready", "ValidationFailed")
    sent = audit.requests(namespace=namespace)
    assert {event["verb"] for event in sent} >= {"list", "watch", "patch"}
    assert {event.get("impersonatedUser", {}).get("username") for event in sent} == {robot}

    # The administrator behind it could read Secrets; the user cannot.
    secret = {"name": "words", "key": "word"}
    floeplugins.merge(
        "compute-one", {"spec": {"config": None, "configFrom": [{"secretKeyRef": secret, "path": "word"}]}}
    )
    floeplugins.until("compute-one", "ConfigValid", "Forbidden")
    eventually(lambda: operator.logged("missing permission", "secrets"))
