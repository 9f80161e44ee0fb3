"""Which changes of a status are worth an Event, and what the Event says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.api import events
from floe_operator.rules.assess import assess
from floe_operator.rules.conditions import MESSAGE_BYTES
from floe_operator.rules.facts import ConfigSourceFault, Dependencies, Dependency, Readiness
from floe_operator.rules.load_states import Loading
from floe_operator.rules.resource import FloePlugin, FloePluginStatus
from tests.unit.operator.rules.facts_builder import LATER, facts, judged, verdict

READY = judged()
INVALID = judged(config=verdict("ValidationFailed", ("realm", "Field required", "missing")))
ALSO_INVALID = judged(config=verdict("ValidationFailed", ("url", "Field required", "missing")))
NO_CONFIG = verdict("ConfigRequired", ("realm", "Field required", "missing"))
REQUIRED, UNCONFIGURED = judged(config=NO_CONFIG), judged(config=NO_CONFIG, in_use=False)
NOT_READY = Dependency("duckdb", (PluginId(PluginType.COMPUTE, "duckdb"),))
NEEDS_IDLE = Dependencies((replace(NOT_READY, readiness=Readiness.IDLE),))
IDLE, WAITS = judged(dependencies=NEEDS_IDLE, in_use=False), judged(dependencies=NEEDS_IDLE)
BEHIND_BROKEN = judged(dependencies=Dependencies((NOT_READY,)), in_use=False)
LOADING = judged(loading=Loading())


def seen(status: FloePluginStatus | None, *, in_use: bool = True) -> FloePlugin:
    return FloePlugin.parse(
        {
            "metadata": {
                "name": "identity-keycloak",
                "namespace": "floe",
                "uid": "u-1",
                "resourceVersion": "12",
            },
            "spec": {"type": "identity", "name": "keycloak", **({"version": ">=0"} if in_use else {})},
            "status": status.to_json() if status else None,
        }
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(None, READY, ("Normal", "Ready"), id="Ready from the start"),
        pytest.param(None, LOADING, None, id="nothing is assessed yet"),
        pytest.param(LOADING, READY, ("Normal", "Ready"), id="assessed at last"),
        pytest.param(READY, READY, None, id="nothing changed"),
        pytest.param(READY, INVALID, ("Warning", "ValidationFailed"), id="broken"),
        pytest.param(INVALID, READY, ("Normal", "Ready"), id="fixed"),
        pytest.param(INVALID, ALSO_INVALID, None, id="a different message for the same reason"),
        pytest.param(None, REQUIRED, ("Warning", "ConfigRequired"), id="asked for, but not configured"),
        pytest.param(None, UNCONFIGURED, None, id="installed, and nobody asked for it"),
        pytest.param(READY, UNCONFIGURED, None, id="nobody asks for it any more"),
        pytest.param(UNCONFIGURED, REQUIRED, ("Warning", "ConfigRequired"), id="somebody asks for it"),
        pytest.param(IDLE, WAITS, ("Warning", "DependencyNotReady"), id="somebody needs what is not Ready"),
        pytest.param(IDLE, BEHIND_BROKEN, None, id="what it needs breaks, and nobody asked for it"),
        pytest.param(READY, BEHIND_BROKEN, None, id="what it needs breaks after it was Ready"),
        pytest.param(
            BEHIND_BROKEN,
            WAITS,
            ("Warning", "DependencyNotReady"),
            id="somebody needs what waits for another",
        ),
        pytest.param(WAITS, IDLE, None, id="nobody needs what is not Ready any more"),
        pytest.param(UNCONFIGURED, READY, ("Normal", "Ready"), id="somebody configured it"),
        pytest.param(READY, LOADING, None, id="no longer known"),
    ],
)
def test_an_event_reports_each_change_of_ready(
    before: FloePluginStatus | None, after: FloePluginStatus, told: tuple[str, str] | None
) -> None:
    transition = events.transition_of(seen(before, in_use=after.in_use is True), after)
    assert (None if transition is None else (transition.type, transition.reason)) == told


def test_the_note_is_the_message_of_ready() -> None:
    transition = events.transition_of(seen(READY), INVALID)
    ready = INVALID.condition("Ready")
    assert transition is not None
    assert ready is not None
    assert transition.note == ready.message


def test_an_event_reports_the_reason_of_the_current_generation() -> None:
    missing = assess(
        facts(config=ConfigSourceFault("SecretNotFound", "Secret 'keycloak' is missing")), READY, LATER
    )
    transition = events.transition_of(seen(READY), missing)
    assert transition is not None
    assert transition.reason == "SecretNotFound"
    assert "keycloak" in transition.note


def test_a_note_is_never_longer_than_the_api_server_allows() -> None:
    long = ConfigSourceFault("SecretNotFound", "ü" * 1_024)
    transition = events.transition_of(seen(READY), judged(config=long))
    assert transition is not None
    assert len(transition.note.encode()) <= MESSAGE_BYTES


def test_times_have_six_decimals_and_the_event_names_its_object() -> None:
    transition = events.transition_of(seen(READY), INVALID)
    assert transition is not None
    body: dict[str, Any] = events.event(transition, "12", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "pod-1")
    assert body["eventTime"] == "2026-01-02T03:04:05.000000Z"
    assert body["reportingController"] == "floe.dev/floe-operator"
    assert body["reportingInstance"] == "pod-1"
    assert body["regarding"] == {
        "apiVersion": "floe.dev/v1alpha1",
        "kind": "FloePlugin",
        "namespace": "floe",
        "name": "identity-keycloak",
        "uid": "u-1",
        "resourceVersion": "12",
    }
