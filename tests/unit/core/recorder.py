"""Plugins for tests that record what is done with them, and registries of such plugins."""

from __future__ import annotations

import threading
from typing import Any

from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata
from floe_core.plugin_registry import PluginRegistry
from floe_core.plugin_types import PluginType

COMPUTE, CATALOG = PluginType.COMPUTE, PluginType.CATALOG


class Recorder(PluginMetadata):
    """A plugin for tests that records what is done with it."""

    version = "1.0.0"
    floe_api_version = "1.0"
    done: list[str] = []  # noqa: RUF012

    def __init__(self, name: str = "recorder", dependencies: tuple[str, ...] = (), **hooks: Any) -> None:
        self._name = name
        self._needs = list(dependencies)
        self._hooks = hooks

    @property
    def name(self) -> str:
        return self._name

    @property
    def dependencies(self) -> list[str]:
        return self._needs

    def startup(self) -> None:
        Recorder.done.append(f"start {self._name}")
        self._hooks.get("startup", lambda: None)()

    def shutdown(self) -> None:
        Recorder.done.append(f"stop {self._name}")
        self._hooks.get("shutdown", lambda: None)()

    def health_check(self) -> HealthStatus:
        return self._hooks.get("health_check", lambda: HealthStatus(HealthState.HEALTHY))()  # type: ignore[no-any-return]


def registry_of(*plugins: PluginMetadata) -> PluginRegistry:
    registry = PluginRegistry()
    for plugin in plugins:
        registry.register(COMPUTE, plugin)
    return registry


def raises(error: BaseException) -> Any:
    def hook() -> None:
        raise error

    return hook


def threads_of(name: str) -> list[threading.Thread]:
    """Return the threads of the plugin with this name."""
    return [thread for thread in threading.enumerate() if thread.name.endswith(f":{name}")]
