"""Leaders that end at any moment while people change things: one writes at a time, and one soon does.

Some are killed, some paused for longer than their Lease; FLOE_KILLS is the number of both together (20 take
eight minutes). A line with the seed and the figures is printed, and FLOE_KILLS_SEED repeats a run.
"""

from __future__ import annotations

import math
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from localcluster import LocalCluster
from tests.faults.conftest import RARELY, control_plane_options
from tests.support.audit import Audit, received
from tests.support.control_planes import audited, install_crd, new_namespace
from tests.support.distributions import Environment, plugin_distribution
from tests.support.operator import FloePlugins, OperatorProcess, ready_reason
from tests.support.polling import eventually

KILLS = int(os.environ.get("FLOE_KILLS", "2"))
SEED = int(os.environ.get("FLOE_KILLS_SEED", random.randrange(10**6)))
WITHIN = 30.0
"""Seconds from the end of a leader to the next write."""
PAUSED = (15.0, 22.0)
"""Seconds for which a leader is paused: longer than its Lease, until about when the other one takes over."""
USERS = ("first", "second")
NAMES = [f"compute-p{number}" for number in range(10)]
"""So many plugins that a leader which is changing them always has something to write."""
READS = ("get", "list", "watch")


class Write(NamedTuple):
    """When the API server received a write, in Unix time, and whose it was."""

    at: float
    user: str


@dataclass
class Figures:
    """What is known about the run so far."""

    began: float = field(default_factory=time.monotonic)
    gaps: dict[str, list[float]] = field(default_factory=lambda: {"killed": [], "paused": []})
    """Seconds from the end of each leader to the next write."""
    writes: list[Write] = field(default_factory=list)

    @property
    def terms(self) -> list[str]:
        """Who wrote, in turn: one term after the other if there are never two writers."""
        return [user for user, _ in groupby(write.user for write in self.writes)]

    def longest(self) -> float:
        """Return the longest time from the end of a leader to the next write."""
        return max((gap for gaps in self.gaps.values() for gap in gaps), default=0.0)

    def __str__(self) -> str:
        ended = ", ".join(f"{len(gaps)} {how}" for how, gaps in self.gaps.items())
        return (
            f"FLOE_KILLS_SEED={SEED} FLOE_KILLS={KILLS}: {ended} in {time.monotonic() - self.began:.0f} s; "
            f"at most {self.longest():.1f} s to the next write; {len(self.writes)} writes in "
            f"{len(self.terms)} terms"
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCluster, Audit]]:
    """Yield a control plane with an audit log, which shows who wrote what and when."""
    groups = [{"group": "floe.dev"}, {"group": "events.k8s.io"}]
    rules = ({"level": "Metadata", "resources": groups}, {"level": "None"})
    options = audited(tmp_path_factory.mktemp("audit"), rules)
    with LocalCluster(**control_plane_options(), **options) as cluster:
        install_crd(cluster)
        yield cluster, Audit(options["audit_log"])


def writes(audit: Audit, namespace: str) -> list[Write]:
    """Return the operators' writes in the order in which they were received."""

    def is_write(event: dict[str, Any]) -> bool:
        return event["verb"] not in READS and event["user"]["username"] in USERS

    events = audit.answered(f'"{namespace}"', is_write)
    return sorted(Write(received(event), event["user"]["username"]) for event in events)


def is_ready(found: dict[str, Any]) -> bool:
    return ready_reason(found) == "Ready"


def ends_of_leaders(dice: random.Random) -> list[str]:
    """Return how each leader ends: by chance, but both ways if there are two."""
    ends = ["killed", "paused", *dice.choices(["killed", "paused"], k=max(0, KILLS - 2))][:KILLS]
    dice.shuffle(ends)
    return ends


@pytest.fixture
def figures() -> Iterator[Figures]:
    """Yield the figures, which are printed however the test ends; pytest shows them if it fails."""
    found = Figures()
    yield found
    sys.stdout.write(f"{found}\n")


def test_one_writes_at_a_time_and_the_other_soon_after_a_leader_ends(
    server: tuple[LocalCluster, Audit], tmp_path: Path, figures: Figures
) -> None:
    dice = random.Random(SEED)
    cluster, audit = server
    namespace = new_namespace(cluster)
    plugins = FloePlugins(cluster.kubeconfig, namespace)
    environment = Environment.create(tmp_path / "plugins")
    environment.install(*(plugin_distribution(f"p{n}", config="word: int = 0") for n in range(len(NAMES))))
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

    def change() -> None:
        plugins.merge(dice.choice(NAMES), {"spec": {"config": {"word": dice.randrange(10**6)}}})

    leader, standby = USERS
    with operators[leader], operators[standby]:
        plugins.until_all(is_ready, NAMES, within=60)
        leader = writes(audit, namespace)[-1].user
        for how in ends_of_leaders(dice):
            standby = next(user for user in USERS if user != leader)
            eventually(lambda user=standby: operators[user].logged("standing by"))  # type: ignore[misc]
            calm = time.monotonic() + dice.uniform(0.0, 2.0)
            while time.monotonic() < calm:
                change()
            resumed = math.inf
            if how == "killed":
                operators[leader].kill()
                ended = time.time()
                change()
            else:
                with operators[leader].paused():
                    ended = time.time()
                    change()
                    time.sleep(dice.uniform(*PAUSED))
                    resumed = time.time()
                assert operators[leader].process.wait(10) == 1, "a leader that was paused ends"
                assert operators[leader].logged("leadership lost")
            plugins.until_all(is_ready, NAMES, within=WITHIN + 15)
            figures.writes = writes(audit, namespace)
            late = [write for write in figures.writes if write.user == leader and write.at > resumed]
            assert not late, "a leader that was paused writes nothing"
            later = [write.at for write in figures.writes if write.user == standby and write.at > ended]
            figures.gaps[how].append(later[0] - ended)
            operators[leader].log.unlink()
            operators[leader].start()
            leader = standby
        figures.writes = writes(audit, namespace)
    assert len(figures.terms) == KILLS + 1, f"writers in turn: {figures.terms}"
    assert figures.longest() < WITHIN
