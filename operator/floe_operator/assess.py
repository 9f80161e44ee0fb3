"""The rules: from what is known of a plugin to the status of its object.

One function decides each condition, in the order of the conditions; each sees the facts and the conditions
decided before it. `summary` draws Ready, Reconciling and Stalled from them, `status_fields` the rest of the
status. Pure: the reconciler gathers the facts and writes the result, if it is another one than before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

from floe_core.host.protocol import BrokenClaim
from floe_core.plugin_types import normalize_name
from floe_operator.conditions import (
    ConfigValid,
    DependenciesReady,
    Discovered,
    Healthy,
    Loaded,
    VersionCompatible,
    bounded,
)
from floe_operator.config_sentences import config_sentence, schema_failed
from floe_operator.facts import (
    Broken,
    Checked,
    ConfigSourceFault,
    CrashedWhileRunning,
    Facts,
    Installed,
    NotInstalled,
    Probing,
    ScanFailed,
    StartupFailed,
)
from floe_operator.judgement import Conclusion, Judged, Occasion, Shown, Unchanged, Unjudged, is_true
from floe_operator.plugin_host import states
from floe_operator.resource import Condition, FloePluginStatus, ProbeSpec, object_name
from floe_operator.sentences import listing, sentence, with_detail
from floe_operator.status_fields import status_with
from floe_operator.summary import summarize
from floe_operator.versions import judge_versions

NOT_LOADED = "Not judged while the plugin is not loaded"


def assess(facts: Facts, previous: FloePluginStatus | None, now: datetime) -> FloePluginStatus:
    """The status by these facts; equal to `previous` where nothing changed, whatever `now` is."""
    occasion = Occasion(facts.generation, previous, now)
    shown: dict[str, Condition] = {}
    open_questions: dict[str, Unjudged] = {}
    for kind, decide in RULES.items():
        conclusion = decide(facts, shown)
        if conclusion is None:
            continue
        shown[kind] = occasion.settle(kind, conclusion)
        if isinstance(conclusion, Unjudged):
            open_questions[kind] = conclusion
    return status_with(facts, occasion, shown, summarize(facts, occasion, shown, open_questions))


def discovered(facts: Facts, shown: Shown) -> Conclusion:
    """Whether exactly one entry point claims the plugin."""
    del shown
    match facts.discovery:
        case Installed(found):
            return Judged(
                Discovered.INSTALLED, f"The distribution {found.distribution.name} provides the plugin"
            )
        case NotInstalled():
            group, name = facts.plugin.plugin_type.entry_point_group, facts.plugin.name
            return Judged(
                Discovered.NOT_INSTALLED,
                sentence(
                    f"No installed distribution declares the entry point {name} in the group {group}",
                    "install the one that does, or delete this object",
                ),
            )
        case Broken(claim) if claim.reason == "DuplicateEntryPoint":
            return Judged(Discovered.DUPLICATE_ENTRY_POINT, _claimed_twice(claim))
        case Broken(claim):
            wrong = with_detail("The plugin's entry point is malformed", claim.detail)
            mend = "install a release that declares it as name = module:Class"
            return Judged(Discovered.MALFORMED_ENTRY_POINT, sentence(wrong, mend))
        case ScanFailed(detail):
            wrong = with_detail("What is installed could not be read", detail)
            return Unjudged(Discovered.SCAN_FAILED, sentence(wrong, "it is tried again at the next scan"))


def loaded(facts: Facts, shown: Shown) -> Conclusion:
    """Whether the plugin's class could be imported and described."""
    if not is_true(shown, "Discovered"):
        return Judged(Loaded.NOT_DISCOVERED, "Not judged while the plugin is not discovered")
    match facts.loading:
        case states.Loaded(description):
            return Judged(Loaded.LOADED, _loaded_as(description.declared_name, facts))
        case states.LoadFault() as fault:
            return Judged(_LOAD_FAULTS[fault.reason], load_fault_sentence(fault))
        case states.Loading() | None:
            return Unjudged(Loaded.LOADING, "The plugin is being loaded")


def load_fault_sentence(fault: states.LoadFault) -> str:
    """Why a plugin does not load, and what would mend it."""
    return sentence(with_detail(fault.message, fault.plugin_text), _LOADING_MENDED_BY.get(fault.reason, ""))


def version_compatible(facts: Facts, shown: Shown) -> Conclusion:
    """Whether the plugin fits the platform's plugin API, and its version fits spec.version."""
    if not is_true(shown, "Loaded"):
        return Judged(VersionCompatible.NOT_LOADED, NOT_LOADED)
    if not isinstance(facts.loading, states.Loaded):
        return Unjudged(VersionCompatible.NOT_LOADED, "The versions were not judged yet")
    return judge_versions(
        facts.loading.description,
        accepted=facts.spec.version,
        platform=facts.platform_api_version,
        minimum=facts.minimum_api_version,
    )


