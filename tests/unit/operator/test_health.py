"""What /healthz and /readyz report in each state of the operator."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest

from floe_operator.health import CREDENTIALS_REFUSED, WATCH_SILENCE, liveness, readiness, report


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
class Credentials:
    refused_since: float | None = None


@dataclass
class Scans:
    ended: bool = True
    failure: str = ""


@dataclass
class Crd:
    fault: str = ""


@dataclass
class Requests:
    refusals: dict[str, str] = field(default_factory=dict)
    unlisted: str = ""


@dataclass
class State:
    """Everything that readiness is read from; all is well by default."""

    election: Election = field(default_factory=Election)
    watch: Watching = field(default_factory=Watching)
    sources: Watching = field(default_factory=Watching)
    crd: Crd = field(default_factory=Crd)
    scans: Scans = field(default_factory=Scans)
    floeplugins: Requests = field(default_factory=Requests)


UNREADY: dict[str, tuple[State, str]] = {
    "leader unknown": (
        State(election=Election(is_leader=False, obstacle="the Lease cannot be used")),
        "[-]leader-election failed: the Lease cannot be used",
    ),
    "no CRD": (
        State(watch=Watching(obstacle="the CRD is not installed")),
        "[-]watch failed: the CRD is not installed",
    ),
    "no listing": (
        State(floeplugins=Requests(unlisted="the API server answered 500")),
        "[-]listing failed: the API server answered 500",
    ),
    "no changes of Secrets": (
        State(sources=Watching(obstacle="secrets: no answer")),
        "[-]sources failed: secrets: no answer",
    ),
    "old CRD": (State(crd=Crd("it has no x")), "[-]crd failed: it has no x"),
    "not scanned yet": (State(scans=Scans(ended=False)), "[-]scan failed: the first scan has not finished"),
    "scan failed": (State(scans=Scans(failure="no floe_core there")), "[-]scan failed: no floe_core there"),
    "missing permission to write": (
        State(floeplugins=Requests({"status": "missing permission: patch floeplugins/status"})),
        "[-]writes failed: missing permission: patch floeplugins/status",
    ),
}


@pytest.mark.parametrize(("state", "missing"), UNREADY.values(), ids=UNREADY)
def test_readiness_names_what_is_missing(state: State, missing: str) -> None:
    well, text = report(readiness(**vars(state)))
    assert not well
    assert [line for line in text.splitlines() if line.startswith("[-]")] == [missing]


@pytest.mark.parametrize("leads", [True, False])
def test_an_operator_that_leads_or_stands_by_is_ready(leads: bool) -> None:
    well, text = report(readiness(**vars(State(election=Election(is_leader=leads)))))
    assert well, text


@pytest.mark.parametrize(
    ("silent", "alive"), [(0.0, True), (WATCH_SILENCE - 1, True), (WATCH_SILENCE + 1, False)]
)
def test_a_process_whose_watch_hangs_is_not_alive(silent: float, alive: bool) -> None:
    well, _ = report(liveness(Watching(silent=silent), Credentials()))
    assert well == alive


@pytest.mark.parametrize(
    ("refused_for", "alive"),
    [(None, True), (CREDENTIALS_REFUSED - 5, True), (CREDENTIALS_REFUSED + 5, False)],
)
def test_a_process_whose_credentials_are_refused_for_minutes_is_not_alive(
    refused_for: float | None, alive: bool
) -> None:
    since = time.monotonic() - refused_for if refused_for is not None else None
    well, text = report(liveness(Watching(), Credentials(refused_since=since)))
    assert well == alive
    assert alive or "[-]credentials failed: the API server has not accepted them for 185 s" in text


def test_a_process_is_alive_even_if_the_cluster_lacks_something() -> None:
    well, text = report(liveness(Watching(obstacle="the CRD is not installed"), Credentials()))
    assert well
    assert text == "[+]event-loop ok\n[+]watch ok\n[+]credentials ok\n"
