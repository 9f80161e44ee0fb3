"""Semantic layer plugins: what serves metrics over the platform's tables, such as Cube."""

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
        """Writes the layer's model files from a dbt manifest and returns their paths."""

    @abstractmethod
    def get_security_context(self, namespace: str, roles: list[str]) -> dict[str, Any]:
        """What restricts a query to a namespace and roles."""

    @abstractmethod
    def get_datasource_config(self, compute_plugin: ComputePlugin) -> dict[str, Any]:
        """How the layer reaches the engine of a compute plugin."""
