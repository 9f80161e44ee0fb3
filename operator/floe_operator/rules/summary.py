"""Ready, Reconciling and Stalled: the summary of the other conditions.

Ready says for which generation the object is assessed as a whole. If a condition that could decide Ready
is of an older generation, Ready keeps its value and its generation, and Reconciling says what is awaited. A
plugin that nobody asked for and that lacks a configuration is not Ready, but nothing is awaited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from floe_operator.rules.conclusions import Occasion, Shown, Undecided
from floe_operator.rules.conditions import (
    READY,
    RECONCILING,
    STALLED,
    ConfigValid,
    DependenciesReady,
    Healthy,
    reason_of,
)
from floe_operator.rules.facts import Facts, Probing, Readiness
from floe_operator.rules.in_use import is_idle
from floe_operator.rules.resource import Condition


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary conditions, and the generation that Ready was assessed for."""

    observed_generation: int
    conditions: tuple[Condition, ...]


def summarize(facts: Facts, occasion: Occasion, shown: Shown, awaited: Mapping[str, Undecided]) -> Summary:
    """Summarize the conditions; `awaited` has those that the facts do not decide now."""
    judged = tuple(shown.values())
    outdated = tuple(one for one in judged if _is_outdated(one, facts))
    changing = _is_changing(facts, occasion, awaited)
    decisive = _decisive(judged, outdated)
    if decisive is None and (changing or outdated):
        return _undecided(facts, occasion, _question(outdated, awaited))
    ready = _ready(occasion, decisive, shown)
    if _need_not_be_ready(ready, facts, occasion):
        return Summary(facts.generation, (ready,))
    stalled = next((one for one in judged if one not in outdated and _stalls(one, facts)), None)
    if stalled is not None:
        return Summary(facts.generation, (ready, _because_of(stalled, STALLED, occasion)))
    if ready.status != "True":
        return Summary(facts.generation, (ready, _because_of(ready, RECONCILING, occasion)))
    return Summary(facts.generation, (ready,))


def _is_outdated(condition: Condition, facts: Facts) -> bool:
    """Return True if a condition is of an older generation, or no longer right that nobody asked.

    Applying an object with type and name only asks for the plugin, but changes no generation.
    """
    return condition.observed_generation != facts.generation or _says_nobody_asked(condition, facts)


def _says_nobody_asked(condition: Condition, facts: Facts) -> bool:
    """Return True if a condition says that nobody asked for the plugin although somebody has by now."""
    return facts.in_use and condition.reason == ConfigValid.NOT_CONFIGURED.text


def _need_not_be_ready(ready: Condition, facts: Facts, occasion: Occasion) -> bool:
    """Return True if nobody asked for the plugin, and that, or an idle dependency, is why it is not Ready."""
    if facts.in_use:
        return False
    if ready.reason == ConfigValid.NOT_CONFIGURED.text:
        return True
    if ready.reason != DependenciesReady.DEPENDENCY_NOT_READY.text:
        return False
    if facts.dependencies is None:  # not known now: what was said before still holds
        return occasion.previous is not None and is_idle(occasion.previous)
    return any(one.readiness is Readiness.IDLE for one in facts.dependencies.declared)


def _decisive(judged: tuple[Condition, ...], outdated: tuple[Condition, ...]) -> Condition | None:
    """Return the condition that Ready takes its reason from: the first False, else the first Unknown.

    An outdated False may have been fixed, so it does not decide; nor does an Unknown beside it.
    """
    present = [one for one in judged if one not in outdated]
    false = next((one for one in present if one.status == "False"), None)
    if false is not None or any(one.status == "False" for one in outdated):
        return false
    return next((one for one in present if one.status == "Unknown"), None)


def _is_changing(facts: Facts, occasion: Occasion, awaited: Mapping[str, Undecided]) -> bool:
    """Return True if Healthy is about a different configuration than the current one.

    After a restart the facts no longer show that; the object does.
    """
    if Healthy.__name__ not in awaited or occasion.decided_before(Healthy.__name__) is None:
        return False
    if isinstance(facts.probe, Probing) and facts.probe.changed:
        return True
    before = occasion.before(RECONCILING)
    return before is not None and before.reason == Healthy.PROBING.text


def _question(outdated: tuple[Condition, ...], awaited: Mapping[str, Undecided]) -> Undecided:
    """Return what must be known before the object can be assessed as a whole."""
    kind = next((one.type for one in outdated if one.type in awaited), Healthy.__name__)
    return awaited[kind]


def _undecided(facts: Facts, occasion: Occasion, question: Undecided) -> Summary:
    """Keep Ready, but turn False into Unknown if it was False for this very generation.

    What made it False is gone, but what makes it True is still awaited. The same holds once somebody asked
    for a plugin that was False because nobody had.
    """
    reason, message = question.reason.text, question.message
    reconciling = occasion.condition(RECONCILING, "True", reason, message)
    before, previous = occasion.before(READY), occasion.previous
    stays = before is not None and (
        before.status == "True"
        or (
            before.is_judged
            and before.observed_generation != occasion.generation
            and not _says_nobody_asked(before, facts)
        )
    )
    if before is None or previous is None or not stays:
        return Summary(
            occasion.generation, (occasion.condition(READY, "Unknown", reason, message), reconciling)
        )
    observed = previous.observed_generation
    return Summary(-1 if observed is None else observed, (before, reconciling))


def _ready(occasion: Occasion, decisive: Condition | None, shown: Shown) -> Condition:
    if decisive is not None:
        return occasion.condition(READY, decisive.status, decisive.reason, decisive.message)
    health = shown.get(Healthy.__name__)
    if health is not None and health.reason == Healthy.DEGRADED.text:
        message = "The plugin is ready, although its last check found it degraded"
    elif health is not None:
        message = "The plugin is installed, compatible with the platform, configured and running"
    else:
        message = "The plugin is installed, compatible with the platform and configured"
    return occasion.condition(READY, "True", READY, message)


def _because_of(cause: Condition, kind: str, occasion: Occasion) -> Condition:
    return occasion.condition(kind, "True", cause.reason, cause.message)


def _stalls(condition: Condition, facts: Facts) -> bool:
    reason = reason_of(condition)
    return reason is not None and reason.stalls(has_sources=bool(facts.spec.config_from))
