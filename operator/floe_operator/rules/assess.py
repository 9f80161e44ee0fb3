"""The rules that turn what is known about a plugin into the status of its object.

Each condition has one function that decides it, from the facts and the conditions decided before it.
`summary` derives Ready, Reconciling and Stalled, and `status_fields` the rest of the status. Pure: the facts
are handed in.
"""

from __future__ import annotations

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
from floe_operator.rules.config_sentences import (
    config_sentence,
    lacks_a_configuration,
    not_configured,
    schema_failed,
)
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
    Readiness,
    StartupFailed,
)
from floe_operator.rules.probing import NEEDED_TO_START, may_start
from floe_operator.rules.remarks import remarks
from floe_operator.rules.resource import Condition, FloePluginStatus, ProbeSpec, object_name
from floe_operator.rules.sentences import listing, sentence, with_detail
from floe_operator.rules.status_fields import status_with
from floe_operator.rules.summary import summarize
from floe_operator.rules.versions import check_versions

NOT_LOADED = "Not assessed because the plugin is not loaded"


def assess(facts: Facts, previous: FloePluginStatus | None, now: datetime) -> FloePluginStatus:
    """Return the status for these facts; if nothing changed, it equals `previous`, whatever `now` is."""
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
    """Decide whether exactly one entry point claims the plugin."""
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
                    "install one that does, or delete this object",
                ),
            )
        case Broken(claim) if claim.reason == "DuplicateEntryPoint":
            return Decided(Discovered.DUPLICATE_ENTRY_POINT, _claimed_twice(claim))
        case Broken(claim):
            wrong = with_detail("The plugin's entry point is malformed", claim.detail)
            mend = "install a release that declares it as name = module:Class"
            return Decided(Discovered.MALFORMED_ENTRY_POINT, sentence(wrong, mend))
        case DiscoveryUnknown(detail):
            wrong = with_detail("The installed distributions could not be read", detail)
            return Undecided(Discovered.SCAN_FAILED, sentence(wrong, "the next scan will try again"))


def loaded(facts: Facts, shown: Shown) -> Conclusion:
    """Decide whether the plugin's class could be imported and described."""
    if not is_true(shown, "Discovered"):
        return Decided(Loaded.NOT_DISCOVERED, "Not assessed because the plugin is not discovered")
    match facts.loading:
        case load_states.Described() as described:
            odd = remarks(facts.plugin, described, facts.distribution)
            return Decided(Loaded.LOADED, "; ".join(["The plugin is loaded", *odd]))
        case load_states.LoadFault() as fault:
            return Decided(_LOAD_FAULTS[fault.reason], load_fault_sentence(fault))
        case load_states.Loading() | None:
            return Undecided(Loaded.LOADING, "The plugin is being loaded")


def load_fault_sentence(fault: load_states.LoadFault) -> str:
    """Return why a plugin does not load and how to fix it."""
    mend = bounded(fault.fix, _LONGEST_FIX) or _LOADING_MENDED_BY.get(fault.reason, "")
    return sentence(with_detail(fault.message, fault.plugin_text), mend)


def version_compatible(facts: Facts, shown: Shown) -> Conclusion:
    """Decide whether the plugin fits the platform's plugin API and whether its version fits spec.version."""
    if not is_true(shown, "Loaded"):
        return Decided(VersionCompatible.NOT_LOADED, NOT_LOADED)
    if not isinstance(facts.loading, load_states.Described):
        return Undecided(VersionCompatible.NOT_LOADED, "The versions have not been assessed yet")
    return check_versions(
        facts.loading.description,
        facts.distribution,
        accepted=facts.spec.version,
        platform=facts.platform_api_version,
        minimum=facts.minimum_api_version,
    )


def config_valid(facts: Facts, shown: Shown) -> Conclusion:
    """Decide whether the resolved configuration matches the plugin's schema."""
    if not is_true(shown, "Loaded"):
        return Decided(ConfigValid.NOT_LOADED, NOT_LOADED)
    described = facts.loading.description if isinstance(facts.loading, load_states.Described) else None
    if described is not None and described.schema_error is not None:
        return Decided(ConfigValid.SCHEMA_FAILED, schema_failed(described.schema_error))
    match facts.config:
        case None:
            return Undecided(ConfigValid.NOT_LOADED, "The configuration has not been assessed yet")
        case ConfigSourceFault(reason) as fault:
            mend = _VALIDATING_MENDED_BY if reason == ConfigValid.VALIDATION_CRASHED.text else ""
            return Decided(_CONFIG_REASONS[reason], sentence(fault.text, mend))
        case verdict:
            schema = described.config_schema if described is not None else None
            if not facts.in_use and lacks_a_configuration(verdict):
                return Decided(ConfigValid.NOT_CONFIGURED, not_configured(verdict, facts.spec, schema))
            message = config_sentence(verdict, facts.spec, schema, facts.hidden)
            return Decided(_CONFIG_REASONS[verdict.reason], message)


