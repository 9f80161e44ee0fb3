"""Catalog plugins: registries of the platform's tables, such as Polaris or Unity Catalog."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

from floe_core.plugin_metadata import PluginMetadata


@runtime_checkable
class Catalog(Protocol):
    """A connected catalog; names are dotted strings, but namespaces are listed as tuples of their parts."""

    def list_namespaces(self) -> list[tuple[str, ...]]:
        """Return the top-level namespaces, such as `[("bronze",), ("silver",)]`."""
        ...

    def list_tables(self, namespace: str) -> list[str]:
        """Return the identifiers of a namespace's tables, such as `["silver.orders"]`."""
        ...

    def load_table(self, identifier: str) -> Any:
        """Return the catalog library's own table object."""
        ...


class CatalogPlugin(PluginMetadata):
    """An Iceberg catalog."""

    @abstractmethod
    def connect(self, config: dict[str, Any]) -> Catalog:
        """Return a connection to the catalog; `config` adds to the plugin's own configuration.

        The keys of `config` are those of the catalog library, such as PyIceberg's catalog properties.

        Example:
            {"uri": "https://polaris.example.com/api/catalog", "warehouse": "lake"}
        """

    @abstractmethod
    def create_namespace(self, namespace: str, properties: dict[str, str] | None = None) -> None:
        """Create a namespace, with properties such as `{"location": "s3://lake/silver"}`."""

    @abstractmethod
    def vend_credentials(self, table_path: str, operations: list[str]) -> dict[str, Any]:
        """Return short-lived credentials for a table's files, for these operations (`READ`, `WRITE`) only.

        The keys depend on the storage; `{}` means that the files need no credentials.

        Example:
            {
                "access_key": "ASIA...",
                "secret_key": "...",
                "token": "...",
                "expiration": "2026-01-31T12:00:00Z",
            }
        """
