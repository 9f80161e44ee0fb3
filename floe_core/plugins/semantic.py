"""Semantic layer plugins: tools that serve metrics over the platform's tables, such as Cube."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugins.compute import ComputePlugin


class SemanticLayerPlugin(PluginMetadata):
    """A semantic layer, fed from dbt."""

    @abstractmethod
    def sync_from_dbt_manifest(self, manifest_path: Path, output_dir: Path) -> list[Path]:
        """Write the layer's model files from a dbt manifest and return their paths."""

    @abstractmethod
    def get_security_context(self, namespace: str, roles: list[str]) -> dict[str, Any]:
        """Return the context that restricts a query to a namespace and roles; the layer defines the keys.

        Example:
            {"tenant": "acme", "roles": ["analyst"], "row_filters": {"orders": "tenant = 'acme'"}}
        """

    @abstractmethod
    def get_datasource_config(self, compute_plugin: ComputePlugin) -> dict[str, Any]:
        """Return the settings for reaching a compute plugin's engine; the layer defines the keys.

        Example:
            {"type": "duckdb", "database_path": "/data/floe.duckdb"}
        """
