"""DependenciesReady on a real API server: which plugin waits for which, and which are reconciled again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from floe_core.plugin_types import PluginType
from localcluster import LocalCluster
from tests.integration.conftest import StartOperator
from tests.support.audit import Audit, now
from tests.support.distributions import Distribution, Environment, plugin_distribution
from tests.support.operator import FloePlugins
from tests.support.partial_scans import hidden
from tests.support.polling import eventually
from tests.support.standing import Standing, standing_operator


def needing(name: str, *needs: str, kind: PluginType = PluginType.COMPUTE, config: str = "") -> Distribution:
    return plugin_distribution(name, kind, config=config, body=f"dependencies = {list(needs)!r}")


PLUGINS = (
    needing("base", config="url: str"),
    needing("middle", "base"),
    needing("top", "middle"),
    needing("stranger"),
    needing("orphan", "nowhere"),
    needing("shared", kind=PluginType.COMPUTE),
    needing("shared", kind=PluginType.STORAGE),
    needing("asks-bare", "shared"),
    needing("asks-exactly", "storage/shared"),
    needing("shared", "shared", kind=PluginType.CATALOG),
    needing("ring-a", "ring-b"),
    needing("ring-b", "ring-c"),
    needing("ring-c", "ring-a"),
    needing("at-the-ring", "ring-a"),
)


@pytest.fixture(scope="module")
def standing(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing_operator(cluster, tmp_path_factory.mktemp("dependencies"), *PLUGINS) as standing:
        yield standing


@pytest.fixture
def plugins(standing: Standing) -> FloePlugins:
    return standing.reset()


def test_readiness_travels_up_the_chain_and_back(plugins: FloePlugins) -> None:
    plugins.until("compute-base", "Ready", "NotConfigured")
    plugins.until("compute-middle", "Ready", "DependencyNotReady")
    plugins.until("compute-top", "Ready", "DependencyNotReady")
    plugins.merge("compute-base", {"spec": {"config": {"url": "x"}}})
    plugins.until("compute-top", "Ready", "Ready")
    plugins.until("compute-middle", "DependenciesReady", "AllReady")
    plugins.merge("compute-base", {"spec": {"config": {"url": None}}})
    _, _, message = plugins.until("compute-top", "Ready", "DependencyNotReady")
    assert "compute/middle" in message


def test_only_dependents_are_written_when_a_dependency_becomes_ready(
    plugins: FloePlugins, audit: Audit
) -> None:
    plugins.until("compute-top", "Ready", "DependencyNotReady")
    plugins.until("compute-stranger", "Ready", "Ready")
    plugins.until("compute-asks-exactly", "Ready", "Ready")
    since = now()
    plugins.merge("compute-base", {"spec": {"config": {"url": "x"}}})
    plugins.until("compute-top", "Ready", "Ready")
    written = [name for _, name in audit.writes(namespace=plugins.namespace, since=since)]
    assert sorted(written) == ["compute-base/status", "compute-middle/status", "compute-top/status"]


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("compute-stranger", "NoDependencies", ""),
        ("compute-orphan", "DependencyMissing", "nowhere"),
        ("compute-asks-bare", "DependencyAmbiguous", "storage/shared"),
        ("catalog-shared", "DependencyAmbiguous", "compute/shared"),
        ("compute-asks-exactly", "AllReady", ""),
        (
            "compute-ring-a",
            "DependencyCycle",
            "compute/ring-a -> compute/ring-b -> compute/ring-c -> compute/ring-a",
        ),
        (
            "compute-ring-b",
            "DependencyCycle",
            "compute/ring-b -> compute/ring-c -> compute/ring-a -> compute/ring-b",
        ),
        (
            "compute-ring-c",
            "DependencyCycle",
            "compute/ring-c -> compute/ring-a -> compute/ring-b -> compute/ring-c",
        ),
        ("compute-at-the-ring", "DependencyNotReady", "compute/ring-a"),
    ],
)
def test_each_graph_has_its_reason(plugins: FloePlugins, name: str, reason: str, words: str) -> None:
    _, _, message = plugins.until(name, "DependenciesReady", reason)
    assert words in message


def test_a_plugin_starts_once_its_dependencies_are_ready_and_keeps_running_if_one_no_longer_is(
    plugins: FloePlugins,
) -> None:
    plugins.merge("compute-middle", {"spec": {"probe": {"periodSeconds": 1}}})
    plugins.until("compute-middle", "Healthy", "Probing", current=False)
    plugins.merge("compute-base", {"spec": {"config": {"url": "x"}}})
    plugins.until("compute-middle", "Ready", "Ready")
    plugins.merge("compute-base", {"spec": {"config": {"url": None}}})
    plugins.until("compute-middle", "Ready", "DependencyNotReady")
    assert plugins.condition("compute-middle", "Healthy")[:2] == ("True", "Healthy")


def test_a_dependent_is_ready_again_once_the_mirror_of_its_deleted_dependency_is_back(
    plugins: FloePlugins,
) -> None:
    plugins.until("compute-asks-exactly", "Ready", "Ready")
    plugins.delete("storage-shared")
    # The mirror comes back immediately, and the dependent ends as it was.
    plugins.until("storage-shared", "Ready", "Ready")
    plugins.until("compute-asks-exactly", "Ready", "Ready")


def _rounds(audit: Audit, plugins: FloePlugins, since: float, number: int) -> None:
    def listed() -> int:
        return len(audit.requests(namespace=plugins.namespace, verb="list", since=since))

    before = listed()
    eventually(lambda: listed() >= before + number, saying=f"{number} scans pass")


def test_a_partial_scan_hides_no_dependency_even_after_a_restart_during_it(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, audit: Audit
) -> None:
    environment.install(needing("base"), needing("top", "base"))
    operator = start_operator()
    for name in ("compute-base", "compute-top"):
        floeplugins.until(name, "Ready", "Ready")
    since = now()
    with hidden(environment, "floe_compute_base"):
        eventually(lambda: operator.logged("cannot read a distribution", "floe_compute_base"))
        _rounds(audit, floeplugins, since, 3)
        operator.stop()
        start_operator()
        _rounds(audit, floeplugins, now(), 3)
        assert audit.writes(namespace=floeplugins.namespace, since=since) == []
    _rounds(audit, floeplugins, now(), 2)
    assert audit.writes(namespace=floeplugins.namespace, since=since) == []


def test_a_cycle_is_reported_on_all_its_members_once_the_last_is_loaded_without_another_scan(
    environment: Environment, start_operator: StartOperator, floeplugins: FloePlugins, audit: Audit
) -> None:
    slow = plugin_distribution("slow", before="import time; time.sleep(2)", body="dependencies = ['early-a']")
    environment.install(needing("early-a", "early-b"), needing("early-b", "slow"), slow)
    start_operator("--scan-interval", "1h")
    for name in ("compute-early-a", "compute-early-b", "compute-slow"):
        floeplugins.until(name, "Stalled", "DependencyCycle")
