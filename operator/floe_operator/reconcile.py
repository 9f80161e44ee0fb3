"""`reconcile(plugin)`: looks at the present state, decides, and carries out what was decided.

Level-triggered: what woke it does not matter, and to run it once more changes nothing. `gather` looks, and
the rules in `decision` decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.api import errors
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.gather import Gather
from floe_operator.objects import Objects
from floe_operator.plugin_host import HostUnavailable, PluginGone
from floe_operator.probes import Prober
from floe_operator.rules.decision import Decision, Mirror, decide
from floe_operator.rules.mirror import is_incomplete
from floe_operator.rules.probing import Rest, Run
from floe_operator.rules.resource import FloePlugin, FloePluginStatus
from floe_operator.rules.results import DONE, LATER, Result, RetryableError, RetryAfter
from floe_operator.rules.status_removals import removal_patch

_AGAIN = RetryAfter(0)
"""The watch's echo of our own writes wakes nobody: what a write leaves to do comes back by itself."""

_SOON = RetryAfter(1.0)
"""Somebody else writes the status, too; a writer that never stops costs one write a second."""

_log = structlog.get_logger(__name__)


class Reconciler:
    """Brings one object at a time to what is known of its plugin."""

    def __init__(
        self,
        *,
        floeplugins: FloePlugins,
        objects: Objects,
        gather: Gather,
        prober: Prober,
        on_written: Callable[[FloePlugin, FloePluginStatus], None],
    ) -> None:
        self._floeplugins = floeplugins
        self._objects = objects
        self._gather = gather
        self._prober = prober
        self._on_written = on_written

    async def reconcile(self, plugin: PluginId) -> Result:
        """Looks, decides, carries out; RetryableError where the key must come back."""
        try:
            situation = await self._gather.situation(plugin)
            decision = decide(situation, datetime.now(UTC), time.monotonic())
            return await self._carry_out(plugin, situation.seen, decision)
        except (errors.NotFound, errors.NamespaceTerminating) as error:
            _log.debug("the object, its kind or its namespace goes", plugin=plugin.slug, reason=str(error))
            return DONE
        except (HostUnavailable, PluginGone) as error:
            raise RetryableError(str(error)) from error

    async def _carry_out(self, plugin: PluginId, seen: FloePlugin | None, decision: Decision) -> Result:
        if decision.again_after > 0:
            return RetryAfter(decision.again_after)
        if decision.forget:
            self._prober.drop(plugin)
            self._gather.forget(plugin)
        elif seen is None or not self._is_there(seen):
            return DONE  # it went meanwhile, and the news of that brought the key back
        result = await self._write(plugin, seen, decision)
        # After the write, so that a status that says why stands before a plugin stops or starts.
        if isinstance(decision.run, Run):
            self._prober.want(plugin, decision.run)
        elif decision.run is Rest.STOP and not decision.forget:
            self._prober.drop(plugin)
        return result

    def _is_there(self, seen: FloePlugin) -> bool:
        """Whether the object is still the one that was looked at, and stays."""
        now = self._objects.get(seen.plugin)
        return now is not None and now.metadata.uid == seen.metadata.uid and not now.is_going

    async def _write(self, plugin: PluginId, seen: FloePlugin | None, decision: Decision) -> Result:
        """Writes the object or its status, not both; what is left after it brings the key back."""
        if decision.mirror is Mirror.MAKE:
            return await self._make(plugin)
        if seen is not None and decision.status is not None:
            return await self._write_status(seen, decision.status)
        if seen is not None and decision.mirror is Mirror.COMPLETE:
            return await self._complete(seen)
        return DONE

    async def _make(self, plugin: PluginId) -> Result:
        """An installed plugin gets its bare mirror (back)."""
        self._objects.put(await self._floeplugins.apply(plugin, uid=None))
        # Nothing is there where it was deleted meanwhile, or a webhook made it unfit.
        return _AGAIN if self._objects.get(plugin) is not None else DONE

    async def _complete(self, seen: FloePlugin) -> Result:
        """Somebody else made the object: it gets our label, unless another owns that."""
        try:
            self._objects.put(await self._floeplugins.apply(seen.plugin, uid=seen.metadata.uid))
        except errors.Conflict as error:
            _log.info("another manager's value stays", plugin=seen.plugin.slug, reason=str(error))
            return DONE
        return self._result(seen, seen.status)

    async def _write_status(self, seen: FloePlugin, status: FloePluginStatus) -> Result:
        try:
            written = await self._floeplugins.apply_status(
                seen.plugin, uid=seen.metadata.uid, status=status.to_json()
            )
            if leftovers := removal_patch(written, status):
                written = await self._floeplugins.patch_status(seen.plugin, leftovers)
        except (errors.Conflict, errors.Refused) as error:
            # Another object by that name took its place, or another hand was quicker: the watch brings it.
            _log.info("a status was not written", plugin=seen.plugin.slug, reason=str(error))
            return DONE
        self._objects.put(written)
        self._on_written(seen, status)
        return self._result(seen, status)

    def _result(self, seen: FloePlugin, status: FloePluginStatus | None) -> Result:
        """What is left to do after a write that leaves the object with this status.

        The answer to a write may hold a change that another hand made just before. It need not have news of
        its own: a watch that begins anew tells of the last state only, which is the echo of our write.
        """
        now = self._objects.get(seen.plugin)
        if now is None or now.metadata.generation != seen.metadata.generation:
            return _AGAIN
        if now.status != status:
            return _SOON
        return LATER if is_incomplete(now) else DONE
