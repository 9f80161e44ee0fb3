"""What several scans lead to, even if the API server does not answer during some of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

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
from floe_operator.api.floeplugins import FloePlugins, Newest
from floe_operator.api.pages import Page, page
from floe_operator.objects import Objects
from floe_operator.plugin_host import PluginHost, ScanFailed
from floe_operator.refusals import Refusals
from floe_operator.rules.dependency_graph import Dependents
from floe_operator.scanner import Scanner, Watching
from floe_operator.scans import Scans
from floe_operator.wakeups import Wakeups
from tests.support.polling import eventually_async
from tests.support.watching import Works, unheard

GOING, STAYING, OTHER = (PluginId(PluginType.COMPUTE, name) for name in ("going", "staying", "other"))
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
    wakeups: Wakeups | None = None,
    watch: Watching = Works(),  # noqa: B008 -- no test changes the default
    number: Callable[[], int | None] = lambda: -1,
    listing_failed: Callable[[], bool] = bool,
    unserved: Callable[[], frozenset[str]] = frozenset,
    leads: Callable[[], bool] = lambda: True,
    delete: Callable[..., Awaitable[None]] | None = None,
    interval: float = 3600,
) -> Scanner:
    """Return the scanner of a leader, with a plugin host and an API server that a test controls.

    By default, the API server says another number of objects than is known, so that all are listed.
    """

    async def newest() -> Newest:
        return Newest("9", number())

    class Crd:
        @property
        def unserved(self) -> frozenset[str]:
            return unserved()

    class Requests:
        crd = Crd()

        def __init__(self) -> None:
            self.list, self.delete, self.newest = listed, delete, newest

        @property
        def listing_failed(self) -> bool:
            return listing_failed()

    return Scanner(
        host=cast("PluginHost", SimpleNamespace(scan=scan)),
        floeplugins=cast("FloePlugins", Requests()),
        objects=objects,
        scans=scans or Scans(objects.all),
        refusals=Refusals(lambda _: None) if refusals is None else refusals,
        wakeups=unheard(objects) if wakeups is None else wakeups,
        watch=watch,
        interval=interval,
        leads=leads,
        on_environment=lambda: None,
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


class Rounds:
    """A leader's scanner, round by round, with what it asks of the API server and whom it wakes."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.served = list(objects)
        self.finds: ScanResult | None = PRESENT
        self.watch = Works()
        self.listing_failed = False
        self.unserved: frozenset[str] = frozenset()
        self.counts = True
        """Whether the API server tells how many objects there are."""
        self.breaks_off = False
        self.leads = True
        self.objects = Objects()
        self.scans = Scans(self.objects.all)
        self.dependents = Dependents()
        self.completed = 0
        self.asked: list[str] = []
        self.woken: list[PluginId] = []
        self.wakeups = Wakeups(
            self.objects,
            self.dependents,
            changed=self._changed,
            later=self.woken.append,
            on_complete=self._complete,
        )
        self.scanner = a_scanner(
            self._scan,
            self._list,
            self.objects,
            scans=self.scans,
            wakeups=self.wakeups,
            watch=self.watch,
            number=self._number,
            listing_failed=lambda: self.listing_failed,
            unserved=lambda: self.unserved,
            leads=lambda: self.leads,
        )

    def see(self) -> None:
        """Have the watch list all objects."""
        began = self.objects.moment
        self.wakeups.found(self.served, began)
        self.wakeups.listed([one["metadata"]["name"] for one in self.served], began)
        self.woken.clear()

    async def round(self) -> tuple[str, set[PluginId]]:
        """Return what is asked of the API server, and whom the round wakes."""
        self.asked.clear()
        self.woken.clear()
        scan = await self.scanner._scan()
        await self.scanner._keep_mirror(scan)
        return " ".join(self.asked), set(self.woken)

    def _complete(self) -> None:
        self.completed += 1
        self.scanner.hurry()

    def _changed(self, plugin: PluginId) -> None:
        raise AssertionError(f"nobody changed {plugin.slug}")

    async def _scan(self) -> ScanResult:
        if self.finds is None:
            raise ScanFailed("no Python")
        return self.finds

    async def _list(self) -> AsyncIterator[Page]:
        self.asked.append("list")
        for one in self.served:
            yield page_of(one)
            if self.breaks_off:
                raise ClusterUnreachable("away")
        self.listing_failed = False

    def _number(self) -> int | None:
        self.asked.append("count")
        return len(self.served) if self.counts else None


