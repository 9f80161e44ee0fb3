"""What every plugin is: the base class that the eleven kinds of plugin share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


class HealthState(Enum):
    """How a plugin says it is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass
class HealthStatus:
    """The answer of a health check."""

    state: HealthState
    message: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class PluginMetadata(ABC):
    """The base of every plugin: identity, configuration and life cycle.

    The identity properties, `description`, `dependencies` and `get_config_schema` are read before the
    constructor runs, from an instance made without `__init__`: they must not depend on it.
    """

    _config: BaseModel | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """The plugin's name, as its entry point has it."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The plugin's version, X.Y.Z."""

    @property
    @abstractmethod
    def floe_api_version(self) -> str:
        """The plugin API that the plugin was written for, X.Y."""

    @property
    def description(self) -> str:
        """One line for people."""
        return ""

    @property
    def dependencies(self) -> list[str]:
        """The plugins that must run before this one: `name`, or `type/name` where several share the name."""
        return []

    @property
    def tracer_name(self) -> str | None:
        """The OpenTelemetry tracer of the plugin."""
        return None

    def get_config_schema(self) -> type[BaseModel] | None:
        """The pydantic model of the configuration; None for a plugin that takes none."""
        return None

    def configure(self, config: BaseModel | None) -> None:
        """Takes the validated configuration."""
        self._config = config

    @property
    def is_configured(self) -> bool:
        """Whether a configuration was taken."""
        return self._config is not None

    def startup(self) -> None:  # noqa: B027
        """Opens what the plugin needs; called once, after its dependencies' startup."""

    def shutdown(self) -> None:  # noqa: B027
        """Closes what startup opened; called once, before its dependencies' shutdown."""

    def health_check(self) -> HealthStatus:
        """How the plugin is; an override may take `timeout: float | None = None`, in seconds."""
        return HealthStatus(HealthState.HEALTHY)
