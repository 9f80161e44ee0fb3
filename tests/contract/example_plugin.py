"""A plugin and its configuration, for tests of the registry."""

from __future__ import annotations

from pydantic import BaseModel, SecretStr

from floe_core.plugin_metadata import HealthState, HealthStatus, PluginMetadata


class Settings(BaseModel):
    path: str
    threads: int = 4
    token: SecretStr = SecretStr("")


class Example(PluginMetadata):
    """Notes the calls of its hooks in `journal`; `fails` names the hooks that raise."""

    name = ""
    version = "0.1.0"
    floe_api_version = "1.0"
    dependencies: list[str] = []  # noqa: RUF012

    def __init__(
        self,
        name: str,
        journal: list[str] | None = None,
        *,
        api: str = "1.0",
        needs: tuple[str, ...] = (),
        schema: type[BaseModel] | None = None,
        fails: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.floe_api_version = api
        self.dependencies = list(needs)
        self.journal = journal if journal is not None else []
        self.schema = schema
        self.fails = fails
        self.received: list[BaseModel | None] = []

    def get_config_schema(self) -> type[BaseModel] | None:
        return self.schema

    def configure(self, config: BaseModel | None) -> None:
        super().configure(config)
        self.received.append(config)

    def startup(self) -> None:
        self._note("startup")

    def shutdown(self) -> None:
        self._note("shutdown")

    def health_check(self) -> HealthStatus:
        self._note("health_check")
        return HealthStatus(HealthState.DEGRADED, "slow")

    def _note(self, hook: str) -> None:
        self.journal.append(f"{hook} {self.name}")
        if hook in self.fails:
            raise OSError(f"no {hook}")
