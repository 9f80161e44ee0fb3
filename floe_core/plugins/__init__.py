"""The eleven types of plugin: a module each, with the base class that plugins extend and its data classes.

Each name can be imported from here or from the module of its type. Nothing here imports pydantic.

Where a method takes or returns a `dict[str, Any]`, the plugin API sets no keys: usually they are those of
the tool that the plugin wraps. The examples show plausible values.
"""

from floe_core.plugins.catalog import Catalog, CatalogPlugin
from floe_core.plugins.compute import (
    CatalogConfig,
    ComputeConfig,
    ComputePlugin,
    ConnectionResult,
    ResourceSpec,
)
from floe_core.plugins.dbt import DBTPlugin, DBTRunResult, LintResult
from floe_core.plugins.identity import IdentityPlugin, TokenValidationResult, UserInfo
from floe_core.plugins.ingestion import IngestionConfig, IngestionPlugin, IngestionResult
from floe_core.plugins.lineage import LineageBackendPlugin
from floe_core.plugins.orchestrator import Dataset, OrchestratorPlugin, TransformConfig, ValidationResult
from floe_core.plugins.secrets import SecretsPlugin
from floe_core.plugins.semantic import SemanticLayerPlugin
from floe_core.plugins.storage import FileIO, StoragePlugin
from floe_core.plugins.telemetry import TelemetryBackendPlugin

__all__ = [
    "Catalog",
    "CatalogConfig",
    "CatalogPlugin",
    "ComputeConfig",
    "ComputePlugin",
    "ConnectionResult",
    "DBTPlugin",
    "DBTRunResult",
    "Dataset",
    "FileIO",
    "IdentityPlugin",
    "IngestionConfig",
    "IngestionPlugin",
    "IngestionResult",
    "LineageBackendPlugin",
    "LintResult",
    "OrchestratorPlugin",
    "ResourceSpec",
    "SecretsPlugin",
    "SemanticLayerPlugin",
    "StoragePlugin",
    "TelemetryBackendPlugin",
    "TokenValidationResult",
    "TransformConfig",
    "UserInfo",
    "ValidationResult",
]
