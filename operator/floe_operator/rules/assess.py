"""The rules: from what is known of a plugin to the status of its object.

One function decides each condition, in the order of the conditions; each sees the facts and the conditions
decided before it. `summary` draws Ready, Reconciling and Stalled from them, `status_fields` the rest of the
status. Pure: the facts are handed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from floe_core.host.protocol import BrokenClaim
from floe_core.plugin_types import normalize_name
from floe_operator.rules import load_states
from floe_operator.rules.conclusions import (
    Conclusion,
    Decided,
    Occasion,
    Shown,
    Unchanged,
    Undecided,
    is_true,
)
from floe_operator.rules.conditions import (
    ConfigValid,
    DependenciesReady,
    Discovered,
    Healthy,
    Loaded,
    VersionCompatible,
    bounded,
)
from floe_operator.rules.config_sentences import config_sentence, schema_failed
from floe_operator.rules.facts import (
    Broken,
    Checked,
    ConfigSourceFault,
    CrashedWhileRunning,
    DiscoveryUnknown,
    Facts,
    Installed,
    NotInstalled,
    Probing,
    StartupFailed,
)
from floe_operator.rules.probing import NEEDED_TO_START, may_start
from floe_operator.rules.resource import Condition, FloePluginStatus, ProbeSpec, object_name
from floe_operator.rules.sentences import listing, sentence, with_detail
from floe_operator.rules.status_fields import status_with
from floe_operator.rules.summary import summarize
from floe_operator.rules.versions import check_versions

NOT_LOADED = "Not judged while the plugin is not loaded"


def assess(facts: Facts, previous: FloePluginStatus | None, now: datetime) -> FloePluginStatus:
    """The status by these facts; equal to `previous` where nothing changed, whatever `now` is."""
    occasion = Occasion(facts.generation, previous, now)
    shown: dict[str, Condition] = {}
    open_questions: dict[str, Undecided] = {}
    for kind, decide in RULES.items():
        conclusion = decide(facts, shown)
        if conclusion is None:
            continue
        shown[kind] = occasion.settle(kind, conclusion)
        if isinstance(conclusion, Undecided):
            open_questions[kind] = conclusion
    return status_with(facts, occasion, shown, summarize(facts, occasion, shown, open_questions))


def discovered(facts: Facts, shown: Shown) -> Conclusion:
    """Whether exactly one entry point claims the plugin."""
    del shown
    match facts.discovery:
        case Installed(found):
            return Decided(
                Discovered.INSTALLED, f"The distribution {found.distribution.name} provides the plugin"
            )
        case NotInstalled():
            group, name = facts.plugin.plugin_type.entry_point_group, facts.plugin.name
            return Decided(
                Discovered.NOT_INSTALLED,
                sentence(
                    f"No installed distribution declares the entry point {name} in the group {group}",
                    "install the one that does, or delete this object",
                ),
            )
        case Broken(claim) if claim.reason == "DuplicateEntryPoint":
            return Decided(Discovered.DUPLICATE_ENTRY_POINT, _claimed_twice(claim))
        case Broken(claim):
            wrong = with_detail("The plugin's entry point is malformed", claim.detail)
            mend = "install a release that declares it as name = module:Class"
            return Decided(Discovered.MALFORMED_ENTRY_POINT, sentence(wrong, mend))
        case DiscoveryUnknown(detail):
            wrong = with_detail("What is installed could not be read", detail)
            return Undecided(Discovered.SCAN_FAILED, sentence(wrong, "it is tried again at the next scan"))


def loaded(facts: Facts, shown: Shown) -> Conclusion:
    """Whether the plugin's class could be imported and described."""
    if not is_true(shown, "Discovered"):
        return Decided(Loaded.NOT_DISCOVERED, "Not judged while the plugin is not discovered")
    match facts.loading:
        case load_states.Described(description):
            return Decided(Loaded.LOADED, _loaded_as(description.declared_name, facts))
        case load_states.LoadFault() as fault:
            return Decided(_LOAD_FAULTS[fault.reason], load_fault_sentence(fault))
        case load_states.Loading() | None:
            return Undecided(Loaded.LOADING, "The plugin is being loaded")


