"""`reconcile(plugin)`: looks at the present state, judges it, and writes what changed.

Level-triggered: what woke it does not matter, and to run it once more changes nothing. What it looks at is
gathered elsewhere; the rules are in `assess` and `mirror`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from floe_core.plugin_types import PluginId
from floe_operator import cluster_errors
from floe_operator.assess import assess
from floe_operator.cluster import Cluster
from floe_operator.facts import Facts
from floe_operator.gather import Gather
from floe_operator.inventory import Inventory
from floe_operator.leftovers import removal_patch
from floe_operator.mirror import is_incomplete
from floe_operator.plugin_host import HostUnavailable, Loading, PluginGone
from floe_operator.probes import Prober, Wanted
from floe_operator.queue import DONE, LATER, Result, RetryableError, RetryAfter
from floe_operator.resource import FloePlugin, FloePluginStatus
from floe_operator.store import Store

_AGAIN = RetryAfter(0)
"""The watch's echo of our own writes wakes nobody: what a write leaves to do comes back by itself."""

_SOON = RetryAfter(1.0)
"""Somebody else writes the status, too; whoever does that without end costs a write a second."""

_LOADING_SECONDS = 10.0
"""For how long an object that was never judged waits for its plugin to load before it says Loading: most load
in less, and a status that stands for a moment would double the writes."""

_log = structlog.get_logger(__name__)


class Reconciler:
    """Brings one object at a time to what is known of its plugin."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        store: Store,
        inventory: Inventory,
        gather: Gather,
        prober: Prober,
        on_written: Callable[[FloePlugin, FloePluginStatus], None],
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._inventory = inventory
        self._gather = gather
        self._prober = prober
        self._on_written = on_written

    async def reconcile(self, plugin: PluginId) -> Result:
        """Raises RetryableError where the key must come back."""
        try:
            seen = self._store.get(plugin)
            if seen is None or seen.metadata.deletion_timestamp is not None:
                return await self._let_go(plugin, gone=seen is None)
            gathered = await self._gather.facts(seen)
            if gathered is None:
                return DONE
            facts, digest = gathered
            if (patience := _patience(facts, seen)) > 0:
                return RetryAfter(patience)
            status = assess(facts, seen.status, datetime.now(UTC))
            if not self._is_there(seen):
                return DONE  # it went meanwhile, and the news of that brought the key back
            if status != seen.status:
                result = await self._write(seen, status)
            elif is_incomplete(seen):
                result = await self._complete(seen)
            else:
                result = DONE
            self._keep_probe(seen, status, digest)
            return result
        except (cluster_errors.NotFound, cluster_errors.NamespaceTerminating) as error:
            _log.debug("the object, its kind or its namespace goes", plugin=plugin.slug, reason=str(error))
            return DONE
        except (HostUnavailable, PluginGone) as error:
            raise RetryableError(str(error)) from error

    def _is_there(self, seen: FloePlugin) -> bool:
        """Whether the object is still the one that was looked at, and stays."""
        now = self._store.get(seen.plugin)
        return (
            now is not None and now.metadata.uid == seen.metadata.uid and not now.metadata.deletion_timestamp
        )

    async def _let_go(self, plugin: PluginId, *, gone: bool) -> Result:
        """The object goes or is gone: its plugin stops, and an installed one gets its bare mirror (back)."""
        self._prober.drop(plugin)
        self._gather.forget(plugin)
        # Before the first listing nobody knows what is not there.
        gone = gone and self._store.complete and not self._store.is_unfit(plugin)
        if not (gone and self._inventory.has_mirror(plugin)):
            return DONE
        self._store.put(await self._cluster.apply(plugin, uid=None))
        return _AGAIN if self._store.get(plugin) is not None else DONE

    async def _complete(self, seen: FloePlugin) -> Result:
        """Somebody else made the object: it gets our label, unless another owns that."""
        try:
            self._store.put(await self._cluster.apply(seen.plugin, uid=seen.metadata.uid))
        except cluster_errors.Conflict as error:
            _log.info("another manager's value stays", plugin=seen.plugin.slug, reason=str(error))
            return DONE
        return self._result(seen, seen.status)

    async def _write(self, seen: FloePlugin, status: FloePluginStatus) -> Result:
        try:
            written = await self._cluster.apply_status(
                seen.plugin, uid=seen.metadata.uid, status=status.to_json()
            )
            if leftovers := removal_patch(written, status):
                written = await self._cluster.patch_status(seen.plugin, leftovers)
        except (cluster_errors.Conflict, cluster_errors.Refused) as error:
            # Another object by that name took its place, or another hand was quicker: the watch brings it.
            _log.info("a status was not written", plugin=seen.plugin.slug, reason=str(error))
            return DONE
        self._store.put(written)
        self._on_written(seen, status)
        return self._result(seen, status)

    def _result(self, seen: FloePlugin, status: FloePluginStatus | None) -> Result:
        """What is left to do after a write that leaves the object with this status.

        A change by another hand that the answer to the write holds may have no news of its own: a watch that
        begins anew tells of the last state only, and that is the echo of the write.
        """
        now = self._store.get(seen.plugin)
        if now is None or now.metadata.generation != seen.metadata.generation:
            return _AGAIN
        if now.status != status:
            return _SOON
        return LATER if is_incomplete(now) else DONE

    def _keep_probe(self, seen: FloePlugin, status: FloePluginStatus, digest: bytes) -> None:
        """Starts, restarts or stops the plugin: it starts once configured, with its dependencies Ready."""
        plugin, probe = seen.plugin, seen.spec.probe
        true = {condition.type for condition in status.conditions if condition.status == "True"}
        if probe is None or "Discovered" not in true:
            self._prober.drop(plugin)
        elif not digest or not {"Loaded", "VersionCompatible", "ConfigValid"} <= true:
            # Without a digest the conditions are those of before, and nothing is known of the configuration.
            return  # what runs goes on as it is; what does not run waits
        elif "DependenciesReady" in true or self._prober.is_running(plugin):
            self._prober.want(plugin, Wanted(probe, digest))


def _patience(facts: Facts, seen: FloePlugin) -> float:
    """For how many seconds the first judgement can wait for the plugin to load; its loading wakes the key."""
    if not isinstance(facts.loading, Loading):
        return 0.0
    if seen.status is not None and seen.status.condition("Loaded") is not None:
        return 0.0
    return facts.loading.since + _LOADING_SECONDS - time.monotonic()
