"""Starts, checks and stops plugins in the current host, or each in its own if it cannot share one.

A hook that does not return costs only its own call. To find out which hook ended the host, the suspects run
again with nothing else under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import ValidationError

from floe_core.host.protocol import HOOK_FAILED, NOT_FOUND, HealthReport, HookFailure
from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.errors import (
    HookCrashed,
    HookError,
    HookFailed,
    HookTimedOut,
    HostUnavailable,
    NotStarted,
    PluginGone,
    PluginHostError,
)
from floe_operator.plugin_host.gate import Gate
from floe_operator.plugin_host.handshake import HostStartError
from floe_operator.plugin_host.host import CallTimedOut, Host, HostLost
from floe_operator.plugin_host.importing import Importing, SuspectImport
from floe_operator.plugin_host.own_hosts import OwnHosts
from floe_operator.plugin_host.parameters import digest_of, json_params
from floe_operator.plugin_host.rpc import RequestTooLargeError, RpcError
from floe_operator.plugin_host.supervisor import Supervisor
from floe_operator.plugin_host.triage import Diagnosis, triage

_CALM_LIMIT = 10.0
_START, _CHECK, _STOP = "the constructor, configure() or startup()", "health_check()", "shutdown()"
"""What each of the calls runs, as messages name it."""


class Hooks:
    """Runs the hooks of plugins in the current host or in their own hosts."""

    def __init__(self, supervisor: Supervisor, own: OwnHosts, importing: Importing, gate: Gate) -> None:
        self._supervisor = supervisor
        self._own = own
        self._importing = importing
        self._gate = gate
        self._alone_next: set[PluginId] = set()
        """Plugins that were under way when a host ended, and must run with nothing else under way."""

    def is_started(self, plugin: PluginId) -> bool:
        """Return True if the plugin is started in its host."""
        host = self._host_of(plugin)
        return host is not None and plugin in host.started

    async def start(self, plugin: PluginId, config: Mapping[str, Any], limit: float) -> None:
        """Construct, configure and start the plugin, stopping it first if it is already started.

        While a start with the same configuration hangs, raise HookTimedOut without another attempt: one
        thread and one instance of the plugin hang in this host, not one more for each attempt.
        """
        host = await self._host_for_start(plugin)
        params = json.dumps({**json_params(plugin), "config": config})
        start = plugin, digest_of(params)
        if start in host.hung_starts:
            with contextlib.suppress(HookError):  # the plugin may run with another configuration
                await self._stop_in(host, plugin, limit)
            raise _timed_out(_START, limit)
        host.started.discard(plugin)
        host.checks.pop(plugin, None)
        async with self._under_way(host, plugin, _START):
            call = host.send("start", plugin, params)
            try:
                await self._answer(host, plugin, call, limit, _START)
            except HookTimedOut:
                host.hung_starts[start] = call
                call.add_done_callback(lambda _: host.hung_starts.pop(start, None))
                # If the start returns after all, the plugin must be stopped again.
                with contextlib.suppress(HostLost):
                    host.abandon(host.send("stop", plugin, json.dumps(json_params(plugin))))
                raise
        if host is not self._host_of(plugin):
            raise HostUnavailable("The plugin host was replaced")
        host.started.add(plugin)

    async def check(self, plugin: PluginId, limit: float) -> HealthReport:
        """Run the plugin's health check, or wait for an earlier one that is still running."""
        host = self._own.host(plugin) or await self._current_host()
        if plugin not in host.started:
            raise NotStarted(f"{plugin.slug} is not started")
        async with self._under_way(host, plugin, _CHECK):
            call = host.checks.get(plugin)
            if call is None or call.done():
                call = host.send("check", plugin, json.dumps({**json_params(plugin), "timeout": limit}))
                host.checks[plugin] = call
            answer = await self._answer(host, plugin, call, limit, _CHECK)
        self._alone_next.discard(plugin)
        try:
            return HealthReport.model_validate(answer)
        except ValidationError:
            host.condemn(f"it sent a malformed health report of {plugin.slug}")
            raise HostUnavailable(f"The health report of {plugin.slug} cannot be read") from None

    async def stop(self, plugin: PluginId, limit: float) -> None:
        """Stop the plugin, if it is started, and end its own host, if it has one."""
        host = self._host_of(plugin)
        try:
            if host is not None and plugin in host.started:
                await self._stop_in(host, plugin, limit)
        finally:
            await self._own.release(plugin)

    async def _stop_in(self, host: Host, plugin: PluginId, limit: float) -> None:
        host.started.discard(plugin)
        host.checks.pop(plugin, None)
        params = json.dumps({**json_params(plugin), "timeout": limit})
        async with self._under_way(host, plugin, _STOP):
            await self._answer(host, plugin, host.send("stop", plugin, params), limit, _STOP)

    def _host_of(self, plugin: PluginId) -> Host | None:
        """Return the host in which the plugin is or can be started, if that host runs."""
        return self._own.host(plugin) or self._supervisor.host

    async def _host_for_start(self, plugin: PluginId) -> Host:
        """Return the host to start the plugin in, which has imported it, once its earlier host is gone."""
        await self._own.left_by(plugin)
        shared = self._supervisor.host
        # A plugin that runs in the current host does load there, and must not run twice.
        if self._own.needed_by(plugin) and not (shared is not None and plugin in shared.started):
            host = await self._own.obtain(plugin)
            await self._importing.on_demand(host, plugin, alone=True)
            return host
        host = await self._current_host()
        if host.predecessor is not None:
            await asyncio.shield(host.predecessor)
        try:
            await self._importing.on_demand(host, plugin)
        except SuspectImport:
            raise HostUnavailable(f"{plugin.slug} was under way when the plugin host ended") from None
        return host

    async def _current_host(self) -> Host:
        try:
            return await self._supervisor.current()
        except HostStartError as error:
            raise HostUnavailable(str(error)) from None

    @contextlib.asynccontextmanager
    async def _under_way(self, host: Host, plugin: PluginId, hook: str) -> AsyncIterator[None]:
        own = host is self._own.host(plugin)
        try:
            async with contextlib.AsyncExitStack() as stack:
                if not own:
                    await self._pass_gate(stack, plugin, alone=plugin in self._alone_next)
                yield
        except HostLost as lost:
            raise self._error_of(plugin, hook, lost, own=own) from None
        except RequestTooLargeError as error:
            raise HostUnavailable(f"The configuration of {plugin.slug} is too large: {error}") from None

    async def _pass_gate(self, stack: contextlib.AsyncExitStack, plugin: PluginId, *, alone: bool) -> None:
        try:
            await stack.enter_async_context(self._gate.alone(_CALM_LIMIT) if alone else self._gate.shared())
        except TimeoutError:
            raise HostUnavailable(f"{plugin.slug} is waiting until it can run alone") from None

    def _error_of(self, plugin: PluginId, hook: str, lost: HostLost, *, own: bool) -> PluginHostError:
        """Return the hook's error after its host ended; unless it is unharmed, the plugin runs alone next."""
        diagnosis = triage(lost.blame, hung=lost.hung, alone=own)
        if diagnosis is not Diagnosis.UNHARMED:
            self._alone_next.add(plugin)
        whose = "its own plugin host" if own else "the plugin host"
        match diagnosis:
            case Diagnosis.UNHARMED:
                return HostUnavailable("The plugin host was replaced")
            case Diagnosis.SUSPECT:
                return HostUnavailable(f"{plugin.slug} was under way when the plugin host ended")
            case Diagnosis.HUNG:
                return HookTimedOut(f"{hook} kept {whose} from answering")
            case Diagnosis.CRASHED:
                return HookCrashed(f"{hook} ended {whose}: {lost.how}")

    async def _answer(
        self, host: Host, plugin: PluginId, call: asyncio.Future[Any], limit: float, hook: str
    ) -> Any:
        try:
            return await host.answer_to(call, limit)
        except CallTimedOut:
            raise _timed_out(hook, limit) from None
        except RpcError as error:
            if error.code == NOT_FOUND:
                raise PluginGone(f"{plugin.slug} is no longer installed") from None
            if error.code == HOOK_FAILED:
                raise _failed(error, hook) from None
            raise HostUnavailable(f"{hook} cannot be called: {error}") from None


def _timed_out(hook: str, limit: float) -> HookTimedOut:
    return HookTimedOut(f"{hook} did not return within {limit:g} s")


def _failed(error: RpcError, hook: str) -> HookFailed | HostUnavailable:
    try:
        return HookFailed(HookFailure.model_validate(error.data))
    except ValidationError:
        return HostUnavailable(f"{hook} failed, and the reason cannot be read")
