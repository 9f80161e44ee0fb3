"""Confirms failures that other plugins may have caused: imports the plugin again, in a new host.

Which failures are in doubt, and when they are confirmed, is left to others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.plugin_host.errors import HostUnavailable, PluginGone
from floe_operator.plugin_host.handshake import HostStartError
from floe_operator.plugin_host.host import CallTimedOut, Host, HostLost
from floe_operator.plugin_host.knowledge import Knowledge
from floe_operator.plugin_host.outcomes import Doubt, Outcome
from floe_operator.plugin_host.trials import Order, Trials
from floe_operator.rules.backoff import Backoff
from floe_operator.rules.load_states import Described
from floe_operator.rules.sentences import loads_only_alone

_NO_HOST = Backoff(first=3.0, longest=60.0)
"""The pauses between attempts to start a host for a confirmation."""

_log = structlog.get_logger(__name__)


class Confirming:
    """The failures in doubt. `import_into` imports a plugin into a host, to settle a doubt."""

    def __init__(
        self,
        trials: Trials,
        knowledge: Knowledge,
        import_into: Callable[[Host, PluginId, Doubt], Awaitable[None]],
    ) -> None:
        self._trials = trials
        self._knowledge = knowledge
        self._import_into = import_into
        self._doubts: dict[PluginId, Doubt] = {}

    @property
    def in_doubt(self) -> Collection[PluginId]:
        """The plugins whose failure is not confirmed yet, in the order in which they failed."""
        return self._doubts.keys()

    def add(self, plugin: PluginId, doubt: Doubt) -> None:
        """Put a failure in doubt."""
        self._doubts[plugin] = doubt

    def drop_old(self) -> list[PluginId]:
        """Drop the doubts about releases that are no longer installed; return their plugins."""
        old = [each for each, doubt in self._doubts.items() if not self._is_current(each, doubt)]
        for plugin in old:
            del self._doubts[plugin]
        return old

    async def confirm(self, plugin: PluginId) -> None:
        """Find out in a new host whether the plugin itself is to blame for its failure."""
        failures = 0
        while (doubt := self._doubts.get(plugin)) is not None:
            try:
                await self._confirm(plugin, doubt)
            except HostStartError:
                failures += 1
                await asyncio.sleep(_NO_HOST.after(failures))
                continue
            except PluginGone:
                self._knowledge.leave_out(plugin, asyncio.get_running_loop().time())
            except (HostUnavailable, HostLost, CallTimedOut):
                pass  # the outcome, if any, is recorded
            self._end(plugin, doubt)

    async def _confirm(self, plugin: PluginId, doubt: Doubt) -> None:
        async def job(host: Host) -> None:
            if self._is_current(plugin, doubt):
                await self._import_into(host, plugin, doubt)

        await self._trials.run(Order.CONFIRMATION, job, fresh=True)

    def _end(self, plugin: PluginId, doubt: Doubt) -> None:
        if self._doubts.get(plugin) is doubt:
            del self._doubts[plugin]

    def _is_current(self, plugin: PluginId, doubt: Doubt) -> bool:
        return doubt.fingerprint == self._knowledge.fingerprint(plugin)

    def settle(self, plugin: PluginId, doubt: Doubt, alone: Outcome) -> Outcome:
        """Return what to believe after a confirmation, remember it, and log it if others are to blame.

        The doubt ends here, not with the host: whoever hears of the outcome may import the plugin at once.
        """
        self._end(plugin, doubt)
        outcome = doubt.settled_by(alone)
        self._knowledge.settle(plugin, doubt, outcome)
        if isinstance(outcome, Described) and outcome.beside is not None:
            reason = loads_only_alone(outcome.beside)
            _log.warning("plugin cannot share a process", plugin=plugin.slug, reason=reason)
        return outcome
