"""Turns news from the watches, the plugin host and our own writes into keys for the queue.

News about objects is also stored in `objects`. Nothing is assessed here, and nothing can fail: an unnecessary
key costs a reconcile that writes nothing, and a missing key waits for the next scan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from floe_core.plugin_types import PluginId
from floe_operator.objects import Objects
from floe_operator.rules.config_merge import SourceObject
from floe_operator.rules.dependency_graph import Dependents
from floe_operator.rules.facts import Readiness
from floe_operator.rules.in_use import readiness
from floe_operator.rules.resource import parse_object_name


class Wakeups:
    """Puts keys on the queue."""

    def __init__(self, objects: Objects, dependents: Dependents, enqueue: Callable[[PluginId], None]) -> None:
        self._objects = objects
        self._dependents = dependents
        self._enqueue = enqueue
        self._readiness: dict[PluginId, Readiness] = {}

    def seen(self, event: str | None, raw: Mapping[str, Any], listing: int = -1) -> None:
        """Handle a watch event about an object; an echo of our own write does not enqueue its plugin.

        Without an event, the object is from the listing that began at the moment `listing`.
        """
        gone = event == "DELETED"
        if not gone and (plugin := self._objects.known_as_it_is(raw)) is not None:
            self._note_readiness(plugin)
        elif gone:
            self._look_at_any(self._objects.remove(raw))
        else:
            self._look_at_any(self._objects.put(raw, listing=-1 if event else listing))

    def listed(self, names: Collection[str], began: int) -> None:
        """Handle a complete listing of objects, which began at a moment: no others exist."""
        plugins = {plugin for name in names if (plugin := parse_object_name(name)) is not None}
        for plugin in self._objects.keep_only(plugins, began):
            self.look_at(plugin)

    def _look_at_any(self, plugin: PluginId | None) -> None:
        if plugin is not None:
            self.look_at(plugin)

    def look_at(self, plugin: PluginId) -> None:
        """Enqueue a plugin whose object may have changed or disappeared, after an event or a scan."""
        self._enqueue(plugin)
        self._note_readiness(plugin)

    def written(self, plugin: PluginId) -> None:
        """Handle a status that was written and is in `objects`."""
        self._note_readiness(plugin)

    def declared(self, plugin: PluginId) -> None:
        """Enqueue what depends on a plugin whose dependencies changed: this may close or open a cycle."""
        for dependent in self._dependents.behind(plugin):
            self._enqueue(dependent)

    def source_changed(self, source: SourceObject) -> None:
        """Enqueue the plugins that use a Secret or ConfigMap that was created, changed or deleted."""
        for plugin in self._objects.users(source):
            self._enqueue(plugin)

    def plugins_changed(self, plugins: Collection[PluginId]) -> None:
        """Enqueue plugins about which the plugin host knows something new."""
        for plugin in plugins:
            self._enqueue(plugin)

    def kind_gone(self) -> list[PluginId]:
        """Forget all objects, because the CRD does not exist; return the plugins that had one."""
        plugins = list(self._objects)
        self._objects.clear()
        self._readiness.clear()
        return plugins

    def _note_readiness(self, plugin: PluginId) -> None:
        """Enqueue the dependents of a plugin, and only those, if its readiness changed or is now known."""
        seen = self._objects.get(plugin)
        now, before = readiness(seen), self._readiness.pop(plugin, None)
        if seen is not None:
            self._readiness[plugin] = now
        if now is before or (seen is None and before is None):
            return
        for dependent in self._dependents.of(plugin):
            self._enqueue(dependent)
