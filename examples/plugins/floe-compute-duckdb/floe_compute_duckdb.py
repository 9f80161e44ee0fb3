"""DuckDB as a compute plugin: an engine inside the process, backed by a file or by memory."""

from __future__ import annotations

import time
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from floe_core import ComputePlugin, HealthState, HealthStatus
from floe_core.plugins import CatalogConfig, ComputeConfig, ConnectionResult, ResourceSpec


class DuckDBConfig(BaseModel):
    """The fields of FloePlugin.spec.config; unknown fields are rejected, so that typos are noticed."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(default=":memory:", description="The database file")
    threads: int = Field(default=4, ge=1)
    memory_limit: str = Field(default="1GB", pattern=r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?B)$")


class DuckDBComputePlugin(ComputePlugin):
    """Also works without a configuration: every field has a default."""

    name = "duckdb"
    version = "0.1.0"
    floe_api_version = "1.0"
    description = "SQL inside the process, with DuckDB"
    is_self_hosted = True

    def __init__(self, config: DuckDBConfig | None = None) -> None:
        self.settings = config or DuckDBConfig()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def get_config_schema(self) -> type[DuckDBConfig]:
        return DuckDBConfig

    def startup(self) -> None:
        self._connection = self._connect(self.settings.path)

    def shutdown(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def health_check(self) -> HealthStatus:
        if self._connection is None:
            return HealthStatus(HealthState.UNHEALTHY, "not started")
        self._connection.cursor().execute("SELECT 1").fetchone()
        return HealthStatus(HealthState.HEALTHY, f"DuckDB {duckdb.__version__} answers")

    def generate_dbt_profile(self, config: ComputeConfig) -> dict[str, Any]:
        return {
            "type": "duckdb",
            "path": config.database or self.settings.path,
            "schema": config.schema_name or "main",
            "threads": self.settings.threads,
            "settings": {"memory_limit": self.settings.memory_limit},
        }

    def get_required_dbt_packages(self) -> list[str]:
        return ["dbt-duckdb>=1.8"]

    def validate_connection(self, config: ComputeConfig) -> ConnectionResult:
        began = time.perf_counter()
        try:
            with self._connect(config.database or self.settings.path) as connection:
                connection.execute("SELECT 1").fetchone()
        except duckdb.Error as error:
            return ConnectionResult(success=False, message=str(error))
        return ConnectionResult(success=True, latency_ms=(time.perf_counter() - began) * 1000)

    def get_resource_requirements(self, workload_size: str) -> ResourceSpec:
        if workload_size == "large":
            return ResourceSpec(cpu_request="2", cpu_limit="4", memory_request="4Gi", memory_limit="8Gi")
        return ResourceSpec()

    def get_catalog_attachment_sql(self, catalog_config: CatalogConfig) -> list[str] | None:
        warehouse, uri = (_literal(text) for text in (catalog_config.warehouse, catalog_config.catalog_uri))
        name = catalog_config.catalog_name.replace('"', '""')
        attach = f'ATTACH {warehouse} AS "{name}" (TYPE iceberg, ENDPOINT {uri})'
        return ["INSTALL iceberg", "LOAD iceberg", attach]

    def _connect(self, path: str) -> duckdb.DuckDBPyConnection:
        settings = self.settings
        return duckdb.connect(
            path, config={"threads": settings.threads, "memory_limit": settings.memory_limit}
        )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