def load_fault_sentence(fault: load_states.LoadFault) -> str:
    """Why a plugin does not load, and what would mend it."""
    return sentence(with_detail(fault.message, fault.plugin_text), _LOADING_MENDED_BY.get(fault.reason, ""))


def version_compatible(facts: Facts, shown: Shown) -> Conclusion:
    """Whether the plugin fits the platform's plugin API, and its version fits spec.version."""
    if not is_true(shown, "Loaded"):
        return Decided(VersionCompatible.NOT_LOADED, NOT_LOADED)
    if not isinstance(facts.loading, load_states.Described):
        return Undecided(VersionCompatible.NOT_LOADED, "The versions were not judged yet")
    return check_versions(
        facts.loading.description,
        accepted=facts.spec.version,
        platform=facts.platform_api_version,
        minimum=facts.minimum_api_version,
    )


def config_valid(facts: Facts, shown: Shown) -> Conclusion:
    """Whether the resolved configuration fits the plugin's schema."""
    if not is_true(shown, "Loaded"):
        return Decided(ConfigValid.NOT_LOADED, NOT_LOADED)
    described = facts.loading.description if isinstance(facts.loading, load_states.Described) else None
    if described is not None and described.schema_error is not None:
        return Decided(ConfigValid.SCHEMA_FAILED, schema_failed(described.schema_error))
    match facts.config:
        case None:
            return Undecided(ConfigValid.NOT_LOADED, "The configuration was not judged yet")
        case ConfigSourceFault(reason) as fault:
            mend = _VALIDATING_MENDED_BY if reason == ConfigValid.VALIDATION_CRASHED.text else ""
            return Decided(_CONFIG_REASONS[reason], sentence(fault.text, mend))
        case verdict:
            schema = described.config_schema if described is not None else None
            return Decided(_CONFIG_REASONS[verdict.reason], config_sentence(verdict, facts.spec, schema))


def dependencies_ready(facts: Facts, shown: Shown) -> Conclusion:
    """Whether each declared dependency is one plugin, and Ready; what waiting cannot mend comes first."""
    if not is_true(shown, "Loaded"):
        return Decided(DependenciesReady.NOT_LOADED, NOT_LOADED)
    if facts.dependencies is None:
        return Undecided(DependenciesReady.NOT_LOADED, "The dependencies were not judged yet")
    declared = facts.dependencies.declared
    if facts.dependencies.cycle:
        around = " -> ".join(plugin.slug for plugin in facts.dependencies.cycle)
        wrong, mend = (
            f"The dependencies form a cycle: {around}",
            "one of these plugins must give its dependency up",
        )
        return Decided(DependenciesReady.DEPENDENCY_CYCLE, sentence(wrong, mend))
    for one in declared:
        if len(one.candidates) > 1:
            candidates = listing((candidate.slug for candidate in one.candidates), word="or")
            wrong = f"The dependency {one.declared} may be {candidates}"
            mend = "the plugin must declare it with its type, as type/name"
            return Decided(DependenciesReady.DEPENDENCY_AMBIGUOUS, sentence(wrong, mend))
    missing = [one.declared for one in declared if not one.candidates]
    if missing:
        wrong = f"No installed plugin is {listing(missing, word='or')}, which the plugin needs"
        return Decided(DependenciesReady.DEPENDENCY_MISSING, sentence(wrong, "install what provides it"))
    waiting = [one.candidates[0] for one in declared if not one.ready]
    if waiting:
        wrong = f"The plugin needs {listing(plugin.slug for plugin in waiting)}, not Ready yet"
        mend = f"see FloePlugin {listing(object_name(plugin) for plugin in waiting)}"
        return Decided(DependenciesReady.DEPENDENCY_NOT_READY, sentence(wrong, mend))
    if not declared:
        return Decided(DependenciesReady.NO_DEPENDENCIES, "The plugin needs no other plugin")
    return Decided(DependenciesReady.ALL_READY, "Every plugin that it needs is Ready")


