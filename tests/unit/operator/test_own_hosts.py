"""Who gets one of the few hosts for single plugins, and who must leave; the hosts here run nothing.

tests/integration/test_plugin_host_own_hosts.py has the same with real processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from floe_core.host.protocol import DistributionRef, FoundPlugin, ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.plugin_host import CrashedBefore, HookError, HostUnavailable
from floe_operator.plugin_host.host import Host
from floe_operator.plugin_host.knowledge import Knowledge
from floe_operator.plugin_host.own_hosts import MOST, OwnHosts
from floe_operator.plugin_host.triage import Blame
from tests.support.plugin_hosts import compute

CULPRITS = [compute(f"culprit{number}") for number in range(MOST + 1)]
OTHERS = [compute(f"other{number}") for number in range(12)]


def scan(fingerprint: str = "first") -> ScanResult:
    plugins = tuple(
        FoundPlugin(
            type="compute",
            name=plugin.name,
            entry_point="p = m:C",
            distribution=DistributionRef(name="d", version="1"),
            fingerprint="f",
        )
        for plugin in (*CULPRITS, *OTHERS)
    )
    return ScanResult(complete=True, fingerprint=fingerprint, distributions=1, plugins=plugins)


class FakeHost:
    """A host without a process."""

    def __init__(self) -> None:
        self.is_ending = False
        self.started: set[PluginId] = set()
        self.under_way: set[PluginId] = set()
        self.was_killed_from_outside = False
        self.how_it_ended = "it exited with status 7"
        self.installed = scan()
        self.on_lost: Callable[[Blame], None] | None = None
        self.lost = asyncio.Event()
        self.process = SimpleNamespace(pid=1)

    def condemn(self, _how: str, _blame: Blame) -> None:
        self.is_ending = True
        self.lost.set()

    async def retire(self, _limit: float) -> None:
        self.condemn("", Blame.INNOCENT)

    def end(self, *, from_outside: bool = False) -> None:
        self.is_ending, self.was_killed_from_outside = True, from_outside
        assert self.on_lost is not None
        self.on_lost(Blame.SUSPECT)
        self.lost.set()


class World:
    """A shared host and the hosts of single plugins, in which plugins are started as hooks do it."""

    def __init__(self) -> None:
        self.knowledge = Knowledge()
        self.knowledge.accept(scan(), 0)
        self.moved: set[PluginId] = set()
        self.own = OwnHosts(self._start, 1, self.knowledge, self.moved.update)
        self.shared = FakeHost()

    async def _start(self) -> Host:
        return cast("Host", FakeHost())

    async def start(self, *plugins: PluginId) -> None:
        for plugin in plugins:
            await self.own.left_by(plugin)
            if not self.own.host(plugin) and self.own.needed_by(plugin):
                await self.own.obtain(plugin)
            elif not self.own.host(plugin):
                self.shared.started.add(plugin)

    async def start_again(self, *plugins: PluginId) -> None:
        for plugin in plugins:
            try:
                await self.start(plugin)
            except (HookError, HostUnavailable):
                await self.start(plugin)

    def end_shared(self, *under_way: PluginId) -> None:
        self.shared.under_way = set(under_way)
        self.own.note_shared_end(cast("Host", self.shared), Blame.SUSPECT)
        self.shared = FakeHost()

    def end_own(self, plugin: PluginId, *, from_outside: bool = False) -> None:
        cast("FakeHost", self.own.host(plugin)).end(from_outside=from_outside)

    def have_own(self) -> list[PluginId]:
        return [each for each in (*CULPRITS, *OTHERS) if self.own.host(each)]

    async def convict(self, *plugins: PluginId) -> None:
        for plugin in plugins:
            while not self.own.host(plugin):
                await self.start_again(plugin)
                if not self.own.host(plugin):
                    self.end_shared(plugin)
            self.end_own(plugin)
            await self.start_again(plugin)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_suspect_is_found_although_four_others_need_their_hosts_and_then_waits(world: World) -> None:
    *four, fifth = CULPRITS
    await world.convict(*four)
    for _ in range(2):
        await world.start(*OTHERS, fifth)
        world.end_shared(fifth)
    await world.start(fifth)
    assert world.have_own() == CULPRITS
    world.end_own(fifth)
    with pytest.raises(CrashedBefore, match="ended between two calls"):
        await world.start(fifth)
    for _ in range(2):
        with pytest.raises(CrashedBefore, match="run in hosts of their own already"):
            await world.start(fifth)
    assert world.have_own() == four
    await world.own.release(four[0])
    await world.start(fifth)
    assert world.have_own() == [*four[1:], fifth]


async def test_no_culprit_takes_the_host_in_which_suspects_are_tried(world: World) -> None:
    await world.convict(*CULPRITS[:MOST])
    for _ in range(2):
        await world.start(*OTHERS[:2])
        world.end_shared(OTHERS[0])
    await world.start(OTHERS[0])
    world.end_own(CULPRITS[0])
    await world.start_again(CULPRITS[0])
    assert world.have_own() == [*CULPRITS[:MOST], OTHERS[0]]


async def test_suspects_leave_to_make_room_for_a_culprit_and_cleared_ones_go_first(world: World) -> None:
    culprit, *_ = CULPRITS
    await world.convict(culprit)
    await world.own.release(culprit)
    for _ in range(2):
        await world.start(*OTHERS)
        world.end_shared()
    await world.start(*OTHERS)
    assert world.have_own() == OTHERS[:MOST]
    world.moved.clear()
    await world.start(culprit)
    assert world.have_own() == [culprit, *OTHERS[1:MOST]]
    assert world.moved == {OTHERS[0]}
    world.end_shared()
    await world.start(OTHERS[MOST])
    assert world.have_own() == [culprit, *OTHERS[2 : MOST + 1]]


async def test_each_of_many_plugins_has_its_turn_when_hosts_end_again_and_again(world: World) -> None:
    tried: set[PluginId] = set()
    for _ in range(8):
        await world.start(*OTHERS)
        tried.update(world.have_own())
        world.end_shared()
    assert tried == set(OTHERS)


async def test_a_plugin_whose_own_host_is_killed_from_outside_is_no_culprit(world: World) -> None:
    suspect, *others = OTHERS
    for _ in range(2):
        await world.start(*others, suspect)
        world.end_shared(suspect)
    for _ in range(3):
        await world.start_again(suspect)
        world.end_own(suspect, from_outside=True)
    await world.start_again(suspect)
    world.end_shared()
    for culprit in CULPRITS[:MOST]:
        await world.convict(culprit)
    assert world.have_own() == CULPRITS[:MOST]
    await world.start(suspect)
    assert suspect in world.shared.started


async def test_when_distributions_change_a_suspect_keeps_its_place_and_a_cleared_plugin_leaves(
    world: World,
) -> None:
    suspect, cleared, *others = OTHERS
    for plugin in (cleared, suspect):
        for _ in range(2):
            await world.start(*others, plugin)
            world.end_shared(plugin)
        await world.start(plugin)
    assert world.have_own() == [suspect, cleared]
    assert world.own.renew(scan()) == set()
    assert world.own.renew(scan("second")) == {suspect, cleared}
    await world.start(suspect, cleared)
    assert world.have_own() == [suspect]
    assert cleared in world.shared.started
