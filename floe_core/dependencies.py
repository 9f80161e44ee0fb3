"""What a plugin's dependencies refer to, and the order in which plugins start.

Pure functions on ids and on the texts that plugins declare. They are iterative, so a chain of dependencies
can be of any length.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from floe_core.plugin_errors import (
    AmbiguousDependencyError,
    CircularDependencyError,
    MissingDependencyError,
    PluginError,
)
from floe_core.plugin_types import PluginId, PluginName, PluginType, normalize_name

if TYPE_CHECKING:
    from floe_core.plugin_metadata import PluginMetadata

K = TypeVar("K")

_TYPE_ORDER = {member: index for index, member in enumerate(PluginType)}


class Plan(NamedTuple):
    """The order in which to start plugins, dependencies first, and why some of them cannot start."""

    order: tuple[PluginId, ...]
    needs: Mapping[PluginId, tuple[PluginId, ...]]
    faults: Mapping[PluginId, PluginError]


def resolve(plugin: PluginId, dependency: str, known: Collection[PluginId]) -> tuple[PluginId, ...]:
    """Return the plugins that a dependency could mean: none if it is missing, several if ambiguous.

    `name` means the plugins of any type with that name, and `plugin` itself only if there is no other;
    `type/name` means one plugin.
    """
    kind, name = _split(dependency)
    candidates = (PluginId(member, name) for member in PluginType if kind in (None, member))
    found = tuple(each for each in candidates if each in known)
    return tuple(each for each in found if each != plugin) or found


def sort_key(plugin: PluginId) -> tuple[int, str]:
    """Return the sort key for plugins that do not need one another: by type, then by name."""
    return _TYPE_ORDER[plugin.plugin_type], plugin.name


def plan(
    declared: Mapping[PluginId, Iterable[str]],
    known: Collection[PluginId] | None = None,
    spelled: Callable[[PluginId], PluginName] = lambda plugin: PluginName(*plugin),
) -> Plan:
    """Order the plugins in `declared`, which maps each to the dependencies it declares; deterministic.

    `known` are all plugins that a dependency can mean (default: those in `declared`); `spelled` returns the
    name of a plugin for errors. A plugin with a missing or ambiguous dependency, or in a cycle, gets a fault.
    It stays in the order, as do its dependents after it, for the caller to skip.
    """
    known = set(declared) if known is None else {*known, *declared}
    needs: dict[PluginId, tuple[PluginId, ...]] = {}
    faults: dict[PluginId, PluginError] = {}
    for plugin in sorted(declared, key=sort_key):
        needs[plugin], fault = _needs(plugin, declared[plugin], known, spelled(plugin))
        if fault is not None:
            faults[plugin] = fault
    order, cycles = in_order(
        {plugin: [each for each in needs[plugin] if each in declared] for plugin in needs}
    )
    for cycle in cycles:
        error = CircularDependencyError([str(spelled(each)) for each in cycle])
        faults.update((plugin, error) for plugin in cycle)
    return Plan(tuple(order), needs, faults)


def in_order(
    needs: Mapping[K, Iterable[K]],
    key: Callable[[K], Any] = sort_key,  # type: ignore[assignment]
) -> tuple[list[K], list[tuple[K, ...]]]:
    """Return the keys of `needs`, dependencies first and otherwise by `key`, and the cycles that were cut."""
    order: list[K] = []
    cycles: list[tuple[K, ...]] = []
    rest = {each: list(dict.fromkeys(needs[each])) for each in needs}
    while True:
        order.extend(_take_ready(rest, key))
        cycle = find_cycle(rest, key)
        if not cycle:
            return order, cycles
        cycles.append(cycle)
        order.extend(cycle[:-1])
        rest = {each: needed for each, needed in rest.items() if each not in cycle}


def objects_in_order(
    plugins: Sequence[PluginMetadata], names_of: Callable[[PluginMetadata], Sequence[PluginName]]
) -> list[PluginMetadata]:
    """Return plugin objects, each after those it needs, otherwise in the order given.

    `names_of` returns the types and names of a plugin: usually one, none if its class does not tell a type.

    Raises:
        CircularDependencyError: Plugins need one another.
        MissingDependencyError: A plugin needs a plugin that is not among them.
        AmbiguousDependencyError: A dependency could be any of several plugins.
    """
    names = [_ObjectName.of(plugin, names_of(plugin)) for plugin in plugins]
    places: dict[tuple[PluginType | None, str], list[int]] = {}
    for place, plugin in enumerate(plugins):
        for kind, name in ((None, names[place].name), *names_of(plugin)):
            places.setdefault((kind, normalize_name(name)), []).append(place)

    def needs(place: int) -> list[int]:
        found, missing = [], []
        kind, name = names[place]
        for dependency in plugins[place].dependencies:
            matching = places.get(_split(dependency), [])
            candidates = [each for each in matching if each != place] or matching
            if len(candidates) > 1:
                could_be = [names[each].declarable for each in candidates]
                raise AmbiguousDependencyError(name, dependency, could_be, plugin_type=kind)
            found.extend(candidates)
            missing.extend([] if candidates else [dependency])
        if missing:
            raise MissingDependencyError(name, missing, of_given=True, plugin_type=kind)
        return found

    order, cycles = in_order({place: needs(place) for place in range(len(plugins))}, key=int)
    if cycles:
        raise CircularDependencyError([str(names[place]) for place in cycles[0]])
    return [plugins[place] for place in order]


class _ObjectName(NamedTuple):
    """The name of a plugin object; the type is None if it has none or several."""

    plugin_type: PluginType | None
    name: str

    @classmethod
    def of(cls, plugin: PluginMetadata, names: Sequence[PluginName]) -> _ObjectName:
        """Return the only one of its names, or else the name that it declares."""
        return cls(*names[0]) if len(names) == 1 else cls(None, plugin.name)

    def __str__(self) -> str:
        return self.name if self.plugin_type is None else f"{self.plugin_type.name}:{self.name}"

    @property
    def declarable(self) -> str:
        """The plugin as a dependency names it."""
        return self.name if self.plugin_type is None else f"{self.plugin_type.slug}/{self.name}"


def find_cycle(
    needs: Mapping[K, Iterable[K]],
    key: Callable[[K], Any] = sort_key,  # type: ignore[assignment]
) -> tuple[K, ...]:
    """Return a cycle, its first member repeated at the end, or an empty tuple; deterministic."""
    done: set[K] = set()
    for start in sorted(needs, key=key):
        path: dict[K, Iterator[K]] = {}
        following: K | None = start
        while following is not None or path:
            if following is None:
                done.add(path.popitem()[0])
            elif following in path:
                members = list(path)
                return (*members[members.index(following) :], following)
            elif following in needs and following not in done:
                path[following] = iter(needs[following])
            following = next(path[next(reversed(path))], None) if path else None
    return ()


def _split(dependency: str) -> tuple[PluginType | None, str]:
    """Return type and normalised name; an unknown type stays in the name, which then matches nothing."""
    slug, slash, name = dependency.strip().rpartition("/")
    try:
        kind = PluginType.from_slug(slug.strip().lower().replace("_", "-")) if slash else None
    except ValueError:
        return None, dependency
    return kind, normalize_name(name.strip())


def _needs(
    plugin: PluginId, declared: Iterable[str], known: Collection[PluginId], spelled: PluginName
) -> tuple[tuple[PluginId, ...], PluginError | None]:
    found: dict[PluginId, None] = {}
    missing: list[str] = []
    ambiguous: PluginError | None = None
    for dependency in declared:
        candidates = resolve(plugin, dependency, known)
        if len(candidates) > 1:
            slugs = [each.slug for each in candidates]
            ambiguous = ambiguous or AmbiguousDependencyError(
                spelled.name, dependency, slugs, plugin_type=spelled.plugin_type
            )
        elif candidates:
            found[candidates[0]] = None
        else:
            missing.append(dependency)
    if missing:
        return tuple(found), MissingDependencyError(spelled.name, missing, plugin_type=spelled.plugin_type)
    return tuple(found), ambiguous


def _take_ready(rest: dict[K, list[K]], key: Callable[[K], Any]) -> Iterator[K]:
    """Remove and yield what needs nothing else in `rest`, smallest first; cycles stay, with dependents."""
    dependents: dict[K, list[K]] = {}
    waiting = {each: [needed for needed in rest[each] if needed in rest] for each in rest}
    counts = {each: len(needed) for each, needed in waiting.items()}
    for each, needed in waiting.items():
        for dependency in needed:
            dependents.setdefault(dependency, []).append(each)
    ready = [(key(each), index, each) for index, each in enumerate(rest) if not counts[each]]
    heapq.heapify(ready)
    pushed = len(rest)
    while ready:
        _, _, taken = heapq.heappop(ready)
        del rest[taken]
        yield taken
        for dependent in dependents.get(taken, ()):
            counts[dependent] -= 1
            if not counts[dependent]:
                pushed += 1
                heapq.heappush(ready, (key(dependent), pushed, dependent))
