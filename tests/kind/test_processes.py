"""The processes of the pod: what plugins leave behind, and an operator told to stop while it starts."""

from __future__ import annotations

import json
import time

from tests.kind.deployments import Deployed, Process
from tests.kind.images import Images
from tests.kind.plugins import LEFT_BEHIND
from tests.support.polling import eventually

# Below terminationGracePeriodSeconds, after which the kubelet kills processes that have not ended.
ENDS_WITHIN = 25.0
_THROTTLED = {"limits": {"cpu": "50m"}, "requests": {"cpu": "50m"}}


def left_behind(operator: Deployed) -> list[Process]:
    return [one for one in operator.processes() if one.command == LEFT_BEHIND]


def test_processes_that_a_plugin_leaves_behind_are_reaped_by_the_pods_init(
    operator: Deployed, images: Images
) -> None:
    operator.apply(images.forking)
    operator.rolled_out()
    operator.floeplugins.until("compute-forks", "Ready", "Ready", within=60)
    ours = {one.pid for one in operator.processes() if "floe" in one.command}
    (init,) = [one for one in operator.processes() if one.pid == 1]
    assert init.name == "pause"
    left = left_behind(operator)
    assert left
    assert {one.parent for one in left} == {init.pid}

    operator.shell(f"kill -KILL {' '.join(str(one.pid) for one in left)}")
    eventually(lambda: not left_behind(operator))
    zombies = [one for one in operator.processes() if one.state == "Z"]
    assert [one for one in zombies if one.parent in ours] == []
    assert operator.process() in ours
    assert operator.restarts() == 0


def test_a_plugin_host_ends_with_an_operator_that_is_killed(operator: Deployed, images: Images) -> None:
    operator.apply(images.forking)
    operator.rolled_out()
    operator.floeplugins.until("compute-forks", "Ready", "Ready", within=60)
    operator.shell(f"kill -KILL {operator.process()}")
    eventually(lambda: operator.restarts() == 1, within=60)
    operator.rolled_out()
    operator.floeplugins.until("compute-forks", "Ready", "Ready", within=60)

    def look() -> bool:
        living = [one.command for one in operator.processes() if one.state != "Z"]
        assert sum("floe_core.host" in command for command in living) == 1, living
        return True

    eventually(look)


def test_an_operator_that_is_told_to_stop_while_it_starts_ends_in_time(
    operator: Deployed, images: Images
) -> None:
    """With so little CPU the imports take many seconds, during which it cannot react to signals yet."""
    cluster, namespace = operator.cluster, operator.namespace
    operator.apply(images.other)
    operator.rolled_out()
    container = {"name": "operator", "resources": _THROTTLED}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    cluster.kubectl("patch", "deployment", "floe-operator", "-n", namespace, "-p", json.dumps(patch))

    def starting() -> str:
        (name,) = [
            pod["metadata"]["name"]
            for pod in operator.pods()
            for status in pod["status"].get("containerStatuses", ())
            if "running" in status["state"] and not status["ready"]
        ]
        return str(name)

    def look() -> str:
        try:
            return starting()
        except ValueError as error:
            raise AssertionError(str(error)) from None

    pod = eventually(look, within=60)
    began = time.monotonic()
    cluster.kubectl("delete", "pod", pod, "-n", namespace, "--timeout=120s")
    assert time.monotonic() - began < ENDS_WITHIN
