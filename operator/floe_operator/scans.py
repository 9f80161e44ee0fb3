"""The results of this process's scans: which plugins exist, and whether that is known at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from floe_core.host.protocol import FoundPlugin, ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.rules.facts import Broken, Discovery, DiscoveryUnknown, Installed, NotInstalled
from floe_operator.rules.mirror import hidden_by, hidden_plugins, known_plugins, must_exist
from floe_operator.rules.resource import FloePlugin, is_nameable


class News(NamedTuple):
    """What a scan changed."""

    about: Collection[PluginId] = ()
    """The plugins with an object of which something else is known than before."""
    come_or_gone: Collection[PluginId] = ()
    """The plugins that exist now and did not before, and those that no longer do."""
    environment_changed: bool = False
    """Whether any distribution came, went or changed, even one without plugins."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the scans up to a moment say."""

    scan: ScanResult | None = None
    """The last one that succeeded."""
    failure: str = ""
    plugins: Mapping[PluginId, Installed | Broken] = field(default_factory=dict)

    def discovery(self, seen: FloePlugin) -> Discovery | None:
        if self.failure:
            return DiscoveryUnknown(self.failure)
        if self.scan is None:
            return None
        known = self.plugins.get(seen.plugin)
        if known is not None:
            return known
        hidden = hidden_by(self.scan, seen)
        return NotInstalled() if hidden is None else DiscoveryUnknown(hidden)


class Scans:
    """The last successful scan, and why a later one failed.

    `objects` returns the FloePlugins as last seen: they remember what a partial scan does not show.
    """

    def __init__(self, objects: Callable[[], Iterable[FloePlugin]] = tuple) -> None:
        self._objects = objects
        self._known = _Known()
        self.succeeded_at = 0.0
        """When a scan last succeeded, in Unix time."""
        self.seconds = 0.0
        """How long that scan took, in seconds."""
        self.plugins: Collection[PluginId] = frozenset()
        """Every known or hidden plugin, including broken ones; a new collection whenever it changes."""

    @property
    def scan(self) -> ScanResult | None:
        """The result of the last scan that succeeded."""
        return self._known.scan

    @property
    def failure(self) -> str:
        """Why the last scan failed; empty if it succeeded."""
        return self._known.failure

    @property
    def ended(self) -> bool:
        """Whether any scan has ended; nothing is assessed before that."""
        return self._known.scan is not None or bool(self._known.failure)

    def succeeded(self, scan: ScanResult, seconds: float = 0.0) -> News:
        """Store the result of a scan that took `seconds`; a plugin that a partial scan misses is not gone."""
        self.succeeded_at, self.seconds = time.time(), seconds
        if scan is self.scan and not self.failure:
            return News()
        environment_changed = self.scan is not None and scan.fingerprint != self.scan.fingerprint
        claims = known_plugins(scan).items()
        news = self._store(
            _Known(
                scan,
                plugins={
                    plugin: Installed(claim) if isinstance(claim, FoundPlugin) else Broken(claim)
                    for plugin, claim in claims
                },
            )
        )
        return news._replace(environment_changed=environment_changed)

    def failed(self, detail: str) -> News:
        """Store why the last scan failed; the results of the one before it remain valid."""
        return self._store(replace(self._known, failure=detail))

    def _store(self, known: _Known) -> News:
        before, self._known = self._known, known
        objects = self._objects()
        about = {seen.plugin for seen in objects if before.discovery(seen) != known.discovery(seen)}
        return News(about, self.objects_listed().come_or_gone)

    def objects_listed(self) -> News:
        """Update `plugins`: the objects may have changed, and they show what a partial scan hides."""
        if self.scan is None:
            return News()
        before = self.plugins
        now = self._known.plugins.keys() | hidden_plugins(self.scan, self._objects())
        if now == before:
            return News()
        self.plugins = now
        return News(come_or_gone=now ^ frozenset(before))

    def discovery(self, seen: FloePlugin) -> Discovery | None:
        """Return what is known about an object's plugin, or None before the first scan has ended."""
        return self._known.discovery(seen)

    def must_exist(self, plugin: PluginId) -> bool:
        """Return True if the plugin must have an object."""
        return must_exist(plugin, self._known.plugins)

    def nameable(self) -> list[PluginId]:
        """Return the plugins that must have an object."""
        return [plugin for plugin in self._known.plugins if is_nameable(plugin)]

    def unnameable(self) -> list[PluginId]:
        """Return the plugins that cannot have an object."""
        return [plugin for plugin in self._known.plugins if not is_nameable(plugin)]
