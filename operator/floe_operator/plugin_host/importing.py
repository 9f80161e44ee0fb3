"""Imports plugins into hosts, one at a time, and learns from each import how the plugin loads.

A first pass gives every plugin a short time, so that plugins that hang hardly delay the others. Imports that
did not return are retried alone, with the full time, when all others are done. So are those that failed in a
host with other plugins, which may have damaged it. A plugin that is needed in the current host is imported on
demand.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.confirming import Confirming
from floe_operator.plugin_host.errors import HostUnavailable, PluginGone
from floe_operator.plugin_host.handshake import HostStartError
from floe_operator.plugin_host.host import CallTimedOut, Host, HostLost
from floe_operator.plugin_host.knowledge import Knowledge
from floe_operator.plugin_host.outcomes import (
    Doubt,
    Outcome,
    crashed,
    fault_of,
    outcome_of,
    timed_out_after,
)
from floe_operator.plugin_host.parameters import json_params
from floe_operator.plugin_host.rpc import RpcError
from floe_operator.plugin_host.supervisor import Supervisor
from floe_operator.plugin_host.triage import Blame, Diagnosis, triage
from floe_operator.plugin_host.trials import Order, Trials
from floe_operator.rules.load_states import LoadFault
from floe_operator.rules.load_texts import scrubbed
from floe_operator.rules.scrub import Scrubber

FIRST_PASS_LIMIT = 3.0


class SuspectImport(Exception):
    """The host ended with this import and other calls under way; only retrying it alone shows the culprit."""


class LoadsOnlyAlone(HostUnavailable):
    """The plugin cannot be imported into a host that holds other plugins."""

    def __init__(self, plugin: PluginId) -> None:
        super().__init__(f"{plugin.slug} loads only in a plugin host of its own")


class Importing:
    """Imports all plugins in passes, and single plugins on demand."""

    def __init__(
        self,
        supervisor: Supervisor,
        trials: Trials,
        knowledge: Knowledge,
        load_timeout: float,
        on_change: Callable[[Collection[PluginId]], None],
        *,
        accepted_schemas: bool,
        scrubber: Scrubber,
    ) -> None:
        self._supervisor = supervisor
        self._trials = trials
        self._knowledge = knowledge
        self._load_timeout = load_timeout
        self._on_change = on_change
        self._accepted_schemas = accepted_schemas
        self._scrubber = scrubber
        self._more = asyncio.Event()
        self._slow: dict[PluginId, None] = {}
        self._confirming = Confirming(trials, knowledge, self._into_to_settle)
        self._tried: dict[PluginId, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Look for work that a scan may have brought."""
        self._more.set()

    async def run(self) -> None:
        """Load what is due, until cancelled."""
        try:
            while True:
                self._more.clear()
                await self._first_pass()
                for plugin in list(self._slow):
                    self._try_alone(plugin, Order.SLOW_IMPORT)
                self._slow.clear()
                for plugin in self._confirming.in_doubt:
                    self._try(plugin, functools.partial(self._confirming.confirm, plugin))
                for plugin in self._knowledge.due_again(_now()):
                    self._try_alone(plugin, Order.RETRY)
                await self._wait_for_more()
        finally:
            for task in self._tried.values():
                task.cancel()

    async def _wait_for_more(self) -> None:
        # While a plugin is being tried, its retry time is in the past; recording the outcome wakes us.
        retry = None if self._tried else self._knowledge.next_retry()
        try:
            async with asyncio.timeout_at(retry):
                await self._more.wait()
        except TimeoutError:
            return

    async def _first_pass(self) -> None:
        limit = min(FIRST_PASS_LIMIT, self._load_timeout)
        for old in self._confirming.drop_old():
            if old in self._tried:
                self._tried[old].cancel()
        while plugin := self._knowledge.due({*self._slow, *self._confirming.in_doubt, *self._tried}):
            if self._knowledge.is_set_aside(plugin):
                self._try_alone(plugin, Order.RETRY)
                continue
            try:
                host = await self._supervisor.current()
                await self.into(host, plugin, limit)
            except SuspectImport:
                self._try_alone(plugin, Order.SUSPECT_IMPORT)
            except HostStartError:
                await asyncio.sleep(FIRST_PASS_LIMIT)
            except PluginGone:
                self._knowledge.leave_out(plugin, _now())
            except HostUnavailable:
                continue

    def _try_alone(self, plugin: PluginId, order: Order) -> None:
        self._try(plugin, lambda: self._alone(plugin, order))

    def _try(self, plugin: PluginId, attempt: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if plugin not in self._tried:
            task = asyncio.create_task(attempt(), name=f"try {plugin.slug}")
            self._tried[plugin] = task
            # Not in the task itself: it can be cancelled before it begins.
            task.add_done_callback(lambda _: self._ended(plugin))

    def _ended(self, plugin: PluginId) -> None:
        self._tried.pop(plugin, None)
        self._more.set()

    async def _alone(self, plugin: PluginId, order: Order) -> None:
        try:
            await self._trials.run(
                order,
                lambda host: self.into(host, plugin, self._load_timeout, final=True),
                fresh=order is Order.SUSPECT_IMPORT,
            )
        except PluginGone:
            self._knowledge.leave_out(plugin, _now())
        except (HostUnavailable, HostLost, CallTimedOut):
            pass  # the outcome, if any, is recorded
        except HostStartError:
            await asyncio.sleep(FIRST_PASS_LIMIT)

    async def on_demand(self, host: Host, plugin: PluginId, *, alone: bool = False) -> None:
        """Import a plugin that was loaded before into a host, unless the host already has it.

        A plugin that failed in this host is not tried again. `alone`: the host is the plugin's own; a plugin
        that loads only alone is imported into no other.

        Raises:
            HostUnavailable: The plugin cannot be imported now.
            PluginGone: The plugin is no longer installed.
            SuspectImport: The host ended with this import and other calls under way.
        """
        if plugin in host.imported:
            return
        if self._knowledge.is_set_aside(plugin):
            raise HostUnavailable(f"{plugin.slug} is set aside")
        if not alone and self._knowledge.loads_only_alone(plugin):
            raise LoadsOnlyAlone(plugin)
        if plugin in host.unusable or plugin in self._confirming.in_doubt:
            raise HostUnavailable(f"{plugin.slug} cannot be imported into this plugin host")
        await self.into(host, plugin, self._load_timeout, final=alone)

    async def into_trial(self, host: Host, plugin: PluginId) -> None:
        """Import a plugin into a host that has no other call under way; raise what `into` raises."""
        await self.into(host, plugin, self._load_timeout, final=True)

    async def _into_to_settle(self, host: Host, plugin: PluginId, doubt: Doubt) -> None:
        await self.into(host, plugin, self._load_timeout, final=True, doubt=doubt)

    async def into(
        self, host: Host, plugin: PluginId, limit: float, *, final: bool = False, doubt: Doubt | None = None
    ) -> None:
        """Import a plugin and record the outcome. `final`: nothing else is under way in this host.

        A failure in a host with other plugins is not recorded, but confirmed later. `doubt`: the failure that
        this import should confirm.

        Raises:
            HostUnavailable: The plugin was not imported, through its own fault or another's.
            PluginGone: The plugin is no longer installed.
            SuspectImport: The host ended with this import and other calls under way; never raised if `final`.
        """
        async with host.imports:
            # One that was imported before a scan noticed its new release is still due: describe it again.
            if plugin in host.imported and not self._knowledge.wants_import(plugin):
                return
            fingerprint = self._knowledge.fingerprint(plugin)
            before = host.attempt(plugin)
            outcome: Outcome
            try:
                params = {**json_params(plugin), "accepted_schema": self._accepted_schemas}
                answer = await host.call("describe", plugin, json.dumps(params), limit)
                outcome = await self._scrubbed(outcome_of(plugin, answer))
            except CallTimedOut:
                timed_out = True
            except HostLost as lost:
                self._on_lost(plugin, lost, limit, fingerprint, before, final=final)
                raise HostUnavailable(str(lost)) from None
            except RpcError as error:
                outcome, timed_out = await self._scrubbed(fault_of(plugin, error)), False
            else:
                timed_out = False
        if timed_out:
            await self._on_time_out(host, plugin, limit, fingerprint, final=final)
            raise HostUnavailable(f"{plugin.slug} did not load within {limit:g} s")
        if doubt is not None:
            outcome = self._confirming.settle(plugin, doubt, outcome)
        self._judge(host, plugin, outcome, before, fingerprint)

    def _judge(
        self,
        host: Host,
        plugin: PluginId,
        outcome: Outcome,
        before: int,
        fingerprint: str | None,
    ) -> None:
        """Record an outcome, or put it in doubt; `before` others were attempted before in this host."""
        believed = self._knowledge.believe(plugin, outcome) if before else outcome
        if believed is None:
            self._confirming.add(plugin, Doubt(outcome, host.attempted_before(plugin, before), fingerprint))
            self._more.set()
            raise HostUnavailable(f"{plugin.slug} failed after other plugins and will be imported alone")
        self._record(plugin, believed, fingerprint)
        if isinstance(believed, LoadFault):
            host.unusable.add(plugin)
            raise HostUnavailable(believed.message)
        if before and believed.beside is not None:
            raise LoadsOnlyAlone(plugin)
        host.imported.add(plugin)

    async def _scrubbed(self, outcome: Outcome) -> Outcome:
        """Return the outcome without secrets that other plugins may have left in the process."""
        if self._scrubber.is_idle:
            return outcome
        return await asyncio.to_thread(scrubbed, outcome, self._scrubber.scrub)

    async def _on_time_out(
        self, host: Host, plugin: PluginId, limit: float, fingerprint: str | None, *, final: bool
    ) -> None:
        self._did_not_return(plugin, limit, fingerprint, final=final)
        if final:
            host.condemn("an import did not return", Blame.CAUSE)
            return
        try:
            await self._supervisor.replace(host, f"importing {plugin.slug} did not return within {limit:g} s")
        except HostStartError:
            host.condemn("an import did not return", Blame.INNOCENT)

    def _on_lost(
        self,
        plugin: PluginId,
        lost: HostLost,
        limit: float,
        fingerprint: str | None,
        before: int,
        *,
        final: bool,
    ) -> None:
        match triage(lost.blame, hung=lost.hung, alone=final):
            case Diagnosis.UNHARMED:
                return
            case Diagnosis.HUNG:
                self._did_not_return(plugin, limit, fingerprint, final=final)
            case Diagnosis.CRASHED if before and not final:
                raise SuspectImport  # a thread of another plugin may have ended the host
            case Diagnosis.CRASHED:
                self._record(plugin, crashed(plugin, lost.how), fingerprint)
            case Diagnosis.SUSPECT if lost.hung and limit < self._load_timeout:
                self._did_not_return(plugin, limit, fingerprint, final=final)  # it is retried alone anyway
            case Diagnosis.SUSPECT:
                raise SuspectImport

    def _did_not_return(
        self, plugin: PluginId, limit: float, fingerprint: str | None, *, final: bool
    ) -> None:
        if final or limit >= self._load_timeout:
            self._record(plugin, timed_out_after(plugin, limit), fingerprint)
        else:
            self._slow[plugin] = None

    def _record(self, plugin: PluginId, outcome: Outcome, fingerprint: str | None) -> None:
        if self._knowledge.record(plugin, outcome, fingerprint, _now()):
            self._on_change({plugin})
        self._more.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
