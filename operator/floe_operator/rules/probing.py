"""When a plugin may start, when a running plugin gets another configuration, and when it stops. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from floe_operator.rules.conclusions import Shown, is_true
from floe_operator.rules.facts import ConfigDigest, Facts
from floe_operator.rules.resource import ProbeSpec

NEEDED_TO_RUN = ("VersionCompatible", "ConfigValid")
"""What must be True before a loaded plugin that was already asked to run is given anything new: otherwise, a
restart would fail."""
NEEDED_TO_START = (*NEEDED_TO_RUN, "DependenciesReady")
"""What must be True before a loaded plugin is first asked to run. From then on it keeps running, even across
restarts, if its dependencies are not Ready: stopping it would not bring them back."""


@dataclass(frozen=True, slots=True)
class Run:
    """The plugin should run and be checked as `probe` says; a new configuration digest restarts it."""

    probe: ProbeSpec
    digest: ConfigDigest


class Rest(Enum):
    """The plugin should not be started or restarted."""

    STOP = "it must not run; if it runs, it must stop"
    AS_IT_IS = "if it runs, it keeps running unchanged; if not, it waits"


def may_start(shown: Shown) -> bool:
    """Return True if the conditions of a loaded plugin let it start for the first time."""
    return all(is_true(shown, kind) for kind in NEEDED_TO_START)


def wanted(facts: Facts, shown: Shown) -> Run | Rest:
    """Decide whether the plugin runs, from the facts and the conditions that follow from them."""
    probe, digest = facts.spec.probe, facts.config_digest
    if probe is None or not is_true(shown, "Discovered"):
        return Rest.STOP
    needed = NEEDED_TO_START if facts.probe is None else NEEDED_TO_RUN
    # Without a digest, the conditions are the previous ones and the configuration is unknown.
    if digest is None or not all(is_true(shown, kind) for kind in ("Loaded", *needed)):
        return Rest.AS_IT_IS
    return Run(probe, digest)
