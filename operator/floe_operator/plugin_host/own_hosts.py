"""Hosts for single plugins: those that ended hosts while they ran, and those that load only alone.

Starts and ends these hosts, and limits their number and memory. Running hooks in them is left to others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import structlog

from floe_core.host.protocol import ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.errors import CrashedBefore, HookError, HostUnavailable, NoPlace
from floe_operator.plugin_host.handshake import HostStartError
from floe_operator.plugin_host.host import Host
from floe_operator.plugin_host.knowledge import Knowledge, needs_new_host
from floe_operator.plugin_host.triage import Blame
from floe_operator.rules.sentences import listing

MOST = 4
"""The most plugins that have a host of their own; the sentence below has this number as a word."""
_ENOUGH = 2
"""A plugin that ended this many hosts while it ran gets its own."""
_RETIRE_LIMIT = 10.0
"""Seconds that a host with stale modules has to stop its plugin."""
_MEMORY_PERIOD = 0.5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Crashes:
    """How many hosts one release of a plugin ended."""

    fingerprint: str | None
    count: int


class OwnHosts:
    """The plugins that have a place here, each with its host, if that runs.

    A plugin keeps its place, even while it waits for its restart, until it is released or no longer needs it.
    `on_end` gets each plugin whose host ended while nobody was waiting for an answer.
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
        self._crashes: dict[PluginId, _Crashes] = {}
        self._places: dict[PluginId, Host | None] = {}
        self._ended: dict[PluginId, str] = {}
        """How hosts ended between two calls, until the next start of their plugins reports it."""
        self._leaving: dict[PluginId, asyncio.Task[None]] = {}
        self._starting = asyncio.Lock()
        self._closed = False

    def host(self, plugin: PluginId) -> Host | None:
        """Return the plugin's own host, or None if it has none, or none that runs."""
        host = self._places.get(plugin)
        return None if host is None or host.is_ending else host

    def needed_by(self, plugin: PluginId) -> bool:
        """Return True if the plugin must run in a host of its own."""
        return self._crashes_often(plugin) or self._knowledge.loads_only_alone(plugin)

    def note_crash(self, plugin: PluginId, times: int = 1) -> None:
        """Note that a hook of the plugin ended or hung a host, once or several `times`."""
        fingerprint = self._knowledge.fingerprint(plugin)
        known = self._crashes.get(plugin)
        before = known.count if known is not None and known.fingerprint == fingerprint else 0
        self._crashes[plugin] = _Crashes(fingerprint, before + times)
        if before < _ENOUGH <= before + times:
            reason = "it ended the plugin host twice while it ran"
            _log.warning("plugin gets a host of its own", plugin=plugin.slug, reason=reason)

    async def obtain(self, plugin: PluginId) -> Host:
        """Return the plugin's own host, and start it if need be.

        Raises:
            CrashedBefore: The last host ended between two calls, or a plugin that crashes has no place.
            NoPlace: A plugin that loads only alone has no place.
            HostUnavailable: The host cannot be started; retry later.
        """
        async with self._starting:
            if host := self.host(plugin):
                return host
            if self._closed:
                raise HostUnavailable("The plugin host is closed")
            if how := self._ended.pop(plugin, None):
                raise CrashedBefore(f"its plugin host ended between two calls: {how}")
            if plugin not in self._places and len(self._places) >= MOST:
                raise self._no_place(plugin)
            self._places[plugin] = None
            try:
                host = await self._start()
            except HostStartError as error:
                raise HostUnavailable(str(error)) from None
            if plugin not in self._places:
                host.condemn("its plugin was stopped meanwhile", Blame.INNOCENT)
                raise HostUnavailable(f"{plugin.slug} was stopped meanwhile")
            self._places[plugin] = host
            host.life.add_done_callback(lambda _: self._bury(plugin, host))
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
            needed = self.needed_by(plugin)
            if needed and (host is None or not needs_new_host(host.installed, now)):
                continue
            self._places[plugin] = None
            if not needed:
                del self._places[plugin]
            self._ended.pop(plugin, None)
            if host is not None and not host.is_ending:
                self._retire(plugin, host)
                retired.add(plugin)
        self._crashes = {
            each: crashes
            for each, crashes in self._crashes.items()
            if crashes.fingerprint == self._knowledge.fingerprint(each)
        }
        return retired

    async def watch_memory(self) -> None:
        """Kill each host that uses more memory than its limit, until cancelled."""
        while True:
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

    def _crashes_often(self, plugin: PluginId) -> bool:
        crashes = self._crashes.get(plugin)
        return (
            crashes is not None
            and crashes.count >= _ENOUGH
            and crashes.fingerprint == self._knowledge.fingerprint(plugin)
        )

    def _no_place(self, plugin: PluginId) -> HookError:
        names = listing(each.slug for each in self._places)
        wrong = "four plugins that crash or load only alone run in hosts of their own already"
        said = f"{wrong}, the most there may be: {names}; replace one of them, or remove its probe"
        return CrashedBefore(said) if self._crashes_often(plugin) else NoPlace(said)

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
        _log.warning("plugin host ended", plugin=plugin.slug, reason=host.how_it_ended, pid=host.process.pid)
        if host.was_idle:
            self._ended[plugin] = host.how_it_ended
            self._on_end({plugin})