def mirror(plugin: PluginId, version: int = 1) -> dict[str, Any]:
    slug = plugin.plugin_type.slug
    metadata = {"name": f"{slug}-{plugin.name}", "uid": plugin.name, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"type": slug, "name": plugin.name}}


BEGINS = "the first listing has not ended"


@pytest.fixture
async def steady() -> Rounds:
    """Return a scanner that has found two plugins, whose objects are known from the watch."""
    made = Rounds(mirror(GOING), mirror(STAYING))
    made.see()
    await made.round()
    return made


async def test_equal_scans_ask_how_many_objects_there_are_and_wake_nobody(steady: Rounds) -> None:
    for _ in range(3):
        steady.finds = scan(STAYING, GOING)
        assert await steady.round() == ("count", set())


async def test_a_scan_that_finds_something_else_wakes_the_plugins_concerned(steady: Rounds) -> None:
    steady.dependents.note(STAYING, ["going"])
    steady.finds = ABSENT
    assert await steady.round() == ("count", {GOING, STAYING})
    assert await steady.round() == ("count", set())
    steady.finds = None
    assert await steady.round() == ("count", {GOING, STAYING})
    assert await steady.round() == ("count", set())
    steady.finds = ABSENT
    assert await steady.round() == ("count", {GOING, STAYING})


async def test_objects_are_listed_if_another_number_of_them_is_known(steady: Rounds) -> None:
    steady.served.append(mirror(OTHER))
    assert await steady.round() == ("count list", {OTHER})
    assert await steady.round() == ("count", set())
    steady.served.remove(mirror(OTHER))
    assert await steady.round() == ("count list", {OTHER})
    assert await steady.round() == ("count", set())


async def test_no_objects_are_listed_because_their_number_is_not_told(steady: Rounds) -> None:
    steady.counts = False
    assert await steady.round() == ("count", set())


async def test_objects_are_listed_in_each_round_while_the_watch_has_an_obstacle(steady: Rounds) -> None:
    steady.watch.obstacle = "the API server did not answer"
    steady.served[0] = mirror(GOING, version=2)
    steady.served[0]["spec"]["config"] = {"threads": 1}
    assert await steady.round() == ("list", {GOING})
    assert await steady.round() == ("list", set())
    steady.watch.obstacle = ""
    assert await steady.round() == ("count", set())


@pytest.mark.parametrize("begins", [False, True])
async def test_objects_are_listed_after_a_listing_that_failed_whatever_the_watch_says(
    steady: Rounds, *, begins: bool
) -> None:
    steady.listing_failed, steady.watch.begins = True, begins
    assert await steady.round() == ("list", set())
    assert await steady.round() == ("" if begins else "count", set())


