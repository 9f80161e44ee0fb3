"""Which plugins are enqueued, and by what news."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.api.errors import NotFound
from floe_operator.objects import Objects
from floe_operator.rules.dependency_graph import Dependents
from floe_operator.scans import News
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
        self._changed: list[PluginId] = []
        self._later: list[PluginId] = []
        self.completed = 0
        self.wakeups = Wakeups(
            self.objects,
            self.dependents,
            changed=self._changed.append,
            later=self._later.append,
            on_complete=self._complete,
        )

    @property
    def woken(self) -> tuple[set[PluginId], set[PluginId]]:
        """The plugins that somebody changed, and those to be looked at later, since this was last read."""
        woken = set(self._changed), set(self._later)
        self._changed.clear()
        self._later.clear()
        return woken

    def list(self, *found: dict[str, Any], names: Sequence[str] = ()) -> None:
        """List all objects: these, and those with the names."""
        began = self.objects.moment
        self.wakeups.found(found, began)
        self.wakeups.listed([*(one["metadata"]["name"] for one in found), *names], began)

    def _complete(self) -> None:
        assert self.objects.complete
        self.completed += 1


NOBODY: tuple[set[PluginId], set[PluginId]] = (set(), set())


@pytest.fixture
def world() -> World:
    return World()


def test_a_change_from_the_watch_enqueues_the_plugin_and_an_echo_does_not(world: World) -> None:
    world.wakeups.seen("ADDED", raw(OTHER, 1))
    assert world.woken == ({OTHER}, set())
    world.objects.put(raw(OTHER, 2, config={"threads": 1}))
    world.wakeups.seen("MODIFIED", raw(OTHER, 2, config={"threads": 1}))
    assert world.woken == NOBODY
    world.wakeups.seen("MODIFIED", raw(OTHER, 3))
    assert world.woken == ({OTHER}, set())
    world.wakeups.seen("DELETED", raw(OTHER, 4))
    assert world.woken == ({OTHER}, set())
    assert world.objects.get(OTHER) is None


FIRST, SECOND, THIRD = raw(OTHER, 2, ready="idle"), raw(OTHER, 3, ready=False), raw(OTHER, 4, ready=True)
Step = tuple[Literal["answer", "event"], dict[str, Any]]


@pytest.mark.parametrize(
    "steps",
    [
        [("answer", FIRST), ("event", FIRST), ("answer", SECOND), ("event", SECOND)],
        [("answer", FIRST), ("answer", SECOND), ("event", FIRST), ("event", SECOND)],
        [("answer", FIRST), ("answer", SECOND), ("event", SECOND)],
        [("answer", FIRST), ("answer", SECOND), ("event", SECOND), ("event", FIRST), ("event", SECOND)],
        [(kind, one) for kind in ("answer", "event") for one in (FIRST, SECOND, THIRD)],
    ],
    ids=["each at once", "after both answers", "only the last", "in the wrong order", "after three answers"],
)
def test_the_echoes_of_our_own_writes_wake_nobody(world: World, steps: Sequence[Step]) -> None:
    world.wakeups.seen("ADDED", raw(OTHER, 1))
    assert world.woken == ({OTHER}, set())
    for kind, one in steps:
        if kind == "answer":
            with world.wakeups.writing(OTHER):
                world.objects.put(one)
        else:
            world.wakeups.seen("MODIFIED", one)
    assert world.woken == NOBODY


def test_an_echo_that_comes_before_the_answer_wakes_nobody_and_somebodys_change_before_it_does(
    world: World,
) -> None:
    world.wakeups.seen("ADDED", raw(OTHER, 1))
    world.wakeups.seen("ADDED", raw(BASE, 1))
    assert world.woken == ({OTHER, BASE}, {MIDDLE})
    with world.wakeups.writing(OTHER):
        world.wakeups.seen("MODIFIED", FIRST)
        world.objects.put(FIRST)
        world.wakeups.seen("MODIFIED", SECOND)
        world.wakeups.seen("MODIFIED", raw(BASE, 2, config={"threads": 1}))
        assert world.woken == ({BASE}, {MIDDLE}), "another object is not held up"
        world.objects.put(SECOND)
    assert world.woken == NOBODY
    with world.wakeups.writing(OTHER):
        world.wakeups.seen("MODIFIED", raw(OTHER, 4, config={"threads": 1}))
        world.wakeups.seen("MODIFIED", raw(OTHER, 5, ready=True, config={"threads": 1}))
        world.objects.put(raw(OTHER, 5, ready=True, config={"threads": 1}))
    assert world.woken == ({OTHER}, set())


def test_an_object_that_is_deleted_while_it_is_written_is_gone_even_if_the_write_fails(world: World) -> None:
    world.wakeups.seen("ADDED", raw(OTHER, 1))
    assert world.woken == ({OTHER}, set())

    def write() -> None:
        with world.wakeups.writing(OTHER):
            world.wakeups.seen("DELETED", raw(OTHER, 2))
            raise NotFound("gone")

    with pytest.raises(NotFound):
        write()
    assert world.woken == ({OTHER}, set())
    assert not world.objects.has(OTHER)


def test_what_was_held_back_of_a_lost_history_or_kind_is_forgotten(world: World) -> None:
    for forget in (world.wakeups.history_lost, world.wakeups.kind_gone):
        world.objects.put(raw(OTHER, 1))
        with world.wakeups.writing(OTHER):
            world.wakeups.seen("MODIFIED", raw(OTHER, 500, config={"threads": 1}))
            forget()
        assert world.woken == NOBODY
    assert not world.objects.has(OTHER)


def test_a_late_event_about_a_change_that_only_the_answer_to_a_write_has_told_enqueues_the_plugin(
    world: World,
) -> None:
    world.wakeups.seen("ADDED", raw(OTHER, 1))
    world.objects.put(
        raw(OTHER, 3, config={"threads": 1})
    )  # our write, and before it version 2 of somebody else
    assert world.woken == ({OTHER}, set())
    world.wakeups.seen("MODIFIED", raw(OTHER, 2, config={"threads": 1}))
    assert world.woken == ({OTHER}, set())
    seen = world.objects.get(OTHER)
    assert seen is not None
    assert seen.metadata.resource_version == "3"
    world.wakeups.seen("MODIFIED", raw(OTHER, 3, config={"threads": 1}))
    assert world.woken == NOBODY


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"team": "data"}},
        {
            "managedFields": [
                {"manager": "floe-operator", "operation": "Apply", "time": "2030-01-02T00:00:00Z"}
            ]
        },
    ],
    ids=["an annotation", "the time of a write"],
)
@pytest.mark.parametrize("by", ["the watch", "a listing"])
def test_a_change_of_what_nobody_reads_wakes_nobody(world: World, by: str, metadata: dict[str, Any]) -> None:
    before, now = raw(OTHER, 1), raw(OTHER, 2)
    owner = {"manager": "floe-operator", "operation": "Apply", "time": "2030-01-01T00:00:00Z"}
    for one in (before, now):
        one["metadata"]["managedFields"] = [owner]
    now["metadata"] |= metadata
    world.list(before)
    assert OTHER in world.woken[1]
    world.wakeups.seen("MODIFIED", now) if by == "the watch" else world.list(now)
    assert world.woken == NOBODY
    seen = world.objects.get(OTHER)
    assert seen is not None
    assert seen.metadata.resource_version == "2"


def test_an_object_that_belongs_to_no_plugin_wakes_nothing(world: World) -> None:
    stranger = {"metadata": {"name": "stranger", "uid": "u", "resourceVersion": "1"}}
    world.wakeups.seen("ADDED", stranger)
    world.list(stranger)
    assert world.woken == NOBODY


def test_an_object_that_stops_matching_the_crd_is_enqueued(world: World) -> None:
    world.wakeups.seen("ADDED", raw(OTHER, 1))
    assert world.woken == ({OTHER}, set())
    world.wakeups.seen("MODIFIED", raw(OTHER, 2, probe={"periodSeconds": 0}))
    assert world.woken == ({OTHER}, set())


def test_the_first_complete_listing_enqueues_everything_for_later_and_no_other_one_does(world: World) -> None:
    world.objects.put(raw(BASE, 1))
    began = world.objects.moment
    world.wakeups.found([raw(BASE, 1), raw(MIDDLE, 2)], began)
    assert world.woken == (set(), {MIDDLE, TOP}), "top needs middle"
    assert world.completed == 0
    world.wakeups.found([raw(TOP, 3)], began)
    world.wakeups.listed(["compute-base", "compute-middle", "compute-top"], began)
    assert world.woken == (set(), {BASE, MIDDLE, TOP})
    assert world.completed == 1
    world.list(raw(BASE, 1), raw(MIDDLE, 2), raw(TOP, 3))
    assert world.woken == NOBODY
    assert world.completed == 1


def test_a_listing_enqueues_for_later_what_it_shows_or_lacks(world: World) -> None:
    world.list(raw(OTHER, 1), raw(TOP, 2))
    assert world.woken == (set(), {OTHER, TOP})
    world.list(raw(OTHER, 5, config={"threads": 1}))
    assert world.woken == (set(), {OTHER, TOP})
    assert world.objects.get(TOP) is None


def test_a_listing_lacks_nothing_that_it_names(world: World) -> None:
    world.list(raw(OTHER, 1), raw(TOP, 2))
    assert world.woken == (set(), {OTHER, TOP})
    world.list(raw(OTHER, 1), names=["compute-top"])
    assert world.woken == NOBODY


@pytest.mark.parametrize("by", ["the watch", "a write", "an echo", "a listing"])
def test_a_change_of_readiness_wakes_the_dependents_for_later_and_nothing_else(world: World, by: str) -> None:
    def turns(version: int, *, ready: bool | Literal["idle"]) -> set[PluginId]:
        now = raw(BASE, version, ready=ready)
        if by == "the watch":
            world.wakeups.seen("MODIFIED", now)
        elif by == "a listing":
            world.list(now)
        else:
            with world.wakeups.writing(BASE):
                world.objects.put(now)
        if by == "an echo":
            world.wakeups.seen("MODIFIED", now)
        changed, later = world.woken
        assert changed <= {BASE}
        return later - {BASE}

    assert turns(1, ready="idle") == {MIDDLE}
    assert turns(1, ready="idle") == set()
    assert turns(2, ready=False) == {MIDDLE}
    assert turns(3, ready=True) == {MIDDLE}
    assert turns(4, ready=True) == set()
    assert turns(5, ready="idle") == {MIDDLE}
    assert turns(6, ready=False) == {MIDDLE}
    assert turns(7, ready=False) == set()


def test_an_object_missing_from_a_listing_is_no_longer_ready(world: World) -> None:
    world.list(raw(BASE, 1, ready=True))
    assert world.woken == (set(), {BASE, MIDDLE})
    world.list()
    assert world.woken == (set(), {BASE, MIDDLE})
    with world.wakeups.writing(BASE):
        world.objects.put(raw(BASE, 9, ready=True))
    assert world.woken == (set(), {MIDDLE})


def test_a_deleted_object_that_was_made_anew_is_another_one(world: World) -> None:
    anew = raw(BASE, 5, ready=False)
    anew["metadata"]["uid"] = "anew"
    world.wakeups.seen("ADDED", raw(BASE, 1, ready=True))
    assert world.woken == ({BASE}, {MIDDLE})
    world.wakeups.seen("DELETED", raw(BASE, 4, ready=True))
    world.wakeups.seen("ADDED", anew)
    assert world.woken == ({BASE}, {MIDDLE})
    world.objects.put(raw(BASE, 3, ready=True))  # a late answer
    seen = world.objects.get(BASE)
    assert seen is not None
    assert seen.metadata.uid == "anew"


def test_what_a_scan_changed_is_looked_at_later_and_so_is_what_waits_for_a_plugin_that_came_or_went(
    world: World,
) -> None:
    world.wakeups.scanned(News({OTHER}))
    assert world.woken == (set(), {OTHER})
    world.wakeups.scanned(News({BASE}, {BASE}))
    assert world.woken == (set(), {BASE, MIDDLE, TOP})
    world.wakeups.scanned(News())
    assert world.woken == NOBODY


def test_changed_dependencies_wake_everything_that_waits_for_the_plugin(world: World) -> None:
    world.dependents.note(BASE, ["top"])
    world.wakeups.declared(BASE)
    assert world.woken == (set(), {BASE, MIDDLE, TOP})
    world.dependents.note(BASE, [])
    world.wakeups.declared(BASE)
    assert world.woken == (set(), {MIDDLE, TOP})


def test_whose_sources_were_changed_goes_first(world: World) -> None:
    world.wakeups.sources_changed([OTHER])
    assert world.woken == ({OTHER}, set())


def test_whose_sources_nobody_watches_any_more_is_looked_at_later(world: World) -> None:
    world.objects.put(raw(OTHER, 1, configFrom=[{"secretKeyRef": {"name": "s", "key": "k"}, "path": "a"}]))
    world.objects.put(raw(BASE, 2))
    world.wakeups.sources_lost("ConfigMap")
    assert world.woken == NOBODY
    world.wakeups.sources_lost("Secret")
    assert world.woken == (set(), {OTHER})


def test_nothing_is_ready_or_known_once_the_crd_is_gone(world: World) -> None:
    world.list(raw(BASE, 1, ready=True))
    assert world.woken == (set(), {BASE, MIDDLE})
    assert world.wakeups.kind_gone() == [BASE]
    world.list(raw(BASE, 1, ready=True), raw(OTHER, 2))
    assert world.woken == (set(), {BASE, MIDDLE, OTHER})
    assert world.completed == 2
