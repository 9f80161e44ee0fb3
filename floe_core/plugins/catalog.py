"""Catalog plugins: where the platform's tables are registered, such as Polaris or Unity Catalog."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

from floe_core.plugin_metadata import PluginMetadata


@runtime_checkable
class Catalog(Protocol):
    """A connected catalog; names are dotted texts, namespaces are listed as tuples of their parts."""

    def list_namespaces(self) -> list[tuple[str, ...]]:
        """The namespaces at the root."""
        ...

    def list_tables(self, namespace: str) -> list[str]:
        """The identifiers of a namespace's tables."""
        ...

    def load_table(self, identifier: str) -> Any:
        """The catalog library's own table object."""
        ...


class CatalogPlugin(PluginMetadata):
    """An Iceberg catalog."""

    @abstractmethod
    def connect(self, config: dict[str, Any]) -> Catalog:
        """A connection; `config` adds to the plugin's own configuration."""

    @abstractmethod
    def create_namespace(self, namespace: str, properties: dict[str, str] | None = None) -> None:
        """Creates a namespace."""

    @abstractmethod
    def vend_credentials(self, table_path: str, operations: list[str]) -> dict[str, Any]:
        """Short-lived credentials for a table's files, for these operations (`READ`, `WRITE`) only."""
