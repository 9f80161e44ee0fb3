"""Plugin types and the base class of all plugins, frozen as plugin-api.md defines them."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata
from floe_core.plugin_types import PluginType
from tests.contract.signatures import abstract_names, fields, lines, members

TYPES = {
    "COMPUTE": "floe.computes",
    "ORCHESTRATOR": "floe.orchestrators",
    "CATALOG": "floe.catalogs",
    "STORAGE": "floe.storage",
    "TELEMETRY_BACKEND": "floe.telemetry_backends",
    "LINEAGE_BACKEND": "floe.lineage_backends",
    "DBT": "floe.dbt",
    "SEMANTIC_LAYER": "floe.semantic_layers",
    "INGESTION": "floe.ingestion",
    "SECRETS": "floe.secrets",
    "IDENTITY": "floe.identity",
}

METADATA = """
    abstract property name -> str
    abstract property version -> str
    abstract property floe_api_version -> str
    property description -> str
    property dependencies -> list[str]
    property tracer_name -> str | None
    get_config_schema() -> type[BaseModel] | None
    configure(config: BaseModel | None) -> None
    property is_configured -> bool
    startup() -> None
    shutdown() -> None
    health_check() -> HealthStatus
"""


class Settings(BaseModel):
    threads: int = 1


class Minimal(PluginMetadata):
    name = "mine"
    version = "0.1.0"
    floe_api_version = "1.0"


def test_there_are_eleven_types_each_with_its_entry_point_group() -> None:
    assert {member.name: member.value for member in PluginType} == TYPES
    assert [member.name for member in PluginType] == list(TYPES)


def test_a_type_has_its_entry_point_group() -> None:
    assert {member.name: member.entry_point_group for member in PluginType} == TYPES
    assert PluginType.all_entry_point_groups() == list(TYPES.values())


@pytest.mark.parametrize("name", TYPES)
def test_an_entry_point_group_maps_to_its_type(name: str) -> None:
    assert PluginType.from_entry_point_group(TYPES[name]) is PluginType[name]


def test_the_error_for_an_unknown_group_lists_the_valid_groups() -> None:
    with pytest.raises(ValueError, match=r"Unknown entry point group .*floe\.nothing") as refused:
        PluginType.from_entry_point_group("floe.nothing")

    for group in TYPES.values():
        assert group in str(refused.value)


def test_plugin_metadata_has_the_members_of_the_contract_and_no_others() -> None:
    assert sorted(members(PluginMetadata)) == sorted(lines(METADATA))


def test_only_the_name_and_the_versions_are_abstract() -> None:
    assert set(abstract_names(PluginMetadata)) == {"name", "version", "floe_api_version"}
    with pytest.raises(TypeError, match="abstract"):
        PluginMetadata()  # type: ignore[abstract]


def test_all_other_members_have_defaults() -> None:
    plugin = Minimal()

    assert plugin.description == ""
    assert plugin.dependencies == []
    assert plugin.tracer_name is None
    assert plugin.get_config_schema() is None
    assert plugin.is_configured is False
    plugin.startup()
    plugin.shutdown()
    assert plugin.health_check() == HealthStatus(HealthState.HEALTHY)


def test_a_plugin_keeps_its_configuration() -> None:
    plugin = Minimal()

    plugin.configure(Settings())
    assert plugin.is_configured is True

    plugin.configure(None)
    assert plugin.is_configured is False


def test_two_plugins_share_neither_configuration_nor_dependencies() -> None:
    one, other = Minimal(), Minimal()

    one.configure(Settings())
    one.dependencies.append("local")

    assert other.is_configured is False
    assert other.dependencies == []


def test_a_constructor_that_does_not_call_super_keeps_the_defaults() -> None:
    class Own(Minimal):
        def __init__(self) -> None:
            self.own = True

    assert Own().is_configured is False


def test_health_states_have_the_values_of_the_contract() -> None:
    assert {state.name: state.value for state in HealthState} == {
        "HEALTHY": "healthy",
        "DEGRADED": "degraded",
        "UNHEALTHY": "unhealthy",
    }


def test_a_health_status_has_the_fields_of_the_contract_and_shares_no_default() -> None:
    assert fields(HealthStatus) == ["state: HealthState", "message: str = ''", "details: dict[str, Any] = {}"]
    assert HealthStatus(HealthState.HEALTHY).details is not HealthStatus(HealthState.HEALTHY).details
