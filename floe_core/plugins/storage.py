"""Storage plugins: where the platform's files lie, such as S3 or a local folder."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

from floe_core.plugin_metadata import PluginMetadata


@runtime_checkable
class FileIO(Protocol):
    """Opens and deletes files by location (a URI), as PyIceberg's FileIO does."""

    def new_input(self, location: str) -> Any:
        """A file to read."""
        ...

    def new_output(self, location: str) -> Any:
        """A file to write."""
        ...

    def delete(self, location: str) -> None:
        """Deletes a file."""
        ...


class StoragePlugin(PluginMetadata):
    """A place for the warehouse's files."""

    @abstractmethod
    def get_pyiceberg_fileio(self) -> FileIO:
        """What PyIceberg reads and writes files with."""

    @abstractmethod
    def get_warehouse_uri(self, namespace: str) -> str:
        """Where the files of a namespace lie."""

    @abstractmethod
    def get_dbt_profile_config(self) -> dict[str, Any]:
        """What a dbt profile needs to reach this storage."""

    @abstractmethod
    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        """The configuration of Dagster's I/O manager for this storage."""

    @abstractmethod
    def get_helm_values_override(self) -> dict[str, Any]:
        """Values for the Helm charts of what uses this storage."""
