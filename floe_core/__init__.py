"""The plugin registry of the floe data platform.

Importing this package costs next to nothing: each name is imported when it is first used.
"""

from __future__ import annotations

from floe_core._version import __version__

# Type checkers recognise this name. Importing typing would cost more than everything else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from floe_core.plugin_errors import (
        AmbiguousDependencyError,
        CircularDependencyError,
        ConfigurationChangedError,
        ConfigurationNotAcceptedError,
        ConfigurationRequiredError,
        DuplicatePluginError,
        InvalidPluginVersionError,
        MissingDependencyError,
        NotAPluginError,
        PluginConfigurationError,
        PluginError,
        PluginImportError,
        PluginIncompatibleError,
        PluginLoadError,
        PluginLoadTimeoutError,
        PluginNotFoundError,
        PluginSchemaError,
        PluginStartupError,
        PluginTimeoutError,
    )
    from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata
    from floe_core.plugin_registry import PluginRegistry, get_registry
    from floe_core.plugin_types import PluginType
    from floe_core.plugins import (
        CatalogPlugin,
        ComputePlugin,
        DBTPlugin,
        IdentityPlugin,
        IngestionPlugin,
        LineageBackendPlugin,
        OrchestratorPlugin,
        SecretsPlugin,
        SemanticLayerPlugin,
        StoragePlugin,
        TelemetryBackendPlugin,
    )
    from floe_core.version_compat import (
        FLOE_PLUGIN_API_MIN_VERSION,
        FLOE_PLUGIN_API_VERSION,
        is_compatible,
    )

__all__ = [
    "FLOE_PLUGIN_API_MIN_VERSION",
    "FLOE_PLUGIN_API_VERSION",
    "AmbiguousDependencyError",
    "CatalogPlugin",
    "CircularDependencyError",
    "ComputePlugin",
    "ConfigurationChangedError",
    "ConfigurationNotAcceptedError",
    "ConfigurationRequiredError",
    "DBTPlugin",
    "DuplicatePluginError",
    "HealthState",
    "HealthStatus",
    "IdentityPlugin",
    "IngestionPlugin",
    "InvalidPluginVersionError",
    "LineageBackendPlugin",
    "MissingDependencyError",
    "NotAPluginError",
    "OrchestratorPlugin",
    "PluginConfigurationError",
    "PluginError",
    "PluginImportError",
    "PluginIncompatibleError",
    "PluginLoadError",
    "PluginLoadTimeoutError",
    "PluginMetadata",
    "PluginNotFoundError",
    "PluginRegistry",
    "PluginSchemaError",
    "PluginStartupError",
    "PluginTimeoutError",
    "PluginType",
    "SecretsPlugin",
    "SemanticLayerPlugin",
    "StoragePlugin",
    "TelemetryBackendPlugin",
    "__version__",
    "get_registry",
    "is_compatible",
]

_MODULES = {
    **dict.fromkeys(
        ("FLOE_PLUGIN_API_MIN_VERSION", "FLOE_PLUGIN_API_VERSION", "is_compatible"), "version_compat"
    ),
    **dict.fromkeys(("HealthState", "HealthStatus", "PluginMetadata"), "plugin_metadata"),
    **dict.fromkeys(("PluginRegistry", "get_registry"), "plugin_registry"),
    "PluginType": "plugin_types",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    home = _MODULES.get(name) or ("plugin_errors" if name.endswith("Error") else "plugins")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
