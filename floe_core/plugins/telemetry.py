"""Telemetry backend plugins: backends that receive OpenTelemetry signals, such as Jaeger or Datadog."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


class TelemetryBackendPlugin(PluginMetadata):
    """A receiver of traces, metrics and logs."""

    @abstractmethod
    def get_otlp_exporter_config(self) -> dict[str, Any]:
        """Return the configuration of the OpenTelemetry Collector's exporters.

        The keys are those of the Collector's configuration file: `exporters`, and under `service` the
        pipelines that use these exporters. A platform would merge the result into its own configuration.

        Example:
            {
                "exporters": {"otlp/jaeger": {"endpoint": "jaeger:4317", "tls": {"insecure": True}}},
                "service": {"pipelines": {"traces": {"exporters": ["otlp/jaeger"]}}},
            }
        """

    @abstractmethod
    def get_helm_values(self) -> dict[str, Any]:
        """Return the values for the backend's Helm chart, or `{}` if there is nothing to deploy.

        Example:
            {"collector": {"replicaCount": 2}, "storage": {"type": "elasticsearch"}}
        """

    @abstractmethod
    def validate_connection(self) -> bool:
        """Return True if the backend can be reached."""
