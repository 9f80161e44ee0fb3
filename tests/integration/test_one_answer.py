"""What is installed never depends on how metadata folders are called, and no mirror goes by mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from floe_core.plugin_types import PluginType
from tests.integration.conftest import StartOperator
from tests.support.audit import Audit, now
from tests.support.distributions import Distribution, Environment, plugin_distribution
from tests.support.http_pages import metric
from tests.support.operator import FloePlugins, OperatorProcess
from tests.support.polling import eventually
from tests.support.ports import free_port

NAMES = ("compute-alpha", "storage-beta")
PORT = free_port()


@pytest.fixture
def operator(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins
) -> OperatorProcess:
    """Return an operator; its plugins' metadata folders begin alike, as some installers name them."""
    environment.install(
        plugin_distribution("alpha"),
        plugin_distribution("beta", PluginType.STORAGE),
        Distribution("floe-typo", entry_points={"floe.compute": {"gamma": "floe_typo:Plugin"}}),
    )
    for name in NAMES:
        folder = environment.site_packages / f"floe_{name.replace('-', '_')}-0.1.0.dist-info"
        folder.rename(environment.site_packages / f"floe-{name}-0.1.0.dist-info")
    operator = start_operator("--http-port", str(PORT))
    for name in NAMES:
        floeplugins.until(name, "Ready", "Ready", within=90)
    return operator


@pytest.fixture
def scans(floeplugins: FloePlugins, audit: Audit) -> Callable[[int], None]:
    """Return a function that waits for this many more scans."""

    def wait(number: int) -> None:
        since = now()

        def enough() -> bool:
            seen = len(audit.requests(namespace=floeplugins.namespace, since=since, verb="list"))
            assert seen >= number, f"{seen} of {number} scans"
            return True

        eventually(enough, within=60)

    return wait


@pytest.mark.usefixtures("operator")
def test_projects_whose_folders_begin_alike_keep_their_mirrors(
    floeplugins: FloePlugins, scans: Callable[[int], None]
) -> None:
    before = floeplugins.all()
    scans(5)
    assert {name: found["metadata"]["uid"] for name, found in floeplugins.all().items()} == {
        name: found["metadata"]["uid"] for name, found in before.items()
    }
    assert set(before) == set(NAMES)


def test_a_leftover_that_hides_a_plugin_is_named_and_deletes_nothing(
    operator: OperatorProcess,
    environment: Environment,
    floeplugins: FloePlugins,
    scans: Callable[[int], None],
) -> None:
    assert metric(PORT, "floe_operator_unreadable_distributions") == 0
    Distribution("floe-compute-alpha", "0.2.0").unpack(environment.site_packages)
    _without_record(environment.site_packages)
    eventually(lambda: operator.logged("cannot read a distribution", "floe-compute-alpha-0.1.0.dist-info"))
    scans(5)
    assert floeplugins.condition("compute-alpha", "Ready") == floeplugins.condition("storage-beta", "Ready")
    assert metric(PORT, "floe_operator_unreadable_distributions") == 1


def _without_record(site_packages: Path) -> None:
    """Remove what would show that the older release is the one whose files are installed."""
    (site_packages / "floe-compute-alpha-0.1.0.dist-info" / "RECORD").unlink()


def test_an_unknown_group_is_said_once_and_counted(
    operator: OperatorProcess, scans: Callable[[int], None]
) -> None:
    scans(3)
    said = [line for line in operator.lines() if line.get("message") == "unknown group of entry points"]
    assert [(line["about"], line["level"]) for line in said] == [("floe-typo [floe.compute]", "warning")]
    assert "if [floe.computes] is meant, its author must correct it" in said[0]["reason"]
    assert metric(PORT, "floe_operator_unknown_entry_point_groups") == 1
    assert metric(PORT, "floe_operator_unreadable_distributions") == 0
