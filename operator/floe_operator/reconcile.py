"""`reconcile(plugin)`: looks at the current state, decides, and carries out the decision.

Level-triggered: what triggered it does not matter, and running it again changes nothing. `gather` looks, and
the rules in `decision` decide.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import structlog

from floe_core.plugin_types import PluginId
from floe_operator.api import errors
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.gather import Gather
from floe_operator.objects import Objects
from floe_operator.plugin_host import HostUnavailable, PluginGone
from floe_operator.probes import Prober
from floe_operator.refusals import Kind, Refusals
from floe_operator.rules.decision import Decision, Mirror, decide
from floe_operator.rules.foreign_json import mapping, text
from floe_operator.rules.in_use import is_in_use
from floe_operator.rules.mirror import mirror_labels, missing_labels, stored_labels
from floe_operator.rules.probing import Rest, Run
from floe_operator.rules.resource import FloePlugin, FloePluginStatus
from floe_operator.rules.results import DONE, LATER, Result, RetryableError, RetryAfter
from floe_operator.rules.status_removals import removal_patch
from floe_operator.said import Said

_AGAIN = RetryAfter(0)
"""Reconcile again immediately: the watch's echo of our own write does not enqueue the plugin."""

_SOON = RetryAfter(1.0)
"""Reconcile again soon: if another writer of the status never stops, that costs one write a second."""

_UNSERVED_SECONDS = 180.0
"""Seconds after which to look again at an object whose status lacks what the CRD did not have."""

_GONE_SECONDS = 10.0
"""Seconds after which to look again at an object that the API server said it does not have."""

_CHANGED = "something in the cluster changes labels that the operator applies, perhaps a mutating policy"

_log = structlog.get_logger(__name__)


