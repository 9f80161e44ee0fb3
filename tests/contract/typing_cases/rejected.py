"""Code that mypy --strict must reject: each rejected line is marked with the codes of its errors.

With the marks, mypy accepts this file if all of them are needed; a test removes them and expects the errors.
"""

from __future__ import annotations

from typing import Any

from floe_core import ComputePlugin, HealthStatus, PluginRegistry, PluginType, SecretsPlugin
from floe_core.plugins import Catalog, ComputeConfig, FileIO, IngestionConfig, ResourceSpec, UserInfo


class Unfinished(SecretsPlugin):
    """Leaves every abstract member out."""


Unfinished()  # type: ignore[abstract]


class WrongReturn(SecretsPlugin):
    def get_secret(self, key: str) -> int:  # type: ignore[override]
        return 1

    def list_secrets(self) -> list[str]:  # type: ignore[override]
        return []

    def set_secret(self, key: str, value: str) -> None:  # type: ignore[override]
        return None


class MethodForProperty(SecretsPlugin):
    def name(self) -> str:  # type: ignore[override]
        return "mine"


class RequiredTimeout(SecretsPlugin):
    def health_check(self, timeout: float) -> HealthStatus:  # type: ignore[override]
        return super().health_check()


class NoCatalog:
    def list_namespaces(self) -> list[str]:
        return []


class NoFiles:
    def new_input(self, location: str) -> Any:
        return location


catalog: Catalog = NoCatalog()  # type: ignore[assignment]
files: FileIO = NoFiles()  # type: ignore[assignment]

ComputeConfig(port="5432")  # type: ignore[arg-type]
ComputeConfig(schema="public")  # type: ignore[call-arg]
ResourceSpec(cpu_request=1)  # type: ignore[arg-type]
UserInfo()  # type: ignore[call-arg]
IngestionConfig(source_type=None)  # type: ignore[arg-type]


def wrong_calls(registry: PluginRegistry, compute: ComputePlugin) -> None:
    registry.get(1, "duckdb")  # type: ignore[arg-type]
    registry.activate_plugin(PluginType.COMPUTE, "duckdb", "30")  # type: ignore[arg-type]
    registry.configure(PluginType.COMPUTE, "duckdb").model_dump()  # type: ignore[call-arg, union-attr]
    compute.is_self_hosted()  # type: ignore[operator]
    compute.name = "other"  # type: ignore[misc]
