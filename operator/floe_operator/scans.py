"""The results of this process's scans: which plugins exist, and whether that is known at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

from floe_core.host.protocol import FoundPlugin, ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.rules.facts import Broken, Discovery, DiscoveryUnknown, Installed, NotInstalled
from floe_operator.rules.mirror import hidden_by, hidden_plugins, known_plugins, must_exist
from floe_operator.rules.resource import FloePlugin, is_nameable


class Scans:
    """The last successful scan, and why a later one failed.

    `objects` returns the FloePlugins as last seen: they remember what a partial scan does not show.
    """

    def __init__(self, objects: Callable[[], Iterable[FloePlugin]] = tuple) -> None:
        self._objects = objects
        self.scan: ScanResult | None = None
        self.failure = ""
        """Why the last scan failed; empty if it succeeded."""
        self.ended = False
        """Whether any scan has ended; nothing is assessed before that."""
        self.succeeded_at = 0.0
        """When a scan last succeeded, in Unix time."""
        self.seconds = 0.0
        """How long that scan took, in seconds."""
        self._known: dict[PluginId, Installed | Broken] = {}
        self.plugins: Collection[PluginId] = frozenset()
        """Every known or hidden plugin, including broken ones; a new collection whenever it changes."""

    def succeeded(self, scan: ScanResult, seconds: float = 0.0) -> None:
        """Store the result of a scan that took `seconds`; a plugin that a partial scan misses is not gone."""
        self.scan, self.failure, self.ended = scan, "", True
        self.succeeded_at, self.seconds = time.time(), seconds
        self._known = {
            plugin: Installed(claim) if isinstance(claim, FoundPlugin) else Broken(claim)
            for plugin, claim in known_plugins(scan).items()
        }
        self.objects_listed()

    def objects_listed(self) -> None:
        """Update `plugins`: the objects may have changed, and they show what a partial scan hides."""
        if self.scan is not None:
            self.plugins = self._known.keys() | hidden_plugins(self.scan, self._objects())

    def failed(self, detail: str) -> None:
        """Store why the last scan failed; the results of the one before it remain valid."""
        self.failure, self.ended = detail, True

    def discovery(self, seen: FloePlugin) -> Discovery | None:
        """Return what is known about an object's plugin, or None before the first scan has ended."""
        if self.failure:
            return DiscoveryUnknown(self.failure)
        if self.scan is None:
            return None
        known = self._known.get(seen.plugin)
        if known is not None:
            return known
        hidden = hidden_by(self.scan, seen)
        return NotInstalled() if hidden is None else DiscoveryUnknown(hidden)

    def must_exist(self, plugin: PluginId) -> bool:
        """Return True if the plugin must have an object."""
        return must_exist(plugin, self._known)

    def nameable(self) -> list[PluginId]:
        """Return the plugins that must have an object."""
        return [plugin for plugin in self._known if is_nameable(plugin)]

    def unnameable(self) -> list[PluginId]:
        """Return the plugins that cannot have an object."""
        return [plugin for plugin in self._known if not is_nameable(plugin)]
