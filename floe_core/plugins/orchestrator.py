"""Orchestrator plugins: tools that schedule and run the platform's jobs, such as Dagster or Airflow."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugins.compute import ResourceSpec


@dataclass
class TransformConfig:
    """One transformation, described as in a dbt project."""

    name: str
    path: str = ""
    schema_name: str = ""
    materialization: str = "table"
    tags: list[str] = field(default_factory=list)
    depends_on: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    """The dbt model's `meta`, such as `{"owner": "finance"}`."""


@dataclass
class ValidationResult:
    """Whether an orchestrator can be used; `errors` contains the reasons why not."""

    success: bool
    message: str = ""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass
class Dataset:
    """A dataset as OpenLineage identifies it, with its facets."""

    namespace: str
    name: str
    facets: dict[str, Any] = field(default_factory=dict)
    """Facets by name, such as `{"schema": {"fields": [{"name": "id", "type": "BIGINT"}]}}`."""


class OrchestratorPlugin(PluginMetadata):
    """A scheduler that turns compiled artifacts into its own kind of job."""

    @abstractmethod
    def create_definitions(self, artifacts: dict[str, Any]) -> Any:
        """Return the orchestrator's own definitions object, made from the compiled artifacts.

        A platform would pass what its compiler produced, such as dbt's manifest and the transformations.

        Example:
            {"dbt_manifest": {"nodes": {...}}, "transforms": [{"name": "orders", "depends_on": []}]}
        """

    @abstractmethod
    def create_assets_from_transforms(self, transforms: list[TransformConfig]) -> list[Any]:
        """Return the orchestrator's own assets, one for each transformation."""

    @abstractmethod
    def get_helm_values(self) -> dict[str, Any]:
        """Return the values for the orchestrator's Helm chart.

        Example:
            {"dagsterWebserver": {"replicaCount": 2}, "dagsterDaemon": {"enabled": True}}
        """

    @abstractmethod
    def validate_connection(self) -> ValidationResult:
        """Test a real connection to the orchestrator; a failure is a result, not an exception."""

    @abstractmethod
    def get_resource_requirements(self, workload_size: str) -> ResourceSpec:
        """Return the resources for a run; the plugin decides what `small`, `medium` and `large` mean."""

    @abstractmethod
    def emit_lineage_event(
        self, event_type: str, job: str, inputs: list[Dataset], outputs: list[Dataset]
    ) -> None:
        """Report a run event of a job: `START`, `COMPLETE` or `FAIL`, as defined by OpenLineage."""

    @abstractmethod
    def schedule_job(self, job_name: str, cron: str, timezone: str) -> None:
        """Schedule a job with a cron expression, interpreted in an IANA time zone."""