def dependencies_ready(facts: Facts, shown: Shown) -> Conclusion:
    """Decide whether each dependency means exactly one plugin, and whether that plugin is Ready.

    Faults that waiting cannot fix are reported first.
    """
    if not is_true(shown, "Loaded"):
        return Decided(DependenciesReady.NOT_LOADED, NOT_LOADED)
    if facts.dependencies is None:
        return Undecided(DependenciesReady.NOT_LOADED, "The dependencies have not been assessed yet")
    declared = facts.dependencies.declared
    if facts.dependencies.cycle:
        around = " -> ".join(plugin.slug for plugin in facts.dependencies.cycle)
        wrong, mend = (
            f"The dependencies form a cycle: {around}",
            "one of these plugins must drop its dependency",
        )
        return Decided(DependenciesReady.DEPENDENCY_CYCLE, sentence(wrong, mend))
    for one in declared:
        if len(one.candidates) > 1:
            candidates = listing((candidate.slug for candidate in one.candidates), word="or")
            wrong = f"The dependency {one.declared} could be {candidates}"
            mend = "the plugin must declare it with its type, as type/name"
            return Decided(DependenciesReady.DEPENDENCY_AMBIGUOUS, sentence(wrong, mend))
    missing = [one.declared for one in declared if not one.candidates]
    if missing:
        wrong = f"No installed plugin matches the dependency {listing(missing, word='or')}"
        return Decided(
            DependenciesReady.DEPENDENCY_MISSING, sentence(wrong, "install a distribution that provides it")
        )
    waiting = [one.candidates[0] for one in declared if one.readiness is not Readiness.READY]
    if waiting:
        are = "which is" if len(waiting) == 1 else "which are"
        wrong = f"The plugin needs {listing(plugin.slug for plugin in waiting)}, {are} not Ready"
        mend = f"see FloePlugin {listing(object_name(plugin) for plugin in waiting)}"
        return Decided(DependenciesReady.DEPENDENCY_NOT_READY, sentence(wrong, mend))
    if not declared:
        return Decided(DependenciesReady.NO_DEPENDENCIES, "The plugin needs no other plugin")
    return Decided(DependenciesReady.ALL_READY, "Every plugin that this one needs is Ready")


def healthy(facts: Facts, shown: Shown) -> Conclusion | None:
    """Decide whether the started plugin passes its checks; return None if spec.probe is not set."""
    if facts.spec.probe is None:
        return None
    if not is_true(shown, "Loaded"):
        return Decided(Healthy.PROBING, NOT_LOADED)
    match facts.probe:
        case Probing() | None:
            return Undecided(Healthy.PROBING, _FIRST_CHECK if may_start(shown) else _NOT_STARTED)
        case StartupFailed(message):
            wrong = with_detail("The plugin failed to start", message)
            return Decided(Healthy.STARTUP_FAILED, sentence(wrong, "it will be retried"))
        case CrashedWhileRunning(message):
            wrong = with_detail("The plugin crashed while running", message)
            return Decided(Healthy.CRASHED_WHILE_RUNNING, sentence(wrong, "it will be restarted"))
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
"""The rule for each condition, in the order in which conditions are decided and Ready searches for its
reason."""


_LONGEST_FIX = 256
_LOAD_FAULTS = {reason.text: reason for reason in Loaded}
# For the other reasons, the plugin host's message already says when the plugin will be retried.
_LOADING_MENDED_BY = {
    "ImportFailed": "install another release of the plugin",
    "NotAPlugin": "install a release that corrects it",
}
_VALIDATING_MENDED_BY = (
    "the validation will be retried; check what the plugin's validators do and how large the configuration is"
)
_CONFIG_REASONS = {reason.text: reason for reason in ConfigValid}
_FEW_FAILED = "The first checks failed; the plugin is Unhealthy after failureThreshold failures in a row"
_FIRST_CHECK = "The first check has not ended yet"
_NOT_STARTED = f"The plugin will start once {listing(NEEDED_TO_START)} are True"


def _claimed_twice(claim: BrokenClaim) -> str:
    claims = [
        f"{found.distribution.name} {found.distribution.version} ({found.entry_point})"
        for found in claim.claims
    ]
    wrong = with_detail("Several entry points claim the plugin", listing(claims) or claim.detail)
    if len({normalize_name(found.distribution.name) for found in claim.claims}) == 1:
        return sentence(wrong, "install a release that declares the name only once")
    return sentence(wrong, "uninstall all but one of them")


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
    # The threshold, not the count so far: a steady failure must not change the object on every check.
    counted = "The last check failed" if threshold == 1 else f"The last {threshold} checks failed"
    return Decided(Healthy.UNHEALTHY, sentence(with_detail(counted, checked.message)))
