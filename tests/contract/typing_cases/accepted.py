"""A plugin of each kind, written from the contract alone: mypy --strict accepts all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from floe_core import (
    CatalogPlugin,
    ComputePlugin,
    DBTPlugin,
    HealthState,
    HealthStatus,
    IdentityPlugin,
    IngestionPlugin,
    LineageBackendPlugin,
    OrchestratorPlugin,
    PluginMetadata,
    PluginRegistry,
    SecretsPlugin,
    SemanticLayerPlugin,
    StoragePlugin,
    TelemetryBackendPlugin,
)
from floe_core.plugins import (
    Catalog,
    CatalogConfig,
    ComputeConfig,
    ConnectionResult,
    Dataset,
    DBTRunResult,
    FileIO,
    IngestionConfig,
    IngestionResult,
    LintResult,
    ResourceSpec,
    TokenValidationResult,
    TransformConfig,
    UserInfo,
    ValidationResult,
)


class Named(PluginMetadata):
    """Base class of the plugins below."""

    @property
    def name(self) -> str:
        return "mine"

    @property
    def version(self) -> str:
        return "0.1.0"

    @property
    def floe_api_version(self) -> str:
        return "1.0"


class Compute(Named, ComputePlugin):
    @property
    def is_self_hosted(self) -> bool:
        return True

    def generate_dbt_profile(self, config: ComputeConfig) -> dict[str, Any]:
        return {"type": "mine", "path": config.database, **config.extra}

    def get_required_dbt_packages(self) -> list[str]:
        return ["dbt-mine>=1.0"]

    def validate_connection(self, config: ComputeConfig) -> ConnectionResult:
        return ConnectionResult(success=bool(config.host), latency_ms=1.5)

    def get_resource_requirements(self, workload_size: str) -> ResourceSpec:
        return ResourceSpec(memory_limit="2Gi") if workload_size == "large" else ResourceSpec()

    def get_catalog_attachment_sql(self, catalog_config: CatalogConfig) -> list[str] | None:
        return [f"ATTACH '{catalog_config.warehouse}' AS {catalog_config.catalog_name}"]


class ComputeWithoutCatalogs(Named, ComputePlugin):
    """Leaves out `get_catalog_attachment_sql`, which is optional."""

    @property
    def is_self_hosted(self) -> bool:
        return False

    def generate_dbt_profile(self, config: ComputeConfig) -> dict[str, Any]:
        return {}

    def get_required_dbt_packages(self) -> list[str]:
        return []

    def validate_connection(self, config: ComputeConfig) -> ConnectionResult:
        return ConnectionResult(True)

    def get_resource_requirements(self, workload_size: str) -> ResourceSpec:
        return ResourceSpec()


class Orchestrator(Named, OrchestratorPlugin):
    def create_definitions(self, artifacts: dict[str, Any]) -> Any:
        return artifacts

    def create_assets_from_transforms(self, transforms: list[TransformConfig]) -> list[Any]:
        return [transform.name for transform in transforms]

    def get_helm_values(self) -> dict[str, Any]:
        return {}

    def validate_connection(self) -> ValidationResult:
        return ValidationResult(success=False, errors=["not there"])

    def get_resource_requirements(self, workload_size: str) -> ResourceSpec:
        return ResourceSpec()

    def emit_lineage_event(
        self, event_type: str, job: str, inputs: list[Dataset], outputs: list[Dataset]
    ) -> None:
        return None

    def schedule_job(self, job_name: str, cron: str, timezone: str) -> None:
        return None


class ConnectedCatalog:
    """Implements the Catalog protocol without inheriting from it."""

    def list_namespaces(self) -> list[tuple[str, ...]]:
        return [("sales",)]

    def list_tables(self, namespace: str) -> list[str]:
        return [f"{namespace}.orders"]

    def load_table(self, identifier: str) -> Any:
        return identifier


class CatalogOfMine(Named, CatalogPlugin):
    def connect(self, config: dict[str, Any]) -> Catalog:
        return ConnectedCatalog()

    def create_namespace(self, namespace: str, properties: dict[str, str] | None = None) -> None:
        return None

    def vend_credentials(self, table_path: str, operations: list[str]) -> dict[str, Any]:
        return {}


class Files:
    """Implements the FileIO protocol without inheriting from it."""

    def new_input(self, location: str) -> Any:
        return location

    def new_output(self, location: str) -> Any:
        return location

    def delete(self, location: str) -> None:
        return None


class Storage(Named, StoragePlugin):
    def get_pyiceberg_fileio(self) -> FileIO:
        return Files()

    def get_warehouse_uri(self, namespace: str) -> str:
        return f"file:///warehouse/{namespace}"

    def get_dbt_profile_config(self) -> dict[str, Any]:
        return {}

    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        return {}

    def get_helm_values_override(self) -> dict[str, Any]:
        return {}


class Telemetry(Named, TelemetryBackendPlugin):
    def get_otlp_exporter_config(self) -> dict[str, Any]:
        return {}

    def get_helm_values(self) -> dict[str, Any]:
        return {}

    def validate_connection(self) -> bool:
        return True


class Lineage(Named, LineageBackendPlugin):
    def get_transport_config(self) -> dict[str, Any]:
        return {}

    def get_namespace_strategy(self) -> dict[str, Any]:
        return {}

    def get_helm_values(self) -> dict[str, Any]:
        return {}

    def validate_connection(self) -> bool:
        return True


class DBT(Named, DBTPlugin):
    def compile_project(self, project_dir: Path, profiles_dir: Path, target: str) -> Path:
        return project_dir / "target" / "manifest.json"

    def run_models(
        self,
        project_dir: Path,
        profiles_dir: Path,
        target: str,
        select: str | None = None,
        exclude: str | None = None,
        full_refresh: bool = False,
    ) -> DBTRunResult:
        return DBTRunResult(True, project_dir / "manifest.json", project_dir / "run_results.json")

    def test_models(
        self, project_dir: Path, profiles_dir: Path, target: str, select: str | None = None
    ) -> DBTRunResult:
        return DBTRunResult(True, project_dir / "manifest.json", project_dir / "run_results.json")

    def lint_project(
        self, project_dir: Path, profiles_dir: Path, target: str, fix: bool = False
    ) -> LintResult:
        return LintResult(success=True)

    def get_manifest(self, project_dir: Path) -> dict[str, Any]:
        return {}

    def get_run_results(self, project_dir: Path) -> dict[str, Any]:
        return {}

    def supports_parallel_execution(self) -> bool:
        return False

    def supports_sql_linting(self) -> bool:
        return False

    def get_runtime_metadata(self) -> dict[str, Any]:
        return {}


class SemanticLayer(Named, SemanticLayerPlugin):
    def sync_from_dbt_manifest(self, manifest_path: Path, output_dir: Path) -> list[Path]:
        return [output_dir / "orders.yaml"]

    def get_security_context(self, namespace: str, roles: list[str]) -> dict[str, Any]:
        return {"namespace": namespace, "roles": roles}

    def get_datasource_config(self, compute_plugin: ComputePlugin) -> dict[str, Any]:
        return compute_plugin.generate_dbt_profile(ComputeConfig())


class Ingestion(Named, IngestionPlugin):
    @property
    def is_external(self) -> bool:
        return False

    def create_pipeline(self, config: IngestionConfig) -> Any:
        return config.source_type

    def run(self, pipeline: Any, **kwargs: Any) -> IngestionResult:
        return IngestionResult(success=True, rows_loaded=len(kwargs))

    def get_destination_config(self, catalog_config: dict[str, Any]) -> dict[str, Any]:
        return catalog_config


class Secrets(Named, SecretsPlugin):
    def get_secret(self, key: str) -> str | None:
        return None

    def set_secret(self, key: str, value: str, metadata: dict[str, Any] | None = None) -> None:
        return None

    def list_secrets(self, prefix: str = "") -> list[str]:
        return []


class IdentityConfig(BaseModel):
    """A configuration with a secret."""

    realm: str
    client_secret: SecretStr


class Identity(Named, IdentityPlugin):
    """Requires its configuration in the constructor, and takes a time limit for its health check."""

    def __init__(self, config: IdentityConfig) -> None:
        self.realm = config.realm

    def get_config_schema(self) -> type[IdentityConfig]:
        return IdentityConfig

    def health_check(self, timeout: float | None = None) -> HealthStatus:
        return HealthStatus(HealthState.DEGRADED, message="slow", details={"timeout": timeout})

    def authenticate(self, credentials: dict[str, Any]) -> str | None:
        return None

    def get_user_info(self, token: str) -> UserInfo | None:
        return UserInfo(subject=token, roles=[self.realm])

    def validate_token(self, token: str) -> TokenValidationResult:
        return TokenValidationResult(valid=True, user_info=self.get_user_info(token))


PLUGINS: dict[str, PluginMetadata] = {
    "ComputePlugin": Compute(),
    "OrchestratorPlugin": Orchestrator(),
    "CatalogPlugin": CatalogOfMine(),
    "StoragePlugin": Storage(),
    "TelemetryBackendPlugin": Telemetry(),
    "LineageBackendPlugin": Lineage(),
    "DBTPlugin": DBT(),
    "SemanticLayerPlugin": SemanticLayer(),
    "IngestionPlugin": Ingestion(),
    "SecretsPlugin": Secrets(),
    "IdentityPlugin": Identity(IdentityConfig(realm="floe", client_secret=SecretStr("not-a-secret"))),
}


def right_calls(registry: PluginRegistry) -> PluginMetadata:
    registry.activate_all([("compute", "duckdb")], plugin_types=["compute"])
    return registry.get("compute", "duckdb")
