"""Compute plugins: engines that run SQL transformations, such as DuckDB or Snowflake."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


@dataclass
class ComputeConfig:
    """How to reach a compute engine, and as whom."""

    host: str = ""
    port: int = 0
    database: str = ""
    schema_name: str = ""
    credentials: dict[str, Any] = field(default_factory=dict)
    """How to authenticate with the engine, such as `{"user": "floe", "password": "..."}`."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Settings that only this engine has, such as `{"warehouse": "TRANSFORMING"}`."""


@dataclass
class ConnectionResult:
    """Whether an engine answered, and how fast."""

    success: bool
    message: str = ""
    latency_ms: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    """Further facts, such as `{"server_version": "16.4"}`."""


@dataclass
class ResourceSpec:
    """The resources of a container, as Kubernetes quantities."""

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
    """How to authenticate with the catalog, such as `{"client_id": "floe", "client_secret": "..."}`."""


class ComputePlugin(PluginMetadata):
    """An engine that dbt runs its models on."""

    @property
    @abstractmethod
    def is_self_hosted(self) -> bool:
        """Whether the platform runs the engine itself instead of calling a managed service."""

    @abstractmethod
    def generate_dbt_profile(self, config: ComputeConfig) -> dict[str, Any]:
        """Return one output of a dbt profiles.yml: `type` and the keys that its dbt adapter needs.

        Example:
            {"type": "duckdb", "path": "/data/floe.duckdb", "schema": "main", "threads": 4}
        """

    @abstractmethod
    def get_required_dbt_packages(self) -> list[str]:
        """Return the pip requirements that dbt needs for this engine, such as `["dbt-duckdb>=1.9"]`."""

    @abstractmethod
    def validate_connection(self, config: ComputeConfig) -> ConnectionResult:
        """Test a real connection to the engine; a failure is a result, not an exception."""

    @abstractmethod
    def get_resource_requirements(self, workload_size: str) -> ResourceSpec:
        """Return the resources for a run; the plugin decides what `small`, `medium` and `large` mean."""

    def get_catalog_attachment_sql(self, catalog_config: CatalogConfig) -> list[str] | None:
        """Return the SQL statements that attach a catalog, in order, or None if the engine needs none."""
        return None
