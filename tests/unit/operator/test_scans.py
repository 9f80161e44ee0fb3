"""What a process knows about a plugin after several scans."""

from __future__ import annotations

from typing import Any

import pytest

from floe_core.host.protocol import BrokenClaim, DistributionRef, FoundPlugin, ScanResult, Unreadable
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.facts import Broken, DiscoveryUnknown, Installed, NotInstalled
from floe_operator.rules.resource import FloePlugin
from floe_operator.scans import News, Scans

DUCKDB = FoundPlugin(
    type="compute",
    name="duckdb",
    entry_point="duckdb = floe_duckdb:Plugin",
    distribution=DistributionRef(name="floe-duckdb", version="0.1.0"),
    fingerprint="1",
)
TWICE = BrokenClaim(
    type="dbt", name="core", reason="DuplicateEntryPoint", detail="a and b", claims=(DUCKDB, DUCKDB)
)
UPGRADED = DUCKDB.model_copy(update={"fingerprint": "2"})
CORE = DUCKDB.model_copy(update={"type": "dbt", "name": "core"})
NEW = CORE.model_copy(update={"name": "new"})
COMPUTE, DBT = PluginId(PluginType.COMPUTE, "duckdb"), PluginId(PluginType.DBT, "core")
OTHER = PluginId(PluginType.DBT, "other")
UNNAMEABLE = DUCKDB.model_copy(update={"name": "a b"})
UNREADABLE = Unreadable(where="/site", detail="permission denied", plugins_unknown=True)


def scan(*plugins: FoundPlugin, broken: tuple[BrokenClaim, ...] = (), partial: bool = False) -> ScanResult:
    return ScanResult(
        complete=not partial,
        fingerprint="1",
        distributions=1,
        plugins=plugins,
        broken=broken,
        unreadable=(UNREADABLE,) if partial else (),
    )


def an_object(kind: str, name: str, **status: Any) -> FloePlugin:
    spec = {"type": kind, "name": name}
    return FloePlugin.parse({"metadata": {"name": f"{kind}-{name}"}, "spec": spec, "status": status})


def after(*results: ScanResult | str) -> Scans:
    """Return what is known after these scans; a text is the reason why a scan failed."""
    scans = Scans()
    for one in results:
        learn(scans, one)
    return scans


def learn(scans: Scans, result: ScanResult | str) -> News:
    return scans.failed(result) if isinstance(result, str) else scans.succeeded(result)


def again(result: ScanResult) -> ScanResult:
    """Return what a scan finds that finds the same."""
    return ScanResult.model_validate_json(result.model_dump_json())


FULL = scan(DUCKDB, broken=(TWICE,))


@pytest.mark.parametrize(
    ("scans", "kind", "name", "found"),
    [
        (after(), "compute", "duckdb", None),
        (after(FULL), "compute", "duckdb", Installed(DUCKDB)),
        (after(FULL), "dbt", "core", Broken(TWICE)),
        (after(FULL), "compute", "other", NotInstalled()),
        (after("no Python"), "compute", "duckdb", DiscoveryUnknown("no Python")),
        (after(FULL, "no Python"), "compute", "duckdb", DiscoveryUnknown("no Python")),
        (after(FULL, "no Python", FULL), "compute", "duckdb", Installed(DUCKDB)),
        (after(FULL, scan()), "compute", "duckdb", NotInstalled()),
        (after(scan(DUCKDB, partial=True)), "compute", "duckdb", Installed(DUCKDB)),
        (after(scan(partial=True)), "compute", "duckdb", DiscoveryUnknown("/site: permission denied")),
    ],
)
def test_the_last_scan_decides_and_what_it_could_not_see_is_unknown(
    scans: Scans, kind: str, name: str, found: object
) -> None:
    assert scans.discovery(an_object(kind, name)) == found


def test_a_plugin_that_a_scan_found_must_have_a_mirror_even_while_later_scans_fail() -> None:
    scans = after(scan(DUCKDB, UNNAMEABLE, broken=(TWICE,)), "no Python")
    assert scans.must_exist(PluginId(PluginType.COMPUTE, "duckdb"))
    assert scans.must_exist(PluginId(PluginType.DBT, "core"))
    assert not scans.must_exist(PluginId(PluginType.COMPUTE, "other"))
    assert not scans.must_exist(PluginId(PluginType.COMPUTE, "a b"))
    assert scans.nameable() == [PluginId(PluginType.COMPUTE, "duckdb"), PluginId(PluginType.DBT, "core")]
    assert scans.unnameable() == [PluginId(PluginType.COMPUTE, "a b")]


def test_a_known_plugin_stays_known_after_a_partial_or_failed_scan() -> None:
    plugin = PluginId(PluginType.COMPUTE, "duckdb")
    objects: list[FloePlugin] = []
    scans = Scans(lambda: objects)
    scans.succeeded(scan(partial=True))
    assert plugin not in scans.plugins
    discovered = {"type": "Discovered", "status": "True", "reason": "Installed", "message": ""}
    discovered["lastTransitionTime"] = "2030-01-01T00:00:00Z"
    objects.append(an_object("compute", "duckdb", conditions=[discovered]))
    scans.objects_listed()
    assert plugin in scans.plugins
    for later in (scan(partial=True), scan(DUCKDB), scan(partial=True)):
        scans.succeeded(later)
        assert plugin in scans.plugins
    scans.failed("no Python")
    assert plugin in scans.plugins
    scans.succeeded(scan())
    assert plugin not in scans.plugins
    assert not scans.must_exist(plugin)


