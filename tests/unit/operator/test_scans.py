"""What a process knows about a plugin after several scans."""

from __future__ import annotations

from typing import Any

import pytest

from floe_core.host.protocol import BrokenClaim, DistributionRef, FoundPlugin, ScanResult, Unreadable
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.rules.facts import Broken, DiscoveryUnknown, Installed, NotInstalled
from floe_operator.rules.resource import FloePlugin
from floe_operator.scans import Scans

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
        scans.failed(one) if isinstance(one, str) else scans.succeeded(one)
    return scans


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


def test_the_collection_of_known_plugins_is_a_new_object_after_each_scan() -> None:
    scans = after(FULL)
    before = scans.plugins
    assert scans.plugins is before
    scans.succeeded(FULL)
    assert scans.plugins is not before
    assert set(scans.plugins) == set(before)
