"""Whatever happens, nothing has to be looked at that nobody woke: no scan looks at everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.load_states import LoadFault, Loading, LoadState
from floe_operator.rules.results import LATER, RetryAfter
from tests.unit.operator.reconcile_world import BASE, TOP, World, loaded, scan

THIRD = PluginId(PluginType.COMPUTE, "third")
PLUGINS = (BASE, TOP, THIRD)
Step = Callable[[World], None]

NEEDS = st.lists(st.sampled_from(["base", "top", "compute/third", "absent"]), max_size=2, unique=True)
STATES = st.one_of(
    NEEDS.map(lambda needs: loaded(*needs)),
    st.just(LoadFault("ImportFailed", "no module")),
    st.just(Loading()),
)
PLUGIN = st.sampled_from(PLUGINS)


def scans(found: Sequence[PluginId], unreadable: str) -> Step:
    """Scan, and find these plugins."""
    return lambda world: world.wakeups.scanned(world.scans.succeeded(scan(*found, unreadable=unreadable)))


def fails(world: World) -> None:
    """Fail to scan."""
    world.wakeups.scanned(world.scans.failed("no Python"))


def loads(plugin: PluginId, state: LoadState) -> Step:
    """Learn how a plugin loads."""

    def step(world: World) -> None:
        world.states[plugin] = state
        world.wakeups.look_at([plugin])

    return step


def changes(plugin: PluginId, spec: dict[str, Any]) -> Step:
    """Have somebody create the object of a plugin, or change it."""

    def step(world: World) -> None:
        before = world.served.get(plugin)
        raw = world.serve(plugin, **spec)
        if before is not None:
            raw["metadata"]["generation"] = before["metadata"]["generation"] + 1
            raw |= {"status": before["status"]} if "status" in before else {}
        world.wakeups.seen("MODIFIED" if before else "ADDED", raw)

    return step


def deletes(plugin: PluginId) -> Step:
    """Have somebody delete the object of a plugin."""

    def step(world: World) -> None:
        if (raw := world.served.pop(plugin, None)) is not None:
            version = str(int(raw["metadata"]["resourceVersion"]) + 1)
            world.version += 1
            world.wakeups.seen(
                "DELETED", {**raw, "metadata": {**raw["metadata"], "resourceVersion": version}}
            )

    return step


def restarts(world: World) -> None:
    """Start a new process, which knows nothing but what it lists."""
    world.restart()
    lists(world)


def lists(world: World) -> None:
    """List all objects."""
    began = world.objects.moment
    world.wakeups.found(list(world.served.values()), began)
    world.wakeups.listed([raw["metadata"]["name"] for raw in world.served.values()], began)
    world.wakeups.scanned(world.scans.objects_listed())


STEPS = st.one_of(
    st.builds(scans, st.lists(PLUGIN, unique=True), st.sampled_from(["", "", "floe-base"])),
    st.just(fails),
    st.builds(loads, PLUGIN, STATES),
    st.builds(changes, PLUGIN, st.sampled_from([{}, {"version": ">=0"}, {"version": ">=9"}])),
    st.builds(deletes, PLUGIN),
    st.just(restarts),
    st.just(lists),
)


async def drain(world: World) -> None:
    """Reconcile whoever was woken, and whoever has no object, until nobody is left."""
    missing = [plugin for plugin in world.scans.nameable() if not world.objects.has(plugin)]
    world.wakeups.look_at(missing)
    for _ in range(1_000):
        woken = {**dict.fromkeys(world.changed), **dict.fromkeys(world.looked_at)}
        if not woken:
            return
        world.changed.clear()
        world.looked_at.clear()
        for plugin in woken:
            result = await world.reconciler.reconcile(plugin)
            if result is LATER or (isinstance(result, RetryAfter) and result.seconds <= 1):
                world.looked_at.append(plugin)
    raise AssertionError("it does not come to rest")


@settings(max_examples=200)
@given(st.tuples(NEEDS, NEEDS, NEEDS), st.lists(STEPS, min_size=1, max_size=8))
def test_after_any_events_a_look_at_everything_changes_nothing(
    needs: tuple[list[str], ...], steps: list[Step]
) -> None:
    begin = [
        scans(PLUGINS, ""),
        *(loads(plugin, loaded(*own)) for plugin, own in zip(PLUGINS, needs, strict=True)),
        *(changes(plugin, {"version": ">=0"}) for plugin in PLUGINS),
    ]

    async def run() -> None:
        world = World()
        lists(world)
        for step in (*begin, *steps):
            step(world)
            await drain(world)
            before = len(world.written), len(world.applied)
            for plugin in PLUGINS:
                await world.reconciler.reconcile(plugin)
            assert (len(world.written), len(world.applied)) == before

    asyncio.run(run())
