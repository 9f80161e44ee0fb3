"""The condition table of the design, row by row, for objects that were never assessed before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.conditions import TABLE as REASONS
from floe_operator.rules.facts import (
    Checked,
    ConfigSourceFault,
    CrashedWhileRunning,
    Dependencies,
    Dependency,
    DiscoveryUnknown,
    NotInstalled,
    Probing,
    Readiness,
    StartupFailed,
)
from floe_operator.rules.in_use import is_idle
from floe_operator.rules.load_states import FailedBeside, LoadFault, Loading
from tests.unit.operator.rules.facts_builder import (
    FOUND,
    KEYCLOAK,
    broken,
    condition,
    described,
    judged,
    reasons,
    spec,
    verdict,
)

OTHER = FOUND.model_copy(update={"entry_point": "Keycloak = other:Plugin"})
DUCKDB = PluginId(PluginType.COMPUTE, "duckdb")
LAKE = PluginId(PluginType.CATALOG, "duckdb")
SOURCES = [{"secretKeyRef": {"name": "keycloak", "key": "k"}, "path": "client_secret"}]
PROBED = spec(probe={})


def needs(*declared: Dependency, cycle: tuple[PluginId, ...] = ()) -> dict[str, Any]:
    return {"dependencies": Dependencies(declared, cycle)}


WAITS = "Reconciling"
STALLS = "Stalled"
TABLE: list[tuple[str, str, str, str | None, dict[str, Any]]] = [
    # condition, status, reason, what else is True, the facts
    ("Discovered", "True", "Installed", None, {}),
    ("Discovered", "False", "NotInstalled", WAITS, {"discovery": NotInstalled(), "loading": None}),
    (
        "Discovered",
        "False",
        "DuplicateEntryPoint",
        STALLS,
        {"discovery": broken("DuplicateEntryPoint", "a and b", FOUND, OTHER), "loading": None},
    ),
    (
        "Discovered",
        "False",
        "MalformedEntryPoint",
        STALLS,
        {"discovery": broken("MalformedEntryPoint", "no colon", FOUND), "loading": None},
    ),
    (
        "Discovered",
        "Unknown",
        "ScanFailed",
        WAITS,
        {"discovery": DiscoveryUnknown("no host"), "loading": None},
    ),
    ("Loaded", "True", "Loaded", None, {}),
    ("Loaded", "False", "ImportFailed", STALLS, {"loading": LoadFault("ImportFailed", "no module")}),
    ("Loaded", "False", "NotAPlugin", STALLS, {"loading": LoadFault("NotAPlugin", "an int")}),
    ("Loaded", "False", "LoadTimedOut", WAITS, {"loading": LoadFault("LoadTimedOut", "10 s")}),
    ("Loaded", "False", "CrashedOnLoad", WAITS, {"loading": LoadFault("CrashedOnLoad", "signal 11")}),
    ("Loaded", "Unknown", "NotDiscovered", WAITS, {"discovery": NotInstalled(), "loading": None}),
    ("Loaded", "Unknown", "Loading", WAITS, {"loading": Loading()}),
    ("VersionCompatible", "True", "Compatible", None, {}),
    ("VersionCompatible", "False", "IncompatibleApi", STALLS, {"loading": described(floe_api_version="2.0")}),
    ("VersionCompatible", "False", "InvalidVersion", STALLS, {"loading": described(version="latest")}),
    ("VersionCompatible", "False", "OutsideVersionRange", STALLS, {"spec": spec(version=">=0.2")}),
    ("VersionCompatible", "False", "InvalidVersionRange", STALLS, {"spec": spec(version="0.1.x")}),
    ("VersionCompatible", "Unknown", "NotLoaded", WAITS, {"loading": Loading()}),
    ("ConfigValid", "True", "Valid", None, {}),
    ("ConfigValid", "True", "NothingToConfigure", None, {"config": verdict("NothingToConfigure")}),
    (
        "ConfigValid",
        "False",
        "NotConfigured",
        None,
        {"config": verdict("ConfigRequired"), "in_use": False},
    ),
    # A schema without required fields can have a rule that an empty configuration breaks.
    (
        "ConfigValid",
        "False",
        "NotConfigured",
        None,
        {"config": verdict("ValidationFailed"), "in_use": False},
    ),
    ("ConfigValid", "False", "ConfigRequired", STALLS, {"config": verdict("ConfigRequired")}),
    (
        "ConfigValid",
        "False",
        "ConfigRequired",
        WAITS,
        {"config": verdict("ConfigRequired"), "spec": spec(configFrom=SOURCES)},
    ),
    ("ConfigValid", "False", "ValidationFailed", STALLS, {"config": verdict("ValidationFailed")}),
    (
        "ConfigValid",
        "False",
        "ValidationFailed",
        WAITS,
        {"config": verdict("ValidationFailed"), "spec": spec(configFrom=SOURCES)},
    ),
    ("ConfigValid", "False", "PlaintextSecret", STALLS, {"config": verdict("PlaintextSecret")}),
    ("ConfigValid", "False", "ConfigNotAccepted", STALLS, {"config": verdict("ConfigNotAccepted")}),
    ("ConfigValid", "False", "SecretNotFound", WAITS, {"config": ConfigSourceFault("SecretNotFound", "m")}),
    (
        "ConfigValid",
        "False",
        "SecretKeyMissing",
        WAITS,
        {"config": ConfigSourceFault("SecretKeyMissing", "m")},
    ),
    (
        "ConfigValid",
        "False",
        "ConfigMapNotFound",
        WAITS,
        {"config": ConfigSourceFault("ConfigMapNotFound", "m")},
    ),
    (
        "ConfigValid",
        "False",
        "ConfigMapKeyMissing",
        WAITS,
        {"config": ConfigSourceFault("ConfigMapKeyMissing", "m")},
    ),
    ("ConfigValid", "False", "Forbidden", WAITS, {"config": ConfigSourceFault("Forbidden", "m")}),
    ("ConfigValid", "False", "NotText", WAITS, {"config": ConfigSourceFault("NotText", "m")}),
    ("ConfigValid", "False", "NotAMapping", WAITS, {"config": ConfigSourceFault("NotAMapping", "m")}),
    ("ConfigValid", "False", "PathConflict", STALLS, {"config": ConfigSourceFault("PathConflict", "m")}),
    ("ConfigValid", "False", "SchemaFailed", STALLS, {"config": verdict("SchemaFailed")}),
    (
        "ConfigValid",
        "False",
        "SchemaFailed",
        STALLS,
        {"loading": described(schema_error="KeyError")},
    ),
    (
        "ConfigValid",
        "False",
        "ValidationCrashed",
        WAITS,
        {"config": ConfigSourceFault("ValidationCrashed", "m")},
    ),
    ("ConfigValid", "Unknown", "NotLoaded", WAITS, {"loading": Loading()}),
    ("ConfigValid", "Unknown", "NotLoaded", WAITS, {"config": None}),
    ("DependenciesReady", "True", "NoDependencies", None, {}),
    ("DependenciesReady", "True", "AllReady", None, needs(Dependency("duckdb", (DUCKDB,), Readiness.READY))),
    ("DependenciesReady", "False", "DependencyMissing", WAITS, needs(Dependency("duckdb", ()))),
    (
        "DependenciesReady",
        "False",
        "DependencyAmbiguous",
        STALLS,
        needs(Dependency("duckdb", (DUCKDB, LAKE))),
    ),
    ("DependenciesReady", "False", "DependencyNotReady", WAITS, needs(Dependency("duckdb", (DUCKDB,)))),
    (
        "DependenciesReady",
        "False",
        "DependencyCycle",
        STALLS,
        needs(Dependency("duckdb", (DUCKDB,)), cycle=(KEYCLOAK, DUCKDB, KEYCLOAK)),
    ),
    ("DependenciesReady", "Unknown", "NotLoaded", WAITS, {"loading": Loading()}),
    ("DependenciesReady", "Unknown", "NotLoaded", WAITS, {"dependencies": None}),
    ("Healthy", "True", "Healthy", None, {"spec": PROBED, "probe": Checked("healthy")}),
    ("Healthy", "True", "Degraded", None, {"spec": PROBED, "probe": Checked("degraded")}),
    ("Healthy", "False", "Unhealthy", WAITS, {"spec": PROBED, "probe": Checked("unhealthy", 3)}),
    ("Healthy", "False", "StartupFailed", WAITS, {"spec": PROBED, "probe": StartupFailed("m")}),
    ("Healthy", "False", "CrashedWhileRunning", WAITS, {"spec": PROBED, "probe": CrashedWhileRunning("m")}),
    ("Healthy", "Unknown", "Probing", WAITS, {"spec": PROBED, "probe": Probing()}),
    ("Healthy", "Unknown", "Probing", WAITS, {"spec": PROBED, "probe": None}),
    ("Healthy", "Unknown", "Probing", WAITS, {"spec": PROBED, "probe": Checked("unhealthy", 2)}),
    ("Healthy", "Unknown", "Probing", WAITS, {"spec": PROBED, "loading": Loading()}),
]


@pytest.mark.parametrize(
    ("kind", "status", "reason", "beside", "changed"), TABLE, ids=[f"{row[0]}-{row[2]}" for row in TABLE]
)
def test_the_facts_lead_to_the_reason_in_the_table(
    kind: str, status: str, reason: str, beside: str | None, changed: dict[str, Any]
) -> None:
    found = reasons(judged(**changed))
    assert found[kind] == (status, reason)
    assert {one for one in (WAITS, STALLS) if one in found} == ({beside} if beside else set())


def test_every_declared_reason_has_a_row_in_this_table() -> None:
    declared = {
        (kind, reason.outcome.status, reason.text) for kind, table in REASONS.items() for reason in table
    }
    assert {row[:3] for row in TABLE} == declared


NOT_CONFIGURED: dict[str, Any] = {"config": verdict("ConfigRequired"), "in_use": False}


@pytest.mark.parametrize(
    ("changed", "ready", "beside"),
    [
        (NOT_CONFIGURED, "NotConfigured", None),
        ({**NOT_CONFIGURED, **needs(Dependency("x", (DUCKDB,), Readiness.IDLE))}, "NotConfigured", None),
        ({**NOT_CONFIGURED, **needs(Dependency("x", (DUCKDB,)))}, "NotConfigured", None),
        ({**NOT_CONFIGURED, **needs(Dependency("x", (DUCKDB, LAKE)))}, "NotConfigured", None),
        ({"in_use": False}, "Ready", None),
        # What does not fit the platform is broken, whether somebody asked for it or not.
        ({**NOT_CONFIGURED, "loading": LoadFault("ImportFailed", "m")}, "ImportFailed", STALLS),
        ({**NOT_CONFIGURED, "loading": described(floe_api_version="2.0")}, "IncompatibleApi", STALLS),
        ({"in_use": False, "config": verdict("SchemaFailed")}, "SchemaFailed", STALLS),
        (
            {
                "in_use": False,
                "config": verdict("ValidationFailed", ("", "raised KeyError", "validator_error")),
            },
            "ValidationFailed",
            STALLS,
        ),
        ({"in_use": False, **needs(Dependency("x", ()))}, "DependencyMissing", WAITS),
        ({"in_use": False, **needs(Dependency("x", (DUCKDB,)))}, "DependencyNotReady", WAITS),
        ({"in_use": False, **needs(Dependency("x", (DUCKDB,), Readiness.IDLE))}, "DependencyNotReady", None),
        (
            {
                "in_use": False,
                **needs(Dependency("x", (DUCKDB,)), Dependency("y", (LAKE,), Readiness.IDLE)),
            },
            "DependencyNotReady",
            None,
        ),
        ({**needs(Dependency("x", (DUCKDB,), Readiness.IDLE))}, "DependencyNotReady", WAITS),
    ],
)
def test_a_plugin_that_nobody_asked_for_may_lack_a_configuration_or_need_one_that_does(
    changed: dict[str, Any], ready: str, beside: str | None
) -> None:
    status = judged(**changed)
    found = reasons(status)
    assert found["Ready"] == ("True" if ready == "Ready" else "False", ready)
    assert {one for one in (WAITS, STALLS) if one in found} == ({beside} if beside else set())
    assert status.in_use is changed.get("in_use", True)
    assert is_idle(status) is (ready != "Ready" and beside is None)


def test_without_a_probe_there_is_no_healthy_condition() -> None:
    assert "Healthy" not in reasons(judged(probe=Checked("healthy")))


@pytest.mark.parametrize(
    ("changed", "ready"),
    [
        ({}, ("True", "Ready")),
        (
            {"loading": described(version="x"), "config": verdict("PlaintextSecret")},
            ("False", "InvalidVersion"),
        ),
        ({"loading": Loading(), "spec": PROBED}, ("Unknown", "Loading")),
        # A False further down beats an Unknown further up.
        ({"config": None, **needs(Dependency("x", ()))}, ("False", "DependencyMissing")),
    ],
)
def test_ready_takes_the_first_false_reason_or_else_the_first_unknown(
    changed: dict[str, Any], ready: tuple[str, str]
) -> None:
    status = judged(**changed)
    assert reasons(status)["Ready"] == ready
    if ready[0] != "True":
        deciding = next(one for one in status.conditions if one.status == ready[0])
        assert condition(status, "Ready").message == deciding.message


def test_a_missing_secret_does_not_hide_that_waiting_will_not_help() -> None:
    status = judged(
        config=ConfigSourceFault("SecretNotFound", "no Secret x"), **needs(Dependency("x", (DUCKDB, LAKE)))
    )
    assert reasons(status)["Ready"] == ("False", "SecretNotFound")
    assert reasons(status)["Stalled"] == ("True", "DependencyAmbiguous")


@pytest.mark.parametrize(
    ("api", "reason"),
    [
        ("1.0", "Compatible"),
        ("1.1", "IncompatibleApi"),
        ("0.9", "IncompatibleApi"),
        ("2.0", "IncompatibleApi"),
        ("1.0.0", "InvalidVersion"),
        ("1", "InvalidVersion"),
        ("", "InvalidVersion"),
        ("v1.0", "InvalidVersion"),
        ("1.0\n", "InvalidVersion"),
        ("one.zero", "InvalidVersion"),
        ("9" * 5000 + ".0", "InvalidVersion"),
    ],
)
def test_the_api_version_must_be_x_y_and_no_newer_than_the_platforms(api: str, reason: str) -> None:
    assert reasons(judged(loading=described(floe_api_version=api)))["VersionCompatible"][1] == reason


def test_an_api_older_than_the_platforms_minimum_is_incompatible() -> None:
    status = judged(
        platform_api_version="1.5", minimum_api_version="1.3", loading=described(floe_api_version="1.2")
    )
    assert reasons(status)["VersionCompatible"] == ("False", "IncompatibleApi")


@pytest.mark.parametrize(
    ("declared", "accepted", "reason"),
    [
        ("0.1.0", ">=0.1.0a1,<0.2", "Compatible"),
        ("0.1.0a1", ">=0.1.0a1,<0.2", "Compatible"),
        ("0.2.0a1", ">=0.1", "Compatible"),
        ("0.1.0", "", "Compatible"),
        ("0.1.0", "==0.1.*", "Compatible"),
        ("0.1.0+local.1", "==0.1.0", "Compatible"),
        ("0.1.0a1", ">=0.1.0", "OutsideVersionRange"),
        ("0.2.0", "<0.2", "OutsideVersionRange"),
        ("0.1.0", "^0.1", "InvalidVersionRange"),
        ("0.1.0", "latest", "InvalidVersionRange"),
        ("", None, "InvalidVersion"),
        ("1.0", None, "InvalidVersion"),
        ("1.0.0.0", None, "InvalidVersion"),
        ("1.0.x", None, "InvalidVersion"),
        ("unknown", None, "InvalidVersion"),
        ("1" * 200 + ".0.0", None, "InvalidVersion"),
    ],
)
def test_the_version_must_be_x_y_z_within_the_accepted_range(
    declared: str, accepted: str | None, reason: str
) -> None:
    status = judged(loading=described(version=declared), spec=spec(version=accepted))
    assert reasons(status)["VersionCompatible"][1] == reason


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (1, "compute/p0"),
        (2, "compute/p0 and compute/p1"),
        (4, "compute/p0, compute/p1, compute/p2 and 1 other"),
        (9, "compute/p0, compute/p1, compute/p2 and 6 others"),
    ],
)
def test_a_plugin_that_loads_only_alone_names_the_plugins_before_it(count: int, names: str) -> None:
    after = tuple(PluginId(PluginType.COMPUTE, f"p{number}") for number in range(count))
    alone = replace(described(), beside=FailedBeside(after, "importing m raised OSError"))
    message = condition(judged(loading=alone), "Loaded").message
    assert message == (
        "The plugin is loaded; it loads in a process of its own, but failed after "
        f"{names} had been imported: importing m raised OSError"
    )


def test_a_class_with_a_different_name_is_loaded_and_the_message_says_so() -> None:
    status = judged(loading=described(declared_name="KeyCloak SSO"))
    assert reasons(status)["Loaded"] == ("True", "Loaded")
    assert '"KeyCloak SSO"' in condition(status, "Loaded").message


@pytest.mark.parametrize("declared", ["keycloak", "Keycloak", "KEYCLOAK"])
def test_a_different_spelling_is_not_a_different_name(declared: str) -> None:
    assert (
        condition(judged(loading=described(declared_name=declared)), "Loaded").message
        == "The plugin is loaded"
    )


def test_a_degraded_plugin_is_ready_and_says_so() -> None:
    status = judged(spec=PROBED, probe=Checked("degraded", message="slow disk"))
    assert reasons(status)["Ready"] == ("True", "Ready")
    assert "degraded" in condition(status, "Ready").message
    assert "slow disk" in condition(status, "Healthy").message


def test_a_cycle_is_named_in_full() -> None:
    status = judged(**needs(cycle=(KEYCLOAK, DUCKDB, KEYCLOAK)))
    assert "identity/keycloak -> compute/duckdb -> identity/keycloak" in condition(status, "Stalled").message
