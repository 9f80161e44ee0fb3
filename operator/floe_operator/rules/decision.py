"""What a reconcile does for one plugin, as one value. Pure.

`assess` has the rules for the status, `mirror` those for the objects, `probing` those for running a plugin;
here they are combined. Nothing is carried out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from floe_operator.rules.assess import assess
from floe_operator.rules.facts import Facts
from floe_operator.rules.load_states import Loading
from floe_operator.rules.mirror import missing_labels
from floe_operator.rules.probing import Rest, Run, wanted
from floe_operator.rules.resource import FloePlugin, FloePluginStatus

LOADING_SECONDS = 10.0
"""Seconds that an object without an assessment waits for its plugin to load before it reports Loading: most
plugins load faster, and a status that lasts only a moment would double the writes."""


class Mirror(Enum):
    """What to do with the object itself, apart from its status."""

    MAKE = "the plugin is installed and has no object"
    COMPLETE = "the object lacks one of our labels, or has one that is no longer ours"
    LEAVE = "nothing is missing"


@dataclass(frozen=True, slots=True)
class Situation:
    """A plugin's object as last seen, and what is known about the plugin."""

    seen: FloePlugin | None
    """None if there is no object."""
    facts: Facts | None = None
    """None if there is no object, if it is being deleted, or before the first scan has ended."""
    lacks_object: bool = False
    """Whether it is certain that the plugin must have an object and has none."""
    until: float = math.inf
    """Until when the facts hold although nothing tells of a change; seconds of the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do; by default, nothing."""

    mirror: Mirror = Mirror.LEAVE
    status: FloePluginStatus | None = None
    """The status to write, or None if the object already has it."""
    run: Run | Rest = Rest.AS_IT_IS
    forget: bool = False
    """Whether the object is gone or being deleted: stop its plugin, then drop what is remembered about it."""
    again_after: float = 0.0
    """Seconds until the next decision; if above 0, do nothing else now."""


def decide(
    situation: Situation,
    now: datetime,
    monotonic: float,
    labels: Mapping[str, str],
    unserved: Collection[str] = (),
) -> Decision:
    """Decide what to do; `now` stamps conditions, `monotonic` (seconds) measures how long loading takes.

    `labels` are those that mirrors have beside the type; `unserved` are the fields of a status that the API
    server's CRD does not have.
    """
    seen, facts = situation.seen, situation.facts
    if seen is None or seen.is_going:
        mirror = Mirror.MAKE if situation.lacks_object else Mirror.LEAVE
        return Decision(mirror=mirror, run=Rest.STOP, forget=True)
    if facts is None:
        return Decision()
    if (patience := _patience(facts, seen, monotonic)) > 0:
        return Decision(again_after=patience)
    status = assess(facts, seen.status, now).without(unserved)
    run = wanted(facts, {condition.type: condition for condition in status.conditions})
    # What was written before the CRD lost the field is still in the object as it was last seen.
    if seen.status is None or status != seen.status.without(unserved):
        return Decision(status=status, run=run)
    # The label comes after the status: it is worth a separate write, but not a delay of the status.
    is_complete = missing_labels(seen, labels) is None
    return Decision(mirror=Mirror.LEAVE if is_complete else Mirror.COMPLETE, run=run)


def _patience(facts: Facts, seen: FloePlugin, monotonic: float) -> float:
    """Return for how many seconds the first assessment can wait for the plugin to load.

    Once the plugin has loaded, the key is enqueued.
    """
    if not isinstance(facts.loading, Loading):
        return 0.0
    if seen.status is not None and seen.status.condition("Loaded") is not None:
        return 0.0
    return facts.loading.since + LOADING_SECONDS - monotonic
