"""Turns news from the watches, the plugin host and our own writes into keys for the queue.

News about objects is also stored in `objects`. Nothing is assessed here, and nothing can fail. Whatever can
change an assessment must enqueue the key, since nothing else does; an unnecessary key costs a reconcile that
writes nothing. What somebody changed goes before what follows from a scan, a listing, a new plugin host or
another plugin.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from floe_core.plugin_types import PluginId
from floe_operator.objects import Objects
from floe_operator.rules.dependency_graph import Dependents
from floe_operator.rules.facts import Readiness
from floe_operator.rules.foreign_json import name as name_of
from floe_operator.rules.in_use import readiness
from floe_operator.rules.resource import parse_object_name
from floe_operator.scans import News

_MANY = 32
"""More than somebody's change of a spec should wait for."""


class Wakeups:
    """Puts keys on the queue: `changed` those that somebody changed, `later` the others.

    `on_complete` is called when all objects are known for the first time.
    """

    def __init__(
        self,
        objects: Objects,
        dependents: Dependents,
        *,
        changed: Callable[[PluginId], None],
        later: Callable[[PluginId], None],
        on_complete: Callable[[], None],
    ) -> None:
        self._objects = objects
        self._dependents = dependents
        self._changed = changed
        self._later = later
        self._on_complete = on_complete
        self._readiness: dict[PluginId, Readiness] = {}
        self._held: dict[PluginId, list[tuple[str, Mapping[str, Any]]]] = {}
        """The watch events about the objects that are being written."""

    def seen(self, event: str, raw: Mapping[str, Any]) -> None:
        """Handle a watch event about an object; an echo of our own write does not enqueue its plugin."""
        plugin = parse_object_name(name_of(raw))
        if plugin is not None and plugin in self._held:
            self._held[plugin].append((event, raw))
            return
        news = self._objects.remove(raw) if event == "DELETED" else self._objects.put(raw)
        if news is not None:
            self._changed(news)
            self._note_readiness(news)

    @contextlib.contextmanager
    def writing(self, plugin: PluginId) -> Iterator[None]:
        """Hold back the watch events about an object until the answer to a write is in `objects`.

        An echo that comes before the answer could not be told from somebody's change. Whoever depends on the
        plugin is enqueued at the end if the write changed its readiness.
        """
        held: list[tuple[str, Mapping[str, Any]]] = []
        self._held[plugin] = held
        try:
            yield
        finally:
            del self._held[plugin]
            for event, raw in held:
                self.seen(event, raw)
            self._note_readiness(plugin)

    def found(self, page: Iterable[Mapping[str, Any]], began: int) -> None:
        """Handle the objects of a page of a listing that began at a moment."""
        for raw in page:
            self._look_at(self._objects.put(raw, listing=began))

    def listed(self, names: Collection[str], began: int) -> None:
        """Handle the end of a complete listing of objects, which began at a moment: no others exist."""
        is_first = not self._objects.complete
        for plugin in self._objects.listed(names, began):
            self._look_at(plugin)
        if is_first:  # what depends on an object that nobody had seen waited for this
            self.look_at(self._objects)
            self._on_complete()

    def _look_at(self, plugin: PluginId | None) -> None:
        if plugin is not None:
            self._later(plugin)
            self._note_readiness(plugin)

    def look_at(self, plugins: Iterable[PluginId]) -> None:
        """Enqueue plugins that nobody changed."""
        for plugin in plugins:
            self._later(plugin)

    def scanned(self, news: News) -> None:
        """Enqueue the plugins of which a scan found something else than before, and those behind them."""
        self.look_at(news.about)
        for plugin in news.come_or_gone:  # what a bare name means, and which cycles there are
            self.look_at(self._dependents.behind(plugin))

    def declared(self, plugin: PluginId) -> None:
        """Enqueue what depends on a plugin whose dependencies changed: this may close or open a cycle."""
        self.look_at(self._dependents.behind(plugin))

    def sources_changed(self, plugins: Collection[PluginId]) -> None:
        """Enqueue the plugins that use a Secret or ConfigMap that contains something else than before.

        If there are many, what somebody changes meanwhile goes before them.
        """
        enqueue = self._changed if len(plugins) <= _MANY else self._later
        for plugin in plugins:
            enqueue(plugin)

    def sources_lost(self, kind: str) -> None:
        """Enqueue the plugins that use a Secret, or a ConfigMap, once nobody tells when one changes."""
        self.look_at(self._objects.users_of_kind(kind))

    def kind_gone(self) -> list[PluginId]:
        """Forget all objects, because the CRD does not exist; return the plugins that had one."""
        plugins = list(self._objects)
        self._let_go()
        self._objects.clear()
        self._readiness.clear()
        return plugins

    def history_lost(self) -> None:
        """Believe no version known so far: listings begin that tell everything."""
        self._let_go()
        self._objects.distrust_versions()

    def _let_go(self) -> None:
        for held in self._held.values():
            held.clear()

    def _note_readiness(self, plugin: PluginId) -> None:
        """Enqueue the dependents of a plugin, and only those, if its readiness changed or is now known."""
        seen = self._objects.get(plugin)
        now, before = readiness(seen), self._readiness.pop(plugin, None)
        if seen is not None:
            self._readiness[plugin] = now
        if now is before or (seen is None and before is None):
            return
        self.look_at(self._dependents.of(plugin))