async def test_objects_are_listed_from_time_to_time_although_the_watch_works(
    steady: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def later(seconds: float) -> None:
        now = time.monotonic() + seconds
        monkeypatch.setattr("floe_operator.scanner.time", SimpleNamespace(monotonic=lambda: now))

    later(590)
    assert await steady.round() == ("count", set())
    later(610)
    assert await steady.round() == ("list", set())


async def test_objects_are_listed_once_versions_mean_nothing_any_more(steady: Rounds) -> None:
    steady.objects.distrust_versions()
    assert await steady.round() == ("list", set())
    steady.objects.distrust_versions()
    restored = mirror(GOING)
    restored["spec"]["config"] = {"threads": 1}
    steady.served = [restored]
    assert await steady.round() == ("list", {GOING, STAYING})


async def test_a_new_leader_asks_about_the_objects_that_it_saw_while_it_stood_by() -> None:
    rounds = Rounds(mirror(STAYING))
    rounds.leads = False
    running = asyncio.create_task(rounds.scanner.run())

    async def scanned() -> bool:
        return rounds.scans.ended

    await eventually_async(scanned, every=0.005)
    rounds.see()
    await asyncio.sleep(0.05)
    assert rounds.asked == []
    rounds.leads = True
    rounds.scanner.hurry()

    async def has_looked() -> bool:
        return GOING in rounds.woken

    await eventually_async(has_looked, every=0.005)
    running.cancel()
    assert rounds.asked == ["count"]


async def test_nothing_is_asked_before_the_objects_are_known_from_the_watch_that_begins() -> None:
    rounds = Rounds(mirror(GOING), mirror(STAYING))
    rounds.watch.begins, rounds.watch.obstacle = True, BEGINS
    assert await rounds.round() == ("", set())


async def test_a_watch_that_was_listed_and_not_opened_yet_holds_up_no_missing_object() -> None:
    """The round that the end of the listing asked for may come before the watch is opened."""
    rounds = Rounds(mirror(STAYING))
    rounds.watch.begins, rounds.watch.obstacle = True, BEGINS
    rounds.see()
    assert await rounds.round() == ("", {GOING, STAYING})
    assert await rounds.round() == ("", {GOING})


async def test_while_a_watch_begins_again_nothing_is_asked_and_the_mirror_is_kept(steady: Rounds) -> None:
    steady.watch.begins, steady.watch.obstacle = True, BEGINS
    steady.finds = ABSENT
    assert await steady.round() == ("", {GOING})


async def test_a_first_round_wakes_nobody_whom_the_scan_does_not_concern() -> None:
    rounds = Rounds(mirror(GOING), mirror(STAYING))
    rounds.see()
    rounds.scans.succeeded(PRESENT)
    assert await rounds.round() == ("count", set())


async def test_all_are_woken_once_if_other_fields_of_a_status_are_not_served(steady: Rounds) -> None:
    for unserved in ({"inUse"}, {"inUse", "entryPoint"}, set[str]()):
        steady.unserved = frozenset(unserved)
        assert await steady.round() == ("count", {GOING, STAYING})
        assert await steady.round() == ("count", set())


async def test_a_plugin_without_an_object_is_woken_in_each_round_that_found_it(steady: Rounds) -> None:
    steady.served.remove(mirror(GOING))
    steady.see()
    for _ in range(2):
        assert await steady.round() == ("count", {GOING})
    unfit = mirror(GOING, 7)
    unfit["spec"]["version"] = "x" * 300
    steady.served.append(unfit)
    steady.see()
    assert await steady.round() == ("count", set()), "the object does not match the CRD, but it is there"
    steady.served.remove(unfit)
    steady.see()
    steady.finds = None
    assert await steady.round() == ("count", {STAYING}), "the scan failed"


async def test_an_object_listed_before_the_listing_broke_off_is_enqueued(steady: Rounds) -> None:
    steady.served.insert(0, mirror(OTHER))
    steady.breaks_off = True
    assert await steady.round() == ("count list", {OTHER})
    assert set(steady.objects) == {GOING, STAYING, OTHER}, "what the listing lacks is not gone"


async def test_a_first_listing_that_breaks_off_is_not_complete() -> None:
    rounds = Rounds(mirror(GOING), mirror(STAYING))
    rounds.breaks_off = True
    assert await rounds.round() == ("list", {GOING})
    assert not rounds.objects.complete
    assert rounds.completed == 0


async def test_faults_are_said_again_after_a_scan_that_failed_even_if_nothing_else_is_new() -> None:
    rounds = Rounds()
    damaged = scan().model_copy(update={"core_fault": "two versions"})
    with capture_logs() as logs:
        for finds in (damaged, damaged, None, damaged):
            rounds.finds = finds
            await rounds.round()
    said = [line["event"] for line in logs if line["log_level"] == "warning"]
    fault = "the installation of floe-core is inconsistent"
    assert said == [fault, "scan failed", fault]


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
