"""Telemetry backend plugins: where OpenTelemetry signals go, such as Jaeger or Datadog."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


class TelemetryBackendPlugin(PluginMetadata):
    """A receiver of traces, metrics and logs."""

    @abstractmethod
    def get_otlp_exporter_config(self) -> dict[str, Any]:
        """The configuration of the OpenTelemetry Collector's exporters."""

    @abstractmethod
    def get_helm_values(self) -> dict[str, Any]:
        """Values for the backend's Helm chart."""

    @abstractmethod
    def validate_connection(self) -> bool:
        """Whether the backend can be reached."""