def test_the_collection_of_known_plugins_is_a_new_object_only_if_it_changes() -> None:
    scans = after(FULL)
    before = scans.plugins
    for same in (FULL, again(FULL), scan(UPGRADED, broken=(TWICE,))):
        scans.succeeded(same)
        scans.objects_listed()
        assert scans.plugins is before
    scans.failed("no Python")
    assert scans.plugins is before
    scans.succeeded(scan(DUCKDB))
    assert scans.plugins is not before
    assert set(scans.plugins) == {COMPUTE}


def mirrors() -> list[FloePlugin]:
    """Return the objects of two plugins that were once seen installed, and of one that never was."""
    discovered = {"type": "Discovered", "status": "True", "reason": "Installed", "message": ""}
    discovered["lastTransitionTime"] = "2030-01-01T00:00:00Z"
    status = {"conditions": [discovered]}
    return [
        an_object("compute", "duckdb", **status, distribution={"name": "floe-duckdb", "version": "0.1.0"}),
        an_object("dbt", "core", **status, distribution={"name": "floe-dbt", "version": "0.1.0"}),
        an_object("dbt", "other"),
    ]


HIDES_DUCKDB = UNREADABLE.model_copy(update={"project": "floe-duckdb"})
HIDDEN = scan(CORE).model_copy(update={"complete": False, "unreadable": (HIDES_DUCKDB,)})
BOTH = scan(DUCKDB, CORE)
# What was known before, what the next scan says, the objects about which that is news, and the plugins that
# have come or gone.
NEWS: dict[str, tuple[list[ScanResult | str], ScanResult | str, set[PluginId], set[PluginId]]] = {
    "the first scan": ([], BOTH, {COMPUTE, DBT, OTHER}, {COMPUTE, DBT}),
    "the same": ([BOTH], BOTH, set(), set()),
    "an equal one": ([BOTH], again(BOTH), set(), set()),
    "installed": ([scan(CORE)], BOTH, {COMPUTE}, {COMPUTE}),
    "installed without an object": (
        [BOTH],
        scan(DUCKDB, CORE, NEW),
        set(),
        {PluginId(PluginType.DBT, "new")},
    ),
    "upgraded": ([BOTH], scan(UPGRADED, CORE), {COMPUTE}, set()),
    "broken": ([BOTH], scan(DUCKDB, broken=(TWICE,)), {DBT}, set()),
    "broken otherwise": (
        [scan(DUCKDB, broken=(TWICE,))],
        scan(DUCKDB, broken=(TWICE.model_copy(update={"detail": "a and c"}),)),
        {DBT},
        set(),
    ),
    "mended": ([scan(DUCKDB, broken=(TWICE,))], BOTH, {DBT}, set()),
    "removed": ([BOTH], scan(CORE), {COMPUTE}, {COMPUTE}),
    "hidden by damage": ([BOTH], HIDDEN, {COMPUTE, OTHER}, set()),
    "hidden, then removed": ([BOTH, HIDDEN], scan(CORE), {COMPUTE, OTHER}, {COMPUTE}),
    "a failure": ([BOTH], "no Python", {COMPUTE, DBT, OTHER}, set()),
    "the same failure again": ([BOTH, "no Python"], "no Python", set(), set()),
    "recovery": ([BOTH, "no Python"], BOTH, {COMPUTE, DBT, OTHER}, set()),
    "recovery without a plugin": ([BOTH, "no Python"], scan(CORE), {COMPUTE, DBT, OTHER}, {COMPUTE}),
    "a failure at first": ([], "no Python", {COMPUTE, DBT, OTHER}, set()),
}


@pytest.mark.parametrize(("before", "result", "about", "come_or_gone"), NEWS.values(), ids=NEWS)
def test_the_news_of_a_scan_is_what_it_says_otherwise_than_the_one_before(
    before: list[ScanResult | str],
    result: ScanResult | str,
    about: set[PluginId],
    come_or_gone: set[PluginId],
) -> None:
    objects = mirrors()
    scans = Scans(lambda: objects)
    for one in before:
        learn(scans, one)
    news = learn(scans, result)
    assert (set(news.about), set(news.come_or_gone)) == (about, come_or_gone)


def test_an_object_that_shows_what_damage_hides_makes_its_plugin_come() -> None:
    objects: list[FloePlugin] = []
    scans = Scans(lambda: objects)
    scans.succeeded(HIDDEN)
    assert scans.objects_listed() == News()
    objects += mirrors()
    assert scans.objects_listed() == News(come_or_gone={COMPUTE})
    assert scans.objects_listed() == News()


@pytest.mark.parametrize(
    ("results", "changed"),
    [
        ((FULL,), False),
        ((FULL, FULL), False),
        ((FULL, FULL.model_copy(update={"fingerprint": "2"})), True),
        ((FULL, "no Python", FULL), False),
        ((FULL, "no Python", FULL.model_copy(update={"fingerprint": "2"})), True),
    ],
)
def test_a_changed_distribution_is_news_even_if_it_has_no_plugins(
    results: tuple[ScanResult | str, ...], *, changed: bool
) -> None:
    scans = after(*results[:-1])
    assert learn(scans, results[-1]).environment_changed is changed