def healthy(facts: Facts, shown: Shown) -> Conclusion | None:
    """Whether the started plugin passes its checks; None where nobody asked for a probe."""
    if facts.spec.probe is None:
        return None
    if not is_true(shown, "Loaded"):
        return Decided(Healthy.PROBING, NOT_LOADED)
    match facts.probe:
        case Probing() | None:
            return Undecided(Healthy.PROBING, _FIRST_CHECK if may_start(shown) else _NOT_STARTED)
        case StartupFailed(message):
            wrong = with_detail("The plugin did not start", message)
            return Decided(Healthy.STARTUP_FAILED, sentence(wrong, "it is tried again"))
        case CrashedWhileRunning(message):
            wrong = with_detail("The plugin crashed while it ran", message)
            return Decided(Healthy.CRASHED_WHILE_RUNNING, sentence(wrong, "it is started again"))
        case Checked() as checked:
            return _health(checked, facts.spec.probe)


RULES: Mapping[str, Callable[[Facts, Shown], Conclusion | None]] = MappingProxyType(
    {
        "Discovered": discovered,
        "Loaded": loaded,
        "VersionCompatible": version_compatible,
        "ConfigValid": config_valid,
        "DependenciesReady": dependencies_ready,
        "Healthy": healthy,
    }
)
"""The conditions, in the order in which Ready looks for the first that is not True."""


_LOAD_FAULTS = {reason.text: reason for reason in Loaded}
# The plugin host itself says of the others when it tries again.
_LOADING_MENDED_BY = {
    "ImportFailed": "install what it needs next to it, or another release of the plugin",
    "NotAPlugin": "install a release whose entry point names a complete plugin class",
}
_VALIDATING_MENDED_BY = (
    "it is tried again; see what the plugin's validators do, and how large the configuration is"
)
_CONFIG_REASONS = {reason.text: reason for reason in ConfigValid}
_FEW_FAILED = "The first checks failed; Unhealthy follows after failureThreshold failures in a row"
_FIRST_CHECK = "The first check has not ended yet"
_NOT_STARTED = f"The plugin starts once {listing(NEEDED_TO_START)} are True"


def _claimed_twice(claim: BrokenClaim) -> str:
    claims = [
        f"{found.distribution.name} {found.distribution.version} ({found.entry_point})"
        for found in claim.claims
    ]
    wrong = with_detail("Several entry points claim the plugin", listing(claims) or claim.detail)
    if len({found.distribution.name for found in claim.claims}) == 1:
        return sentence(wrong, "install a release of it that declares the name once")
    return sentence(wrong, "leave one of them installed")


def _loaded_as(declared: str, facts: Facts) -> str:
    if normalize_name(declared) == facts.plugin.name:
        return "The plugin is loaded"
    named = json.dumps(bounded(declared, 128), ensure_ascii=False)
    return f"The plugin is loaded; it calls itself {named}, and its entry point's name is the one that counts"


def _health(checked: Checked, probe: ProbeSpec) -> Conclusion:
    match checked.state:
        case "healthy":
            return Decided(Healthy.HEALTHY, "The last check found the plugin healthy")
        case "degraded":
            wrong = with_detail("The last check found the plugin degraded", checked.message)
            return Decided(Healthy.DEGRADED, sentence(wrong))
    threshold = probe.failure_threshold
    if checked.failures < threshold:
        return Unchanged(Healthy.PROBING, _FEW_FAILED)
    # The threshold, not the count so far: a steady failure must not change the object with each check.
    counted = "The last check failed" if threshold == 1 else f"The last {threshold} checks failed"
    return Decided(Healthy.UNHEALTHY, sentence(with_detail(counted, checked.message)))
