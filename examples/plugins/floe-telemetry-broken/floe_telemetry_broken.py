"""A plugin whose import fails, as if its wheel had been built without one of its modules.

It is reported as ImportFailed, with Python's own error; every other plugin works.
"""

from __future__ import annotations

from typing import Any

from floe_telemetry_broken_exporters import EXPORTERS  # the module that the wheel lacks

from floe_core import TelemetryBackendPlugin


class BrokenTelemetryBackendPlugin(TelemetryBackendPlugin):
    """Never defined: the import above fails first."""

    name = "broken"
    version = "0.1.0"
    floe_api_version = "1.0"

    def get_otlp_exporter_config(self) -> dict[str, Any]:
        return dict(EXPORTERS)

    def get_helm_values(self) -> dict[str, Any]:
        return {}

    def validate_connection(self) -> bool:
        return True
