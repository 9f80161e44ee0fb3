"""What /healthz and /readyz report: checks, and their results in the format of Kubernetes' own components.

Liveness covers this process: its event loop (by answering at all), its watch and its credentials. Trouble
with plugins, the CRD or the API server is no reason to restart it. Readiness means that it does its work or
stands by.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

Check = Callable[[], str]
"""Returns what is wrong, for people; empty if nothing is."""

WATCH_SILENCE = 60.0
"""Seconds without a request of the watch, answered or not, after which it counts as hung."""
CREDENTIALS_REFUSED = 180.0
"""Seconds without a request whose credentials were accepted after which a new process should read them."""


class Election(Protocol):
    """What is read from leader election."""

    @property
    def is_leader(self) -> bool: ...

    @property
    def obstacle(self) -> str: ...


class Following(Protocol):
    """What is read from whatever follows objects of the API server."""

    @property
    def obstacle(self) -> str: ...


class Watching(Following, Protocol):
    """What is read from the watch on FloePlugins."""

    def silence(self) -> float: ...


class Scanned(Protocol):
    """What is read from the scans."""

    @property
    def ended(self) -> bool: ...

    @property
    def failure(self) -> str: ...


class Suitable(Protocol):
    """What is read about the CRD."""

    @property
    def fault(self) -> str: ...


class Requests(Protocol):
    """What is read from the requests about FloePlugins."""

    @property
    def unlisted(self) -> str: ...

    @property
    def refusals(self) -> Mapping[str, str]: ...


class Credentials(Protocol):
    """What is read about the credentials."""

    @property
    def refused_since(self) -> float | None: ...


def liveness(watch: Watching, credentials: Credentials) -> dict[str, Check]:
    """Return the checks of /healthz."""

    def watches() -> str:
        silence = watch.silence()
        return f"no request for {silence:.0f} s" if silence > WATCH_SILENCE else ""

    def accepted() -> str:
        since = credentials.refused_since
        seconds = time.monotonic() - since if since is not None else 0.0
        return (
            f"the API server has not accepted them for {seconds:.0f} s"
            if seconds > CREDENTIALS_REFUSED
            else ""
        )

    return {"event-loop": lambda: "", "watch": watches, "credentials": accepted}


def readiness(
    *,
    election: Election,
    watch: Following,
    sources: Following,
    crd: Suitable,
    scans: Scanned,
    floeplugins: Requests,
) -> dict[str, Check]:
    """Return the checks of /readyz, each naming what is missing."""

    def scan() -> str:
        return scans.failure if scans.ended else "the first scan has not finished"

    def leader() -> str:
        return "" if election.is_leader else election.obstacle

    return {
        "watch": lambda: watch.obstacle,
        "listing": lambda: floeplugins.unlisted,
        "sources": lambda: sources.obstacle,
        "crd": lambda: crd.fault,
        "scan": scan,
        "leader-election": leader,
        "writes": lambda: "; ".join(floeplugins.refusals.values()),
    }


def report(checks: Mapping[str, Check]) -> tuple[bool, str]:
    """Return whether all checks passed, and a line for each: `[+]watch ok` or `[-]watch failed: why`."""
    found = {name: check() for name, check in checks.items()}
    lines = [f"[-]{name} failed: {why}" if why else f"[+]{name} ok" for name, why in found.items()]
    return not any(found.values()), "\n".join(lines) + "\n"
