"""Starting, stopping, health checks and dependencies, frozen as plugin-api.md defines them."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from floe_core.plugin_errors import CircularDependencyError, MissingDependencyError, PluginStartupError
from floe_core.plugin_metadata import HealthState, HealthStatus
from floe_core.plugin_registry import PluginRegistry
from floe_core.plugin_types import PluginType
from tests.contract.example_plugin import Example

COMPUTE, STORAGE, IDENTITY = PluginType.COMPUTE, PluginType.STORAGE, PluginType.IDENTITY


@pytest.fixture
def registry() -> PluginRegistry:
    return PluginRegistry()


def test_a_plugin_starts_only_once(registry: PluginRegistry) -> None:
    plugin = Example("duckdb")
    registry.register(COMPUTE, plugin)

    registry.activate_plugin(COMPUTE, "duckdb")
    registry.activate_plugin(COMPUTE, "duckdb", timeout=5.0)

    assert plugin.journal == ["startup duckdb"]


def test_a_startup_that_fails_raises_a_startup_error_with_its_cause(registry: PluginRegistry) -> None:
    registry.register(COMPUTE, Example("duckdb", fails=("startup",)))

    with pytest.raises(PluginStartupError, match="COMPUTE:duckdb") as refused:
        registry.activate_plugin(COMPUTE, "duckdb")

    assert isinstance(refused.value.cause, OSError)


def test_a_startup_that_takes_too_long_raises_a_startup_error(registry: PluginRegistry) -> None:
    class Hanging(Example):
        released = threading.Event()

        def startup(self) -> None:
            self.released.wait(60)

    plugin = Hanging("duckdb")
    registry.register(COMPUTE, plugin)
    try:
        with pytest.raises(PluginStartupError):
            registry.activate_plugin(COMPUTE, "duckdb", timeout=0.05)
    finally:
        plugin.released.set()


def test_plugins_start_after_their_dependencies_and_stop_in_reverse_order(registry: PluginRegistry) -> None:
    journal: list[str] = []
    registry.register(IDENTITY, Example("a-first", journal, needs=("b-middle",)))
    registry.register(COMPUTE, Example("b-middle", journal, needs=("storage/c-last",)))
    registry.register(STORAGE, Example("c-last", journal))

    started = registry.activate_all()
    stopped = registry.shutdown_all()

    keys = {"IDENTITY:a-first", "COMPUTE:b-middle", "STORAGE:c-last"}
    assert keys <= set(started)
    assert started == dict.fromkeys(started, None)
    assert stopped == dict.fromkeys(keys, None)
    assert journal == [
        *["startup c-last", "startup b-middle", "startup a-first"],
        *["shutdown a-first", "shutdown b-middle", "shutdown c-last"],
    ]


def test_a_failed_startup_affects_only_its_dependents(registry: PluginRegistry) -> None:
    registry.register(STORAGE, Example("local", fails=("startup",)))
    registry.register(COMPUTE, Example("duckdb", needs=("local",)))
    registry.register(COMPUTE, Example("spark"))

    outcome = registry.activate_all()

    assert isinstance(outcome["STORAGE:local"], PluginStartupError)
    assert isinstance(outcome["COMPUTE:duckdb"], Exception)
    assert outcome["COMPUTE:spark"] is None


def test_activate_all_can_be_limited_to_some_types(registry: PluginRegistry) -> None:
    journal: list[str] = []
    registry.register(STORAGE, Example("local", journal))
    registry.register(COMPUTE, Example("duckdb", journal))

    outcome = registry.activate_all(plugin_types=[STORAGE])

    assert set(outcome) == {"STORAGE:local"}
    assert journal == ["startup local"]


def test_stopping_continues_after_an_error(registry: PluginRegistry) -> None:
    journal: list[str] = []
    registry.register(STORAGE, Example("local", journal))
    registry.register(COMPUTE, Example("duckdb", journal, needs=("local",), fails=("shutdown",)))
    registry.activate_all()

    outcome = registry.shutdown_all()

    assert isinstance(outcome["COMPUTE:duckdb"], Exception)
    assert outcome["STORAGE:local"] is None
    assert journal[-2:] == ["shutdown duckdb", "shutdown local"]


def test_health_is_reported_for_all_loaded_plugins(registry: PluginRegistry) -> None:
    registry.register(COMPUTE, Example("duckdb"))
    registry.register(STORAGE, Example("local", fails=("health_check",)))

    health = registry.health_check_all()

    assert health["COMPUTE:duckdb"] == HealthStatus(HealthState.DEGRADED, "slow")
    assert health["STORAGE:local"].state is HealthState.UNHEALTHY


def test_a_plugin_whose_health_check_takes_too_long_is_unhealthy(registry: PluginRegistry) -> None:
    class Hanging(Example):
        released = threading.Event()

        def health_check(self) -> HealthStatus:
            self.released.wait(60)
            return super().health_check()

    plugin = Hanging("duckdb")
    registry.register(COMPUTE, plugin)
    try:
        assert registry.health_check_all(timeout=0.05)["COMPUTE:duckdb"].state is HealthState.UNHEALTHY
    finally:
        plugin.released.set()


@pytest.mark.parametrize(("given", "passed"), [({}, 5.0), ({"timeout": 2.5}, 2.5)])
def test_a_health_check_with_a_timeout_parameter_gets_the_timeout(
    registry: PluginRegistry, given: dict[str, Any], passed: float
) -> None:
    class Timed(Example):
        seen: float | None = None

        def health_check(self, timeout: float | None = None) -> HealthStatus:
            self.seen = timeout
            return HealthStatus(HealthState.HEALTHY)

    plugin = Timed("duckdb")
    registry.register(COMPUTE, plugin)

    registry.health_check_all(**given)

    assert plugin.seen == passed


def test_dependencies_are_resolved_in_start_order(registry: PluginRegistry) -> None:
    local, duckdb, dagster = (
        Example("local"),
        Example("duckdb", needs=("local",)),
        Example("dagster", needs=("duckdb", "local")),
    )

    assert registry.resolve_dependencies([dagster, duckdb, local]) == [local, duckdb, dagster]


def test_the_error_for_a_cycle_repeats_the_first_name_at_the_end(registry: PluginRegistry) -> None:
    with pytest.raises(CircularDependencyError) as refused:
        registry.resolve_dependencies(
            [Example("duckdb", needs=("local",)), Example("local", needs=("duckdb",))]
        )

    cycle = refused.value.cycle
    assert cycle[0] == cycle[-1]
    assert len(cycle) == 3


def test_the_error_for_a_missing_dependency_names_the_plugin_that_needs_it(registry: PluginRegistry) -> None:
    with pytest.raises(MissingDependencyError) as refused:
        registry.resolve_dependencies([Example("duckdb", needs=("nowhere",))])

    assert "duckdb" in refused.value.plugin_name
    assert refused.value.missing_dependencies == ["nowhere"]


def test_a_hook_that_never_returns_does_not_keep_the_process_from_exiting() -> None:
    code = """
import time
from floe_core import PluginMetadata, PluginRegistry, PluginStartupError, PluginType

class Hanging(PluginMetadata):
    name, version, floe_api_version = "duckdb", "0.1.0", "1.0"
    def startup(self): time.sleep(3600)

registry = PluginRegistry()
registry.register(PluginType.COMPUTE, Hanging())
try:
    registry.activate_plugin(PluginType.COMPUTE, "duckdb", timeout=0.05)
except PluginStartupError:
    print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "refused" in done.stdout
