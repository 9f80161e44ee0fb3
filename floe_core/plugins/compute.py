"""Compute plugins: engines that run SQL transformations, such as DuckDB or Snowflake."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


@dataclass
class ComputeConfig:
    """Where a compute engine is reached, and as whom."""

    host: str = ""
    port: int = 0
    database: str = ""
    schema_name: str = ""
    credentials: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class ConnectionResult:
    """Whether an engine answered, and how fast."""

    success: bool
    message: str = ""
    latency_ms: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class ResourceSpec:
    """What a container asks for, in Kubernetes quantities."""

    cpu_request: str = "100m"
    cpu_limit: str = "500m"
    memory_request: str = "256Mi"
    memory_limit: str = "512Mi"


@dataclass
class CatalogConfig:
    """The catalog that an engine attaches to."""

    catalog_name: str = ""
    catalog_uri: str = ""
    warehouse: str = ""
    credentials: dict[str, Any] = field(default_factory=dict)


class ComputePlugin(PluginMetadata):
    """An engine that dbt runs its models on."""

    @property
    @abstractmethod
    def is_self_hosted(self) -> bool:
        """Whether the platform runs the engine itself, rather than calling a managed service."""

    @abstractmethod
    def generate_dbt_profile(self, config: ComputeConfig) -> dict[str, Any]:
        """One output of a dbt profiles.yml: `type` and what its adapter needs."""

    @abstractmethod
    def get_required_dbt_packages(self) -> list[str]:
        """The requirements that dbt needs for this engine, as pip takes them: `dbt-duckdb>=1.9`."""

    @abstractmethod
    def validate_connection(self, config: ComputeConfig) -> ConnectionResult:
        """Connects for real; a failure is a result, not an exception."""

    @abstractmethod
    def get_resource_requirements(self, workload_size: str) -> ResourceSpec:
        """What a run of this size (`small`, `medium`, `large`, as the plugin defines them) asks for."""

    def get_catalog_attachment_sql(self, catalog_config: CatalogConfig) -> list[str] | None:
        """The statements that attach a catalog, in order; None where the engine needs none."""
        return None
