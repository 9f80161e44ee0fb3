"""Which objects an object waits for, and which wait for it, by the registry's own rules.

Pure: what each plugin declares and which plugins exist are handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from floe_core.dependencies import resolve
from floe_core.plugin_types import PluginId
from floe_operator.rules.facts import Dependencies, Dependency, Readiness

Declared = Callable[[PluginId], Sequence[str]]
"""Returns the dependencies that a plugin declares; none while it is not loaded."""


class Graph:
    """What the declared dependencies mean among the known plugins.

    Meanings are cached, because a search for cycles passes many plugins. Whenever the known plugins change,
    `known` must return a different object; that empties the cache.
    """

    def __init__(self, declared: Declared, known: Callable[[], Collection[PluginId]]) -> None:
        self._declared = declared
        self._known = known
        self._meant_among: Collection[PluginId] = ()
        self._meant: dict[PluginId, _Meant] = {}

    def dependencies_of(self, plugin: PluginId, readiness: Callable[[PluginId], Readiness]) -> Dependencies:
        """Return a plugin's dependencies, how each is doing, and the shortest cycle back to it."""
        meant = self._meant_by(plugin)
        return Dependencies(
            tuple(
                Dependency(text, candidates, readiness(candidates[0]))
                if len(candidates) == 1
                else Dependency(text, candidates)
                for text, candidates in zip(meant.declared, meant.candidates, strict=True)
            ),
            self._cycle_through(plugin),
        )

    def _meant_by(self, plugin: PluginId) -> _Meant:
        known, declared = self._known(), self._declared(plugin)
        if known is not self._meant_among:
            self._meant_among = known
            self._meant.clear()
        meant = self._meant.get(plugin)
        if meant is None or meant.declared is not declared:
            candidates = tuple(resolve(plugin, text, known) for text in declared)
            needs = tuple(each[0] for each in candidates if len(each) == 1)
            meant = self._meant[plugin] = _Meant(declared, candidates, needs)
        return meant

    def _cycle_through(self, plugin: PluginId) -> tuple[PluginId, ...]:
        """Return the shortest path from a plugin back to itself, both ends included, or an empty tuple."""
        came_from: dict[PluginId, PluginId] = {}
        todo = deque([plugin])
        while todo:
            present = todo.popleft()
            for needed in self._meant_by(present).needs:
                if needed == plugin:
                    return (*_way(plugin, present, came_from), plugin)
                if needed not in came_from:
                    came_from[needed] = present
                    todo.append(needed)
        return ()


class _Meant(NamedTuple):
    declared: Sequence[str]
    candidates: tuple[tuple[PluginId, ...], ...]
    needs: tuple[PluginId, ...]


class Dependents:
    """Finds the plugins with a dependency that can mean a given plugin, without searching all plugins."""

    def __init__(self) -> None:
        self._declared: dict[PluginId, tuple[str, ...]] = {}
        self._of: dict[PluginId, set[PluginId]] = {}

    def note(self, plugin: PluginId, declared: Sequence[str]) -> bool:
        """Record what a plugin declares now; return True if that changed."""
        if self._declared.get(plugin, ()) == (declared := tuple(declared)):
            return False
        for needed in self._needed(plugin):
            self._of[needed].discard(plugin)
            if not self._of[needed]:
                del self._of[needed]
        self._declared[plugin] = declared
        for needed in self._needed(plugin):
            self._of.setdefault(needed, set()).add(plugin)
        if not declared:
            del self._declared[plugin]
        return True

    def of(self, plugin: PluginId) -> Collection[PluginId]:
        """Return the plugins to assess again when the readiness of this plugin changes."""
        return frozenset(self._of.get(plugin, ()))

    def behind(self, plugin: PluginId) -> Collection[PluginId]:
        """Return the plugins that wait for this one, even indirectly, including all members of its cycles."""
        found: set[PluginId] = set()
        todo = [plugin]
        while todo:
            new = self._of.get(todo.pop(), set()) - found
            found |= new
            todo += new
        return frozenset(found)

    def _needed(self, plugin: PluginId) -> set[PluginId]:
        return {
            needed
            for text in self._declared.get(plugin, ())
            for needed in resolve(plugin, text, _EVERY_PLUGIN)
        }


class _EveryPlugin(Collection[PluginId]):
    """Pretends that every plugin a dependency can mean is installed."""

    def __contains__(self, plugin: object) -> bool:
        return True

    def __iter__(self) -> Iterator[PluginId]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


_EVERY_PLUGIN = _EveryPlugin()


def _way(start: PluginId, end: PluginId, came_from: dict[PluginId, PluginId]) -> list[PluginId]:
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]
