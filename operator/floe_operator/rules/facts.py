"""What is known about one FloePlugin at one moment: the input of the rules, as plain values.

Nothing is read here. What a plugin said after it was given a secret is already scrubbed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, NewType

from floe_core.host.protocol import BrokenClaim, DistributionRef, FoundPlugin, Verdict
from floe_core.plugin_types import PluginId
from floe_core.version_compat import FLOE_PLUGIN_API_MIN_VERSION
from floe_operator.rules.load_states import LoadState
from floe_operator.rules.resource import FloePluginSpec


@dataclass(frozen=True, slots=True)
class Installed:
    """One entry point claims the plugin."""

    found: FoundPlugin


@dataclass(frozen=True, slots=True)
class Broken:
    """The scan found the plugin, but it cannot be loaded: its entry point is malformed or claimed twice."""

    claim: BrokenClaim


@dataclass(frozen=True, slots=True)
class NotInstalled:
    """A complete scan did not find the plugin."""


@dataclass(frozen=True, slots=True)
class DiscoveryUnknown:
    """Whether the plugin is installed is unknown: the last scan failed or was partial."""

    detail: str


Discovery = Installed | Broken | NotInstalled | DiscoveryUnknown


@dataclass(frozen=True, slots=True)
class ConfigSourceFault:
    """Why there is no verdict on the configuration. `message` contains no configuration value."""

    reason: Literal[
        "SecretNotFound",
        "SecretKeyMissing",
        "ConfigMapNotFound",
        "ConfigMapKeyMissing",
        "Forbidden",
        "NotText",
        "NotAMapping",
        "PathConflict",
        "ValidationCrashed",
    ]
    message: str
    entry: int | None = None
    """The index of the spec.configFrom entry at fault, or None if no entry is."""

    @property
    def text(self) -> str:
        """The message, beginning with the entry at fault."""
        return self.message if self.entry is None else f"spec.configFrom[{self.entry}]: {self.message}"


@dataclass(frozen=True, slots=True)
class Hidden:
    """An entry of spec.configFrom of which nothing is left in the effective configuration.

    It contains no key that only the contents of a source have.
    """

    entry: int
    by: tuple[int | None, ...]
    """The entries that replace it; None stands for spec.config."""
    place: str = ""
    """Where its only value is replaced; empty for a mapping that is merged at the root."""


ConfigDigest = NewType("ConfigDigest", bytes)
"""A digest that differs if the effective configuration differs."""


class Readiness(Enum):
    """How a plugin is doing, for those that depend on it."""

    READY = "Ready"
    IDLE = "not Ready, but nobody asked for it (as far as is known by now)"
    NOT_READY = "not Ready"


@dataclass(frozen=True, slots=True)
class Dependency:
    """One declared dependency: its text, the plugins it can mean, and how the only one is doing."""

    declared: str
    candidates: tuple[PluginId, ...]
    readiness: Readiness = Readiness.NOT_READY


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The declared dependencies, and the cycle they form (its first plugin repeated at the end)."""

    declared: tuple[Dependency, ...] = ()
    cycle: tuple[PluginId, ...] = ()


@dataclass(frozen=True, slots=True)
class Probing:
    """No check with the current effective configuration has ended yet.

    `changed`: the effective configuration is known to differ from that of the last check. After a restart or
    in a new plugin host this is unknown, so `changed` is False.
    """

    changed: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """The last check that ended; a check that raised or timed out is unhealthy.

    `failures` counts the unhealthy checks in a row, up to this check.
    """

    state: Literal["healthy", "degraded", "unhealthy"]
    failures: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class StartupFailed:
    """The plugin's constructor, configure() or startup() failed; `message` says which and how."""

    message: str


@dataclass(frozen=True, slots=True)
class CrashedWhileRunning:
    """The started plugin took the plugin host down."""

    message: str


Probe = Probing | Checked | StartupFailed | CrashedWhileRunning


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that `assess` uses, besides the previous status and the clock."""

    plugin: PluginId
    generation: int
    spec: FloePluginSpec
    platform_api_version: str
    discovery: Discovery
    in_use: bool = True
    """Whether somebody asked for the plugin."""
    loading: LoadState | None = None
    """None if the plugin was not discovered."""
    config: Verdict | ConfigSourceFault | None = None
    """None if the configuration was not assessed: plugin not loaded, or no plugin host available now."""
    hidden: tuple[Hidden, ...] = ()
    """What of spec.configFrom has no effect, as far as the sources were resolved."""
    config_digest: ConfigDigest | None = None
    """None if the effective configuration is unknown: plugin not loaded, or sources not resolved."""
    dependencies: Dependencies | None = None
    """None if the dependencies are unknown: plugin not loaded."""
    probe: Probe | None = None
    """None if the plugin was not asked to run (yet)."""
    minimum_api_version: str = FLOE_PLUGIN_API_MIN_VERSION

    @property
    def distribution(self) -> DistributionRef | None:
        """The distribution that provides the plugin, or None if it is not known to be exactly one."""
        return self.discovery.found.distribution if isinstance(self.discovery, Installed) else None
