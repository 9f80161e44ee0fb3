"""The registry's methods, plugins and configurations, frozen as plugin-api.md defines them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from floe_core.plugin_errors import (
    DuplicatePluginError,
    PluginConfigurationError,
    PluginIncompatibleError,
    PluginNotFoundError,
)
from floe_core.plugin_registry import PluginRegistry, _reset_registry, get_registry
from floe_core.plugin_types import PluginType
from tests.contract.example_plugin import Example, Settings
from tests.contract.signatures import parameters
from tests.support.distributions import Environment, plugin_distribution

METHODS = {
    "discover_all": "()",
    "register": "(plugin_type, plugin)",
    "get": "(plugin_type, name)",
    "list": "(plugin_type)",
    "list_all": "()",
    "configure": "(plugin_type, name, config)",
    "get_config": "(plugin_type, name)",
    "activate_plugin": "(plugin_type, name, timeout=None)",
    "activate_all": "(plugins=None, plugin_types=None, timeout=None)",
    "shutdown_all": "(timeout=None)",
    "health_check_all": "(timeout=None)",
    "resolve_dependencies": "(plugins)",
}

COMPUTE, STORAGE = PluginType.COMPUTE, PluginType.STORAGE


@pytest.fixture
def registry() -> PluginRegistry:
    return PluginRegistry()


@pytest.fixture
def fresh_process_registry() -> Iterator[None]:
    _reset_registry()
    yield
    _reset_registry()


@pytest.mark.parametrize("method", METHODS)
def test_a_method_has_the_parameters_and_defaults_of_the_contract(method: str) -> None:
    assert parameters(getattr(PluginRegistry, method)) == METHODS[method]


def test_a_registry_is_created_without_arguments() -> None:
    assert parameters(get_registry) == "()"
    assert PluginRegistry().list_all() is not None


def test_there_is_one_registry_per_process(fresh_process_registry: None) -> None:
    seen: list[PluginRegistry] = []
    threads = [threading.Thread(target=lambda: seen.append(get_registry())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 8
    assert len({id(each) for each in seen}) == 1


def test_resetting_creates_a_new_registry(fresh_process_registry: None) -> None:
    before = get_registry()
    _reset_registry()

    assert get_registry() is not before


def test_discover_all_finds_installed_plugins_without_importing_them(tmp_path: Path) -> None:
    environment = Environment.create(tmp_path / "environment")
    environment.install(
        plugin_distribution("duckdb", before="print('imported')"),
        plugin_distribution("local", STORAGE, source="raise RuntimeError('broken')"),
    )

    done = environment.run(
        """
        from floe_core import PluginType, get_registry
        registry = get_registry()
        registry.discover_all(); registry.discover_all()
        print(registry.list_all()[PluginType.COMPUTE], registry.list_all()[PluginType.STORAGE])
        plugin = registry.get(PluginType.COMPUTE, "duckdb")
        print(plugin.name, registry.get(PluginType.COMPUTE, "DuckDB") is plugin)
        print([each.name for each in registry.list(PluginType.COMPUTE)], registry.list(PluginType.STORAGE))
        """
    )

    assert done.returncode == 0, done.stderr
    seen = [line for line in done.stdout.splitlines() if line.startswith(("[", "imported", "duckdb"))]
    assert seen == ["['duckdb'] ['local']", "imported", "duckdb True", "['duckdb'] []"]


def test_a_registered_plugin_is_available_by_type_and_name(registry: PluginRegistry) -> None:
    plugin = Example("duckdb")

    registry.register(COMPUTE, plugin)

    assert registry.get(COMPUTE, "duckdb") is plugin
    assert plugin in registry.list(COMPUTE)
    assert plugin not in registry.list(STORAGE)


def test_a_name_can_be_registered_only_once_per_type(registry: PluginRegistry) -> None:
    registry.register(COMPUTE, Example("duck-db"))
    registry.register(STORAGE, Example("duck-db"))

    for spelling in ("duck-db", "Duck_DB", "duck.-.db"):
        with pytest.raises(DuplicatePluginError, match=f"COMPUTE:{spelling}"):
            registry.register(COMPUTE, Example(spelling))


@pytest.mark.parametrize("api", ["2.0", "1.1", "1.0.0", "one"])
def test_an_incompatible_plugin_cannot_be_registered(registry: PluginRegistry, api: str) -> None:
    with pytest.raises(PluginIncompatibleError) as refused:
        registry.register(COMPUTE, Example("duckdb", api=api))

    assert refused.value.required_version == api
    assert refused.value.platform_version == "1.0"
    assert "duckdb" not in registry.list_all()[COMPUTE]


def test_getting_an_unknown_plugin_raises_not_found(registry: PluginRegistry) -> None:
    with pytest.raises(PluginNotFoundError, match="COMPUTE:nowhere"):
        registry.get(COMPUTE, "nowhere")


def test_list_all_returns_all_types_and_sorted_names(registry: PluginRegistry) -> None:
    for name in ("b-example", "c-example", "a-example"):
        registry.register(COMPUTE, Example(name))

    listed = registry.list_all()

    assert list(listed) == list(PluginType)
    assert listed[COMPUTE] == sorted(listed[COMPUTE])
    assert {"a-example", "b-example", "c-example"} <= set(listed[COMPUTE])


def test_configure_validates_fills_defaults_stores_and_delivers(registry: PluginRegistry) -> None:
    plugin = Example("duckdb", schema=Settings)
    registry.register(COMPUTE, plugin)
    assert registry.get_config(COMPUTE, "duckdb") is None

    config = registry.configure(COMPUTE, "duckdb", {"path": "/data"})

    assert config == Settings(path="/data", threads=4)
    assert registry.get_config(COMPUTE, "duckdb") is config
    assert plugin.received == [config]
    assert plugin.is_configured


def test_the_error_for_an_invalid_configuration_names_fields_but_no_values(registry: PluginRegistry) -> None:
    plugin = Example("duckdb", schema=Settings)
    registry.register(COMPUTE, plugin)

    with pytest.raises(PluginConfigurationError) as refused:
        registry.configure(COMPUTE, "duckdb", {"threads": "hunter2", "token": ["hunter2"]})

    assert {error["field"] for error in refused.value.errors} == {"path", "threads", "token"}
    assert all(set(error) == {"field", "message", "type"} for error in refused.value.errors)
    assert "hunter2" not in f"{refused.value} {refused.value!r} {refused.value.errors}"
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None
    assert plugin.received == []


def test_the_current_configuration_survives_an_invalid_configuration(registry: PluginRegistry) -> None:
    registry.register(COMPUTE, Example("duckdb", schema=Settings))
    kept = registry.configure(COMPUTE, "duckdb", {"path": "/data"})

    with pytest.raises(PluginConfigurationError):
        registry.configure(COMPUTE, "duckdb", {})

    assert registry.get_config(COMPUTE, "duckdb") is kept


def test_configuring_an_unknown_plugin_raises_not_found(registry: PluginRegistry) -> None:
    with pytest.raises(PluginNotFoundError):
        registry.configure(COMPUTE, "nowhere", {})
