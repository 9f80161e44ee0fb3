"""When a plugin may start, when one that runs takes another configuration, and when it stops. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from floe_operator.rules.conclusions import Shown, is_true
from floe_operator.rules.facts import ConfigDigest, Facts
from floe_operator.rules.resource import ProbeSpec

NEEDED_TO_RUN = ("VersionCompatible", "ConfigValid")
"""What must be True of a loaded plugin before one that was asked to run is given anything new: a restart
would fail otherwise."""
NEEDED_TO_START = (*NEEDED_TO_RUN, "DependenciesReady")
"""What must be True of a loaded plugin before it is first asked to run. From then on it goes on, restarts
included, while its dependencies are not Ready: to stop it would not bring them back."""


@dataclass(frozen=True, slots=True)
class Run:
    """The plugin is to run with this configuration, and to be checked so; another digest restarts it."""

    probe: ProbeSpec
    digest: ConfigDigest


class Rest(Enum):
    """The plugin is asked for nothing new."""

    STOP = "it is not to run, or not any more"
    AS_IT_IS = "what runs goes on as it is, what does not run waits"


def may_start(shown: Shown) -> bool:
    """Whether the conditions of a loaded plugin let it start for the first time."""
    return all(is_true(shown, kind) for kind in NEEDED_TO_START)


def wanted(facts: Facts, shown: Shown) -> Run | Rest:
    """What becomes of the plugin's run, by the facts and the conditions that follow from them."""
    probe, digest = facts.spec.probe, facts.config_digest
    if probe is None or not is_true(shown, "Discovered"):
        return Rest.STOP
    needed = NEEDED_TO_START if facts.probe is None else NEEDED_TO_RUN
    # Without a digest the conditions are those of before, and nothing is known of the configuration.
    if digest is None or not all(is_true(shown, kind) for kind in ("Loaded", *needed)):
        return Rest.AS_IT_IS
    return Run(probe, digest)
