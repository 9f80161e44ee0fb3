"""Lineage backend plugins: backends that receive OpenLineage events, such as Marquez or DataHub."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


class LineageBackendPlugin(PluginMetadata):
    """A receiver of OpenLineage events."""

    @abstractmethod
    def get_transport_config(self) -> dict[str, Any]:
        """Return the configuration of an OpenLineage client's transport: `type` and what that type needs.

        Example:
            {"type": "http", "url": "http://marquez:5000", "endpoint": "api/v1/lineage", "timeout": 5.0}
        """

    @abstractmethod
    def get_namespace_strategy(self) -> dict[str, Any]:
        """Return the strategy that gives jobs and datasets their OpenLineage namespaces.

        OpenLineage defines no format for this; the keys are the plugin's own.

        Example:
            {"strategy": "environment", "template": "floe-{environment}"}
        """

    @abstractmethod
    def get_helm_values(self) -> dict[str, Any]:
        """Return the values for the backend's Helm chart, or `{}` if there is nothing to deploy.

        Example:
            {"marquez": {"replicaCount": 2}, "postgresql": {"enabled": True}}
        """

    @abstractmethod
    def validate_connection(self) -> bool:
        """Return True if the backend can be reached."""
