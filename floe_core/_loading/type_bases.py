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


@functools.cache  # a plugin may break the import system
def _all_bases() -> ModuleType:
    from floe_core import plugins

    return plugins


def missing_members(plugin_class: type[PluginMetadata], plugin_type: PluginType) -> list[str]:
    """Return the abstract members of the type's base class that no class of the MRO defines."""
    defined = {name for owner in plugin_class.__mro__ for name in vars(owner)}
    return sorted(base_of(plugin_type).__abstractmethods__ - defined)


def base_warning(plugin_class: type[PluginMetadata], plugin_type: PluginType) -> str:
    """Return what to say about a class that does not inherit from its type's base; empty if it does."""
    base = base_of(plugin_type)
    if base in plugin_class.__mro__:
        return ""
    others = {base_of(other) for other in PluginType}
    actual = next((owner for owner in plugin_class.__mro__ if owner in others), None)
    if actual is None:
        wrong = f"it inherits from PluginMetadata only, but has the members of {_a(base)}"
    else:
        wrong = f"it is {_a(actual)}, not {_a(base)}, but has its members"
    return f"{wrong}: derive it from {base.__name__}"


def _a(base: type) -> str:
    return f"{'an' if base.__name__[0] in 'IO' else 'a'} {base.__name__}"
