"""The plugins as the rest of the operator sees them: what is installed, how it loads, what it reports.

Wires the parts of this package. Nothing else runs plugin code.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, TypeVar

import structlog

from floe_core.host.protocol import HealthReport, ScanResult, Verdict
from floe_core.plugin_types import PluginId
from floe_operator.logs import naming
from floe_operator.plugin_host.errors import HostUnavailable, ScanFailed
from floe_operator.plugin_host.gate import Gate
from floe_operator.plugin_host.handshake import HostStartError
from floe_operator.plugin_host.hooks import Hooks
from floe_operator.plugin_host.host import CallTimedOut, Host, HostLost
from floe_operator.plugin_host.importing import Importing
from floe_operator.plugin_host.knowledge import Knowledge, needs_new_host
from floe_operator.plugin_host.output import OnLine, Printed
from floe_operator.plugin_host.own_hosts import OwnHosts
from floe_operator.plugin_host.rpc import RpcError
from floe_operator.plugin_host.supervisor import Supervisor
from floe_operator.plugin_host.triage import Blame
from floe_operator.plugin_host.trials import Trials
from floe_operator.plugin_host.validation import Validation
from floe_operator.rules.load_states import LoadState
from floe_operator.rules.scrub import NOTHING, Scrubber
from floe_operator.stop_signals import Arrival, Suspects

T = TypeVar("T")
_log = structlog.get_logger(__name__)


def log_line(printed: Printed) -> None:
    """Log a line that a plugin printed, unchanged."""
    _log.info("plugin output", **naming(printed.plugins), text=printed.text)


class PluginHost:
    """The environment of one interpreter, whose plugins run in separate processes.

    `memory_limit` (bytes) is that of each process. With `accepted_schemas`, the JSON schema in a description
    is that of all that validation accepts, not the one that the model writes. `on_change` gets the plugins
    whose load state changed, those started by a host that is gone, and those whose validation crashed before
    and now works; `on_output` gets each line that plugins print. Both are called on the event loop and must
    not raise. `scrubber` is for what descriptions and import errors say.
    """

    def __init__(
        self,
        *,
        python: str,
        load_timeout: float = 10.0,
        memory_limit: int = 1024**3,
        accepted_schemas: bool = False,
        on_change: Callable[[Collection[PluginId]], None] = lambda _: None,
        on_output: OnLine = log_line,
        scrubber: Scrubber = NOTHING,
    ) -> None:
        self._python = python
        self._on_output = on_output
        self._on_change = on_change
        self._knowledge = Knowledge()
        self._own_hosts = OwnHosts(self._start_host, memory_limit, self._knowledge, on_change)
        self._supervisor = Supervisor(
            self._start_host, memory_limit, self._on_new_host, self._own_hosts.note_shared_end
        )
        self._trials = Trials(self._start_host, memory_limit)
        gate = Gate()
        self._importing = Importing(
            self._supervisor,
            self._trials,
            self._knowledge,
            load_timeout,
            self._on_change,
            accepted_schemas=accepted_schemas,
            scrubber=scrubber,
        )
        self._validation = Validation(
            self._supervisor, self._trials, self._importing, self._knowledge, gate, load_timeout, on_change
        )
        self._hooks = Hooks(self._supervisor, self._own_hosts, self._importing, gate)
        self._scanning = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._lives: dict[int, Host] = {}
        """The hosts that are not gone yet, by their numbers."""
        self.newest = 0
        """The number of the host that was started last."""

    @property
    def generation(self) -> int:
        """The number of shared hosts so far; what an earlier one had started is gone."""
        return self._supervisor.generation

    @property
    def oldest(self) -> int:
        """The number of the oldest host that is not gone yet, or that the next one will have."""
        return min(self._lives, default=self.newest + 1)

    def resident_bytes(self) -> int | None:
        """Return the current host's resident memory in bytes, or None if no host runs or it is unknown."""
        host = self._supervisor.host
        return host.process.resident_bytes() if host is not None else None

    async def run(self) -> None:
        """Load plugins and keep a host alive, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._supervisor.keep_alive(), name="plugin-host-supervisor")
            group.create_task(self._supervisor.watch_memory(), name="plugin-host-memory")
            group.create_task(self._own_hosts.watch_memory(), name="plugin-host-own-memory")
            group.create_task(self._trials.work(), name="plugin-host-trials")
            group.create_task(self._importing.run(), name="plugin-host-importing")

    async def close(self, timeout: float = 10.0) -> None:
        """Stop all plugins and end all hosts, within `timeout` seconds; `run` must be cancelled before."""
        for task in self._under_way:
            task.cancel()
        self._validation.close()
        await self._trials.close()
        await asyncio.gather(self._supervisor.close(timeout), self._own_hosts.close(timeout))
        if self._lives:
            await asyncio.wait([host.life for host in self._lives.values()])

    async def scan(self) -> ScanResult:
        """Return what is installed now; if it changed, a new host takes over.

        Raises:
            ScanFailed: What is installed is unknown; the detail says how to fix it.
        """
        async with self._scanning:
            try:
                result = await self._scan()
            except HostStartError as error:
                raise ScanFailed(str(error), lacks_core=error.lacks_core) from None
            changed = self._knowledge.accept(result, time.monotonic())
            changed |= self._own_hosts.renew(result)
            self._trials.renew(result)
        self._importing.wake()
        if changed:
            self._on_change(changed)
        return result

    async def _scan(self) -> ScanResult:
        host = await self._supervisor.current()
        try:
            result = await host.scan()
        except HostLost:
            return (await self._supervisor.current()).installed
        except (CallTimedOut, RpcError):
            result = await self._scan_afresh()
        if not needs_new_host(host.installed, result):
            # A thousand plugins are a few megabytes: one copy is enough while nothing changes.
            return host.installed if result is host.installed or result == host.installed else result
        await self._supervisor.replace(host, "distributions changed")
        return (await self._supervisor.current()).installed

    async def _scan_afresh(self) -> ScanResult:
        """Scan in a new process: a plugin may have used up the host's descriptors or broken it otherwise."""
        host = await self._start_host()
        host.condemn("its work is done", Blame.INNOCENT)
        await host.lost.wait()
        return host.installed

    def suspects_of(self, arrival: Arrival) -> Suspects | None:
        """Return the plugins that may have sent a signal, or None if it is from no process of theirs."""
        for host in self._lives.values():
            if arrival.sender is not None and host.process.pid in (arrival.sender, arrival.session):
                plugins, reason = host.suspects(arrival.at)
                return Suspects(host.process.pid, plugins, reason)
        return None

    def load_state(self, plugin: PluginId) -> LoadState | None:
        """Return the load state from memory, or None if the last scan found no such plugin."""
        return self._knowledge.state(plugin)

    def loading(self) -> set[PluginId]:
        """Return the plugins whose import has not ended yet."""
        return self._knowledge.loading()

    async def validate(
        self, plugin: PluginId, config: Mapping[str, Any], plain: Mapping[str, Any]
    ) -> Verdict:
        """Return the schema's verdict on `config`; `plain` is the part of it that is not from a Secret.

        Raises:
            ValidationCrashed: The plugin's code ended or hung the host, or a limit was exceeded.
            PluginGone: The plugin is no longer installed.
            HostUnavailable: No host could answer; retry later.
        """
        return await self._finish(self._validation.validate(plugin, config, plain))

    def is_started(self, plugin: PluginId) -> bool:
        """Return True if the plugin is started in the host that runs it now."""
        return self._hooks.is_started(plugin)

    async def start_plugin(
        self,
        plugin: PluginId,
        config: Mapping[str, Any],
        timeout: float,
    ) -> None:
        """Construct, configure and start the plugin, stopping it first if it is already started.

        Raises:
            HookError: A hook did not do its job.
            PluginGone: The plugin is no longer installed.
            HostUnavailable: No host could answer; retry later.
        """
        await self._finish(self._hooks.start(plugin, config, timeout))

    async def check(self, plugin: PluginId, timeout: float) -> HealthReport:
        """Return the plugin's health.

        Raises:
            HookError: The hook did not do its job; NotStarted if the plugin's host is gone.
            HostUnavailable: No host could answer; retry later.
        """
        return await self._finish(self._hooks.check(plugin, timeout))

    async def stop_plugin(self, plugin: PluginId, timeout: float) -> None:
        """Stop the plugin, and forget it and its own host, if it has one, whether or not that succeeds.

        Raises:
            HookError: The hook did not do its job.
            HostUnavailable: No host could answer.
        """
        await self._finish(self._hooks.stop(plugin, timeout))

    async def _start_host(self) -> Host:
        host = await Host.start(self._python, on_line=self._on_output, on_left_out=_log_left_out)
        self.newest += 1
        number = self.newest
        self._lives[number] = host
        host.life.add_done_callback(lambda _: self._lives.pop(number))
        return host

    def _on_new_host(self, forgotten: Collection[PluginId]) -> None:
        self._importing.wake()
        if forgotten:
            self._on_change(forgotten)

    async def _finish(self, call: Coroutine[Any, Any, T]) -> T:
        """Finish a call even if its caller is cancelled: plugin code is running and needs its time limit."""
        task = asyncio.create_task(call)
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise HostUnavailable("The plugin host is closed") from None
            raise

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        with contextlib.suppress(asyncio.CancelledError):
            task.exception()


def _log_left_out(lines: int, plugins: tuple[PluginId, ...]) -> None:
    _log.warning("plugin output truncated", **naming(plugins), lines=lines)
