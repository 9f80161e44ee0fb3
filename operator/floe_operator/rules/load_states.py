"""What the plugin host knows about loading a plugin, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from floe_core.host.protocol import Description
from floe_core.plugin_types import PluginId


@dataclass(frozen=True, slots=True)
class FailedBeside:
    """How a plugin that loads alone failed in a process that held other plugins."""

    after: tuple[PluginId, ...]
    """The plugins that were imported before it, in order."""
    summary: str
    """What failed, in our own words."""


@dataclass(frozen=True, slots=True)
class Described:
    """The plugin was imported and described."""

    description: Description
    beside: FailedBeside | None = None
    """Why the plugin must not share a process, or None if nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class LoadFault:
    """The plugin cannot be loaded. `message` is our own text, `plugin_text` what the plugin's code said."""

    reason: Literal["ImportFailed", "NotAPlugin", "LoadTimedOut", "CrashedOnLoad"]
    message: str
    plugin_text: str = ""
    fix: str = ""
    """How to fix it, in our own words; empty if only the reason tells."""
    quoted: str = ""
    """What the message repeats of what the plugin said, such as the name of a missing module."""


@dataclass(frozen=True, slots=True)
class Loading:
    """The plugin is installed, and its import has not ended yet."""

    since: float = field(default=-math.inf, compare=False)
    """When it was found, in seconds of the monotonic clock."""


LoadState = Described | LoadFault | Loading
