"""Ingestion plugins: what brings data into the platform, such as dlt or Airbyte."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


@dataclass
class IngestionConfig:
    """One source and the table that it goes to."""

    source_type: str
    source_config: dict[str, Any] = field(default_factory=dict)
    destination_table: str = ""
    write_mode: str = "append"
    schema_contract: str = "evolve"


@dataclass
class IngestionResult:
    """What a run of a pipeline brought in."""

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
        """Whether pipelines run in a service of their own, rather than in the calling process."""

    @abstractmethod
    def create_pipeline(self, config: IngestionConfig) -> Any:
        """The tool's own pipeline object."""

    @abstractmethod
    def run(self, pipeline: Any, **kwargs: Any) -> IngestionResult:
        """Runs a pipeline that `create_pipeline` made; `kwargs` are the tool's own."""

    @abstractmethod
    def get_destination_config(self, catalog_config: dict[str, Any]) -> dict[str, Any]:
        """The tool's destination for the tables of a catalog."""
