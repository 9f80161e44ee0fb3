"""What /healthz and /readyz say: checks, and a report in the words of Kubernetes' own components.

Liveness is this process: its event loop (which answers at all) and its watch. Plugins, the CRD or the API
server being in trouble is no reason to restart it. Readiness is that it does its work, or stands by to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

Check = Callable[[], str]
"""Why something is not as it should be, for people; empty where all is well."""

WATCH_SILENCE = 60.0
"""Seconds without a sign of life after which the thread that watches counts as hung."""


class Election(Protocol):
    """What is asked of leader election."""

    @property
    def is_leader(self) -> bool: ...

    @property
    def obstacle(self) -> str: ...


class Watching(Protocol):
    """What is asked of the watch on FloePlugins."""

    @property
    def obstacle(self) -> str: ...

    def silence(self) -> float: ...


class Scanned(Protocol):
    """What is asked of the scans."""

    @property
    def ended(self) -> bool: ...

    @property
    def failure(self) -> str: ...


class Writing(Protocol):
    """What is asked of the calls to the API server."""

    @property
    def refusals(self) -> Mapping[str, str]: ...


def liveness(watch: Watching) -> dict[str, Check]:
    """The checks of /healthz."""

    def watches() -> str:
        silence = watch.silence()
        return f"it gave no sign of life for {silence:.0f} s" if silence > WATCH_SILENCE else ""

    return {"event-loop": lambda: "", "watch": watches}


def readiness(election: Election, watch: Watching, scans: Scanned, writing: Writing) -> dict[str, Check]:
    """The checks of /readyz, each naming what is missing."""

    def scan() -> str:
        return scans.failure if scans.ended else "the first scan has not ended"

    def leader() -> str:
        return "" if election.is_leader else election.obstacle

    return {
        "watch": lambda: watch.obstacle,
        "scan": scan,
        "leader-election": leader,
        "writes": lambda: "; ".join(writing.refusals.values()),
    }


def report(checks: Mapping[str, Check]) -> tuple[bool, str]:
    """Whether all is well, and a line for each check: `[+]watch ok` or `[-]watch failed: why`."""
    found = {name: check() for name, check in checks.items()}
    lines = [f"[-]{name} failed: {why}" if why else f"[+]{name} ok" for name, why in found.items()]
    return not any(found.values()), "\n".join(lines) + "\n"
