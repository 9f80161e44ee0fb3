"""Storage plugins: stores of the platform's files, such as S3 or a local folder."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

from floe_core.plugin_metadata import PluginMetadata


@runtime_checkable
class FileIO(Protocol):
    """Opens and deletes files by location (a URI), as PyIceberg's FileIO does."""

    def new_input(self, location: str) -> Any:
        """Return a file to read."""
        ...

    def new_output(self, location: str) -> Any:
        """Return a file to write."""
        ...

    def delete(self, location: str) -> None:
        """Delete a file."""
        ...


class StoragePlugin(PluginMetadata):
    """A place for the warehouse's files."""

    @abstractmethod
    def get_pyiceberg_fileio(self) -> FileIO:
        """Return the FileIO that PyIceberg reads and writes files with."""

    @abstractmethod
    def get_warehouse_uri(self, namespace: str) -> str:
        """Return the URI of a namespace's files, such as `s3://lake/warehouse/silver`."""

    @abstractmethod
    def get_dbt_profile_config(self) -> dict[str, Any]:
        """Return what a dbt profile needs to reach this storage, under the dbt adapter's keys.

        Example:
            {"external_root": "s3://lake/warehouse", "settings": {"s3_region": "eu-west-1"}}
        """

    @abstractmethod
    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        """Return the configuration of Dagster's I/O manager for this storage.

        Example:
            {"s3_bucket": "lake", "s3_prefix": "warehouse"}
        """

    @abstractmethod
    def get_helm_values_override(self) -> dict[str, Any]:
        """Return values for the Helm charts of whatever uses this storage, or `{}` if they need none.

        Example:
            {"s3": {"bucket": "lake", "region": "eu-west-1"}}
        """
