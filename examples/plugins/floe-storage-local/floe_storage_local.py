"""The local file system as a storage plugin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pyiceberg.io.fsspec import FsspecFileIO

from floe_core import HealthState, HealthStatus, StoragePlugin
from floe_core.plugins import FileIO


class LocalStorageConfig(BaseModel):
    """`root` is required: without a configuration the plugin is installed but not Ready."""

    model_config = ConfigDict(extra="forbid")

    root: Path = Field(description="The folder that contains the warehouse, created if it is missing")


class LocalStoragePlugin(StoragePlugin):
    """A plugin that is constructed without arguments and configured afterwards, like many published ones."""

    name = "local"
    version = "0.1.0"
    floe_api_version = "1.0"
    description = "A warehouse in a folder"

    _config: LocalStorageConfig | None = None

    def get_config_schema(self) -> type[LocalStorageConfig]:
        return LocalStorageConfig

    def startup(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)

    def health_check(self) -> HealthStatus:
        if os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            return HealthStatus(HealthState.HEALTHY)
        return HealthStatus(HealthState.UNHEALTHY, "the root folder is missing or not accessible")

    def get_pyiceberg_fileio(self) -> FileIO:
        return FsspecFileIO({})

    def get_warehouse_uri(self, namespace: str) -> str:
        return (self._root.absolute() / namespace).as_uri()

    def get_dbt_profile_config(self) -> dict[str, Any]:
        return {"external_root": str(self._root)}

    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        return {"base_dir": str(self._root)}

    def get_helm_values_override(self) -> dict[str, Any]:
        return {"persistence": {"mountPath": str(self._root)}}

    @property
    def _root(self) -> Path:
        if self._config is None:
            raise RuntimeError("not configured")
        return self._config.root