def config_valid(facts: Facts, shown: Shown) -> Conclusion:
    """Whether the resolved configuration fits the plugin's schema."""
    if not is_true(shown, "Loaded"):
        return Judged(ConfigValid.NOT_LOADED, NOT_LOADED)
    described = facts.loading.description if isinstance(facts.loading, states.Loaded) else None
    if described is not None and described.schema_error is not None:
        return Judged(ConfigValid.SCHEMA_FAILED, schema_failed(described.schema_error))
    match facts.config:
        case None:
            return Unjudged(ConfigValid.NOT_LOADED, "The configuration was not judged yet")
        case ConfigSourceFault(reason, message):
            mend = _VALIDATING_MENDED_BY if reason == ConfigValid.VALIDATION_CRASHED.text else ""
            return Judged(_CONFIG_REASONS[reason], sentence(message, mend))
        case verdict:
            schema = described.config_schema if described is not None else None
            return Judged(_CONFIG_REASONS[verdict.reason], config_sentence(verdict, facts.spec, schema))


def dependencies_ready(facts: Facts, shown: Shown) -> Conclusion:
    """Whether each declared dependency is one plugin, and Ready; what waiting cannot mend comes first."""
    if not is_true(shown, "Loaded"):
        return Judged(DependenciesReady.NOT_LOADED, NOT_LOADED)
    if facts.dependencies is None:
        return Unjudged(DependenciesReady.NOT_LOADED, "The dependencies were not judged yet")
    declared = facts.dependencies.declared
    if facts.dependencies.cycle:
        around = " -> ".join(plugin.slug for plugin in facts.dependencies.cycle)
        wrong, mend = (
            f"The dependencies form a cycle: {around}",
            "one of these plugins must give its dependency up",
        )
        return Judged(DependenciesReady.DEPENDENCY_CYCLE, sentence(wrong, mend))
    for one in declared:
        if len(one.candidates) > 1:
            candidates = listing((candidate.slug for candidate in one.candidates), word="or")
            wrong = f"The dependency {one.declared} may be {candidates}"
            mend = "the plugin must declare it with its type, as type/name"
            return Judged(DependenciesReady.DEPENDENCY_AMBIGUOUS, sentence(wrong, mend))
    missing = [one.declared for one in declared if not one.candidates]
    if missing:
        wrong = f"No installed plugin is {listing(missing, word='or')}, which the plugin needs"
        return Judged(DependenciesReady.DEPENDENCY_MISSING, sentence(wrong, "install what provides it"))
    waiting = [one.candidates[0] for one in declared if not one.ready]
    if waiting:
        wrong = f"The plugin needs {listing(plugin.slug for plugin in waiting)}, not Ready yet"
        mend = f"see FloePlugin {listing(object_name(plugin) for plugin in waiting)}"
        return Judged(DependenciesReady.DEPENDENCY_NOT_READY, sentence(wrong, mend))
    if not declared:
        return Judged(DependenciesReady.NO_DEPENDENCIES, "The plugin needs no other plugin")
    return Judged(DependenciesReady.ALL_READY, "Every plugin that it needs is Ready")


def healthy(facts: Facts, shown: Shown) -> Conclusion | None:
    """Whether the started plugin passes its checks; None where nobody asked for a probe."""
    if facts.spec.probe is None:
        return None
    if not is_true(shown, "Loaded"):
        return Judged(Healthy.PROBING, NOT_LOADED)
    match facts.probe:
        case Probing() | None:
            starts = all(is_true(shown, kind) for kind in _NEEDED_TO_START)
            return Unjudged(Healthy.PROBING, _FIRST_CHECK if starts else _NOT_STARTED)
        case StartupFailed(message):
            wrong = with_detail("The plugin did not start", message)
            return Judged(Healthy.STARTUP_FAILED, sentence(wrong, "it is tried again"))
        case CrashedWhileRunning(message):
            wrong = with_detail("The plugin crashed while it ran", message)
            return Judged(Healthy.CRASHED_WHILE_RUNNING, sentence(wrong, "it is started again"))
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
_NEEDED_TO_START = ("VersionCompatible", "ConfigValid", "DependenciesReady")
_NOT_STARTED = f"The plugin starts once {listing(_NEEDED_TO_START)} are True"


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
            return Judged(Healthy.HEALTHY, "The last check found the plugin healthy")
        case "degraded":
            wrong = with_detail("The last check found the plugin degraded", checked.message)
            return Judged(Healthy.DEGRADED, sentence(wrong))
    threshold = probe.failure_threshold
    if checked.failures < threshold:
        return Unchanged(Healthy.PROBING, _FEW_FAILED)
    # The threshold, not the count so far: a steady failure must not change the object with each check.
    counted = "The last check failed" if threshold == 1 else f"The last {threshold} checks failed"
    return Judged(Healthy.UNHEALTHY, sentence(with_detail(counted, checked.message)))
