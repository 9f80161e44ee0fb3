"""The eleven types of plugin, frozen: compare the tables below with plugin-api.md line by line."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from typing import Any, get_type_hints

import pytest

import floe_core
import floe_core.plugins
from floe_core.plugin_metadata import HealthState, PluginMetadata
from tests.contract.signatures import abstract_names, fields, lines, members
from tests.contract.typing_cases.accepted import PLUGINS, ComputeWithoutCatalogs, ConnectedCatalog, Files

BASE_CLASSES = {
    "compute.ComputePlugin": """
        abstract property is_self_hosted -> bool
        abstract generate_dbt_profile(config: ComputeConfig) -> dict[str, Any]
        abstract get_required_dbt_packages() -> list[str]
        abstract validate_connection(config: ComputeConfig) -> ConnectionResult
        abstract get_resource_requirements(workload_size: str) -> ResourceSpec
        get_catalog_attachment_sql(catalog_config: CatalogConfig) -> list[str] | None
    """,
    "orchestrator.OrchestratorPlugin": """
        abstract create_definitions(artifacts: dict[str, Any]) -> Any
        abstract create_assets_from_transforms(transforms: list[TransformConfig]) -> list[Any]
        abstract get_helm_values() -> dict[str, Any]
        abstract validate_connection() -> ValidationResult
        abstract get_resource_requirements(workload_size: str) -> ResourceSpec
        abstract emit_lineage_event(event_type: str, job: str, inputs: list[Dataset],
            outputs: list[Dataset]) -> None
        abstract schedule_job(job_name: str, cron: str, timezone: str) -> None
    """,
    "catalog.CatalogPlugin": """
        abstract connect(config: dict[str, Any]) -> Catalog
        abstract create_namespace(namespace: str, properties: dict[str, str] | None = None) -> None
        abstract vend_credentials(table_path: str, operations: list[str]) -> dict[str, Any]
    """,
    "storage.StoragePlugin": """
        abstract get_pyiceberg_fileio() -> FileIO
        abstract get_warehouse_uri(namespace: str) -> str
        abstract get_dbt_profile_config() -> dict[str, Any]
        abstract get_dagster_io_manager_config() -> dict[str, Any]
        abstract get_helm_values_override() -> dict[str, Any]
    """,
    "telemetry.TelemetryBackendPlugin": """
        abstract get_otlp_exporter_config() -> dict[str, Any]
        abstract get_helm_values() -> dict[str, Any]
        abstract validate_connection() -> bool
    """,
    "lineage.LineageBackendPlugin": """
        abstract get_transport_config() -> dict[str, Any]
        abstract get_namespace_strategy() -> dict[str, Any]
        abstract get_helm_values() -> dict[str, Any]
        abstract validate_connection() -> bool
    """,
    "dbt.DBTPlugin": """
        abstract compile_project(project_dir: Path, profiles_dir: Path, target: str) -> Path
        abstract run_models(project_dir: Path, profiles_dir: Path, target: str, select: str | None = None,
            exclude: str | None = None, full_refresh: bool = False) -> DBTRunResult
        abstract test_models(project_dir: Path, profiles_dir: Path, target: str,
            select: str | None = None) -> DBTRunResult
        abstract lint_project(project_dir: Path, profiles_dir: Path, target: str,
            fix: bool = False) -> LintResult
        abstract get_manifest(project_dir: Path) -> dict[str, Any]
        abstract get_run_results(project_dir: Path) -> dict[str, Any]
        abstract supports_parallel_execution() -> bool
        abstract supports_sql_linting() -> bool
        abstract get_runtime_metadata() -> dict[str, Any]
    """,
    "semantic.SemanticLayerPlugin": """
        abstract sync_from_dbt_manifest(manifest_path: Path, output_dir: Path) -> list[Path]
        abstract get_security_context(namespace: str, roles: list[str]) -> dict[str, Any]
        abstract get_datasource_config(compute_plugin: ComputePlugin) -> dict[str, Any]
    """,
    "ingestion.IngestionPlugin": """
        abstract property is_external -> bool
        abstract create_pipeline(config: IngestionConfig) -> Any
        abstract run(pipeline: Any, **kwargs: Any) -> IngestionResult
        abstract get_destination_config(catalog_config: dict[str, Any]) -> dict[str, Any]
    """,
    "secrets.SecretsPlugin": """
        abstract get_secret(key: str) -> str | None
        abstract set_secret(key: str, value: str, metadata: dict[str, Any] | None = None) -> None
        abstract list_secrets(prefix: str = '') -> list[str]
    """,
    "identity.IdentityPlugin": """
        abstract authenticate(credentials: dict[str, Any]) -> str | None
        abstract get_user_info(token: str) -> UserInfo | None
        abstract validate_token(token: str) -> TokenValidationResult
    """,
}

PROTOCOLS = {
    "catalog.Catalog": """
        list_namespaces() -> list[tuple[str, ...]]
        list_tables(namespace: str) -> list[str]
        load_table(identifier: str) -> Any
    """,
    "storage.FileIO": """
        new_input(location: str) -> Any
        new_output(location: str) -> Any
        delete(location: str) -> None
    """,
}

DATACLASSES = {
    "compute.ComputeConfig": """
        host: str = ''
        port: int = 0
        database: str = ''
        schema_name: str = ''
        credentials: dict[str, Any] = {}
        extra: dict[str, Any] = {}
    """,
    "compute.ConnectionResult": """
        success: bool
        message: str = ''
        latency_ms: float | None = None
        details: dict[str, Any] = {}
    """,
    "compute.ResourceSpec": """
        cpu_request: str = '100m'
        cpu_limit: str = '500m'
        memory_request: str = '256Mi'
        memory_limit: str = '512Mi'
    """,
    "compute.CatalogConfig": """
        catalog_name: str = ''
        catalog_uri: str = ''
        warehouse: str = ''
        credentials: dict[str, Any] = {}
    """,
    "orchestrator.TransformConfig": """
        name: str
        path: str = ''
        schema_name: str = ''
        materialization: str = 'table'
        tags: list[str] = []
        depends_on: list[str] = []
        meta: dict[str, Any] = {}
    """,
    "orchestrator.ValidationResult": """
        success: bool
        message: str = ''
        errors: list[str] = []
        warnings: list[str] = []
    """,
    "orchestrator.Dataset": """
        namespace: str
        name: str
        facets: dict[str, Any] = {}
    """,
    "dbt.DBTRunResult": """
        success: bool
        manifest_path: Path
        run_results_path: Path
        catalog_path: Path | None = None
        execution_time_seconds: float = 0.0
        models_run: int = 0
        tests_run: int = 0
        failures: int = 0
        metadata: dict[str, Any] = {}
    """,
    "dbt.LintResult": """
        success: bool
        issues: list[Any] = []
        files_checked: int = 0
        files_fixed: int = 0
    """,
    "ingestion.IngestionConfig": """
        source_type: str
        source_config: dict[str, Any] = {}
        destination_table: str = ''
        write_mode: str = 'append'
        schema_contract: str = 'evolve'
    """,
    "ingestion.IngestionResult": """
        success: bool
        rows_loaded: int = 0
        bytes_written: int = 0
        duration_seconds: float = 0.0
        errors: list[str] = []
    """,
    "identity.UserInfo": """
        subject: str
        email: str = ''
        name: str = ''
        roles: list[str] = []
        groups: list[str] = []
        claims: dict[str, Any] = {}
    """,
    "identity.TokenValidationResult": """
        valid: bool
        user_info: UserInfo | None = None
        error: str = ''
        expires_at: str = ''
    """,
}


def of(path: str) -> type[Any]:
    module, _, name = path.partition(".")
    found = getattr(importlib.import_module(f"floe_core.plugins.{module}"), name)
    assert isinstance(found, type)
    return found


@pytest.mark.parametrize("path", BASE_CLASSES)
def test_a_kind_has_the_members_of_the_contract_and_no_others(path: str) -> None:
    assert sorted(members(of(path))) == sorted(lines(BASE_CLASSES[path]))


@pytest.mark.parametrize("path", BASE_CLASSES)
def test_a_plugin_must_define_the_abstract_members_its_name_and_its_versions(path: str) -> None:
    of_its_kind = {
        line.removeprefix("abstract ").removeprefix("property ").replace("(", " ").split()[0]
        for line in lines(BASE_CLASSES[path])
        if line.startswith("abstract")
    }

    assert set(abstract_names(of(path))) == of_its_kind | {"name", "version", "floe_api_version"}
    with pytest.raises(TypeError, match="abstract"):
        of(path)()


@pytest.mark.parametrize("path", BASE_CLASSES)
def test_a_kind_extends_only_plugin_metadata(path: str) -> None:
    assert of(path).__bases__ == (PluginMetadata,)


@pytest.mark.parametrize("path", PROTOCOLS)
def test_a_protocol_has_the_methods_of_the_contract_and_no_others(path: str) -> None:
    assert sorted(members(of(path))) == sorted(lines(PROTOCOLS[path]))


@pytest.mark.parametrize(
    ("path", "fitting"), [("catalog.Catalog", ConnectedCatalog()), ("storage.FileIO", Files())]
)
def test_a_protocol_can_be_checked_at_run_time(path: str, fitting: object) -> None:
    assert isinstance(fitting, of(path))
    assert not isinstance(object(), of(path))


@pytest.mark.parametrize("path", DATACLASSES)
def test_a_dataclass_has_the_fields_of_the_contract_in_its_order(path: str) -> None:
    assert fields(of(path)) == lines(DATACLASSES[path])


@pytest.mark.parametrize("path", DATACLASSES)
def test_a_dataclass_takes_positional_arguments_compares_by_value_and_is_mutable(path: str) -> None:
    cls = of(path)
    names = [field.name for field in dataclasses.fields(cls)]
    values = [object() for _ in names]

    made = cls(*values)

    assert [getattr(made, name) for name in names] == values
    assert made == cls(*values)
    setattr(made, names[0], "changed")
    assert made != cls(*values)


@pytest.mark.parametrize("path", DATACLASSES)
def test_two_instances_of_a_dataclass_share_no_default(path: str) -> None:
    required = [line for line in lines(DATACLASSES[path]) if "=" not in line]
    one, other = (of(path)(*required) for _ in range(2))

    for field in dataclasses.fields(of(path)):
        value = getattr(one, field.name)
        if isinstance(value, (dict, list)):
            assert value is not getattr(other, field.name), field.name


@pytest.mark.parametrize("path", [*BASE_CLASSES, *PROTOCOLS, *DATACLASSES])
def test_every_annotation_can_be_resolved_at_run_time(path: str) -> None:
    cls = of(path)
    public = [value for name, value in vars(cls).items() if not name.startswith("_")]
    accessors = [value.fget for value in public if isinstance(value, property)]
    functions = [value for value in public if inspect.isfunction(value)]

    for annotated in [cls] if dataclasses.is_dataclass(cls) else [*accessors, *functions]:
        assert get_type_hints(annotated)


@pytest.mark.parametrize("path", [*BASE_CLASSES, *PROTOCOLS, *DATACLASSES])
def test_everything_is_also_exported_by_floe_core_plugins(path: str) -> None:
    name = path.partition(".")[2]

    assert getattr(floe_core.plugins, name) is of(path)
    assert name in floe_core.plugins.__all__


def test_floe_core_plugins_exports_nothing_else() -> None:
    names = {path.partition(".")[2] for path in [*BASE_CLASSES, *PROTOCOLS, *DATACLASSES]}

    assert set(floe_core.plugins.__all__) == names


@pytest.mark.parametrize("path", BASE_CLASSES)
def test_the_eleven_base_classes_are_exported_by_floe_core(path: str) -> None:
    assert getattr(floe_core, path.partition(".")[2]) is of(path)


def test_orchestrator_and_compute_plugins_share_one_resource_spec() -> None:
    orchestrator = importlib.import_module("floe_core.plugins.orchestrator")

    assert orchestrator.ResourceSpec is of("compute.ResourceSpec")


@pytest.mark.parametrize("path", BASE_CLASSES)
def test_a_plugin_written_from_the_contract_alone_works(path: str) -> None:
    plugin = PLUGINS[path.partition(".")[2]]

    assert isinstance(plugin, of(path))
    assert (plugin.name, plugin.version, plugin.floe_api_version) == ("mine", "0.1.0", "1.0")
    assert plugin.health_check().state in HealthState


def test_a_compute_plugin_attaches_no_catalog_by_default() -> None:
    plugin = ComputeWithoutCatalogs()

    assert plugin.get_catalog_attachment_sql(of("compute.CatalogConfig")()) is None