class Reconciler:
    """Brings one object at a time in line with what is known about its plugin.

    `labels` are those that mirrors have beside the type.
    """

    def __init__(
        self,
        *,
        floeplugins: FloePlugins,
        objects: Objects,
        gather: Gather,
        prober: Prober,
        refusals: Refusals,
        labels: Mapping[str, str],
        on_written: Callable[[FloePlugin, FloePluginStatus], None],
        writing: Callable[[PluginId], AbstractContextManager[None]],
    ) -> None:
        self._floeplugins = floeplugins
        self._objects = objects
        self._gather = gather
        self._prober = prober
        self._refusals = refusals
        self._labels = labels
        self._on_written = on_written
        self._writing = writing
        self._changed: dict[PluginId, tuple[str, dict[str, Any]]] = {}
        """For each object whose labels were changed as we applied them: its uid, and what it has of them."""
        self._said: Said[str] = Said()

    async def reconcile(self, plugin: PluginId) -> Result:
        """Look at the plugin, decide, and carry out the decision.

        Raises:
            RetryableError: The plugin must be reconciled again.
        """
        try:
            with self._refusals.attempt(plugin):
                situation = await self._gather.situation(plugin)
                unserved = self._floeplugins.crd.unserved
                decision = decide(situation, datetime.now(UTC), time.monotonic(), self._labels, unserved)
                result = await self._carry_out(plugin, situation.seen, decision)
        except (errors.NotFound, errors.NamespaceTerminating) as error:
            _log.debug(
                "the object, its CRD or its namespace is being deleted", plugin=plugin.slug, reason=str(error)
            )
            # If it is gone, that event enqueues the plugin. A changed CRD is not served for a moment, either.
            return RetryAfter(_GONE_SECONDS, is_urgent=False) if self._objects.has(plugin) else DONE
        except (HostUnavailable, PluginGone) as error:
            raise RetryableError(str(error)) from error
        until = situation.until
        if unserved:  # which may be served again without anybody telling
            until = min(until, time.monotonic() + _UNSERVED_SECONDS)
        if result is DONE and until < math.inf:
            return RetryAfter(max(0.0, until - time.monotonic()), is_urgent=False)
        return result

    async def _carry_out(self, plugin: PluginId, seen: FloePlugin | None, decision: Decision) -> Result:
        if decision.again_after > 0:
            return RetryAfter(decision.again_after, is_urgent=False)
        if decision.forget:
            self._prober.drop(plugin)
            self._gather.forget(plugin)
            self._changed.pop(plugin, None)
        elif seen is None or not self._is_there(seen):
            return DONE  # it has been deleted since, and that event enqueued the plugin
        # After the write, so that the status says why before the plugin stops or starts. A refusal can last:
        # it must not keep a plugin running that has to stop.
        try:
            result = await self._write(plugin, seen, decision)
        except errors.MissingRight:
            self._run(plugin, decision)
            raise
        except (*errors.REFUSALS, errors.Conflict) as error:
            if isinstance(error, errors.NotInSchema) and self._can_do_with_less(decision):
                return _AGAIN
            kind: Kind = "status" if decision.status is not None else "object"
            is_race = isinstance(error, errors.Conflict)
            if not self._refusals.refused(plugin, kind, str(error), is_race=is_race):
                self._run(plugin, decision)
            return DONE
        self._refusals.over(plugin)
        self._run(plugin, decision)
        return result

    def _can_do_with_less(self, decision: Decision) -> bool:
        """Return True if the refused status has a field that the CRD is known by now not to have."""
        status, unserved = decision.status, self._floeplugins.crd.unserved
        return status is not None and status.without(unserved) != status

    def _run(self, plugin: PluginId, decision: Decision) -> None:
        if isinstance(decision.run, Run):
            self._prober.want(plugin, decision.run)
        elif decision.run is Rest.STOP and not decision.forget:
            self._prober.drop(plugin)

    def _is_there(self, seen: FloePlugin) -> bool:
        """Return True if the object is still the one that was seen and is not being deleted."""
        now = self._objects.get(seen.plugin)
        return now is not None and now.metadata.uid == seen.metadata.uid and not now.is_going

    async def _write(self, plugin: PluginId, seen: FloePlugin | None, decision: Decision) -> Result:
        """Write the object or its status, never both; the result says whether something is left to do."""
        if decision.mirror is Mirror.MAKE:
            return await self._make(plugin)
        if seen is not None and decision.status is not None:
            return await self._write_status(seen, decision.status)
        if seen is not None and decision.mirror is Mirror.COMPLETE:
            return await self._complete(seen)
        return DONE

    async def _make(self, plugin: PluginId) -> Result:
        """Create the bare mirror of an installed plugin, or create it again."""
        await self._apply(plugin, mirror_labels(plugin, self._labels), uid=None)
        # None if it has been deleted since, or if a webhook changed it so that it does not match the CRD.
        return _AGAIN if self._objects.get(plugin) is not None else DONE

    async def _complete(self, seen: FloePlugin) -> Result:
        """Add our labels to an object, except those of other managers; remove what is no longer wanted."""
        if (labels := self._missing_labels(seen)) is None:
            return DONE
        try:
            await self._apply(seen.plugin, labels, uid=seen.metadata.uid)
        except errors.Conflict as error:
            _log.info("kept another field manager's value", plugin=seen.plugin.slug, reason=str(error))
            return DONE
        return self._result(seen, seen.status)

    def _missing_labels(self, seen: FloePlugin) -> dict[str, str] | None:
        """Return the labels to apply to an object, or None if it has them or applying them is in vain."""
        if (labels := missing_labels(seen, self._labels)) is None:
            return None
        present = seen.metadata.uid, stored_labels(seen.metadata.labels, labels)
        return None if self._changed.get(seen.plugin) == present else labels

    async def _apply(self, plugin: PluginId, labels: Mapping[str, str], *, uid: str | None) -> None:
        """Apply labels to an object, or create it.

        An admission policy may change them on the way, and the operator owns them all the same. What the
        object has instead is remembered, because applying them again would change nothing and never end.
        """
        with self._writing(plugin):
            answer = await self._floeplugins.apply(plugin, labels, uid=uid)
            self._objects.put(answer)
        metadata = mapping(answer.get("metadata"))
        stored = stored_labels(mapping(metadata.get("labels")), labels)
        if stored == labels:
            self._changed.pop(plugin, None)
            return
        self._changed[plugin] = text(metadata.get("uid")), stored
        names = ", ".join(name for name, value in labels.items() if stored.get(name) != value)
        if self._said.is_new(names):
            _log.warning(_CHANGED, plugin=plugin.slug, labels=names)

    async def _write_status(self, seen: FloePlugin, status: FloePluginStatus) -> Result:
        with self._writing(seen.plugin):
            written = await self._floeplugins.apply_status(
                seen.plugin, uid=seen.metadata.uid, status=status.to_json()
            )
            self._objects.put(written)
            if leftovers := removal_patch(written, status):
                self._objects.put(await self._floeplugins.patch_status(seen.plugin, leftovers))
        self._on_written(seen, status)
        return self._result(seen, status)

    def _result(self, seen: FloePlugin, status: FloePluginStatus | None) -> Result:
        """Return what is left to do after a write that leaves the object with this status.

        The answer to a write may contain a change that someone else made just before. The watch might not
        report that change: after a restart it reports the last state only, which is the echo of our write.
        """
        now = self._objects.get(seen.plugin)
        if now is None or now.metadata.generation != seen.metadata.generation:
            return _AGAIN
        if is_in_use(now) != is_in_use(seen):  # asking for a plugin changes no generation
            return _AGAIN
        if now.status != status:
            return _SOON
        return DONE if self._missing_labels(now) is None else LATER
