"""FloePlugin as the API server has it, and the names of its objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from floe_core.plugin_types import PluginId, PluginType, plugin_id
from floe_operator.rules.resource import (
    FloePlugin,
    FloePluginStatus,
    is_nameable,
    object_name,
    parse_object_name,
)
from floe_operator.rules.stored_json import as_stored
from tests.unit.operator.rules.strategies import few_examples

RAW: dict[str, Any] = {
    "apiVersion": "floe.dev/v1alpha1",
    "kind": "FloePlugin",
    "metadata": {"name": "identity-keycloak", "uid": "u", "resourceVersion": "7", "generation": 2},
    "spec": {"type": "identity", "name": "keycloak"},
}
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "message": "",
    "lastTransitionTime": "2030-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("plugin_type", "name", "expected"),
    [
        (PluginType.IDENTITY, "keycloak", "identity-keycloak"),
        (PluginType.TELEMETRY_BACKEND, "otel", "telemetry-backend-otel"),
        (PluginType.SEMANTIC_LAYER, "a-b-c", "semantic-layer-a-b-c"),
        (PluginType.DBT, "x" * 63, "dbt-" + "x" * 63),
    ],
)
def test_an_object_is_named_after_its_plugin(plugin_type: PluginType, name: str, expected: str) -> None:
    assert object_name(PluginId(plugin_type, name)) == expected
    assert parse_object_name(expected) == PluginId(plugin_type, name)


@pytest.mark.parametrize(
    "name", ["", "identity", "identity-", "identity-a--b", "identity--a", "other-a", "identity-A", "dbt-a.b"]
)
def test_any_other_object_name_belongs_to_no_plugin(name: str) -> None:
    assert parse_object_name(name) is None


@few_examples
@given(st.sampled_from(PluginType), st.text(max_size=70))
def test_the_object_name_of_every_nameable_plugin_leads_back_to_the_plugin(
    plugin_type: PluginType, text: str
) -> None:
    plugin = plugin_id(plugin_type, text)
    found = parse_object_name(object_name(plugin))
    assert found == (plugin if is_nameable(plugin) else None)


@pytest.mark.parametrize(
    ("name", "nameable"),
    [
        ("duckdb", True),
        ("a-1", True),
        ("1", True),
        ("x" * 63, True),
        ("x" * 64, False),
        ("", False),
        ("-a", False),
        ("a-", False),
        ("a b", False),
        ("ä", False),
        ("a\n", False),
    ],
)
def test_only_a_normalised_name_of_at_most_63_characters_is_nameable(name: str, nameable: bool) -> None:
    assert is_nameable(PluginId(PluginType.COMPUTE, name)) is nameable


def test_fields_that_the_operator_does_not_know_are_ignored() -> None:
    seen = FloePlugin.parse({**RAW, "spec": {**RAW["spec"], "later": 1}, "status": {"later": {}}})
    assert seen.plugin == PluginId(PluginType.IDENTITY, "keycloak")
    assert seen.status == FloePluginStatus()


@pytest.mark.parametrize(
    "status", [{"conditions": "x"}, {"observedGeneration": "y"}, {"conditions": [{"type": "Ready"}]}, []]
)
def test_an_unreadable_status_counts_as_missing(status: Any) -> None:
    assert FloePlugin.parse({**RAW, "status": status}).status is None


@pytest.mark.parametrize(
    "spec", [{"type": "identity"}, {"type": "other", "name": "x"}, {"type": 1, "name": "x"}]
)
def test_an_unreadable_spec_is_an_error(spec: Any) -> None:
    with pytest.raises(ValidationError):
        FloePlugin.parse({**RAW, "spec": spec, "status": {"conditions": "x"}})


def test_conditions_of_foreign_types_are_ignored() -> None:
    foreign = {**READY, "type": "example.com/Audited"}
    raw = {"conditions": [foreign, READY, {**READY, "type": "Loaded"}]}
    status = TypeAdapter(FloePluginStatus).validate_python(raw)
    assert [one.type for one in status.conditions] == ["Loaded", "Ready"]


def test_the_defaults_of_a_probe_come_from_the_operator_not_from_the_crd() -> None:
    probe = FloePlugin.parse({**RAW, "spec": {**RAW["spec"], "probe": {}}}).spec.probe
    assert probe is not None
    assert (probe.period_seconds, probe.timeout_seconds, probe.failure_threshold) == (60, 5, 3)


def test_times_are_written_in_utc_and_whole_seconds() -> None:
    offset = {**READY, "lastTransitionTime": "2030-01-01T02:00:00.25+02:00"}
    status = TypeAdapter(FloePluginStatus).validate_python({"conditions": [offset]})
    assert status.to_json()["conditions"][0]["lastTransitionTime"] == "2030-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ({"default": None, "a": {"b": None}}, {"default": None, "a": {"b": None}}),
        ([None, 1], [None, 1]),
        (2**63, float(2**63)),
        (-(2**63), -(2**63)),
        (10**400, None),
        ({"x": float("inf")}, {"x": None}),
        ("\ud800", "?"),
        ((1, True), [1, True]),
        ({1: "x"}, {"1": "x"}),
        (object(), None),
    ],
)
def test_a_schema_is_kept_as_the_api_server_stores_it(value: object, stored: object) -> None:
    assert as_stored(value) == stored
