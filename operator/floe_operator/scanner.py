"""Scans the plugins' environment repeatedly, and keeps the mirror in step with what it finds.

While this operator leads, each round lists all objects through the API server: the watch alone cannot show
which objects are missing.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable

import structlog

from floe_core.host.protocol import ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.api import errors
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost, ScanFailed
from floe_operator.refusals import Refusals
from floe_operator.rules import mirror
from floe_operator.rules.resource import is_nameable, object_name, parse_object_name
from floe_operator.said import Said, gist
from floe_operator.scans import Scans

_RETRY_SECONDS = 5.0
"""Seconds to wait after the objects could not be listed or deleted."""

_log = structlog.get_logger(__name__)


class Scanner:
    """Scans repeatedly and enqueues every object after each scan; on a standby, it only scans."""

    def __init__(
        self,
        *,
        host: PluginHost,
        floeplugins: FloePlugins,
        objects: Objects,
        scans: Scans,
        refusals: Refusals,
        look_at: Callable[[PluginId], None],
        interval: float,
        leads: Callable[[], bool],
    ) -> None:
        self._host = host
        self._floeplugins = floeplugins
        self._objects = objects
        self._scans = scans
        self._refusals = refusals
        self._look_at = look_at
        self._interval = interval
        self._leads = leads
        self._absences = mirror.Absences()
        self._counted_at = -math.inf
        self._said: Said[tuple[str, str]] = Said()
        self._said_refused: Said[str] = Said()
        self._soon = asyncio.Event()

    async def run(self) -> None:
        """Scan until cancelled."""
        while True:
            scan = await self._scan()
            self._soon.clear()
            pause = await self._keep_mirror(scan) if self._leads() else self._interval
            try:
                async with asyncio.timeout(pause):
                    await self._soon.wait()
            except TimeoutError:
                continue

    def hurry(self) -> None:
        """Start the next scan now, because objects can be listed or written from now on."""
        self._soon.set()

    async def _scan(self) -> ScanResult | None:
        started = time.monotonic()
        try:
            scan = await self._host.scan()
        except ScanFailed as error:
            self._say({("scan failed", ""): error.detail})
            self._scans.failed(error.detail)
            return None
        seconds = time.monotonic() - started
        self._say(_faults(scan))
        self._scans.succeeded(scan, seconds)
        return scan

    async def _keep_mirror(self, scan: ScanResult | None) -> float:
        """Enqueue every missing and every existing object, and delete those that may be deleted.

        Return the seconds until the next round, which comes sooner if the API server did not answer.
        """
        began = self._objects.moment
        listed: set[PluginId] = set()
        try:
            # Page by page: as the API server sends them, a thousand objects are larger than what is kept.
            async for page in self._floeplugins.list():
                for raw in page.objects:
                    self._objects.put(raw, listing=began)
                listed.update(
                    plugin for name in page.names if (plugin := parse_object_name(name)) is not None
                )
        except errors.ClusterError as error:  # `floeplugins` says so; no object counts as deleted
            self._absences = self._absences.unless_found(scan)
            for plugin in listed:
                self._look_at(plugin)
            return errors.pause(error, min(self._interval, _RETRY_SECONDS))
        for plugin in self._objects.listed(listed, began):
            self._look_at(plugin)
        self._scans.objects_listed()
        objects = self._objects.all()
        self._absences = self._absences.after(scan, objects, counts=self._is_due())
        missing = self._scans.nameable() if scan is not None else []
        for plugin in dict.fromkeys([*(seen.plugin for seen in objects), *missing]):
            self._look_at(plugin)
        return await self._delete(mirror.deletions(objects, self._absences))

    async def _delete(self, deletions: Iterable[mirror.Deletion]) -> float:
        """Delete these objects, and return the seconds until the next round.

        If the API server does not answer, the others wait for the next round, too.
        """
        refused: set[str] = set()
        for deletion in deletions:
            plugin = deletion.plugin
            try:
                await self._floeplugins.delete(
                    plugin, uid=deletion.uid, resource_version=deletion.resource_version
                )
            except errors.ClusterUnreachable as error:
                _log.info("FloePlugin not deleted", plugin=plugin.slug, reason=str(error))
                return errors.pause(error, min(self._interval, _RETRY_SECONDS))
            except (errors.Conflict, errors.NotFound) as error:  # it has changed since it was listed
                _log.info("FloePlugin not deleted", plugin=plugin.slug, reason=str(error))
            except errors.ClusterError as error:
                refused.add(self._not_deleted(plugin, error))
            else:
                said = "deleted a FloePlugin: its plugin is gone and nobody configured it"
                _log.info(said, plugin=plugin.slug)
        self._said_refused.only(refused)
        return self._interval

    def _not_deleted(self, plugin: PluginId, error: errors.ClusterError) -> str:
        """Count a deletion that was refused, and log why unless the last round did; return the gist of it."""
        if isinstance(error, errors.REFUSALS):
            self._refusals.deletion_refused()
        why = gist(str(error), object_name(plugin), plugin.slug)
        if self._said_refused.is_new(why):
            _log.warning("cannot delete a FloePlugin", plugin=plugin.slug, reason=str(error))
        return why

    def _is_due(self) -> bool:
        """Return True if a scan counts towards a plugin's absence: scans in quick succession count as one."""
        now = time.monotonic()
        if now - self._counted_at < self._interval / 2:
            return False
        self._counted_at = now
        return True

    def _say(self, faults: dict[tuple[str, str], str]) -> None:
        """Log each fault once, and again if it changes or comes back."""
        self._said.only(faults)
        for (event, about), reason in faults.items():
            if self._said.is_new((event, about), reason):
                _log.warning(event, **({"about": about} if about else {}), reason=reason)


def _faults(scan: ScanResult) -> dict[tuple[str, str], str]:
    """Return the faults that no FloePlugin can report: reasons by (log event, subject)."""
    faults: dict[tuple[str, str], str] = {}
    for unreadable in scan.unreadable:
        key = ("cannot read a distribution", unreadable.where)
        faults[key] = "; ".join(filter(None, (faults.get(key), unreadable.detail)))
    for unknown in scan.unknown_groups:
        key = ("unknown group of entry points", f"{unknown.distribution.name} [{unknown.group}]")
        faults[key] = unknown.detail
    if scan.core_fault:
        faults["the installation of floe-core is inconsistent", ""] = scan.core_fault
    for plugin in mirror.known_plugins(scan):
        if not is_nameable(plugin):
            faults["plugin cannot have a FloePlugin", plugin.slug] = "no object can have its name"
    return faults
