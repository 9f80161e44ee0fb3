"""What the scans of a process say of a plugin, over several of them."""

from __future__ import annotations

from typing import Any

import pytest

from floe_core.host.protocol import BrokenClaim, DistributionRef, FoundPlugin, ScanResult, Unreadable
from floe_core.plugin_types import PluginId, PluginType
from floe_operator.facts import Broken, Installed, NotInstalled, ScanFailed
from floe_operator.inventory import Inventory
from floe_operator.resource import FloePlugin

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


def after(*scans: ScanResult | str) -> Inventory:
    """The inventory after these scans; a text is why one failed."""
    inventory = Inventory()
    for one in scans:
        inventory.failed(one) if isinstance(one, str) else inventory.succeeded(one)
    return inventory


FULL = scan(DUCKDB, broken=(TWICE,))


@pytest.mark.parametrize(
    ("inventory", "kind", "name", "found"),
    [
        (after(), "compute", "duckdb", None),
        (after(FULL), "compute", "duckdb", Installed(DUCKDB)),
        (after(FULL), "dbt", "core", Broken(TWICE)),
        (after(FULL), "compute", "other", NotInstalled()),
        (after("no Python"), "compute", "duckdb", ScanFailed("no Python")),
        (after(FULL, "no Python"), "compute", "duckdb", ScanFailed("no Python")),
        (after(FULL, "no Python", FULL), "compute", "duckdb", Installed(DUCKDB)),
        (after(FULL, scan()), "compute", "duckdb", NotInstalled()),
        (after(scan(DUCKDB, partial=True)), "compute", "duckdb", Installed(DUCKDB)),
        (after(scan(partial=True)), "compute", "duckdb", ScanFailed("/site: permission denied")),
    ],
)
def test_the_last_scan_decides_and_what_it_could_not_see_is_not_gone(
    inventory: Inventory, kind: str, name: str, found: object
) -> None:
    assert inventory.discovery(an_object(kind, name)) == found


def test_what_a_scan_found_must_have_a_mirror_even_while_later_scans_fail() -> None:
    inventory = after(scan(DUCKDB, UNNAMEABLE, broken=(TWICE,)), "no Python")
    assert inventory.has_mirror(PluginId(PluginType.COMPUTE, "duckdb"))
    assert inventory.has_mirror(PluginId(PluginType.DBT, "core"))
    assert not inventory.has_mirror(PluginId(PluginType.COMPUTE, "other"))
    assert not inventory.has_mirror(PluginId(PluginType.COMPUTE, "a b"))
    assert inventory.unnameable() == [PluginId(PluginType.COMPUTE, "a b")]


def test_a_partial_scan_and_a_failed_one_make_no_known_plugin_unknown() -> None:
    plugin = PluginId(PluginType.COMPUTE, "duckdb")
    objects: list[FloePlugin] = []
    inventory = Inventory(lambda: objects)
    inventory.succeeded(scan(partial=True))
    assert plugin not in inventory.plugins
    discovered = {"type": "Discovered", "status": "True", "reason": "Installed", "message": ""}
    discovered["lastTransitionTime"] = "2030-01-01T00:00:00Z"
    objects.append(an_object("compute", "duckdb", conditions=[discovered]))
    inventory.objects_listed()
    assert plugin in inventory.plugins
    for later in (scan(partial=True), scan(DUCKDB), scan(partial=True)):
        inventory.succeeded(later)
        assert plugin in inventory.plugins
    inventory.failed("no Python")
    assert plugin in inventory.plugins
    inventory.succeeded(scan())
    assert plugin not in inventory.plugins
    assert not inventory.has_mirror(plugin)


def test_the_known_plugins_are_another_object_after_each_scan() -> None:
    inventory = after(FULL)
    before = inventory.plugins
    assert inventory.plugins is before
    inventory.succeeded(FULL)
    assert inventory.plugins is not before
    assert set(inventory.plugins) == set(before)
