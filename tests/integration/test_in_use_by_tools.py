"""Helm and Flux ask for a plugin by applying type and name over its mirror, until they let go of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcluster import LocalCluster
from tests.support.distributions import plugin_distribution
from tests.support.flux import Flux, running_flux
from tests.support.helm import Helm, helm_program
from tests.support.in_use import until_told
from tests.support.operator import FloePlugins, manifest
from tests.support.polling import eventually
from tests.support.standing import Standing, standing_operator

NAME = "compute-quiet"
MANIFEST = manifest("compute", "quiet")
OTHER = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
"""A repository without objects is an error to Flux."""

RELEASE_NAME = "meta.helm.sh/release-name"
FLUX_LABELS = {f"kustomize.toolkit.fluxcd.io/{part}" for part in ("name", "namespace")}
MIRROR_LABELS = {"floe.dev/plugin-type": "compute"}


@pytest.fixture(scope="module")
def standing(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    quiet = plugin_distribution("quiet", config="word: str")
    with standing_operator(cluster, tmp_path_factory.mktemp("tools"), quiet) as standing:
        yield standing


@pytest.fixture
def plugins(standing: Standing) -> FloePlugins:
    plugins = standing.reset()
    judged(plugins, in_use=False)
    return plugins


@pytest.fixture
def helm(cluster: LocalCluster, plugins: FloePlugins, request: pytest.FixtureRequest, tmp_path: Path) -> Helm:
    return Helm(helm_program(request.config), cluster.kubeconfig, plugins.namespace, tmp_path)


@pytest.fixture(scope="module")
def running(
    cluster: LocalCluster,
    standing: Standing,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flux]:
    folder = tmp_path_factory.mktemp("flux")
    with running_flux(cluster, standing.plugins.namespace, request.config, folder) as flux:
        yield flux


@pytest.fixture
def flux(running: Flux, plugins: FloePlugins) -> Iterator[Flux]:
    del plugins  # the mirrors are bare before Flux sees them
    yield running
    running.remove()


def present(plugins: FloePlugins) -> dict[str, Any]:
    found = plugins.get(NAME)
    assert found is not None
    return found


def owners_of_spec(found: dict[str, Any]) -> set[str]:
    """Return the managers that own a field below spec."""
    return {entry["manager"] for entry in found["metadata"]["managedFields"] if "f:spec" in entry["fieldsV1"]}


def judged(plugins: FloePlugins, *, in_use: bool) -> dict[str, Any]:
    """Wait until the mirror is (not) in use and its conditions say so; return it."""
    found = until_told(plugins, NAME, "ConfigRequired" if in_use else "NotConfigured")
    assert found["spec"] == MANIFEST["spec"]
    return found


def until_made_anew(plugins: FloePlugins, before: dict[str, Any]) -> None:
    """Wait until the object is a bare mirror that is not the one of before, and not in use."""

    def bare() -> bool:
        found = present(plugins)
        assert found["metadata"]["uid"] != before["metadata"]["uid"]
        assert owners_of_spec(found) == {"floe-operator"}
        assert found["metadata"]["labels"] == MIRROR_LABELS
        assert "annotations" not in found["metadata"]
        return True

    eventually(bare, within=90, saying=f"{NAME} is made anew")
    judged(plugins, in_use=False)


@pytest.mark.parametrize(
    ("flag", "owners"), [("true", {"floe-operator", "helm"}), ("false", {"floe-operator"})]
)
def test_a_mirror_in_a_release_is_in_use_until_helm_uninstalls_it(
    plugins: FloePlugins, helm: Helm, flag: str, owners: set[str]
) -> None:
    helm.install("release", MANIFEST, flags=(f"--server-side={flag}",))
    found = judged(plugins, in_use=True)
    assert owners_of_spec(found) == owners
    assert found["metadata"]["annotations"][RELEASE_NAME] == "release"
    helm.uninstall("release")
    until_made_anew(plugins, found)


def test_helm_applies_server_side_unless_told_otherwise(plugins: FloePlugins, helm: Helm) -> None:
    helm.install("release", MANIFEST)
    assert owners_of_spec(judged(plugins, in_use=True)) == {"floe-operator", "helm"}


def test_what_helm_keeps_at_its_uninstallation_stays_in_use(plugins: FloePlugins, helm: Helm) -> None:
    annotations = {"helm.sh/resource-policy": "keep"}
    helm.install("release", {**MANIFEST, "metadata": {"name": NAME, "annotations": annotations}})
    before = judged(plugins, in_use=True)
    helm.uninstall("release")
    found = judged(plugins, in_use=True)
    assert found["metadata"]["uid"] == before["metadata"]["uid"]
    assert owners_of_spec(found) == {"floe-operator", "helm"}
    assert found["metadata"]["annotations"][RELEASE_NAME] == "release"


def in_use_by_flux(plugins: FloePlugins) -> dict[str, Any]:
    """Return the mirror once it is in use, and check that this is because of Flux alone."""
    found = judged(plugins, in_use=True)
    assert owners_of_spec(found) == {"floe-operator", "kustomize-controller"}
    assert found["metadata"]["labels"].keys() == {*MIRROR_LABELS, *FLUX_LABELS}
    assert "annotations" not in found["metadata"]
    return found


def applied_by_flux(plugins: FloePlugins, flux: Flux, *, prune: bool) -> dict[str, Any]:
    """Have a Kustomization apply the mirror's manifest, beside another object; return the mirror."""
    flux.push(MANIFEST, OTHER)
    flux.kustomize("plugins", prune=prune)
    flux.until_applied("plugins")
    return in_use_by_flux(plugins)


def test_a_mirror_that_flux_applies_is_in_use_until_its_kustomization_prunes_it(
    plugins: FloePlugins, flux: Flux
) -> None:
    before = applied_by_flux(plugins, flux, prune=True)
    flux.remove("plugins")
    until_made_anew(plugins, before)


def test_a_mirror_that_flux_applies_is_in_use_until_it_leaves_the_repository(
    plugins: FloePlugins, flux: Flux
) -> None:
    before = applied_by_flux(plugins, flux, prune=True)
    flux.push(OTHER)
    flux.until_applied("plugins")
    until_made_anew(plugins, before)


def test_what_flux_does_not_prune_stays_in_use(plugins: FloePlugins, flux: Flux) -> None:
    before = applied_by_flux(plugins, flux, prune=False)
    flux.push(OTHER)
    flux.until_applied("plugins")
    flux.remove("plugins")
    after = in_use_by_flux(plugins)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
