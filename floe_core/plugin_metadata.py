"""The base class of all plugins, whatever their type, and the result of their health check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel


class HealthState(Enum):
    """The health that a plugin reports."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass
class HealthStatus:
    """The result of a health check."""

    state: HealthState
    message: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    """Further facts, such as `{"namespaces": 12}`; the keys are up to the plugin."""


class PluginMetadata(ABC):
    """Base class of all plugins, whatever their type: identity, configuration and life cycle.

    `name`, `version`, `floe_api_version`, `description`, `dependencies` and `get_config_schema` are read
    before the constructor runs, from an instance made without `__init__`: they must not depend on it.
    """

    _config: BaseModel | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """The plugin's name, as in its entry point."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The plugin's version, X.Y.Z."""

    @property
    @abstractmethod
    def floe_api_version(self) -> str:
        """The plugin API version that the plugin was written for, X.Y."""

    @property
    def description(self) -> str:
        """A one-line description for people."""
        return ""

    @property
    def dependencies(self) -> list[str]:
        """The plugins that must start before this one: `name`, or `type/name` if several share the name."""
        return []

    @property
    def tracer_name(self) -> str | None:
        """The name of the plugin's OpenTelemetry tracer."""
        return None

    def get_config_schema(self) -> type[BaseModel] | None:
        """Return the pydantic model of the configuration, or None if the plugin takes no configuration."""
        return None

    def configure(self, config: BaseModel | None) -> None:
        """Accept the validated configuration."""
        self._config = config

    @property
    def is_configured(self) -> bool:
        """Whether the plugin has a configuration."""
        return self._config is not None

    def startup(self) -> None:  # noqa: B027
        """Open what the plugin needs; runs once, after the startup of its dependencies."""

    def shutdown(self) -> None:  # noqa: B027
        """Close what startup opened; runs once, before the shutdown of its dependencies."""

    def health_check(self) -> HealthStatus:
        """Return the plugin's health; an override can take `timeout: float | None = None`, in seconds."""
        return HealthStatus(HealthState.HEALTHY)
