"""The base class of each type of plugin, and what a class that does not inherit from it lacks.

A base class is imported only when a class is compared with it. Classes are read, never asked: what their
`__getattr__` would answer does not count.
"""

from __future__ import annotations

import functools
from types import ModuleType

from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugin_types import PluginType

_BASES = {
    PluginType.COMPUTE: "ComputePlugin",
    PluginType.ORCHESTRATOR: "OrchestratorPlugin",
    PluginType.CATALOG: "CatalogPlugin",
    PluginType.STORAGE: "StoragePlugin",
    PluginType.TELEMETRY_BACKEND: "TelemetryBackendPlugin",
    PluginType.LINEAGE_BACKEND: "LineageBackendPlugin",
    PluginType.DBT: "DBTPlugin",
    PluginType.SEMANTIC_LAYER: "SemanticLayerPlugin",
    PluginType.INGESTION: "IngestionPlugin",
    PluginType.SECRETS: "SecretsPlugin",
    PluginType.IDENTITY: "IdentityPlugin",
}


def base_of(plugin_type: PluginType) -> type[PluginMetadata]:
    """Return the base class that plugins of this type should extend."""
    base: type[PluginMetadata] = getattr(_all_bases(), _BASES[plugin_type])
    return base


def types_of_class(plugin_class: type[PluginMetadata]) -> tuple[PluginType, ...]:
    """Return the types whose base classes the class extends."""
    return tuple(each for each in PluginType if base_of(each) in plugin_class.__mro__)


@functools.cache  # a plugin may break the import system
def _all_bases() -> ModuleType:
    from floe_core import plugins

    return plugins


def missing_members(plugin_class: type[PluginMetadata], plugin_type: PluginType) -> list[str]:
    """Return the abstract members of the type's base class that the class does not implement."""
    defined = {name for owner in plugin_class.__mro__ for name in vars(owner)}
    abstract: frozenset[str] = getattr(plugin_class, "__abstractmethods__", frozenset())
    return sorted(base_of(plugin_type).__abstractmethods__ - (defined - abstract))


def base_warning(plugin_class: type[PluginMetadata], plugin_type: PluginType) -> str:
    """Return what to say about a complete class with the wrong base; empty if it has the right one."""
    wrong = wrong_base(plugin_class, plugin_type)
    base = base_of(plugin_type).__name__
    return f"it {wrong}, but has all its members: derive it from {base}" if wrong else ""


def wrong_base(plugin_class: type[PluginMetadata], plugin_type: PluginType) -> str:
    """Return which base class a plugin has instead of its type's; empty if it has that one."""
    base = base_of(plugin_type)
    if base in plugin_class.__mro__:
        return ""
    bases = {base_of(each) for each in PluginType}
    actual = next((owner for owner in plugin_class.__mro__ if owner in bases), PluginMetadata)
    return f"inherits from {actual.__name__}, not from {base.__name__}"
