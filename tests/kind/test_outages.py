"""What the operator survives: the death of its leader, and a reboot of its node."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.kind.clusters import Cluster
from tests.kind.conftest import Note
from tests.kind.deployments import Deployed
from tests.kind.images import Images
from tests.support.polling import eventually

TAKEOVER_SECONDS = 30.0


def test_another_operator_takes_over_from_a_leader_that_is_killed(
    operator: Deployed, images: Images, note: Note
) -> None:
    operator.apply(images.other, overlay="overlays/ha")
    operator.rolled_out()
    floeplugins = operator.floeplugins
    floeplugins.until("compute-other", "Ready", "Ready", within=60)
    killed = operator.leader()

    operator.cluster.kill_container(operator.namespace, killed)
    operator.cluster.kubectl("delete", "pod", killed, "-n", operator.namespace, "--wait=false")
    started = time.monotonic()
    floeplugins.apply("compute", "other", config={"size": "large"})
    floeplugins.until("compute-other", "Ready", "ValidationFailed", within=TAKEOVER_SECONDS)
    note(f"the next write came {time.monotonic() - started:.1f} s after the leader was killed")
    assert operator.leader() != killed


def test_a_leader_that_is_told_to_end_hands_over_at_once(operator: Deployed, images: Images) -> None:
    operator.apply(images.other, overlay="overlays/ha")
    operator.rolled_out()
    floeplugins = operator.floeplugins
    floeplugins.until("compute-other", "Ready", "Ready", within=60)
    ended = operator.leader()
    operator.cluster.kubectl("delete", "pod", ended, "-n", operator.namespace, "--wait=false")
    eventually(lambda: operator.leader() != ended, within=TAKEOVER_SECONDS)
    lease = operator.cluster.get("lease", "floe-operator", "-n", operator.namespace)
    assert lease["spec"]["leaseTransitions"] >= 1


def test_after_a_reboot_of_the_node_everything_is_as_before(
    operator: Deployed, cluster: Cluster, images: Images, note: Note
) -> None:
    if not cluster.is_ours:
        pytest.fail(
            "--cluster current: somebody else's node is not rebooted; deselect this test", pytrace=False
        )
    operator.apply(images.other)
    operator.rolled_out()
    floeplugins = operator.floeplugins
    floeplugins.apply("compute", "other", config={"size": 2}, probe={"periodSeconds": 1})
    floeplugins.until("compute-other", "Ready", "Ready", within=60)
    before = floeplugins.get("compute-other") or {}

    cluster.restart_node()
    restarted = time.monotonic()
    eventually(lambda: operator.restarts() > 0, within=180, every=1.0)
    operator.rolled_out()
    note(f"the operator is Ready {time.monotonic() - restarted:.0f} s after the reboot")
    # The plugin is started anew, as the metrics of the new process say.
    eventually(lambda: "floe_operator_leader 1.0" in operator.page("metrics"), within=60)
    floeplugins.until("compute-other", "Healthy", "Healthy", within=60)
    after = floeplugins.get("compute-other") or {}
    assert identity(after) == identity(before)


def identity(found: dict[str, Any]) -> tuple[str, Any, dict[str, str]]:
    """The object, its spec, and since when its conditions are as they are."""
    since = {one["type"]: one["lastTransitionTime"] for one in found["status"]["conditions"]}
    return found["metadata"]["uid"], found["spec"], since
