"""Hosts for single plugins: those that end hosts, or may do so, and those that load only alone.

Starts and ends these hosts, and limits their number and memory. Running hooks in them is left to others, and
so is what counts as evidence against a plugin.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection

import structlog

from floe_core.host.protocol import ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.errors import CrashedBefore, HookError, HostUnavailable, NoPlace
from floe_operator.plugin_host.handshake import HostStartError
from floe_operator.plugin_host.host import Host
from floe_operator.plugin_host.knowledge import Knowledge, needs_new_host
from floe_operator.plugin_host.suspicion import Suspicions
from floe_operator.plugin_host.triage import Blame
from floe_operator.rules.sentences import listing

MOST = 4
"""The most plugins that have a host of their own; the sentence below has this number as a word.

If all of them need it, suspects are tried in one host more, or else they would end the shared host for ever.
"""
_RETIRE_LIMIT = 10.0
"""Seconds that a host with stale modules has to stop its plugin."""
_MEMORY_PERIOD = 0.5

_log = structlog.get_logger(__name__)


class OwnHosts:
    """The plugins that have a place here, each with its host, if that runs.

    A plugin keeps its place, even while it waits for its restart, until it is released or no longer needs it;
    one that is no culprit can lose it to another. `on_end` gets each plugin whose host is gone without an
    answer that says so.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[Host]],
        memory_limit: int,
        knowledge: Knowledge,
        on_end: Callable[[Collection[PluginId]], None],
    ) -> None:
        self._start = start
        self._memory_limit = memory_limit
        self._knowledge = knowledge
        self._on_end = on_end
        self._suspicions = Suspicions(knowledge.fingerprint)
        self._places: dict[PluginId, Host | None] = {}
        self._taken = asyncio.Event()
        """Set when a plugin takes a place."""
        self._ended: dict[PluginId, str] = {}
        """How hosts ended between two calls, until the next start of their plugins reports it."""
        self._leaving: dict[PluginId, asyncio.Task[None]] = {}
        self._starting: dict[PluginId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._closed = False

    def host(self, plugin: PluginId) -> Host | None:
        """Return the plugin's own host, or None if it has none, or none that runs."""
        host = self._places.get(plugin)
        return None if host is None or host.is_ending else host

    def needed_by(self, plugin: PluginId) -> bool:
        """Return True if the plugin must run in a host of its own, or has a place and stays there."""
        if plugin in self._places or self._cannot_share(plugin):
            return True
        return self._suspicions.is_suspect(plugin) and self._room_for(plugin) is not None

    def note_shared_end(self, host: Host, blame: Blame) -> None:
        """Note that the shared host ended by itself; this clears the plugins that go on elsewhere."""
        for plugin in self._places:
            if self.host(plugin):
                self._suspicions.clear(plugin)
        now = asyncio.get_running_loop().time()
        self._suspicions.note_shared_end(host.under_way, host.started, now, proved=blame is Blame.CAUSE)

    async def obtain(self, plugin: PluginId) -> Host:
        """Return the plugin's own host, and start it if need be.

        Raises:
            CrashedBefore: The last host ended between two calls, or a culprit has no place.
            NoPlace: A plugin that loads only alone has no place.
            HostUnavailable: The host cannot be started, or a suspect has no place; retry later.
        """
        async with self._starting[plugin]:
            if host := self.host(plugin):
                return host
            if self._closed:
                raise HostUnavailable("The plugin host is closed")
            if how := self._ended.pop(plugin, None):
                raise CrashedBefore(f"its own plugin host ended between two calls: {how}")
            if plugin not in self._places:
                await self._take_place(plugin)
            try:
                host = await self._start()
            except HostStartError as error:
                raise HostUnavailable(str(error)) from None
            if plugin not in self._places:
                host.condemn("its plugin was stopped meanwhile", Blame.INNOCENT)
                raise HostUnavailable(f"{plugin.slug} was stopped meanwhile")
            self._places[plugin] = host
            host.on_lost = lambda _: self._bury(plugin, host)
            _log.info("plugin host started", plugin=plugin.slug, pid=host.process.pid)
            return host

    async def left_by(self, plugin: PluginId) -> None:
        """Wait until the plugin has stopped in a host that was replaced."""
        leaving = self._leaving.get(plugin)
        if leaving is not None:
            await asyncio.shield(leaving)

    async def release(self, plugin: PluginId) -> None:
        """End the plugin's host, if there is one, and free its place."""
        self._ended.pop(plugin, None)
        host = self._places.pop(plugin, None)
        if host is not None:
            host.condemn("its plugin was stopped", Blame.INNOCENT)
            await host.lost.wait()

    def renew(self, now: ScanResult) -> set[PluginId]:
        """Retire the hosts with stale modules, and free places that are no longer needed, after a scan.

        Return the plugins that were in these hosts; they stop in the background.
        """
        retired = set()
        for plugin, host in list(self._places.items()):
            stale = host is not None and needs_new_host(host.installed, now)
            if self._cannot_share(plugin) or self._suspicions.is_suspect(plugin):
                if not stale:
                    continue
                self._places[plugin] = None
            elif stale or host is None:
                del self._places[plugin]
            else:
                continue  # restarting it elsewhere would help nobody
            self._ended.pop(plugin, None)
            if host is not None and not host.is_ending:
                self._retire(plugin, host)
                retired.add(plugin)
        self._suspicions.forget_old_releases()
        return retired

    async def watch_memory(self) -> None:
        """Kill each host that uses more memory than its limit, until cancelled."""
        while True:
            if not self._places:
                self._taken.clear()
                await self._taken.wait()
            await asyncio.sleep(_MEMORY_PERIOD)
            for plugin in list(self._places):
                if host := self.host(plugin):
                    host.end_above(self._memory_limit)

    async def close(self, limit: float) -> None:
        """Stop the plugins and end their hosts, within `limit` seconds."""
        self._closed = True
        hosts = [host for host in self._places.values() if host is not None]
        self._places.clear()
        retiring = [asyncio.create_task(host.retire(limit)) for host in hosts]
        if waiting := [*retiring, *self._leaving.values()]:
            await asyncio.wait(waiting)

    def _cannot_share(self, plugin: PluginId) -> bool:
        return self._suspicions.is_culprit(plugin) or self._knowledge.loads_only_alone(plugin)

    async def _take_place(self, plugin: PluginId) -> None:
        room = self._room_for(plugin)
        if room is None:
            raise self._no_place(plugin)
        self._places[plugin] = None
        self._taken.set()
        _log.warning("plugin gets a host of its own", plugin=plugin.slug, reason=self._reason(plugin))
        for holder in room:
            self._suspicions.clear(holder)
            host = self._places.pop(holder)
            if host is not None and not host.is_ending:
                self._retire(holder, host)
                self._on_end({holder})
                await self.left_by(holder)

    def _room_for(self, plugin: PluginId) -> list[PluginId] | None:
        """Return the plugin that must leave to make room for another, if any; None if there is no room."""
        if len(self._places) < MOST:
            return []
        others = [each for each in self._places if not self._cannot_share(each)]
        cleared = [each for each in others if not self._suspicions.is_suspect(each)]
        if self._cannot_share(plugin):
            return (cleared or others)[:1] if len(self._places) - len(others) < MOST else None
        return (cleared[:1] or None) if others else []

    def _reason(self, plugin: PluginId) -> str:
        if self._suspicions.is_culprit(plugin):
            return "it ended plugin hosts while it ran"
        if self._knowledge.loads_only_alone(plugin):
            return "it loads only alone"
        return "it may have ended the plugin host, and this will show"

    def _no_place(self, plugin: PluginId) -> HookError | HostUnavailable:
        if not self._cannot_share(plugin):
            return HostUnavailable(f"{plugin.slug} must wait until it can run alone")
        names = listing(each.slug for each in self._places)
        wrong = "four plugins that crash or load only alone run in hosts of their own already"
        said = f"{wrong}, the most there may be: {names}; replace one of them, or remove its probe"
        return CrashedBefore(said) if self._suspicions.is_culprit(plugin) else NoPlace(said)

    def _retire(self, plugin: PluginId, host: Host) -> None:
        async def leave(before: asyncio.Task[None] | None) -> None:
            await host.retire(_RETIRE_LIMIT)
            if before is not None:
                await asyncio.wait([before])

        task = asyncio.create_task(leave(self._leaving.get(plugin)), name=f"retire {plugin.slug}")
        self._leaving[plugin] = task
        task.add_done_callback(lambda _: self._left(plugin, task))

    def _left(self, plugin: PluginId, task: asyncio.Task[None]) -> None:
        if self._leaving.get(plugin) is task:
            del self._leaving[plugin]

    def _bury(self, plugin: PluginId, host: Host) -> None:
        if self._places.get(plugin) is not host:
            return  # it was released or retired
        self._places[plugin] = None
        if not host.was_killed_from_outside:
            self._suspicions.note_own_end(plugin)
        if sum(map(self._cannot_share, self._places)) > MOST:
            del self._places[plugin]  # it was tried in the one host more
        _log.warning("plugin host ended", plugin=plugin.slug, reason=host.how_it_ended, pid=host.process.pid)
        if not host.under_way:
            self._ended[plugin] = host.how_it_ended
            self._on_end({plugin})
