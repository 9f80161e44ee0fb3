"""Orchestrator plugins: what schedules and runs the platform's jobs, such as Dagster or Airflow."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from floe_core.plugin_metadata import PluginMetadata
from floe_core.plugins.compute import ResourceSpec


@dataclass
class TransformConfig:
    """One transformation, as a dbt project names it."""

    name: str
    path: str = ""
    schema_name: str = ""
    materialization: str = "table"
    tags: list[str] = field(default_factory=list)
    depends_on: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass
class ValidationResult:
    """Whether an orchestrator can be used; `errors` say why not."""

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


class OrchestratorPlugin(PluginMetadata):
    """A scheduler that turns compiled artifacts into jobs of its own kind."""

    @abstractmethod
    def create_definitions(self, artifacts: dict[str, Any]) -> Any:
        """The orchestrator's own definitions object, made from the compiled artifacts."""

    @abstractmethod
    def create_assets_from_transforms(self, transforms: list[TransformConfig]) -> list[Any]:
        """One of the orchestrator's own assets for each transformation."""

    @abstractmethod
    def get_helm_values(self) -> dict[str, Any]:
        """Values for the orchestrator's Helm chart."""

    @abstractmethod
    def validate_connection(self) -> ValidationResult:
        """Reaches the orchestrator for real; a failure is a result, not an exception."""

    @abstractmethod
    def get_resource_requirements(self, workload_size: str) -> ResourceSpec:
        """What a run of this size (`small`, `medium`, `large`, as the plugin defines them) asks for."""

    @abstractmethod
    def emit_lineage_event(
        self, event_type: str, job: str, inputs: list[Dataset], outputs: list[Dataset]
    ) -> None:
        """Reports a run's event (`START`, `COMPLETE`, `FAIL`, as OpenLineage has them)."""

    @abstractmethod
    def schedule_job(self, job_name: str, cron: str, timezone: str) -> None:
        """Schedules a job by a cron expression, read in an IANA time zone."""
