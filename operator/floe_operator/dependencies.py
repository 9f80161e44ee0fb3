"""Which objects an object waits for, and which wait for it: by the registry's own rules.

Pure: what each plugin declares, and which plugins there are, is handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence

from floe_core.dependencies import resolve
from floe_core.plugin_types import PluginId
from floe_operator.facts import Dependencies, Dependency

Declared = Callable[[PluginId], Sequence[str]]
"""The dependencies that a plugin declares; none while it is not loaded."""


def dependencies_of(
    plugin: PluginId, declared: Declared, known: Collection[PluginId], is_ready: Callable[[PluginId], bool]
) -> Dependencies:
    """What a plugin needs, whether each is Ready, and the shortest cycle that leads back to it."""
    meant = [(text, resolve(plugin, text, known)) for text in declared(plugin)]
    return Dependencies(
        tuple(
            Dependency(text, candidates, ready=len(candidates) == 1 and is_ready(candidates[0]))
            for text, candidates in meant
        ),
        _cycle_through(plugin, declared, known),
    )


def dependents_of(plugin: PluginId, declared: Declared, known: Collection[PluginId]) -> Iterator[PluginId]:
    """The plugins that declare a dependency which may mean this one."""
    for other in known:
        if any(plugin in resolve(other, text, known) for text in declared(other)):
            yield other


def _cycle_through(plugin: PluginId, declared: Declared, known: Collection[PluginId]) -> tuple[PluginId, ...]:
    """The shortest way from a plugin back to it, both ends included; nothing where there is none."""
    came_from: dict[PluginId, PluginId] = {}
    todo = deque([plugin])
    while todo:
        present = todo.popleft()
        for text in declared(present):
            candidates = resolve(present, text, known)
            if len(candidates) != 1:
                continue
            (needed,) = candidates
            if needed == plugin:
                return (*_way(plugin, present, came_from), plugin)
            if needed not in came_from:
                came_from[needed] = present
                todo.append(needed)
    return ()


def _way(start: PluginId, end: PluginId, came_from: dict[PluginId, PluginId]) -> list[PluginId]:
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]
