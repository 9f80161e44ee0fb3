"""PyIceberg's SQL catalog in a SQLite file, as a catalog plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pyiceberg.catalog.sql import SqlCatalog

from floe_core import CatalogPlugin, HealthState, HealthStatus
from floe_core.plugins import Catalog


class IcebergCatalogConfig(BaseModel):
    """The locations of the catalog's own database and of its tables' files."""

    model_config = ConfigDict(extra="forbid")

    database: Path = Field(description="The SQLite file")
    warehouse: str = Field(pattern="^[a-z0-9]+://", description="The URI under which tables are written")


class ConnectedCatalog:
    """PyIceberg's catalog behind the contract's methods: table names are dotted strings instead of tuples."""

    def __init__(self, catalog: SqlCatalog) -> None:
        self._catalog = catalog

    def list_namespaces(self) -> list[tuple[str, ...]]:
        return self._catalog.list_namespaces()

    def list_tables(self, namespace: str) -> list[str]:
        return [".".join(identifier) for identifier in self._catalog.list_tables(namespace)]

    def load_table(self, identifier: str) -> Any:
        return self._catalog.load_table(identifier)


class IcebergCatalogPlugin(CatalogPlugin):
    """Starts after the storage plugin `local`, because the folder must exist before files are kept in it."""

    name = "iceberg"
    version = "0.1.0"
    floe_api_version = "1.0"
    description = "An Iceberg catalog in SQLite"

    def __init__(self, config: IcebergCatalogConfig | None = None) -> None:
        self._settings = config
        self._catalog: SqlCatalog | None = None

    @property
    def dependencies(self) -> list[str]:
        return ["storage/local"]

    def get_config_schema(self) -> type[IcebergCatalogConfig]:
        return IcebergCatalogConfig

    def startup(self) -> None:
        self._catalog = self._open({})

    def shutdown(self) -> None:
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None

    def health_check(self) -> HealthStatus:
        namespaces = self._started.list_namespaces()
        return HealthStatus(HealthState.HEALTHY, f"namespaces: {len(namespaces)}")

    def connect(self, config: dict[str, Any]) -> Catalog:
        return ConnectedCatalog(self._open(config))

    def create_namespace(self, namespace: str, properties: dict[str, str] | None = None) -> None:
        self._started.create_namespace(namespace, properties or {})

    def vend_credentials(self, table_path: str, operations: list[str]) -> dict[str, Any]:
        return {}  # files in a folder need no credentials

    @property
    def _started(self) -> SqlCatalog:
        if self._catalog is None:
            raise RuntimeError("not started")
        return self._catalog

    def _open(self, more: dict[str, Any]) -> SqlCatalog:
        if self._settings is None:
            raise RuntimeError("not configured")
        database = self._settings.database.absolute()
        database.parent.mkdir(parents=True, exist_ok=True)
        properties = {
            "uri": f"sqlite:///{database}",
            "warehouse": self._settings.warehouse,
            "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO",
        }
        return SqlCatalog(self.name, **{**properties, **more})
