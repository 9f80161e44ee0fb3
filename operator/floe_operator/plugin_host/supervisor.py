"""Keeps one plugin host alive: starts it, replaces it, watches its memory; never runs plugin code itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.handshake import HostStartError
from floe_operator.plugin_host.host import Host
from floe_operator.plugin_host.triage import Blame
from floe_operator.rules.backoff import Backoff
from floe_operator.said import Said

RETIRE_LIMIT = 10.0
"""Seconds that a host being replaced has to stop its plugins."""
_MEMORY_PERIOD = 1.0
_HOPELESS = 2
"""A host that uses this many times its memory limit is killed without stopping its plugins."""
_PAUSES = Backoff(first=0.5, longest=30.0)
_CALM = 60.0
"""A host that lived for this many seconds ends a series of bad hosts."""

_log = structlog.get_logger(__name__)


class Supervisor:
    """Holds the current host and replaces it when needed."""

    def __init__(
        self,
        start: Callable[[], Awaitable[Host]],
        memory_limit: int,
        on_new_host: Callable[[Collection[PluginId]], None],
        on_lost: Callable[[Host, Blame], None],
    ) -> None:
        self.generation = 0
        self._start = start
        self._memory_limit = memory_limit
        self._on_new_host = on_new_host
        self._on_lost = on_lost
        self._host: Host | None = None
        self._mourned: Host | None = None
        self._born_at = 0.0
        self._not_before = 0.0
        self._crashes = 0
        self._growths = 0
        self._succession = asyncio.Lock()
        self._closed = False

    @property
    def host(self) -> Host | None:
        """The current host, or None if it is ending or gone."""
        return None if self._host is None or self._host.is_ending else self._host

    async def current(self) -> Host:
        """Return the current host, or start a new one if need be.

        Raises:
            HostStartError: No host can be started.
        """
        if host := self.host:
            return host
        async with self._succession:
            if host := self.host:
                return host
            if self._closed:
                raise HostStartError("The plugin host is closed")
            if self._host is not None:
                await self._host.lost.wait()
                self._mourn(self._host)
            await asyncio.sleep(max(0.0, self._not_before - _now()))
            return self._adopt(await self._start())

    async def replace(
        self, old: Host, why: str, *, blame: Blame = Blame.INNOCENT, limit: float = RETIRE_LIMIT
    ) -> None:
        """Let a new host take over from `old`, unless that has already happened.

        The old host stops its plugins in the background; the new host starts none before that is done.

        Raises:
            HostStartError: No host can be started.
        """
        async with self._succession:
            if self._host is not old or old.is_ending or self._closed:
                return
            _log.info("replacing the plugin host", reason=why, pid=old.process.pid)
            new = await self._start()
            self._adopt(new)
            new.predecessor = asyncio.create_task(old.retire(limit, blame), name="plugin-host-retires")

    def _adopt(self, new: Host) -> Host:
        forgotten = set(self._host.started) if self._host else set()
        self._host = new
        new.on_lost = lambda blame: self._on_lost(new, blame)
        self._born_at = _now()
        self.generation += 1
        _log.info(
            "plugin host started",
            pid=new.process.pid,
            generation=self.generation,
            python=new.said.python,
            floe_core=new.said.floe_core,
        )
        self._on_new_host(forgotten)
        return new

    async def keep_alive(self) -> None:
        """Start a new host whenever the current one ends, until cancelled."""
        failures, said = 0, Said[str]()
        while True:
            try:
                host = await self.current()
            except HostStartError as error:
                if said.is_new("no host", str(error)):
                    _log.error("cannot start the plugin host", reason=str(error))
                failures += 1
                await asyncio.sleep(_PAUSES.after(failures))
                continue
            failures = 0
            said.is_over("no host")
            await host.lost.wait()

    def _mourn(self, host: Host) -> None:
        if host is self._mourned:
            return
        self._mourned = host
        _log.warning("plugin host ended", pid=host.process.pid, reason=host.how_it_ended)
        if _now() - self._born_at > _CALM:
            self._crashes = 0
        if host.ended_idle:
            # No call is to blame, so nothing is set aside, and a plugin's thread may end the next host too.
            self._crashes += 1
            self._not_before = _now() + _PAUSES.after(self._crashes)

    async def watch_memory(self) -> None:
        """Replace a host that uses more memory than its limit, until cancelled."""
        patience = 0.0
        while True:
            await asyncio.sleep(_MEMORY_PERIOD)
            host = self.host
            used = host.process.resident_bytes() if host else None
            if host is None or used is None or used <= self._memory_limit:
                continue
            age = _now() - self._born_at
            why = f"uses {used >> 20} MiB; --host-memory allows {self._memory_limit >> 20}"
            if used > _HOPELESS * self._memory_limit:
                _log.warning("plugin host uses too much memory", reason=why)
                host.condemn("it used more memory than --host-memory allows")
            elif age >= patience:
                # A host that is too large as soon as its plugins are back must not be replaced every second.
                self._growths = 1 if age > _CALM + patience else self._growths + 1
                patience = 20 * _PAUSES.after(self._growths)
                with contextlib.suppress(HostStartError):
                    await self.replace(host, why, blame=Blame.SUSPECT, limit=RETIRE_LIMIT / 2)

    async def close(self, limit: float) -> None:
        """Stop the plugins and end the host, within `limit` seconds."""
        self._closed = True
        async with self._succession:
            host = self._host
            if host is None:
                return
            await host.retire(limit)
            if host.predecessor is not None:
                await asyncio.wait([host.predecessor])


def _now() -> float:
    return asyncio.get_running_loop().time()
