"""What the operator survives: the death of its leader, and a reboot of its node."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

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


def test_a_leader_that_is_told_to_end_releases_the_lease_for_another(
    operator: Deployed, images: Images, tmp_path: Path
) -> None:
    operator.apply(images.other, overlay="overlays/ha")
    operator.rolled_out()
    floeplugins = operator.floeplugins
    floeplugins.until("compute-other", "Ready", "Ready", within=60)
    ended = operator.leader()
    holder = ("-o", "custom-columns=:.spec.holderIdentity", "--no-headers")
    lease = ("get", "lease", "floe-operator", "-n", operator.namespace, "--watch", *holder)
    with operator.cluster.following(*lease, output=tmp_path / "holders") as holders:
        eventually(lambda: ended in holders.read_text())
        operator.cluster.kubectl("delete", "pod", ended, "-n", operator.namespace, "--wait=false")

        def look() -> bool:
            # Each renewal is a line; an expired Lease would change hands without a line that names nobody.
            seen = [line.strip().partition("_")[0] for line in holders.read_text().splitlines()]
            changes = [one for one, before in zip(seen, [None, *seen], strict=False) if one != before]
            assert changes[:2] == [ended, ""] or changes[:2] == [ended, "<none>"], changes
            assert len(changes) == 3, changes
            assert changes[2] not in ("", "<none>", ended), changes
            return True

        eventually(look, within=TAKEOVER_SECONDS)


def test_after_a_reboot_of_the_node_everything_is_as_before(
    operator: Deployed, cluster: Cluster, images: Images, note: Note
) -> None:
    cluster.must_be_ours("this test reboots the node")
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
    # The plugin is started again once the new process leads, as its metrics show.
    eventually(lambda: "floe_operator_leader 1.0" in operator.page("metrics"), within=60)
    floeplugins.until("compute-other", "Healthy", "Healthy", within=60)
    after = floeplugins.get("compute-other") or {}
    assert identity(after) == identity(before)


def identity(found: dict[str, Any]) -> tuple[str, Any, dict[str, str]]:
    """Return the object's uid, its spec, and when each of its conditions last changed."""
    since = {one["type"]: one["lastTransitionTime"] for one in found["status"]["conditions"]}
    return found["metadata"]["uid"], found["spec"], since
