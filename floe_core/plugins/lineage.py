"""Lineage backend plugins: where OpenLineage events go, such as Marquez or DataHub."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


class LineageBackendPlugin(PluginMetadata):
    """A receiver of OpenLineage events."""

    @abstractmethod
    def get_transport_config(self) -> dict[str, Any]:
        """The configuration of an OpenLineage client's transport."""

    @abstractmethod
    def get_namespace_strategy(self) -> dict[str, Any]:
        """How jobs and datasets are given their OpenLineage namespaces."""

    @abstractmethod
    def get_helm_values(self) -> dict[str, Any]:
        """Values for the backend's Helm chart."""

    @abstractmethod
    def validate_connection(self) -> bool:
        """Whether the backend can be reached."""
