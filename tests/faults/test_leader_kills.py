"""Leaders that are killed at any moment while people change things: one writes at a time, and one soon does.

The seed is printed, and FLOE_KILLS_SEED repeats it; FLOE_KILLS is the number of kills (20 take six minutes).
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster import LocalCluster
from tests.faults.conftest import RARELY, control_plane_options
from tests.support.audit import Audit, received
from tests.support.control_planes import audited, install_crd, new_namespace
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually

KILLS = int(os.environ.get("FLOE_KILLS", "2"))
SEED = int(os.environ.get("FLOE_KILLS_SEED", random.randrange(10**6)))
WITHIN = 30.0
"""Seconds from a kill to the next write."""
USERS = ("first", "second")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCluster, Audit]]:
    """Yield a control plane with an audit log, which shows who wrote what and when."""
    rules = ({"level": "Metadata", "resources": [{"group": "floe.dev"}]}, {"level": "None"})
    options = audited(tmp_path_factory.mktemp("audit"), rules)
    with LocalCluster(**control_plane_options(), **options) as cluster:
        install_crd(cluster)
        yield cluster, Audit(options["audit_log"])


def writes(audit: Audit, namespace: str) -> list[tuple[float, str]]:
    """Return when and by whom each write was received, in order."""

    def is_write(event: dict[str, Any]) -> bool:
        return event["verb"] in ("patch", "create", "delete") and event["user"]["username"] in USERS

    events = audit.answered(f'"{namespace}"', is_write)
    return sorted((received(event), event["user"]["username"]) for event in events)


def test_one_writes_at_a_time_and_the_other_soon_after_a_kill(
    server: tuple[LocalCluster, Audit], tmp_path: Path
) -> None:
    # pytest shows both lines if the test fails.
    sys.stdout.write(f"FLOE_KILLS_SEED={SEED} FLOE_KILLS={KILLS}\n")
    dice = random.Random(SEED)
    cluster, audit = server
    namespace = new_namespace(cluster)
    plugins = FloePlugins(cluster.kubeconfig, namespace)
    environment = Environment.create(tmp_path / "plugins")
    environment.install(plugin_distribution("one", config="word: int = 0"))
    operators = {
        user: OperatorProcess(
            cluster.kubeconfig_for(user, groups=["system:masters"]),
            namespace,
            environment.python,
            tmp_path / f"{user}.log",
            *RARELY,
        )
        for user in USERS
    }
    leader, standby = USERS
    with operators[leader], operators[standby]:
        plugins.until("compute-one", "Ready", "Ready", within=60)
        leader = writes(audit, namespace)[-1][1]
        gaps = []
        for _ in range(KILLS):
            standby = next(user for user in USERS if user != leader)
            eventually(lambda user=standby: operators[user].logged("standing by"))  # type: ignore[misc]
            calm = time.monotonic() + dice.uniform(0.0, 2.0)
            while time.monotonic() < calm:
                plugins.merge("compute-one", {"spec": {"config": {"word": dice.randrange(10**6)}}})
            operators[leader].kill()
            killed = time.time()
            plugins.merge("compute-one", {"spec": {"config": {"word": dice.randrange(10**6)}}})
            plugins.until("compute-one", "Ready", "Ready", within=WITHIN + 15)
            later = [at for at, user in writes(audit, namespace) if user == standby and at > killed]
            gaps.append(later[0] - killed)
            operators[leader].log.unlink()
            operators[leader].start()
            leader = standby
        sys.stdout.write(f"seconds from kill to write: {[round(gap, 1) for gap in gaps]}\n")
        told = [user for _, user in writes(audit, namespace)]
    terms = [user for number, user in enumerate(told) if number == 0 or told[number - 1] != user]
    assert len(terms) == KILLS + 1, f"writers in turn: {terms}"
    assert max(gaps) < WITHIN
