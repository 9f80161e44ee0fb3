"""Scans the plugins' environment repeatedly, and keeps the mirror in step with what it finds.

A scan that finds what the one before it found enqueues nothing. While this operator leads, each round asks
how many objects there are, and lists them all if that is not how many are known.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import structlog

from floe_core.host.protocol import ScanResult
from floe_core.plugin_types import PluginId
from floe_operator.api import errors
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost, ScanFailed
from floe_operator.refusals import Refusals
from floe_operator.rules import mirror
from floe_operator.rules.resource import is_nameable, object_name
from floe_operator.said import Said, gist
from floe_operator.scans import Scans
from floe_operator.wakeups import Wakeups

_RETRY_SECONDS = 5.0
"""Seconds to wait after the objects could not be listed or deleted."""
_LIST_AGAIN_SECONDS = 600.0
"""Seconds after which all objects are listed although the watch works."""

_log = structlog.get_logger(__name__)


class Watching(Protocol):
    """How the watch on the objects is doing."""

    @property
    def begins(self) -> bool:
        """Whether its first listing has neither ended nor failed so far."""

    @property
    def obstacle(self) -> str:
        """Why changes do not arrive; empty if they do."""


class Scanner:
    """Scans repeatedly, and has what a scan changed looked at; on a standby, it only scans.

    `on_environment` is called if any distribution has changed, even one without plugins.
    """

    def __init__(
        self,
        *,
        host: PluginHost,
        floeplugins: FloePlugins,
        objects: Objects,
        scans: Scans,
        refusals: Refusals,
        wakeups: Wakeups,
        watch: Watching,
        interval: float,
        leads: Callable[[], bool],
        on_environment: Callable[[], None],
    ) -> None:
        self._host = host
        self._floeplugins = floeplugins
        self._objects = objects
        self._scans = scans
        self._refusals = refusals
        self._wakeups = wakeups
        self._watch = watch
        self._interval = interval
        self._leads = leads
        self._on_environment = on_environment
        self._absences = mirror.Absences()
        self._unserved: Collection[str] = frozenset()
        """The fields that the CRD did not have in the last round."""
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
            self._wakeups.scanned(self._scans.failed(error.detail))
            return None
        seconds = time.monotonic() - started
        if scan is not self._scans.scan or self._scans.failure:
            self._say(_faults(scan))
        news = self._scans.succeeded(scan, seconds)
        self._wakeups.scanned(news)
        if news.environment_changed:
            self._on_environment()
        return scan

    async def _keep_mirror(self, scan: ScanResult | None) -> float:
        """Enqueue the plugins without an object, and delete the objects that may be deleted.

        Return the seconds until the next round, which comes sooner if the API server did not answer.
        """
        if self._watch.begins and not self._objects.complete:
            return self._interval  # `hurry` is called once the objects are known
        try:
            if not await self._is_in_step():
                await self._list()
        except errors.ClusterError as error:  # `floeplugins` says so; no object counts as deleted
            self._absences = self._absences.unless_found(scan)
            return errors.pause(error, min(self._interval, _RETRY_SECONDS))
        self._wakeups.scanned(self._scans.objects_listed())
        objects = self._objects.all()
        self._absences = self._absences.after(scan, objects, counts=self._is_due())
        if scan is not None:
            self._wakeups.look_at(
                plugin for plugin in self._scans.nameable() if not self._objects.has(plugin)
            )
        unserved = self._floeplugins.crd.unserved
        if unserved != self._unserved:  # their status can say more now, or only less
            self._unserved = unserved
            self._wakeups.look_at(seen.plugin for seen in objects)
        return await self._delete(mirror.deletions(objects, self._absences))

    async def _is_in_step(self) -> bool:
        """Return True if what the watch says can be relied on: it works, and misses no object.

        It also might have missed a change. Therefore everything is listed from time to time. The same happens
        after a listing that failed: only one that succeeds tells readiness that listing works again.
        """
        if self._floeplugins.listing_failed:
            return False
        if self._watch.begins:  # it is between its listing and its first change, and lists by itself
            return True
        if self._watch.obstacle or time.monotonic() - self._objects.listed_at > _LIST_AGAIN_SECONDS:
            return False
        number = (await self._floeplugins.newest()).number
        return number is None or number == self._objects.number

    async def _list(self) -> None:
        """List all objects, page by page: as the API server sends them, they are larger than what is kept."""
        began = self._objects.moment
        names: list[str] = []
        async for page in self._floeplugins.list():
            self._wakeups.found(page.objects, began)
            names += page.names
        self._wakeups.listed(names, began)

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
