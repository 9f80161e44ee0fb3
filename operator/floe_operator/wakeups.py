"""Turns news, from the watches, the plugin host and our own writes, into keys for the queue.

Takes the news of objects into `objects` on the way. Nothing is judged here, and nothing can fail: a key that
comes in vain costs a reconcile that writes nothing, one that does not come waits for the next scan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from floe_core.plugin_types import PluginId
from floe_operator.objects import Objects
from floe_operator.rules.config_merge import SourceObject
from floe_operator.rules.dependency_graph import Dependents


class Wakeups:
    """Puts keys on the queue."""

    def __init__(self, objects: Objects, dependents: Dependents, enqueue: Callable[[PluginId], None]) -> None:
        self._objects = objects
        self._dependents = dependents
        self._enqueue = enqueue
        self._ready: set[PluginId] = set()

    def seen(self, event: str | None, raw: Mapping[str, Any]) -> None:
        """The watch saw an object come, change or go; the echo of our own write wakes nobody."""
        gone = event == "DELETED"
        if not gone and (plugin := self._objects.known_as_it_is(raw)) is not None:
            self._note_readiness(plugin)
        elif (plugin := self._objects.remove(raw) if gone else self._objects.put(raw)) is not None:
            self.look_at(plugin)

    def look_at(self, plugin: PluginId) -> None:
        """The object of a plugin may be another one, or none: there is news of it, or a scan ended."""
        self._enqueue(plugin)
        self._note_readiness(plugin)

    def written(self, plugin: PluginId) -> None:
        """A status was written, and `objects` has it."""
        self._note_readiness(plugin)

    def declared(self, plugin: PluginId) -> None:
        """A plugin declares other dependencies than before: it may close a cycle, or open one."""
        for dependent in self._dependents.behind(plugin):
            self._enqueue(dependent)

    def source_changed(self, source: SourceObject) -> None:
        """A Secret or ConfigMap came, changed or went."""
        for plugin in self._objects.users(source):
            self._enqueue(plugin)

    def plugins_changed(self, plugins: Collection[PluginId]) -> None:
        """The plugin host knows more of these plugins, or something else."""
        for plugin in plugins:
            self._enqueue(plugin)

    def kind_gone(self) -> list[PluginId]:
        """The CRD is not there (any more), and no object either; the plugins that had one."""
        plugins = list(self._objects)
        self._objects.clear()
        self._ready.clear()
        return plugins

    def _note_readiness(self, plugin: PluginId) -> None:
        """When an object becomes or stops being Ready, those that need it are judged again, and only they."""
        seen = self._objects.get(plugin)
        ready = seen is not None and seen.is_ready
        if ready == (plugin in self._ready):
            return
        (self._ready.add if ready else self._ready.discard)(plugin)
        for dependent in self._dependents.of(plugin):
            self._enqueue(dependent)
