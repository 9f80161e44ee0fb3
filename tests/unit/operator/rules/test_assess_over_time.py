"""Objects that were assessed before: what changes a condition, and what must not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from floe_core.host.protocol import DistributionRef
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.assess import assess
from floe_operator.rules.facts import (
    Checked,
    ConfigSourceFault,
    Dependencies,
    Dependency,
    DiscoveryUnknown,
    Facts,
    Installed,
    NotInstalled,
    Probe,
    Probing,
    Readiness,
    StartupFailed,
)
from floe_operator.rules.load_states import LoadFault, Loading
from floe_operator.rules.resource import Condition, FloePluginStatus
from tests.unit.operator.rules.facts_builder import (
    FOUND,
    LATER,
    NOW,
    broken,
    condition,
    described,
    facts,
    judged,
    reasons,
    spec,
    verdict,
)

PROBED: dict[str, Any] = {"spec": spec(probe={})}
RUNNING = facts(**PROBED, probe=Checked("healthy"))
MISSING = Dependencies((Dependency("x", ()),))
OTHER = PluginId(PluginType.DBT, "x")
NOT_READY = Dependencies((Dependency("x", (OTHER,)),))
UNKNOWN_FOR_NOW: list[dict[str, Any]] = [
    {"discovery": DiscoveryUnknown("disk"), "loading": None, "config": None, "dependencies": None},
    {"loading": Loading(), "config": None, "dependencies": None},
    {"loading": None, "config": None, "dependencies": None},
    {"config": None},
]


def later(known: Facts, previous: FloePluginStatus | None) -> FloePluginStatus:
    return assess(known, previous, LATER)


@pytest.mark.parametrize("unknown", UNKNOWN_FOR_NOW)
@pytest.mark.parametrize(
    "before",
    [
        {},
        {"config": verdict("ValidationFailed")},
        {"config": ConfigSourceFault("SecretNotFound", "m")},
        {"dependencies": MISSING},
        {"loading": described(config_schema={"type": "object"}, description="d", dependencies=("x",))},
    ],
)
def test_a_failed_scan_or_a_new_host_changes_no_earlier_assessment(
    before: dict[str, Any], unknown: dict[str, Any]
) -> None:
    previous = judged(**before)
    assert later(facts(**{**before, **unknown}), previous) == previous


@pytest.mark.parametrize("unknown", UNKNOWN_FOR_NOW[:3])
@pytest.mark.parametrize("fault", ["ImportFailed", "CrashedOnLoad"])
def test_a_load_failure_stays_until_more_is_known(fault: Any, unknown: dict[str, Any]) -> None:
    previous = judged(loading=LoadFault(fault, "m"))
    assert later(facts(**unknown), previous) == previous


def test_a_plugin_that_was_not_installed_stays_so_after_a_failed_scan() -> None:
    gone: dict[str, Any] = {"loading": None, "config": None, "dependencies": None}
    previous = judged(discovery=NotInstalled(), **gone)
    assert later(facts(discovery=DiscoveryUnknown("disk"), **gone), previous) == previous


def test_an_upgrade_is_shown_once_the_new_release_is_loaded() -> None:
    found = FOUND.model_copy(
        update={"distribution": DistributionRef(name="floe-identity-keycloak", version="0.2.0")}
    )
    upgraded = facts(discovery=Installed(found), loading=Loading(), config=None)
    previous = judged()
    assert later(upgraded, previous) == previous
    loaded = later(replace(upgraded, loading=described(version="0.2.0")), previous)
    assert loaded.distribution is not None
    assert (loaded.version, loaded.distribution.version) == ("0.2.0", "0.2.0")


@pytest.mark.parametrize("unknown", UNKNOWN_FOR_NOW)
def test_a_new_spec_that_cannot_be_assessed_yet_keeps_the_old_assessment(
    unknown: dict[str, Any],
) -> None:
    previous = judged()
    status = later(facts(generation=2, **unknown), previous)
    assert status.observed_generation == 1
    assert condition(status, "Ready") == condition(previous, "Ready")
    assert reasons(status)["Reconciling"][0] == "True"
    assert "Stalled" not in reasons(status)


QUIET: dict[str, Any] = {"in_use": False, "config": verdict("ConfigRequired")}


def test_a_plugin_that_somebody_asks_for_while_no_host_answers_waits_for_its_assessment() -> None:
    previous = judged(**QUIET)
    status = later(facts(config=None), previous)
    assert status.in_use
    assert reasons(status)["Ready"] == ("Unknown", "NotLoaded")
    assert reasons(status)["Reconciling"] == ("True", "NotLoaded")
    assert later(facts(config=None), status) == status
    assert reasons(later(facts(config=verdict("ConfigRequired")), status))["Stalled"][1] == "ConfigRequired"


@pytest.mark.parametrize("unknown", UNKNOWN_FOR_NOW)
def test_a_plugin_that_somebody_configures_while_nothing_is_known_is_no_longer_not_configured(
    unknown: dict[str, Any],
) -> None:
    status = later(facts(generation=2, **unknown), judged(**QUIET))
    assert status.in_use
    assert reasons(status)["Ready"][0] == "Unknown"
    assert reasons(status)["Reconciling"] == ("True", reasons(status)["Ready"][1])


def test_a_plugin_that_nobody_asks_for_any_more_is_no_longer_broken() -> None:
    asked_for = judged(config=verdict("ConfigRequired"))
    status = later(facts(**QUIET), asked_for)
    assert reasons(status)["Ready"] == ("False", "NotConfigured")
    assert "Stalled" not in reasons(status)
    assert condition(status, "Ready").last_transition_time == NOW.replace(microsecond=0)


@pytest.mark.parametrize("unknown", UNKNOWN_FOR_NOW)
@pytest.mark.parametrize(
    "before",
    [QUIET, {"in_use": False, "dependencies": Dependencies((Dependency("x", (OTHER,), Readiness.IDLE),))}],
)
def test_a_plugin_that_nobody_asked_for_stays_quiet_while_nothing_is_known(
    before: dict[str, Any], unknown: dict[str, Any]
) -> None:
    previous = judged(**before)
    assert later(facts(**{**before, **unknown}), previous) == previous


def test_a_stall_of_an_old_spec_does_not_apply_to_a_new_spec() -> None:
    wrong = verdict("ValidationFailed")
    status = later(facts(generation=2, config=None), judged(config=wrong))
    assert status.observed_generation == 1
    assert reasons(status)["Ready"] == ("False", "ValidationFailed")
    assert "Stalled" not in reasons(status)
    assert later(facts(generation=2, config=wrong), status).observed_generation == 2


def test_an_old_fault_that_might_be_fixed_leaves_ready_unchanged() -> None:
    previous = judged(config=verdict("ValidationFailed"))
    status = later(facts(generation=2, **PROBED, config=None), previous)
    assert reasons(status)["Healthy"] == ("Unknown", "Probing")
    assert condition(status, "Ready") == condition(previous, "Ready")
    assert status.observed_generation == 1


def test_an_old_stall_does_not_stall_a_plugin_that_waits_for_another_reason() -> None:
    previous = judged(config=verdict("ValidationFailed"))
    status = later(facts(generation=2, config=None, dependencies=NOT_READY), previous)
    assert reasons(status)["Ready"] == ("False", "DependencyNotReady")
    assert "Stalled" not in reasons(status)


@pytest.mark.parametrize("unknown", UNKNOWN_FOR_NOW)
def test_what_was_never_assessed_is_unknown_for_the_current_generation(unknown: dict[str, Any]) -> None:
    status = later(facts(generation=2, **unknown), judged(**unknown))
    assert {one.observed_generation for one in status.conditions} == {2}
    assert reasons(status) == reasons(judged(**unknown))


def test_a_certain_fault_of_a_new_spec_is_reported_before_the_rest_is_known() -> None:
    status = later(facts(generation=2, spec=spec(version=">=9"), config=None), judged())
    assert status.observed_generation == 2
    assert reasons(status)["Ready"] == ("False", "OutsideVersionRange")
    assert reasons(status)["Stalled"] == ("True", "OutsideVersionRange")
    assert condition(status, "ConfigValid").observed_generation == 1


@pytest.mark.parametrize("generation", [1, 2])
def test_a_probed_plugin_with_a_changed_config_stays_ready_until_its_first_check_ends(
    generation: int,
) -> None:
    previous = assess(RUNNING, None, NOW)
    changed = replace(RUNNING, generation=generation, probe=Probing(changed=True))
    status = later(changed, previous)
    assert status.observed_generation == 1
    for kind in ("Healthy", "Ready"):
        assert condition(status, kind) == condition(previous, kind)
    assert reasons(status)["Reconciling"] == ("True", "Probing")
    assert later(changed, status) == status
    ended = later(replace(changed, probe=Checked("healthy")), status)
    assert ended.observed_generation == generation
    assert "Reconciling" not in reasons(ended)


def test_a_restart_during_a_config_change_does_not_end_the_change() -> None:
    changing = later(replace(RUNNING, probe=Probing(changed=True)), assess(RUNNING, None, NOW))
    assert later(replace(RUNNING, probe=Probing()), changing) == changing


def test_a_restart_alone_does_not_set_reconciling() -> None:
    previous = assess(RUNNING, None, NOW)
    assert later(replace(RUNNING, probe=Probing()), previous) == previous


def test_a_plugin_that_was_not_ready_does_not_become_ready_before_its_first_check() -> None:
    faulty = replace(RUNNING, config=ConfigSourceFault("SecretNotFound", "m"))
    previous = later(faulty, assess(RUNNING, None, NOW))
    status = later(replace(RUNNING, probe=Probing(changed=True)), previous)
    assert reasons(status)["Ready"] == ("Unknown", "Probing")
    assert reasons(later(replace(RUNNING, probe=Checked("healthy")), status))["Ready"] == ("True", "Ready")


def test_an_unhealthy_plugin_stays_so_until_the_first_check_with_its_new_config_ends() -> None:
    previous = assess(replace(RUNNING, probe=Checked("unhealthy", 3)), None, NOW)
    assert later(replace(RUNNING, probe=Probing(changed=True)), previous) == previous


def test_a_reason_that_is_fixed_for_this_generation_does_not_linger() -> None:
    ready = assess(RUNNING, None, NOW)
    new = replace(RUNNING, generation=2, probe=Probing(changed=True))
    waiting = later(replace(new, dependencies=NOT_READY), ready)
    assert reasons(waiting)["Ready"] == ("False", "DependencyNotReady")
    status = later(new, waiting)
    assert reasons(status)["Ready"] == ("Unknown", "Probing")


@pytest.mark.parametrize("failures", [1, 2])
def test_failed_checks_below_the_threshold_change_nothing(failures: int) -> None:
    previous = assess(RUNNING, None, NOW)
    assert later(replace(RUNNING, probe=Checked("unhealthy", failures, "m")), previous) == previous


def test_a_failed_first_check_with_a_new_config_counts_towards_the_threshold() -> None:
    previous = assess(RUNNING, None, NOW)
    first = later(replace(RUNNING, generation=2, probe=Checked("unhealthy", 1)), previous)
    assert reasons(first)["Healthy"] == ("True", "Healthy")
    third = later(replace(RUNNING, generation=2, probe=Checked("unhealthy", 3)), first)
    assert reasons(third)["Ready"] == ("False", "Unhealthy")


@pytest.mark.parametrize("probe", [Probing(), StartupFailed("m"), Checked("healthy")])
def test_the_healthy_condition_is_removed_with_the_probe(probe: Probe) -> None:
    status = later(facts(generation=2, probe=probe), assess(RUNNING, None, NOW))
    assert "Healthy" not in reasons(status)
    assert reasons(status)["Ready"] == ("True", "Ready")


def test_a_plugin_that_is_gone_is_no_longer_described() -> None:
    status = later(facts(discovery=NotInstalled(), loading=None), judged())
    assert (status.version, status.distribution, status.entry_point, status.config_schema) == (None,) * 4
    assert reasons(status)["Loaded"] == ("Unknown", "NotDiscovered")


def test_a_plugin_that_two_distributions_claim_shows_neither() -> None:
    status = later(facts(discovery=broken("DuplicateEntryPoint", "", FOUND, FOUND), loading=None), judged())
    assert (status.distribution, status.entry_point) == (None, None)
    one = later(facts(discovery=broken("MalformedEntryPoint", "", FOUND), loading=None), judged())
    assert (one.distribution, one.entry_point) == (judged().distribution, judged().entry_point)


def test_a_transition_time_changes_only_with_its_status() -> None:
    first = judged(config=verdict("ConfigRequired"))
    other_reason = later(facts(config=verdict("PlaintextSecret")), first)
    assert condition(other_reason, "ConfigValid").last_transition_time == NOW
    mended = later(facts(), other_reason)
    assert condition(mended, "ConfigValid").last_transition_time == LATER
    assert condition(mended, "Loaded").last_transition_time == NOW


@pytest.mark.parametrize(
    "edited",
    [
        {"type": "Ready", "status": "False", "reason": "Whatever"},
        {"type": "Loaded", "status": "False", "reason": "Loaded"},
        {"type": "Stalled", "status": "True", "reason": "Because"},
        {"type": "Healthy", "status": "False", "reason": "Unhealthy"},
    ],
)
def test_conditions_edited_by_hand_are_assessed_again(edited: dict[str, Any]) -> None:
    good = judged()
    by_hand = TypeAdapter(Condition).validate_python(
        {**edited, "message": "by hand", "lastTransitionTime": LATER}
    )
    others = tuple(one for one in good.conditions if one.type != by_hand.type)
    status = later(facts(), replace(good, conditions=(*others, by_hand)))
    assert reasons(status) == reasons(good)
    assert later(facts(), status) == status


@pytest.mark.parametrize("unknown", UNKNOWN_FOR_NOW[:3])
def test_a_reason_that_the_operator_never_gives_is_ignored(unknown: dict[str, Any]) -> None:
    by_hand = Condition(type="Loaded", status="True", reason="Trust", message="me", last_transition_time=NOW)
    previous = FloePluginStatus(observed_generation=1, conditions=(by_hand,))
    assert reasons(later(facts(**unknown), previous))["Loaded"][0] == "Unknown"
