"""What is known of one FloePlugin at one moment: the input of the rules, as plain values.

Nothing here reads anything. What a plugin said since it was given a secret is scrubbed already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NewType

from floe_core.host.protocol import BrokenClaim, FoundPlugin, Verdict
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
    """The scan knows the plugin, and nobody can load it."""

    claim: BrokenClaim


@dataclass(frozen=True, slots=True)
class NotInstalled:
    """A complete scan did not find the plugin."""


@dataclass(frozen=True, slots=True)
class DiscoveryUnknown:
    """Whether the plugin is installed is not known now: no scan succeeded, or it was partial."""

    detail: str


Discovery = Installed | Broken | NotInstalled | DiscoveryUnknown


@dataclass(frozen=True, slots=True)
class ConfigSourceFault:
    """Why there is no verdict on the configuration. `message` holds no value of it."""

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
    """Which entry of spec.configFrom it is about; None where it is about none."""

    @property
    def text(self) -> str:
        """The message, beginning with the entry that it is about."""
        return self.message if self.entry is None else f"spec.configFrom[{self.entry}]: {self.message}"


ConfigDigest = NewType("ConfigDigest", bytes)
"""Another one for another effective configuration."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One declared dependency: its text, the plugins it may mean, and whether the only one is Ready."""

    declared: str
    candidates: tuple[PluginId, ...]
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The declared dependencies, and the cycle that they close (its first plugin repeated at the end)."""

    declared: tuple[Dependency, ...] = ()
    cycle: tuple[PluginId, ...] = ()


@dataclass(frozen=True, slots=True)
class Probing:
    """No check with the present effective configuration has ended yet.

    `changed`: the effective configuration is known to be another one than that of the last check. After a
    restart or in a new host it is not known, and False.
    """

    changed: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """The last check that ended; one that raised or timed out is unhealthy.

    `failures` counts the unhealthy checks in a row up to it.
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
    """All that `assess` judges by, besides the previous status and the clock."""

    plugin: PluginId
    generation: int
    spec: FloePluginSpec
    platform_api_version: str
    discovery: Discovery
    loading: LoadState | None = None
    """None where nothing was discovered."""
    config: Verdict | ConfigSourceFault | None = None
    """None where the configuration was not judged: not loaded, or no host to ask at the moment."""
    config_digest: ConfigDigest | None = None
    """None where the effective configuration is not known: not loaded, or its sources not resolved."""
    dependencies: Dependencies | None = None
    """None where the dependencies are not known: not loaded."""
    probe: Probe | None = None
    """None where the plugin was not asked to run (yet)."""
    minimum_api_version: str = FLOE_PLUGIN_API_MIN_VERSION
