"""What a reconcile does for one plugin, as one value. Pure.

`assess` has the rules of the status, `mirror` those of the objects, `probing` those of the run; here they
meet. Nothing is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from floe_operator.rules.assess import assess
from floe_operator.rules.facts import Facts
from floe_operator.rules.load_states import Loading
from floe_operator.rules.mirror import is_incomplete
from floe_operator.rules.probing import Rest, Run, wanted
from floe_operator.rules.resource import FloePlugin, FloePluginStatus

LOADING_SECONDS = 10.0
"""For how long an object that was never judged waits for its plugin to load before it says Loading: most load
in less, and a status that stands for a moment would double the writes."""


class Mirror(Enum):
    """What becomes of the object itself, its status aside."""

    MAKE = "the plugin is installed, and no object stands for it"
    COMPLETE = "somebody else made the object, and it lacks our label"
    LEAVE = "nothing is missing"


@dataclass(frozen=True, slots=True)
class Situation:
    """A plugin's object as last seen, and what is known of the plugin."""

    seen: FloePlugin | None
    """None where there is no object."""
    facts: Facts | None = None
    """None where there is no object, or one that goes, and before the first scan ended."""
    lacks_object: bool = False
    """Whether it is certain that the plugin must have an object, and has none."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done; the defaults mean nothing."""

    mirror: Mirror = Mirror.LEAVE
    status: FloePluginStatus | None = None
    """The status to write; None where the object has it."""
    run: Run | Rest = Rest.AS_IT_IS
    forget: bool = False
    """The object is gone, or goes: so does what is remembered for it, and its plugin stops first."""
    again_after: float = 0.0
    """Seconds after which it is decided anew; above 0, nothing else is done now."""


def decide(situation: Situation, now: datetime, monotonic: float) -> Decision:
    """What to do; `now` stamps conditions, `monotonic` (seconds) measures how long a plugin loads."""
    seen, facts = situation.seen, situation.facts
    if seen is None or seen.is_going:
        mirror = Mirror.MAKE if situation.lacks_object else Mirror.LEAVE
        return Decision(mirror=mirror, run=Rest.STOP, forget=True)
    if facts is None:
        return Decision()
    if (patience := _patience(facts, seen, monotonic)) > 0:
        return Decision(again_after=patience)
    status = assess(facts, seen.status, now)
    run = wanted(facts, {condition.type: condition for condition in status.conditions})
    if status != seen.status:
        return Decision(status=status, run=run)
    # The label comes after the verdict: it is worth a write of its own, and no delay of the first.
    return Decision(mirror=Mirror.COMPLETE if is_incomplete(seen) else Mirror.LEAVE, run=run)


def _patience(facts: Facts, seen: FloePlugin, monotonic: float) -> float:
    """For how many seconds the first judgement can wait for the plugin to load; its loading wakes the key."""
    if not isinstance(facts.loading, Loading):
        return 0.0
    if seen.status is not None and seen.status.condition("Loaded") is not None:
        return 0.0
    return facts.loading.since + LOADING_SECONDS - monotonic
