"""What the scans of this process found: which plugins there are, and whether that is known at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

from floe_core.host.protocol import FoundPlugin, ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.rules.facts import Broken, Discovery, DiscoveryUnknown, Installed, NotInstalled
from floe_operator.rules.mirror import hidden_by, hidden_plugins, known_plugins, must_exist
from floe_operator.rules.resource import FloePlugin, is_nameable


class Scans:
    """The last scan that succeeded, and why a later one did not.

    `objects` are the FloePlugins as last seen: they remember what a partial scan does not show.
    """

    def __init__(self, objects: Callable[[], Iterable[FloePlugin]] = tuple) -> None:
        self._objects = objects
        self.scan: ScanResult | None = None
        self.failure = ""
        """Why the last scan did not succeed; empty where it did."""
        self.ended = False
        """Whether a scan ended at all; nothing is judged before."""
        self.succeeded_at = 0.0
        """When a scan last succeeded, in Unix time."""
        self.seconds = 0.0
        """How long that scan took."""
        self._known: dict[PluginId, Installed | Broken] = {}
        self.plugins: Collection[PluginId] = frozenset()
        """Every plugin that is known or hidden, broken ones too; another object whenever it changes."""

    def succeeded(self, scan: ScanResult, seconds: float = 0.0) -> None:
        """Takes in the result of a scan that took `seconds`; what a partial one does not show is not gone."""
        self.scan, self.failure, self.ended = scan, "", True
        self.succeeded_at, self.seconds = time.time(), seconds
        self._known = {
            plugin: Installed(claim) if isinstance(claim, FoundPlugin) else Broken(claim)
            for plugin, claim in known_plugins(scan).items()
        }
        self.objects_listed()

    def objects_listed(self) -> None:
        """The objects are others than before, perhaps: what a partial scan hides is known from them."""
        if self.scan is not None:
            self.plugins = self._known.keys() | hidden_plugins(self.scan, self._objects())

    def failed(self, detail: str) -> None:
        """The last scan did not succeed; what the one before it found still stands."""
        self.failure, self.ended = detail, True

    def discovery(self, seen: FloePlugin) -> Discovery | None:
        """What is known of an object's plugin; None before the first scan ended."""
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
        """Whether the plugin must have an object."""
        return must_exist(plugin, self._known)

    def nameable(self) -> list[PluginId]:
        """The plugins that must have an object."""
        return [plugin for plugin in self._known if is_nameable(plugin)]

    def unnameable(self) -> list[PluginId]:
        """The plugins that no object can stand for."""
        return [plugin for plugin in self._known if not is_nameable(plugin)]
