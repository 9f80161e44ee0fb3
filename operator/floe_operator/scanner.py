"""Scans the plugins' environment again and again, and keeps the mirror in step with what is found.

Each round lists all objects through the API server: the watch alone cannot say what is not there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from floe_core.host.protocol import ScanResult
from floe_core.plugin_types import PluginId
from floe_operator import cluster_errors, mirror
from floe_operator.cluster import Cluster
from floe_operator.inventory import Inventory
from floe_operator.plugin_host import PluginHost, ScanFailed
from floe_operator.resource import is_nameable
from floe_operator.store import Store

_log = structlog.get_logger(__name__)


class Scanner:
    """Repeats scans, and has every object looked at after each; one that stands by only scans."""

    def __init__(
        self,
        *,
        host: PluginHost,
        cluster: Cluster,
        store: Store,
        inventory: Inventory,
        enqueue: Callable[[PluginId], None],
        interval: float,
        leads: Callable[[], bool],
    ) -> None:
        self._host = host
        self._cluster = cluster
        self._store = store
        self._inventory = inventory
        self._enqueue = enqueue
        self._interval = interval
        self._leads = leads
        self._absences = mirror.Absences()
        self._said: dict[str, str] = {}
        self._soon = asyncio.Event()
        self.last_seconds = 0.0
        """How long the last scan took."""

    async def run(self) -> None:
        """Scans until it is cancelled."""
        while True:
            self._soon.clear()
            scan = await self._scan()
            if self._leads():
                await self._keep_mirror(scan)
            try:
                await asyncio.wait_for(self._soon.wait(), self._interval)
            except TimeoutError:
                continue

    def hurry(self) -> None:
        """The next scan is due now: the objects can be listed again, perhaps."""
        self._soon.set()

    async def _scan(self) -> ScanResult | None:
        started = time.monotonic()
        try:
            scan = await self._host.scan()
        except ScanFailed as error:
            self._say("scan", error.detail, "the scan failed")
            self._inventory.failed(error.detail)
            return None
        self.last_seconds = time.monotonic() - started
        self._say("scan", "", "")
        self._tell(scan)
        self._inventory.succeeded(scan)
        return scan

    async def _keep_mirror(self, scan: ScanResult | None) -> None:
        """Has missing objects created and every other one looked at; deletes those that may go."""
        before = self._store.versions()
        try:
            listed = [raw async for raw in self._cluster.list()]
        except cluster_errors.ClusterError as error:
            # The watch says why, and for how long. Nothing is known to be gone.
            _log.debug("objects cannot be listed", reason=str(error))
            return
        for plugin in self._store.replace(listed, before):
            self._enqueue(plugin)
        objects = self._store.all()
        self._absences = self._absences.after(scan, objects)
        for seen in objects:
            self._enqueue(seen.plugin)
        if scan is None:
            return
        plan = mirror.plan(scan, objects, self._absences)
        for plugin in plan.create:
            self._enqueue(plugin)
        for deletion in plan.delete:
            await self._delete(deletion)

    async def _delete(self, deletion: mirror.Deletion) -> None:
        name = str(deletion.plugin)
        try:
            await self._cluster.delete(
                deletion.plugin, uid=deletion.uid, resource_version=deletion.resource_version
            )
        except cluster_errors.ClusterError as error:
            _log.info("a mirror was not deleted", plugin=name, reason=str(error))
        else:
            _log.info("the mirror of a plugin that is gone was deleted", plugin=name)

    def _tell(self, scan: ScanResult) -> None:
        faults: dict[str, list[str]] = {}
        for unreadable in scan.unreadable:
            faults.setdefault(unreadable.where, []).append(unreadable.detail)
        for where, details in faults.items():
            self._say(where, "; ".join(details), "a distribution cannot be read")
        for plugin in mirror.known_plugins(scan):
            if not is_nameable(plugin):
                self._say(str(plugin), "no object can have this name", "a plugin gets no FloePlugin")

    def _say(self, about: str, reason: str, event: str) -> None:
        """Logs a reason once, and again when it is another one."""
        if reason and self._said.get(about) != reason:
            _log.warning(event, about=about, reason=reason)
        self._said[about] = reason
