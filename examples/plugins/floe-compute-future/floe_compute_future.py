"""A plugin that is newer than its platform: reported as IncompatibleApi and never constructed."""

from __future__ import annotations

from typing import Any

from floe_core import ComputePlugin
from floe_core.plugins import ComputeConfig, ConnectionResult, ResourceSpec


class FutureComputePlugin(ComputePlugin):
    """Written for plugin API 2.0."""

    name = "future"
    version = "0.1.0"
    floe_api_version = "2.0"
    description = "For a platform that does not exist yet"
    is_self_hosted = False

    def generate_dbt_profile(self, config: ComputeConfig) -> dict[str, Any]:
        return {"type": "future"}

    def get_required_dbt_packages(self) -> list[str]:
        return []

    def validate_connection(self, config: ComputeConfig) -> ConnectionResult:
        return ConnectionResult(success=True)

    def get_resource_requirements(self, workload_size: str) -> ResourceSpec:
        return ResourceSpec()
