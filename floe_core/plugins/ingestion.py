"""Ingestion plugins: tools that bring data into the platform, such as dlt or Airbyte."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


@dataclass
class IngestionConfig:
    """One source, and the table that its data is loaded into."""

    source_type: str
    source_config: dict[str, Any] = field(default_factory=dict)
    """Settings of the source, such as `{"host": "db.example.com", "tables": ["orders"]}`."""
    destination_table: str = ""
    write_mode: str = "append"
    schema_contract: str = "evolve"


@dataclass
class IngestionResult:
    """What a run of a pipeline loaded."""

    success: bool
    rows_loaded: int = 0
    bytes_written: int = 0
    duration_seconds: float = 0.0
    errors: list[str] = field(default_factory=list)


class IngestionPlugin(PluginMetadata):
    """A tool that loads data from sources."""

    @property
    @abstractmethod
    def is_external(self) -> bool:
        """Whether pipelines run in their own service instead of the calling process."""

    @abstractmethod
    def create_pipeline(self, config: IngestionConfig) -> Any:
        """Return the tool's own pipeline object."""

    @abstractmethod
    def run(self, pipeline: Any, **kwargs: Any) -> IngestionResult:
        """Run a pipeline that `create_pipeline` returned; the tool defines the `kwargs`."""

    @abstractmethod
    def get_destination_config(self, catalog_config: dict[str, Any]) -> dict[str, Any]:
        """Return the tool's destination for the tables of a catalog.

        A platform would pass the same configuration as to `CatalogPlugin.connect`. The tool defines the keys
        of the result.

        Example:
            {"uri": "https://polaris.example.com/api/catalog", "warehouse": "lake"} becomes
            {"destination": "iceberg", "catalog_uri": "https://polaris...", "warehouse": "lake"}
        """
