"""What several scans lead to, even if the API server does not answer during some of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from floe_core.host.protocol import DistributionRef, FoundPlugin, ScanResult
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.api.errors import (
    ClusterError,
    ClusterUnreachable,
    Conflict,
    MissingRight,
    NotAdmitted,
    NotFound,
)
from floe_operator.api.floeplugins import FloePlugins
from floe_operator.api.pages import Page, page
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost, ScanFailed
from floe_operator.refusals import Refusals
from floe_operator.scanner import Scanner
from floe_operator.scans import Scans
from tests.support.polling import eventually_async

GOING, STAYING = PluginId(PluginType.COMPUTE, "going"), PluginId(PluginType.COMPUTE, "staying")
BARE: dict[str, Any] = {
    "metadata": {
        "name": "compute-going",
        "uid": "u",
        "resourceVersion": "1",
        "managedFields": [{"manager": "floe-operator", "operation": "Apply"}],
    },
    "spec": {"type": "compute", "name": "going"},
}


def scan(*plugins: PluginId) -> ScanResult:
    found = tuple(
        FoundPlugin(
            type=plugin.plugin_type.slug,
            name=plugin.name,
            entry_point=f"{plugin.name} = m:C",
            distribution=DistributionRef(name=f"floe-{plugin.name}", version="0.1.0"),
            fingerprint="1",
        )
        for plugin in plugins
    )
    return ScanResult(complete=True, fingerprint="", distributions=len(found), plugins=found)


STAYING_SPEC = {"type": "compute", "name": "staying"}
ABSENT, PRESENT = scan(STAYING), scan(STAYING, GOING)
Round = tuple[ScanResult | None, bool]
"""What a scan finds (None if it fails), and whether the API server answers after it."""


def page_of(*items: dict[str, Any]) -> Page:
    """Return the only page of a listing with these objects."""
    return page({"metadata": {"resourceVersion": "9"}, "items": [*items]}, "floeplugins")


def a_scanner(
    scan: Callable[[], Awaitable[ScanResult]],
    listed: Callable[[], AsyncIterator[Page]],
    objects: Objects,
    *,
    scans: Scans | None = None,
    refusals: Refusals | None = None,
    look_at: Callable[[PluginId], None] = lambda _: None,
    delete: Callable[..., Awaitable[None]] | None = None,
    interval: float = 3600,
) -> Scanner:
    """Return the scanner of a leader, with a plugin host and an API server that a test controls."""
    return Scanner(
        host=cast("PluginHost", SimpleNamespace(scan=scan)),
        floeplugins=cast("FloePlugins", SimpleNamespace(list=listed, delete=delete)),
        objects=objects,
        scans=scans or Scans(objects.all),
        refusals=Refusals(lambda _: None) if refusals is None else refusals,
        look_at=look_at,
        interval=interval,
        leads=lambda: True,
    )


async def after(rounds: Sequence[Round]) -> list[PluginId]:
    """Return the plugins whose objects are deleted after these scans."""
    deleted: list[PluginId] = []
    begun = 0

    async def next_scan() -> ScanResult:
        nonlocal begun
        begun += 1
        if begun > len(rounds):
            await asyncio.Event().wait()
        found, _ = rounds[begun - 1]
        if found is None:
            raise ScanFailed("no Python")
        return found

    async def listed() -> AsyncIterator[Page]:
        if not rounds[begun - 1][1]:
            raise ClusterUnreachable("away")
        yield page_of(BARE)

    async def delete(plugin: PluginId, **_: str) -> None:
        deleted.append(plugin)

    objects = Objects()
    scanner = a_scanner(next_scan, listed, objects, delete=delete, interval=0)
    scans = asyncio.create_task(scanner.run())

    async def ended() -> bool:
        return begun > len(rounds)

    await eventually_async(ended, every=0.005)
    scans.cancel()
    return deleted


@pytest.mark.parametrize(
    ("rounds", "goes"),
    [
        ([(ABSENT, True)] * 3, True),
        ([(ABSENT, True)] * 2, False),
        ([(ABSENT, True), (ABSENT, True), (PRESENT, True), (ABSENT, True)], False),
        ([(ABSENT, True), (ABSENT, True), (PRESENT, False), (ABSENT, True)], False),
        ([(ABSENT, True), (ABSENT, True), (None, False), (ABSENT, True)], False),
        ([(ABSENT, True), (ABSENT, True), (ABSENT, False)], False),
        ([(ABSENT, True), (ABSENT, False), (ABSENT, True), (ABSENT, True)], True),
    ],
)
async def test_three_scans_in_a_row_delete_a_bare_mirror_and_an_unanswered_scan_can_only_end_the_row(
    rounds: Sequence[Round], goes: bool
) -> None:
    assert await after(rounds) == ([GOING] if goes else [])


class Deleting:
    """A scanner in rounds that each find two bare mirrors whose plugins are gone."""

    def __init__(self) -> None:
        self.refusals = Refusals(lambda _: None)
        self.asked: list[str] = []
        self.error: Callable[[PluginId], ClusterError] | None = None
        self._scanner = a_scanner(
            self._scan, self._listed, Objects(), refusals=self.refusals, delete=self._delete, interval=0
        )

    async def round(self) -> tuple[list[str], float]:
        """Return what the API server was asked to delete, and the seconds until the next round."""
        self.asked.clear()
        pause = await self._scanner._keep_mirror(ABSENT)
        return list(self.asked), pause

    async def _scan(self) -> ScanResult:
        return ABSENT

    async def _listed(self) -> AsyncIterator[Page]:
        other = {"metadata": {**BARE["metadata"], "name": "compute-other"}}
        yield page_of(BARE, {**other, "spec": {"type": "compute", "name": "other"}})

    async def _delete(self, plugin: PluginId, **_: str) -> None:
        self.asked.append(plugin.name)
        if self.error is not None:
            raise self.error(plugin)


@pytest.fixture
async def deleting() -> Deleting:
    """Return a scanner that deletes from its next round on."""
    made = Deleting()
    for _ in range(2):
        assert await made.round() == ([], 0)
    return made


def blocked(plugin: PluginId) -> ClusterError:
    return NotAdmitted(f"resource FloePlugin/floe/compute-{plugin.name} was blocked by keep-all")


async def test_a_refused_deletion_is_counted_each_time_and_said_once_until_it_is_over(
    deleting: Deleting, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    said = 0
    for error, warnings in [(blocked, 1), (blocked, 1), (None, 1), (blocked, 2)]:
        deleting.error = error
        assert await deleting.round() == (["going", "other"], 0)
        said += (capsys.readouterr().out + caplog.text).count("cannot delete a FloePlugin")
        assert said == warnings
    assert deleting.refusals.counts == {"object": 0, "status": 0, "deletion": 6}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MissingRight("no delete", right="delete floeplugins"), 1),
        (Conflict("changed"), 0),
        (NotFound("x"), 0),
    ],
    ids=["right", "conflict", "gone"],
)
async def test_a_deletion_that_fails_otherwise_is_no_refusal(
    deleting: Deleting,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    error: ClusterError,
    said: int,
) -> None:
    deleting.error = lambda _: error
    assert await deleting.round() == (["going", "other"], 0)
    assert (capsys.readouterr().out + caplog.text).count("cannot delete a FloePlugin") == said
    assert deleting.refusals.counts["deletion"] == 0


async def test_a_round_of_deletions_ends_when_the_api_server_asks_to_wait(deleting: Deleting) -> None:
    deleting.error = lambda _: ClusterUnreachable("slow down", after=7.0)
    assert await deleting.round() == (["going"], 7.0)


async def test_an_object_listed_before_the_listing_broke_off_is_enqueued() -> None:
    looked_at: list[PluginId] = []

    async def found() -> ScanResult:
        return ABSENT

    async def listed() -> AsyncIterator[Page]:
        yield page_of(BARE)
        raise ClusterUnreachable("away")

    objects = Objects()
    scanner = a_scanner(found, listed, objects, look_at=looked_at.append)
    scans = asyncio.create_task(scanner.run())

    async def done() -> bool:
        return bool(looked_at)

    await eventually_async(done, every=0.005)
    scans.cancel()
    assert looked_at == [GOING]
    assert not objects.complete


@pytest.mark.parametrize(("result", "looked_at"), [(PRESENT, [GOING]), (None, [])], ids=["found", "failed"])
async def test_an_installed_plugin_without_an_object_is_enqueued_after_a_scan_that_found_it(
    result: ScanResult | None, looked_at: list[PluginId]
) -> None:
    seen: list[PluginId] = []
    scans, objects = Scans(), Objects()
    scans.succeeded(PRESENT)

    async def scanned() -> ScanResult:
        if result is None:
            raise ScanFailed("no Python")
        return result

    async def listed() -> AsyncIterator[Page]:
        metadata = {**BARE["metadata"], "name": "compute-staying"}
        yield page_of({**BARE, "metadata": metadata, "spec": STAYING_SPEC})

    scanner = a_scanner(scanned, listed, objects, scans=scans, look_at=seen.append)
    running = asyncio.create_task(scanner.run())

    async def all_looked_at() -> bool:
        return objects.complete and STAYING in seen

    await eventually_async(all_looked_at, every=0.005)
    running.cancel()
    assert [plugin for plugin in seen if plugin != STAYING] == looked_at


async def test_a_scanner_that_is_hurried_and_cancelled_at_the_same_time_ends() -> None:
    begun = 0

    async def next_scan() -> ScanResult:
        nonlocal begun
        begun += 1
        return PRESENT

    async def listed() -> AsyncIterator[Page]:
        yield page_of(BARE)

    scanner = a_scanner(next_scan, listed, Objects())
    scans = asyncio.create_task(scanner.run())

    async def pauses() -> bool:
        return begun == 1

    await eventually_async(pauses, every=0.005)
    scanner.hurry()
    scans.cancel()
    ended, _ = await asyncio.wait([scans], timeout=10)
    assert ended
    assert scans.cancelled()
