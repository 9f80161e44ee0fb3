"""What /healthz and /readyz report in each state of the operator."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from floe_operator.health import WATCH_SILENCE, liveness, readiness, report


@dataclass
class Election:
    is_leader: bool = True
    obstacle: str = ""


@dataclass
class Watching:
    obstacle: str = ""
    silent: float = 0.0

    def silence(self) -> float:
        return self.silent


@dataclass
class Scans:
    ended: bool = True
    failure: str = ""


@dataclass
class Writing:
    refusals: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("election", "watch", "scans", "writing", "missing"),
    [
        pytest.param(Election(), Watching(), Scans(), Writing(), "", id="leading"),
        pytest.param(Election(is_leader=False), Watching(), Scans(), Writing(), "", id="standing by"),
        pytest.param(
            Election(is_leader=False, obstacle="the Lease cannot be used"),
            Watching(),
            Scans(),
            Writing(),
            "[-]leader-election failed: the Lease cannot be used",
            id="leader unknown",
        ),
        pytest.param(
            Election(),
            Watching(obstacle="the CRD is not installed"),
            Scans(),
            Writing(),
            "[-]watch failed: the CRD is not installed",
            id="no CRD",
        ),
        pytest.param(
            Election(),
            Watching(),
            Scans(ended=False),
            Writing(),
            "[-]scan failed: the first scan has not finished",
            id="not scanned yet",
        ),
        pytest.param(
            Election(),
            Watching(),
            Scans(failure="no floe_core there"),
            Writing(),
            "[-]scan failed: no floe_core there",
            id="scan failed",
        ),
        pytest.param(
            Election(),
            Watching(),
            Scans(),
            Writing({"status": "missing permission: patch floeplugins/status"}),
            "[-]writes failed: missing permission: patch floeplugins/status",
            id="missing permission to write",
        ),
    ],
)
def test_readiness_names_what_is_missing(
    election: Election, watch: Watching, scans: Scans, writing: Writing, missing: str
) -> None:
    well, text = report(readiness(election, watch, scans, writing))
    assert well == (not missing)
    assert [line for line in text.splitlines() if line.startswith("[-]")] == ([missing] if missing else [])


@pytest.mark.parametrize(
    ("silent", "alive"), [(0.0, True), (WATCH_SILENCE - 1, True), (WATCH_SILENCE + 1, False)]
)
def test_a_process_whose_watch_hangs_is_not_alive(silent: float, alive: bool) -> None:
    well, _ = report(liveness(Watching(silent=silent)))
    assert well == alive


def test_a_process_is_alive_even_if_the_cluster_lacks_something() -> None:
    well, text = report(liveness(Watching(obstacle="the CRD is not installed")))
    assert well
    assert text == "[+]event-loop ok\n[+]watch ok\n"
