"""Which plugins are enqueued, and by what news."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.objects import Objects
from floe_operator.rules.config_merge import SourceObject
from floe_operator.rules.dependency_graph import Dependents
from floe_operator.wakeups import Wakeups

BASE, MIDDLE, TOP, OTHER = (PluginId(PluginType.COMPUTE, name) for name in ("base", "middle", "top", "other"))


def raw(
    plugin: PluginId, version: int, *, ready: bool | Literal["idle"] | None = None, **spec: Any
) -> dict[str, Any]:
    slug = plugin.plugin_type.slug
    found: dict[str, Any] = {
        "metadata": {"name": f"{slug}-{plugin.name}", "uid": plugin.name, "resourceVersion": str(version)},
        "spec": {"type": slug, "name": plugin.name, **spec},
    }
    if ready is not None:
        # What is neither Ready nor Reconciling is idle.
        given = {"Ready": str(ready is True)} | ({"Reconciling": "True"} if ready is False else {})
        rest = {"reason": "R", "message": "", "lastTransitionTime": "2030-01-01T00:00:00Z"}
        found["status"] = {
            "conditions": [{"type": kind, "status": status, **rest} for kind, status in given.items()]
        }
    return found


class World:
    """A chain: top needs middle, which needs base."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.dependents = Dependents()
        self.dependents.note(TOP, ["middle"])
        self.dependents.note(MIDDLE, ["base"])
        self._woken: list[PluginId] = []
        self.wakeups = Wakeups(self.objects, self.dependents, self._woken.append)

    @property
    def woken(self) -> set[PluginId]:
        """The plugins woken since this was last read."""
        woken = set(self._woken)
        self._woken.clear()
        return woken


@pytest.fixture
def world() -> World:
    return World()


def test_a_change_from_the_watch_enqueues_the_plugin_and_an_echo_does_not(world: World) -> None:
    world.wakeups.seen(None, raw(OTHER, 1))
    assert world.woken == {OTHER}
    world.objects.put(raw(OTHER, 2))
    world.wakeups.seen("MODIFIED", raw(OTHER, 2))
    assert world.woken == set()
    world.wakeups.seen("MODIFIED", raw(OTHER, 3))
    assert world.woken == {OTHER}
    world.wakeups.seen("DELETED", raw(OTHER, 4))
    assert world.woken == {OTHER}
    assert world.objects.get(OTHER) is None


def test_an_object_that_belongs_to_no_plugin_wakes_nothing(world: World) -> None:
    world.wakeups.seen(None, {"metadata": {"name": "stranger", "uid": "u", "resourceVersion": "1"}})
    assert world.woken == set()


def test_an_object_that_stops_matching_the_crd_is_enqueued(world: World) -> None:
    world.wakeups.seen(None, raw(OTHER, 1))
    assert world.woken == {OTHER}
    world.wakeups.seen("MODIFIED", raw(OTHER, 2, probe={"periodSeconds": 0}))
    assert world.woken == {OTHER}


@pytest.mark.parametrize("by", ["the watch", "a write", "an echo"])
def test_a_change_of_readiness_wakes_the_dependents_and_nothing_else(world: World, by: str) -> None:
    def turns(version: int, *, ready: bool | Literal["idle"]) -> set[PluginId]:
        if by == "the watch":
            world.wakeups.seen("MODIFIED", raw(BASE, version, ready=ready))
            return world.woken - {BASE}
        world.objects.put(raw(BASE, version, ready=ready))
        if by == "a write":
            world.wakeups.written(BASE)
        else:
            world.wakeups.seen("MODIFIED", raw(BASE, version, ready=ready))
        return world.woken

    assert turns(1, ready="idle") == {MIDDLE}
    assert turns(1, ready="idle") == set()
    assert turns(2, ready=False) == {MIDDLE}
    assert turns(3, ready=True) == {MIDDLE}
    assert turns(4, ready=True) == set()
    assert turns(5, ready="idle") == {MIDDLE}
    assert turns(6, ready=False) == {MIDDLE}
    assert turns(7, ready=False) == set()


def test_an_object_missing_from_a_listing_is_no_longer_ready(world: World) -> None:
    world.wakeups.seen(None, raw(BASE, 1, ready=True))
    assert world.woken == {BASE, MIDDLE}
    for plugin in world.objects.listed((), world.objects.moment):
        world.wakeups.look_at(plugin)
    assert world.woken == {BASE, MIDDLE}
    world.objects.put({**raw(BASE, 9, ready=True)})
    world.wakeups.written(BASE)
    assert world.woken == {MIDDLE}


def test_changed_dependencies_wake_everything_that_waits_for_the_plugin(world: World) -> None:
    world.dependents.note(BASE, ["top"])
    world.wakeups.declared(BASE)
    assert world.woken == {BASE, MIDDLE, TOP}
    world.dependents.note(BASE, [])
    world.wakeups.declared(BASE)
    assert world.woken == {MIDDLE, TOP}


def test_a_changed_source_wakes_the_objects_that_refer_to_it(world: World) -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k"}, "path": "a"}
    world.objects.put(raw(OTHER, 1, configFrom=[source]))
    world.objects.put(raw(BASE, 2))
    world.wakeups.source_changed(SourceObject("Secret", "s"))
    assert world.woken == {OTHER}


def test_nothing_is_ready_once_the_crd_is_gone(world: World) -> None:
    world.wakeups.seen(None, raw(BASE, 1, ready=True))
    assert world.woken == {BASE, MIDDLE}
    assert world.wakeups.kind_gone() == [BASE]
    world.wakeups.seen(None, raw(BASE, 1, ready=True))
    assert world.woken == {BASE, MIDDLE}
